package compile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/rest"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// The kinds of record in a [switchcfg.Tag].
const (
	markConnection = "conn"
	markPort       = "port"
	markConfig     = "nsc"
	markService    = "ns"
	markLAN        = "lan"
)

// unit is a connection with its configs, compiled.
type unit struct {
	id          ixapi.ID
	device      *device            // nil if the connection is on none of the inventory's
	everywhere  bool               // freezes hold on every device
	parent      string             // LAG or interface that carries the circuits; "" if it is not known
	objects     []switchcfg.Object // the ports and the LAG
	attachments []attachment
	circuits    []switchcfg.Circuit // of the attachments, in one piece of memory
	freezes     []plan.Freeze
	rejections  []Rejection
	names       map[string]string // as in [plan.Intent]
	text        strings.Builder   // the memory of descriptions and names
	last, next  time.Time         // the instants around now at which a MAC window begins or ends; zero for none
}

// attachment is a config that has an end on a switch.
type attachment struct {
	unit    *unit
	config  *ixapi.NetworkServiceConfig
	group   *group
	circuit *switchcfg.Circuit // nil if frozen
	filter  *switchcfg.Filter  // its own; nil if it shares the control filter
	cloud   switchcfg.VLANID   // the provider's VLAN
	fate    fate
	frozen  bool // it is there or not, and nobody touches it
}

func (a *attachment) reject(tag Tag, severity int, message string, attrs map[string]any) Rejection {
	r := Rejection{
		Collection: ixapi.NetworkServiceConfigs, ID: a.config.ID, Account: a.config.ConsumingAccount,
		Severity: severity, Tag: tag, Message: message, Attrs: attrs,
	}
	if a.unit.device != nil {
		r.Device = a.unit.device.Name
	}
	return r
}

// number gives a connection that is or will be a LAG its number, and notes when the connection has ended.
func (c *Compiler) number(conn *ixapi.Connection) {
	owner := markConnection + ":" + conn.ID
	f, _ := connectionFate(conn.State, c.policy)
	if f == gone {
		c.alloc.Release(owner, c.now)
		return
	}
	if !f.made() || conn.Faulty || conn.Mode != ixapi.ModeLAGLACP && conn.Mode != ixapi.ModeLAGStatic || len(conn.Ports) == 0 {
		return
	}
	if port := c.records.ports[conn.Ports[0]]; port != nil {
		if at, ok := c.inv.Attachment(port); ok {
			pool, pinned := at.Device.LAGPool(), uint32(0)
			if n, ok := at.Device.LAGNumber(conn.ID); ok {
				pool, pinned = nil, n
			}
			c.alloc.Take("lag/"+at.Device.Name, owner, pool, pinned, c.now)
		}
	}
}

// lag returns the number that the LAG of a connection has on a device: the one that the inventory pins, or the one that
// it was given, unless that is pinned for another.
func (c *Compiler) lag(d *config.Device, conn ixapi.ID) (uint32, bool) {
	if n, ok := d.LAGNumber(conn); ok {
		return n, true
	}
	n, ok := c.alloc.Lookup("lag/"+d.Name, markConnection+":"+conn)
	return n, ok && d.LAGOwner(n) == ""
}

// retire releases the numbers of a service that has ended.
func (c *Compiler) retire(s *ixapi.NetworkService) {
	if f, _ := commonFate(s.State, noPolicy); f != gone {
		return
	}
	c.alloc.Release(markService+":"+s.ID, c.now)
	for h := 1; h <= s.Diversity; h++ {
		c.alloc.Release(markService+":"+s.ID+handoverSuffix(h), c.now)
	}
}

