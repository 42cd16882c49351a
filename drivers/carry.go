package drivers

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ixagent/ixagent/models/switchcfg"
)

// Carry returns what of o the device cannot carry, in one sentence for an operator, or nil. It looks at o alone.
func (c *Capabilities) Carry(o switchcfg.Object) error {
	if err := c.texts(o); err != nil {
		return err
	}
	switch o := o.(type) {
	case *switchcfg.Circuit:
		switch {
		case !c.Form(o.Match.Form):
			return fmt.Errorf("it cannot match %s frames", o.Match)
		case o.Match.Tagged() && !c.TPID(o.Match.TPID):
			return fmt.Errorf("it does not know outer ethertype %s", o.Match.TPID)
		case c.Limits.MaxUnit > 0 && o.Unit > c.Limits.MaxUnit:
			return fmt.Errorf("subinterface %d is above its limit of %d", o.Unit, c.Limits.MaxUnit)
		case o.Filter != "" && !c.Filters:
			return errors.New("it has no filters on circuits")
		case o.RateIn > 0 && !c.RateIn:
			return errors.New("it cannot bound the rate a member sends at")
		case o.RateOut > 0 && !c.RateOut:
			return errors.New("it cannot bound the rate a member receives at")
		case o.MACLimit > 0 && !c.MACLimit:
			return errors.New("it cannot limit the addresses of a circuit")
		case o.Shutdown && c.PortVLANs:
			return errors.New("it cannot shut one circuit of a port")
		}
	case *switchcfg.Interface:
		return c.carryPort(o.TPID, o.StormControl, o.MTU)
	case *switchcfg.LAG:
		switch {
		case o.Mode == switchcfg.ModeLACP && !c.LACP:
			return errors.New("it has no LACP")
		case o.SystemID != switchcfg.MAC{} && !c.SystemID:
			return errors.New("it has one LACP system identifier for all groups")
		case c.Limits.LAGMembers > 0 && len(o.Members) > c.Limits.LAGMembers:
			return fmt.Errorf("%d members are above its limit of %d", len(o.Members), c.Limits.LAGMembers)
		case c.Limits.MinLinks > 0 && o.MinLinks > c.Limits.MinLinks:
			return fmt.Errorf("a minimum of %d links is above its limit of %d", o.MinLinks, c.Limits.MinLinks)
		}
		return c.carryPort(o.TPID, o.StormControl, o.MTU)
	case *switchcfg.Service:
		switch {
		case !c.Service(o.Type):
			return fmt.Errorf("it has no %s services", o.Type)
		case o.VLAN != 0 && !c.VLANTags:
			return errors.New("it cannot give a service a VLAN")
		case (o.VNI != 0 || len(o.Peers) > 0) && !c.VXLAN:
			return errors.New("it has no VXLAN with a static flood list")
		case c.VXLANv4 && slices.ContainsFunc(o.Peers, netip.Addr.Is6):
			return errors.New("its tunnels have no IPv6 addresses")
		case o.Type == switchcfg.ServiceTree && o.Crosses() && c.LocalTrees:
			return errors.New("its trees cannot cross the fabric")
		case o.MTU > 0 && !c.ServiceMTU:
			return errors.New("its services have no MTU of their own")
		case o.MACLimit > 0 && !c.ServiceMACs:
			return errors.New("its services have no limit of addresses of their own")
		case c.Limits.MaxMTU > 0 && o.MTU > c.Limits.MaxMTU:
			return fmt.Errorf("MTU %d is above its limit of %d", o.MTU, c.Limits.MaxMTU)
		}
	case *switchcfg.Filter:
		switch {
		case !c.Filters:
			return errors.New("it has no filters on circuits")
		case c.Limits.FilterMACs > 0 && len(o.Sources) > c.Limits.FilterMACs:
			return fmt.Errorf("%d addresses are above its limit of %d for a filter", len(o.Sources), c.Limits.FilterMACs)
		}
	case *switchcfg.Policer:
		if !c.RateIn && !c.RateOut {
			return errors.New("it cannot bound rates")
		}
	case *switchcfg.Opaque:
		return errors.New("what is not understood cannot be made")
	}
	return nil
}

// Beside returns what keeps two circuits from being on one port of the device, in one sentence for an operator, or nil.
// Where a circuit is a VLAN of its port, what else is said of it is said of the whole port.
func (c *Capabilities) Beside(a, b *switchcfg.Circuit) error {
	switch {
	case !c.PortVLANs:
		return nil
	case !a.Match.Tagged() || !b.Match.Tagged():
		return errors.New("a port has frames without a tag or frames with one")
	case a.Service == b.Service:
		return errors.New("a port joins a service once")
	case a.Filter != b.Filter:
		return errors.New("a MAC filter is that of the whole port")
	case max(a.RateIn, a.RateOut, b.RateIn, b.RateOut) > 0:
		return errors.New("a rate is that of the whole port")
	}
	return nil
}

// texts looks at the names and the description in o.
func (c *Capabilities) texts(o switchcfg.Object) error {
	if d := switchcfg.Description(o); !c.text(d) {
		return fmt.Errorf("its description has characters that are not safe there: %.80q", d)
	}
	bad, ok := c.name(o.Key().Name)
	switch o := o.(type) {
	case *switchcfg.Circuit:
		for _, n := range [...]string{o.Service, o.Filter} {
			if ok {
				bad, ok = c.name(n)
			}
		}
	case *switchcfg.LAG:
		for _, n := range o.Members {
			if ok {
				bad, ok = c.name(n)
			}
		}
	}
	if !ok {
		return fmt.Errorf("a name has characters that are not safe there: %.80q", bad)
	}
	return nil
}

// name returns a name, and whether it can be one. A key "*" stands for every object (gNMI specification, 2.4.1).
func (c *Capabilities) name(s string) (string, bool) {
	return s, s != "*" && c.text(s) && !(c.PlainText && strings.Contains(s, " "))
}

func (c *Capabilities) text(s string) bool {
	if c.PlainText {
		return Plain(s)
	}
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

// Plain reports whether a text means nothing but itself in every command line, at any place in a line, and cannot be
// taken for a prompt: letters, digits, "._:/@+=()-" and single spaces within, at most 63 bytes, no colon at the end and
// no dash at the beginning.
func Plain(s string) bool {
	if len(s) > switchcfg.MaxDescription || strings.HasPrefix(s, "-") || strings.HasSuffix(s, ":") {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', strings.IndexByte("._:/@+=()-", c) >= 0:
		case c != ' ', i == 0, i == len(s)-1, s[i-1] == ' ':
			return false
		}
	}
	return true
}

func (c *Capabilities) carryPort(tpid switchcfg.TPID, storm switchcfg.Kbps, mtu uint16) error {
	switch {
	case tpid != 0 && c.TPIDScope != PortScope:
		return errors.New("it has no outer ethertype per port")
	case tpid != 0 && !c.TPID(tpid):
		return fmt.Errorf("it does not know outer ethertype %s", tpid)
	case storm > 0 && !c.StormControl:
		return errors.New("it has no storm control")
	case c.Limits.StormStep > 0 && storm%c.Limits.StormStep != 0:
		return fmt.Errorf("storm control of %s is no multiple of %s", storm, c.Limits.StormStep)
	case c.Limits.MaxMTU > 0 && mtu > c.Limits.MaxMTU:
		return fmt.Errorf("MTU %d is above its limit of %d", mtu, c.Limits.MaxMTU)
	}
	return nil
}
