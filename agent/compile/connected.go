package compile

import (
	"slices"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Connected is a connection on a switch: what it is there, without the numbers that are given to it.
type Connected struct {
	Connection *ixapi.Connection
	Interfaces []string       // its ports on the switch, in the order of [switchcfg.CompareNames]
	LAG        *switchcfg.LAG // nil if it is none, or none is made
	Standing
	Ends []End // its configs that have not ended, in the order of their ids
}

// End is a network service config on a switch.
type End struct {
	Config  *ixapi.NetworkServiceConfig
	Match   switchcfg.Match    // as the config asks for, also where no circuit is made
	Circuit *switchcfg.Circuit // nil if none is made
	Filter  *switchcfg.Filter  // its own; nil where every station may speak
	Service Joined
	Standing
}

// Standing says whether a record is on its switch.
type Standing struct {
	Made   bool   // it is, or will be
	Frozen bool   // it is not made, and what stands for it stays as it is found
	Shut   bool   // it is made, and passes nothing yet
	Tag    Tag    // of what is refused: why,
	Why    string // and of all that is not made, in the words for an operator
}

// Joined is the service that a config joins. Of one made per order the name is the exchange's own.
type Joined struct {
	Name  string // of a service of the inventory its name there, otherwise the id of the network service
	Fixed bool   // it is of the inventory
	Type  ixapi.ServiceType
	NNI   *config.NNI      // of a cloud service: where it goes,
	VLAN  switchcfg.VLANID // and the provider's VLAN there
}

// Connected returns the connections on a switch, but for those that have ended. Their order means nothing.
func (c *Compiler) Connected(device string) []Connected {
	d := c.devices[device]
	if d == nil {
		return nil
	}
	out := make([]Connected, 0, len(d.units))
	for _, u := range d.units {
		conn := c.records.connections[u.id]
		if conn == nil {
			continue
		}
		if f, _ := connectionFate(conn.State, c.policy); f == gone {
			continue
		}
		out = append(out, c.connected(u, conn))
	}
	return out
}

func (c *Compiler) connected(u *unit, conn *ixapi.Connection) Connected {
	out := Connected{Connection: conn, Standing: Standing{Made: len(u.objects) > 0}}
	out.Interfaces = c.interfaces(u, conn)
	if out.Made {
		switch o := u.objects[len(u.objects)-1].(type) {
		case *switchcfg.LAG:
			out.LAG, out.Shut = o, o.Shutdown
		case *switchcfg.Interface:
			out.Shut = o.Shutdown
		}
	} else {
		out.Standing = u.without(ixapi.Connections, conn.ID, "connection "+conn.ID+" is in state "+string(conn.State))
	}
	for _, n := range c.records.configs[u.id] {
		if f, _ := c.fate(u, n); f != gone {
			out.Ends = append(out.Ends, c.end(u, n))
		}
	}
	return out
}

// interfaces returns those of a connection on its switch.
func (c *Compiler) interfaces(u *unit, conn *ixapi.Connection) []string {
	var out []string
	add := func(p *ixapi.Port) {
		if at, ok := c.inv.Attachment(p); ok && at.Device == u.device.Device {
			out = append(out, at.Port.Interface)
		}
	}
	for _, id := range conn.Ports {
		if p := c.records.ports[id]; p != nil {
			add(p)
		}
	}
	if len(conn.Ports) == 0 {
		if p := c.records.portOf(conn.ID); p != nil {
			add(p)
		}
	}
	slices.SortFunc(out, switchcfg.CompareNames)
	return slices.Compact(out)
}

// without returns the standing of a record that is not made: it is refused, or it is not wanted yet.
func (u *unit) without(collection ixapi.Collection, id ixapi.ID, dormant string) Standing {
	for i := range u.rejections {
		if r := &u.rejections[i]; r.Collection == collection && r.ID == id && r.Refused() {
			return Standing{Frozen: true, Tag: r.Tag, Why: r.Message}
		}
	}
	return Standing{Why: dormant}
}

func (c *Compiler) end(u *unit, n *ixapi.NetworkServiceConfig) End {
	out := End{Config: n, Match: asked(n.VLANConfig), Service: Joined{Name: n.NetworkService, Type: n.Type}}
	i := slices.IndexFunc(u.attachments, func(a attachment) bool { return a.config == n })
	if i >= 0 && u.attachments[i].group != nil {
		a := &u.attachments[i]
		out.Service = Joined{Name: a.group.key.id, Fixed: a.group.key.fixed, Type: n.Type, NNI: a.group.nni, VLAN: a.cloud}
		switch r := a.group.refusal; {
		case a.circuit == nil:
		case r != nil:
			out.Match = a.circuit.Match
			out.Standing = Standing{Frozen: true, Tag: r.tag, Why: r.message}
			return out
		default:
			out.Match, out.Circuit, out.Filter = a.circuit.Match, a.circuit, a.filter
			out.Made, out.Shut = true, a.circuit.Shutdown
			return out
		}
	}
	out.Standing = u.without(ixapi.NetworkServiceConfigs, n.ID, "network-service-config "+n.ID+" is in state "+string(n.State))
	return out
}

// asked returns the frames that a config asks for, as far as it can be told.
func asked(v *ixapi.VLANConfig) switchcfg.Match {
	if v == nil {
		return switchcfg.MatchUntagged()
	}
	t, _ := v.TPID()
	switch v.Type {
	case ixapi.VLANTypeDot1Q:
		return switchcfg.MatchSingle(switchcfg.TPID(t), switchcfg.VLANID(v.VLAN))
	case ixapi.VLANTypeQinQ:
		return switchcfg.MatchDouble(switchcfg.TPID(t), switchcfg.VLANID(v.OuterVLAN), switchcfg.VLANID(v.InnerVLAN))
	}
	return switchcfg.MatchUntagged()
}