// compile compiles the connection of that id with its configs. It reads the compiler and changes nothing but
// the allocation of unit numbers on the connection's own parent.
func (c *Compiler) compile(id ixapi.ID) *unit {
	u := &unit{id: id}
	conn, configs := c.records.connections[id], c.records.configs[id]
	if conn == nil {
		for _, n := range configs {
			c.orphan(u, n)
		}
		return u
	}
	f, tag := connectionFate(conn.State, c.policy)
	u.locate(c, conn)
	switch {
	case f == gone:
		c.inactive(u, conn, configs)
		return u
	case conn.Faulty:
		u.refuse(conn, TagUnreadable, severityError, c.records.fault(ixapi.Connections, id), nil)
	case f == dormant:
		u.hold(plan.Freeze{Record: u.record(markConnection, id), Why: fmt.Sprintf("connection %s is in state %s", id, conn.State), Cause: u.cause(conn)})
		c.inactive(u, conn, configs)
		return u
	case f == frozen:
		message, attrs := unfit("connection", id, conn.State, conn.Status, tag)
		u.refuse(conn, tag, severityError, message, attrs)
	default:
		u.reserve(conn, configs)
		c.ports(u, conn, f)
	}
	if u.parent == "" && u.device == nil && len(u.rejections) == 0 {
		return u // it is on a device of somebody else
	}
	refused := len(u.rejections) > 0
	u.attachments = make([]attachment, 0, len(configs))
	for _, n := range configs {
		c.attach(u, conn, n, refused)
	}
	if !refused {
		u.still(conn)
		c.collide(u, conn)
		u.ethertype(conn, configs)
	} else {
		u.objects = nil
	}
	return u
}

// unfit says that a record stays as it is because of its state, and what the exchange says of that.
func unfit(kind string, id ixapi.ID, s ixapi.State, status []ixapi.StatusMessage, tag Tag) (string, map[string]any) {
	attrs := map[string]any{"state": string(s)}
	switch tag {
	case TagStateRedacted:
		return fmt.Sprintf("the state of %s %s is not shown to the agent: what stands for it on switches is left as it is", kind, id), attrs
	case TagStateUnknown:
		return fmt.Sprintf("%s %s is in state %q, which the agent does not know: what stands for it on switches is left as it is", kind, id, s), attrs
	}
	return fmt.Sprintf("%s %s is in state %s%s: what stands for it on switches is left as it is", kind, id, s, said(status)), attrs
}

// said returns what the exchange says of a state, to follow it.
func said(status []ixapi.StatusMessage) string {
	if len(status) == 0 || status[0].Message == "" {
		return ""
	}
	return fmt.Sprintf(" (%q)", rest.Clip(status[0].Message))
}

// mark returns the description of what stands for a record.
func (u *unit) mark(kind string, id, account ixapi.ID) string {
	u.note(kind, id)
	var b [switchcfg.MaxDescription]byte
	return keep(&u.text, switchcfg.AppendDescription(b[:0], kind, id, account))
}

// reserve makes room for what a connection in good order keeps.
func (u *unit) reserve(conn *ixapi.Connection, configs []*ixapi.NetworkServiceConfig) {
	const around = len("ixagent port: acct:")
	size := around + len(conn.ID) + len(conn.ConsumingAccount)
	for _, p := range conn.Ports {
		size += around + len(p) + len(conn.ConsumingAccount)
	}
	for _, n := range configs {
		size += around + len(n.ID) + len(n.ConsumingAccount)
		if len(n.MACs) > 0 {
			size += len(switchcfg.Prefix+"."+"4294967295") + len(u.parent)
		}
	}
	u.text.Grow(size)
}

// record returns a record as it is in a tag.
func (u *unit) record(kind string, id ixapi.ID) string {
	u.note(kind, id)
	return switchcfg.NewTag(kind, id, "").Record
}

// note remembers the id of a record where a tag has to shorten it.
func (u *unit) note(kind string, id ixapi.ID) {
	if !switchcfg.TagHolds(id) {
		if u.names == nil {
			u.names = make(map[string]string)
		}
		u.names[switchcfg.NewTag(kind, id, "").Record] = kind + ":" + id
	}
}

func (u *unit) cause(conn *ixapi.Connection) plan.Cause {
	return plan.Cause{Record: markConnection + ":" + conn.ID, Account: conn.ConsumingAccount}
}

func (u *unit) hold(f ...plan.Freeze) { u.freezes = append(u.freezes, f...) }

// locate finds the device and the parent as far as the record tells, without judging it.
func (u *unit) locate(c *Compiler, conn *ixapi.Connection) {
	var first *config.Port
	at := func(port *ixapi.Port) {
		if at, ok := c.inv.Attachment(port); ok && u.device == nil {
			u.device, first = c.devices[at.Device.Name], at.Port
		}
	}
	for _, id := range conn.Ports {
		if port := c.records.ports[id]; port != nil {
			at(port)
		}
	}
	if u.device == nil && len(conn.Ports) == 0 {
		// The ports may still say which connection they are in when the connection does not show its ports.
		if port := c.records.portOf(conn.ID); port != nil {
			at(port)
		}
	}
	if u.device == nil {
		// A LAG keeps its number when its ports are no longer shown.
		for _, d := range c.inv.Devices {
			if n, ok := c.lag(d, conn.ID); ok {
				u.device, u.parent = c.devices[d.Name], d.LAGName(n)
				break
			}
		}
	}
	if u.device == nil {
		return
	}
	if n, ok := c.lag(u.device.Device, conn.ID); ok {
		u.parent = u.device.LAGName(n)
	} else if first != nil && conn.Mode == ixapi.ModeStandalone {
		u.parent = first.Interface
	}
}

// refuse keeps a connection as it is found and says why.
func (u *unit) refuse(conn *ixapi.Connection, tag Tag, severity int, message string, attrs map[string]any) {
	r := Rejection{Collection: ixapi.Connections, ID: conn.ID, Account: conn.ConsumingAccount, Severity: severity, Tag: tag, Message: message, Attrs: attrs}
	if u.device != nil {
		r.Device = u.device.Name
	}
	u.rejections = append(u.rejections, r)
	f := plan.Freeze{Record: u.record(markConnection, conn.ID), Why: message, Cause: u.cause(conn)}
	u.hold(f)
	if u.parent != "" {
		f.Record, f.Under = "", true
		f.Key = switchcfg.Key{Kind: switchcfg.KindLAG, Name: u.parent}
		u.hold(f)
		f.Key.Kind = switchcfg.KindInterface
		u.hold(f)
	}
	for _, p := range conn.Ports {
		u.hold(plan.Freeze{Record: u.record(markPort, p), Why: message, Cause: u.cause(conn)})
	}
}

// inactive refuses the configs that want to be on a connection that is not in service.
func (c *Compiler) inactive(u *unit, conn *ixapi.Connection, configs []*ixapi.NetworkServiceConfig) {
	u.attachments = make([]attachment, 0, len(configs))
	for _, n := range configs {
		f, tag := c.fate(u, n)
		u.attachments = append(u.attachments, attachment{unit: u, config: n, fate: f, frozen: true})
		a := &u.attachments[len(u.attachments)-1]
		switch {
		case f == gone || f == dormant && !n.Faulty:
			c.keepDormant(u, n, f)
			u.detach()
			continue
		case f == frozen:
			message, attrs := unfit("network-service-config", n.ID, n.State, n.Status, tag)
			u.refuseConfig(a, tag, severityError, message, attrs)
		case n.Faulty:
			u.refuseConfig(a, TagUnreadable, severityError, c.records.fault(ixapi.NetworkServiceConfigs, n.ID), nil)
		default:
			u.refuseConfig(a, TagConnectionInactive, severityWarning,
				fmt.Sprintf("network-service-config %s is in state %s and its connection %s in state %s%s: a connection carries services only in production", n.ID, n.State, conn.ID, conn.State, said(conn.Status)),
				map[string]any{"connection": conn.ID, "connection_state": string(conn.State)})
		}
		if j, _, _, _, why := c.service(a, c.records.services[n.NetworkService]); why == "" {
			c.enlist(a, j)
		} else {
			u.detach()
		}
	}
}

// orphan refuses a config whose connection is not among the records.
func (c *Compiler) orphan(u *unit, n *ixapi.NetworkServiceConfig) {
	f, tag := c.fate(u, n)
	a := &attachment{unit: u, config: n, fate: f, frozen: true}
	switch {
	case f == gone || f == dormant:
		c.keepDormant(u, n, f)
	case n.Faulty:
		u.refuseConfig(a, TagUnreadable, severityError, c.records.fault(ixapi.NetworkServiceConfigs, n.ID), nil)
	case n.Connection == "" && n.RoutingFunction != "":
		u.refuseConfig(a, TagRoutedOnly, severityInfo, fmt.Sprintf("network-service-config %s hangs on routing function %s and has no connection: there is nothing to configure on a switch", n.ID, n.RoutingFunction), nil)
	case f == frozen:
		message, attrs := unfit("network-service-config", n.ID, n.State, n.Status, tag)
		u.refuseConfig(a, tag, severityError, message, attrs)
	case n.Connection == "":
		u.refuseConfig(a, TagConnectionUnknown, severityError, fmt.Sprintf("network-service-config %s shows neither a connection nor a routing function", n.ID), nil)
	default:
		u.refuseConfig(a, TagConnectionUnknown, severityError, fmt.Sprintf("network-service-config %s is on connection %s, which the exchange does not list", n.ID, n.Connection), map[string]any{"connection": n.Connection})
	}
}

// keepDormant freezes what may stand on a switch for a config that is not provisioned yet: normally nothing.
func (c *Compiler) keepDormant(u *unit, n *ixapi.NetworkServiceConfig, f fate) {
	if f == dormant {
		u.hold(plan.Freeze{Record: u.record(markConfig, n.ID), Why: fmt.Sprintf("network-service-config %s is in state %s", n.ID, n.State), Cause: configCause(n)})
	}
}

func configCause(n *ixapi.NetworkServiceConfig) plan.Cause {
	return plan.Cause{Record: markConfig + ":" + n.ID, Account: n.ConsumingAccount}
}

// refuseConfig keeps what stands for a config as it is found and says why. A remark about a config that is not
// wanted on a switch yet refuses nothing.
func (u *unit) refuseConfig(a *attachment, tag Tag, severity int, message string, attrs map[string]any) {
	if a.fate == dormant && severity < severityNotice {
		severity = severityNotice
	}
	u.rejections = append(u.rejections, a.reject(tag, severity, message, attrs))
	a.frozen, a.circuit, a.filter = true, nil, nil
	u.hold(plan.Freeze{Record: u.record(markConfig, a.config.ID), Why: message, Cause: configCause(a.config)})
	u.everywhere = u.everywhere || a.config.Type == ixapi.ServiceCloud
}

// ports makes the interfaces and the LAG of a connection, or refuses it.
func (c *Compiler) ports(u *unit, conn *ixapi.Connection, f fate) {
	refuse := func(tag Tag, attrs map[string]any, format string, args ...any) {
		u.refuse(conn, tag, severityError, fmt.Sprintf("connection %s ", conn.ID)+fmt.Sprintf(format, args...), attrs)
	}
	var places []config.Attachment
	elsewhere := 0
	for _, id := range conn.Ports {
		port := c.records.ports[id]
		if port == nil {
			refuse(TagPortsMissing, map[string]any{"port": id}, "has port %s, which the exchange does not list", id)
			return
		}
		if port.Faulty {
			refuse(TagUnreadable, map[string]any{"port": id}, "has a port that is not readable: %s", c.records.fault(ixapi.Ports, id))
			return
		}
		at, ok := c.inv.Attachment(port)
		if !ok {
			if _, ours := c.inv.DeviceByID(port.Device); ours || u.device != nil {
				refuse(TagPortUnmapped, map[string]any{"port": id}, "has port %s (%s), which the inventory does not map to an interface", id, port.Name)
				return
			}
			elsewhere++
			continue
		}
		if port.Device != "" {
			if there, ok := c.inv.DeviceByID(port.Device); !ok || there != at.Device {
				refuse(TagPortMoved, map[string]any{"port": id, "device": port.Device}, "has port %s on device %s at the exchange and on %s in the inventory", id, port.Device, at.Device.Name)
				return
			}
		}
		if others := c.records.sharers[id]; len(others) > 1 {
			refuse(TagPortShared, map[string]any{"port": id, "connections": others}, "shares port %s with another: connections %s", id, strings.Join(others, " and "))
			return
		}
		places = append(places, at)
	}
	switch {
	case len(conn.Ports) == 0:
		refuse(TagPortsMissing, nil, "has no ports")
		return
	case elsewhere == len(conn.Ports):
		u.device = nil
		return
	}
	for _, p := range places {
		if p.Device != u.device.Device {
			refuse(TagPortsApart, map[string]any{"devices": []string{u.device.Name, p.Device.Name}}, "has ports on %s and on %s: a LAG ends on one switch", u.device.Name, p.Device.Name)
			return
		}
	}
	down := f == prestaged
	description := u.mark(markConnection, conn.ID, conn.ConsumingAccount)
	var storm switchcfg.Kbps
	if u.device.caps.StormControl {
		storm = c.inv.StormControl
	}
	if conn.Mode == ixapi.ModeStandalone {
		if len(places) != 1 {
			refuse(TagPortsNotOne, map[string]any{"ports": len(places)}, "is standalone and has %d ports", len(places))
			return
		}
		u.parent = places[0].Port.Interface
		u.objects = append(u.objects, &switchcfg.Interface{Name: u.parent, Description: description, Shutdown: down, MTU: u.device.MTU, StormControl: storm})
		return
	}
	lag := &switchcfg.LAG{Description: description, Shutdown: down, MinLinks: 1, MTU: u.device.MTU, StormControl: storm}
	switch conn.Mode {
	case ixapi.ModeLAGLACP:
		lag.Mode, lag.Rate = switchcfg.ModeLACP, switchcfg.RateSlow
		switch {
		case !u.device.caps.LACP:
			refuse(TagLACPUnsupported, nil, "needs LACP, which %s does not have", u.device.Name)
			return
		case conn.LACPTimeout == ixapi.LACPTimeoutFast:
			lag.Rate = switchcfg.RateFast
		case conn.LACPTimeout != ixapi.LACPTimeoutSlow && conn.LACPTimeout != "":
			refuse(TagLACPTimeout, map[string]any{"lacp_timeout": string(conn.LACPTimeout)}, "has LACP timeout %q, neither slow nor fast", conn.LACPTimeout)
			return
		}
	case ixapi.ModeLAGStatic:
		lag.Mode = switchcfg.ModeStatic
	case ixapi.ModeFlexEthernet:
		refuse(TagModeUnsupported, map[string]any{"mode": string(conn.Mode)}, "has mode flex_ethernet, which the agent does not configure")
		return
	default:
		refuse(TagModeUnknown, map[string]any{"mode": string(conn.Mode)}, "has mode %q, which the agent does not know", conn.Mode)
		return
	}
	if m := u.device.caps.Limits.LAGMembers; m > 0 && len(places) > m {
		refuse(TagLAGTooLarge, map[string]any{"ports": len(places), "limit": m}, "has %d ports, and a LAG of %s at most %d", len(places), u.device.Name, m)
		return
	}
	number, ok := c.lag(u.device.Device, conn.ID)
	if owner := u.device.LAGOwner(number); !ok && owner != "" {
		refuse(TagLAGNumbers, map[string]any{"other": owner}, "has had LAG %s, which the inventory pins for connection %s", u.device.LAGName(number), owner)
		return
	}
	if !ok {
		refuse(TagLAGNumbers, map[string]any{"range": u.device.LAGs.Range.String()}, "needs a LAG number, and none of %s on %s is free", u.device.LAGs.Range, u.device.Name)
		return
	}
	u.parent = u.device.LAGName(number)
	lag.Name = u.parent
	for i, p := range places {
		port := u.mark(markPort, conn.Ports[i], conn.ConsumingAccount)
		u.objects = append(u.objects, &switchcfg.Interface{Name: p.Port.Interface, Description: port, Shutdown: down, MTU: u.device.MTU})
		lag.Members = append(lag.Members, p.Port.Interface)
	}
	slices.SortFunc(lag.Members, switchcfg.CompareNames)
	u.objects = append(u.objects, lag)
}

// collide refuses the configs of a connection whose encapsulations exclude each other, naming both, and those
// that would bridge the port to itself.
func (c *Compiler) collide(u *unit, conn *ixapi.Connection) {
	made := make([]*attachment, 0, len(u.attachments))
	for i := range u.attachments {
		if a := &u.attachments[i]; a.circuit != nil {
			made = append(made, a)
		}
	}
	if len(made) < 2 {
		return
	}
	slices.SortStableFunc(made, func(a, b *attachment) int {
		x, y := a.circuit.Match, b.circuit.Match
		if !x.Tagged() || !y.Tagged() {
			return cmp.Compare(x.Encapsulation(), y.Encapsulation())
		}
		if x.TPID != y.TPID {
			return int(x.TPID) - int(y.TPID)
		}
		if x.Outer != y.Outer {
			return int(x.Outer) - int(y.Outer)
		}
		return int(x.Inner) - int(y.Inner)
	})
	var refused map[*attachment]func() // made when needed
	refuse := func(a, other *attachment, tag Tag, message string) {
		if refused == nil {
			refused = make(map[*attachment]func())
		}
		if refused[a] == nil {
			refused[a] = func() {
				u.refuseConfig(a, tag, severityError, message, map[string]any{"other": other.config.ID, "connection": conn.ID})
			}
		}
	}
	both := func(tag Tag, format string, group []*attachment) {
		for i, a := range group {
			other := group[(i+1)%len(group)]
			refuse(a, other, tag, fmt.Sprintf(format, a.config.ID, a.circuit.Match, other.config.ID, conn.ID))
		}
	}
	for i := 0; i < len(made); {
		j := i + 1
		first := made[i].circuit.Match
		for j < len(made) && made[j].circuit.Match.Encapsulation() == first.Encapsulation() {
			j++
		}
		same := made[i:j]
		i = j
		switch {
		case len(same) < 2:
		case first.Form != switchcfg.Double:
			both(TagCollision, "network-service-config %s (%s) and %s on connection %s take the same frames", same)
		default:
			for k := 0; k < len(same); {
				l := k + 1
				for l < len(same) && same[l].circuit.Match == same[k].circuit.Match {
					l++
				}
				if l-k > 1 {
					both(TagCollision, "network-service-config %s (%s) and %s on connection %s take the same frames", same[k:l])
				}
				k = l
			}
		}
	}
	if first := made[0]; !first.circuit.Match.Tagged() {
		refuse(first, made[1], TagPortNotAlone, fmt.Sprintf("network-service-config %s takes the whole port, and %s is on connection %s too", first.config.ID, made[1].config.ID, conn.ID))
	}
	for _, loop := range loops(made) {
		both(TagSelfLoop, "network-service-config %s (%s) and %s would bridge connection %s to itself", loop)
	}
	if u.device.caps.PortVLANs {
		u.apart(made, conn, refuse)
	}
	for _, a := range made {
		if f := refused[a]; f != nil {
			f()
		}
	}
}

// still refuses the circuits of a port beside one that is left as it is, where what is said of either is said of the
// whole port: what stands there is not known.
func (u *unit) still(conn *ixapi.Connection) {
	i := slices.IndexFunc(u.attachments, func(a attachment) bool { return a.fate == frozen })
	if i < 0 || !u.device.caps.PortVLANs {
		return
	}
	other := u.attachments[i].config.ID
	for i := range u.attachments {
		if a := &u.attachments[i]; a.circuit != nil {
			u.refuseConfig(a, TagNotTogether, severityWarning,
				fmt.Sprintf("network-service-config %s is on connection %s with %s, which is left as it is: on %s, a port is changed as a whole", a.config.ID, conn.ID, other, u.device.Name),
				map[string]any{"other": other, "connection": conn.ID})
		}
	}
}

// apart refuses the circuits that cannot be together on a port of a device on which much is said of the whole port. As
// none of them is known to stand there already, it is both.
func (u *unit) apart(made []*attachment, conn *ixapi.Connection, refuse func(a, other *attachment, tag Tag, message string)) {
	for i, a := range made {
		for _, b := range made[i+1:] {
			err := u.device.caps.Beside(a.circuit, b.circuit)
			if err == nil {
				continue
			}
			for _, x := range [...][2]*attachment{{a, b}, {b, a}} {
				refuse(x[0], x[1], TagNotTogether, fmt.Sprintf("network-service-config %s (%s) and %s cannot both be on connection %s, one needs a connection of its own: on %s, %s",
					x[0].config.ID, x[0].circuit.Match, x[1].config.ID, conn.ID, u.device.Name, err))
			}
		}
	}
}

// loops returns the attachments of one connection that reach each other through a service, in groups.
func loops(made []*attachment) [][]*attachment {
	// A MAC filter of its own keeps a circuit from being one end of a loop, and leaves do not reach each other.
	open := make([]*attachment, 0, len(made))
	for _, a := range made {
		if a.filter == nil {
			open = append(open, a)
		}
	}
	leaf := func(a *attachment) int {
		if a.circuit.Role == switchcfg.RoleLeaf {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(open, func(a, b *attachment) int {
		return cmp.Or(strings.Compare(a.circuit.Service, b.circuit.Service), leaf(a)-leaf(b))
	})
	var out [][]*attachment
	for i := 0; i < len(open); {
		j := i + 1
		for j < len(open) && open[j].circuit.Service == open[i].circuit.Service {
			j++
		}
		if j-i > 1 && leaf(open[i]) == 0 {
			out = append(out, open[i:j])
		}
		i = j
	}
	return out
}

// ethertype settles the outer ethertype of a port that knows only one: that of its circuits, or where they
// differ the first of the connection's that one of them has. Configs with another are refused. Where no circuit
// is made, what refused ones have counts, so that a port does not lose its ethertype under what is left as it is.
func (u *unit) ethertype(conn *ixapi.Connection, configs []*ixapi.NetworkServiceConfig) {
	if u.device.caps.TPIDScope != drivers.PortScope {
		return
	}
	var used []switchcfg.TPID
	use := func(t switchcfg.TPID) {
		if u.device.caps.TPID(t) && !slices.Contains(used, t) {
			used = append(used, t)
		}
	}
	for i := range u.attachments {
		if a := &u.attachments[i]; a.circuit != nil && a.circuit.Match.Tagged() {
			use(a.circuit.Match.TPID)
		}
	}
	if len(used) == 0 {
		for _, n := range configs {
			if v := n.VLANConfig; v != nil && v.Type != ixapi.VLANTypePort && n.State != ixapi.StateDecommissioned {
				if t, err := v.TPID(); err == nil {
					use(switchcfg.TPID(t))
				}
			}
		}
	}
	slices.Sort(used)
	var chosen switchcfg.TPID
	for _, e := range conn.OuterVLANEthertypes {
		if raw, err := e.TPID(); err == nil && chosen == 0 && (slices.Contains(used, switchcfg.TPID(raw)) || len(used) == 0 && u.device.caps.TPID(switchcfg.TPID(raw))) {
			chosen = switchcfg.TPID(raw)
		}
	}
	switch {
	case len(conn.VLANTypes) > 0 && !slices.ContainsFunc(conn.VLANTypes, func(t ixapi.VLANType) bool { return t != ixapi.VLANTypePort }):
		chosen = 0 // it never carries tags
	case chosen == 0 && len(used) > 0:
		chosen = used[0]
	}
	if chosen == 0 && u.device.caps.TPIDDefault {
		chosen = switchcfg.TPIDCustomer
	}
	for i := range u.attachments {
		if a := &u.attachments[i]; a.circuit != nil && a.circuit.Match.Tagged() && a.circuit.Match.TPID != chosen {
			u.refuseConfig(a, TagEthertypeMixed, severityError,
				fmt.Sprintf("network-service-config %s needs ethertype %s, and a port of %s knows one: on connection %s it is %s", a.config.ID, a.circuit.Match.TPID, u.device.Name, conn.ID, chosen),
				map[string]any{"ethertype": a.circuit.Match.TPID.String(), "port_ethertype": chosen.String()})
		}
	}
	switch p := u.objects[len(u.objects)-1].(type) {
	case *switchcfg.LAG:
		p.TPID = chosen
	case *switchcfg.Interface:
		p.TPID = chosen
	}
}
