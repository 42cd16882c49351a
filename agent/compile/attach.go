package compile

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// attach compiles one config of a connection, and attaches it unless it has no end on the switch. One that may have
// is attached frozen.
func (c *Compiler) attach(u *unit, conn *ixapi.Connection, n *ixapi.NetworkServiceConfig, refused bool) {
	f, tag := c.fate(u, n)
	u.attachments = append(u.attachments, attachment{unit: u, config: n, fate: f})
	a := &u.attachments[len(u.attachments)-1]
	refuse := func(tag Tag, severity int, attrs map[string]any, format string, args ...any) {
		u.refuseConfig(a, tag, severity, "network-service-config "+n.ID+" "+fmt.Sprintf(format, args...), attrs)
	}
	if n.Faulty && f != gone {
		u.refuseConfig(a, TagUnreadable, severityError, c.records.fault(ixapi.NetworkServiceConfigs, n.ID), nil)
		return
	}
	switch f {
	case gone:
		u.detach()
		return
	case dormant:
		c.keepDormant(u, n, f)
	case frozen:
		message, attrs := unfit("network-service-config", n.ID, n.State, n.Status, tag)
		u.refuseConfig(a, tag, severityError, message, attrs)
	}
	// The service is found even for what stays as it is, so that its other ends know of this one.
	s := c.records.services[n.NetworkService]
	j, tag, severity, attrs, why := c.service(a, s)
	switch {
	case f == frozen:
	case refused && f != dormant:
		refuse(TagConnectionRefused, severityWarning, map[string]any{"connection": conn.ID}, "is on connection %s, which is left as it is", conn.ID)
	case !refused && why != "":
		refuse(tag, severity, attrs, "%s", why)
	}
	switch {
	case why != "", refused && f == dormant:
		u.detach()
	case f != frozen && !refused && !c.circuit(u, a, conn, s, j.typ, refuse):
		u.detach() // valid, and not wanted yet
	default:
		c.enlist(a, j)
	}
}

// fate returns the fate of a config of a connection. Where a circuit cannot be shut by itself, it is not made before it is
// to carry frames.
func (c *Compiler) fate(u *unit, n *ixapi.NetworkServiceConfig) (fate, Tag) {
	f, tag := configFate(n.State, n.Type, c.policy)
	if f == prestaged && u.device != nil && u.device.caps.PortVLANs {
		f = dormant
	}
	return f, tag
}

// detach takes back the last attachment.
func (u *unit) detach() { u.attachments = u.attachments[:len(u.attachments)-1] }

// enlist finds the group of an attachment.
func (c *Compiler) enlist(a *attachment, j joint) {
	if a.cloud = j.cloud; a.unit.device != nil {
		a.group = c.group(j)
		if a.circuit != nil {
			a.circuit.Service = a.group.name
		}
	}
}

// circuit makes the circuit of an attachment, or refuses it. It reports false if none is wanted yet.
func (c *Compiler) circuit(u *unit, a *attachment, conn *ixapi.Connection, s *ixapi.NetworkService, typ switchcfg.ServiceType, refuse refuseFunc) bool {
	n := a.config
	circuit := switchcfg.Circuit{Parent: u.parent, Shutdown: a.fate == prestaged}
	if tag, attrs, why := c.match(u, conn, n, &circuit); why != "" {
		refuse(tag, severityError, attrs, "%s", why)
		return true
	}
	if typ == switchcfg.ServiceTree {
		switch n.Role {
		case ixapi.RoleRoot:
			circuit.Role = switchcfg.RoleRoot
		case ixapi.RoleLeaf, "":
			circuit.Role = switchcfg.RoleLeaf
		default:
			refuse(TagRoleUnknown, severityError, map[string]any{"role": string(n.Role)}, "has role %q, neither root nor leaf", n.Role)
			return true
		}
	}
	if tag, attrs, why := c.rate(u, conn, n, s, &circuit); why != "" {
		refuse(tag, severityError, attrs, "%s", why)
		return true
	}
	if !c.filter(u, a, s, &circuit, refuse) {
		return true
	}
	if a.fate == dormant {
		return false
	}
	circuit.Description = u.mark(markConfig, n.ID, n.ConsumingAccount)
	if u.circuits == nil {
		u.circuits = make([]switchcfg.Circuit, 0, cap(u.attachments))
	}
	u.circuits = append(u.circuits, circuit)
	a.circuit = &u.circuits[len(u.circuits)-1]
	return true
}

// refuseFunc refuses an attachment in words that follow the name of its config.
type refuseFunc = func(tag Tag, severity int, attrs map[string]any, format string, args ...any)

// service finds what joining s asks for, or says why a cannot join it; s is nil if it is not listed.
func (c *Compiler) service(a *attachment, s *ixapi.NetworkService) (j joint, tag Tag, severity int, attrs map[string]any, why string) {
	n := a.config
	switch {
	case s == nil:
		return j, TagServiceUnknown, severityError, map[string]any{"network_service": n.NetworkService}, fmt.Sprintf("joins network service %q, which the exchange does not list", n.NetworkService)
	case !n.Type.Known() || !s.Type.Known():
		return j, TagServiceType, severityError, map[string]any{"type": string(cmp.Or(n.Type, s.Type))}, fmt.Sprintf("is of type %q, which the agent does not know", n.Type)
	case n.Type != s.Type:
		return j, TagServiceMismatch, severityError, map[string]any{"type": string(n.Type), "network_service_type": string(s.Type)}, fmt.Sprintf("is of type %s and joins network service %s of type %s", n.Type, s.ID, s.Type)
	case s.Faulty:
		return j, TagUnreadable, severityError, nil, "joins a service that is not readable: " + c.records.fault(ixapi.NetworkServices, s.ID)
	}
	switch f, _ := commonFate(s.State, noPolicy); {
	case f == gone:
		return j, TagServiceInactive, severityWarning, map[string]any{"network_service_state": string(s.State)}, fmt.Sprintf("joins network service %s, which is in state %s", s.ID, s.State)
	case f == frozen && s.State != "" && s.State != ixapi.StateTesting: // what is tested is the config
		return j, TagServiceInactive, severityError, map[string]any{"network_service_state": string(s.State)}, fmt.Sprintf("joins network service %s, which is in state %s and left as it is", s.ID, s.State)
	}
	if rule := c.records.rules[joining{s.ID, n.ConsumingAccount}]; rule != nil && rule.Type == ixapi.RuleDeny {
		return j, TagJoiningDenied, severityError, map[string]any{"member_joining_rule": rule.ID}, fmt.Sprintf("joins network service %s, from which rule %s keeps account %s out", s.ID, rule.ID, n.ConsumingAccount)
	}
	switch s.Type {
	case ixapi.ServiceExchangeLAN:
		lan, ok := c.inv.ExchangeLAN(s.ID)
		switch {
		case !ok:
			return j, TagServiceUnmapped, severityError, map[string]any{"network_service": s.ID}, fmt.Sprintf("joins exchange LAN %s (%s), which the inventory does not have", s.ID, s.Name)
		case a.fate != quarantine:
			j = joint{key: groupKey{fixed: true, id: lan.Name}, typ: switchcfg.ServiceLAN, vlan: lan.VLAN, vni: lan.VNI, mtu: lan.MTU}
		case lan.Quarantine == nil:
			return j, TagNoQuarantine, severityError, map[string]any{"network_service": s.ID}, fmt.Sprintf("is in state testing, and exchange LAN %s has no quarantine in the inventory", lan.Name)
		default:
			q := lan.Quarantine
			j = joint{key: groupKey{fixed: true, id: q.Name}, typ: switchcfg.ServiceLAN, vlan: q.VLAN, vni: q.VNI, mtu: lan.MTU}
		}
		a.unit.note(markLAN, j.key.id)
	case ixapi.ServiceP2P:
		j = joint{key: groupKey{id: s.ID}, typ: switchcfg.ServiceLine}
	case ixapi.ServiceP2MP:
		j = joint{key: groupKey{id: s.ID}, typ: switchcfg.ServiceTree}
	case ixapi.ServiceMP2MP:
		j = joint{key: groupKey{id: s.ID}, typ: switchcfg.ServiceLAN}
	case ixapi.ServiceCloud:
		handover := n.Handover
		if handover == 0 || s.Diversity > 0 && int(handover) > s.Diversity {
			return j, TagHandover, severityError, map[string]any{"handover": handover, "diversity": s.Diversity}, fmt.Sprintf("is handover %d of a cloud service of %d", handover, s.Diversity)
		}
		nni, ok := c.inv.NNI(s, c.records.offerings[s.ProductOffering], handover)
		if !ok {
			return j, TagNoNNI, severityError, map[string]any{"network_service": s.ID, "handover": handover}, fmt.Sprintf("needs handover %d to the provider of cloud service %s, for which the inventory has no NNI", handover, s.ID)
		}
		vlan := switchcfg.VLANID(n.EffectiveCloudVLAN())
		if !vlan.Valid() {
			return j, TagCloudVLANMissing, severityError, nil, "has no cloud VLAN yet: the provider or the exchange must choose one"
		}
		j = joint{key: groupKey{id: s.ID, handover: handover}, typ: switchcfg.ServiceLine, nni: nni, cloud: vlan}
	}
	if !j.key.fixed {
		a.unit.note(markService, s.ID)
	}
	if a.unit.device != nil && !a.unit.device.caps.Service(j.typ) {
		return j, TagServiceUnsupported, severityError, map[string]any{"type": string(j.typ)}, fmt.Sprintf("needs a %s service, which %s does not have", j.typ, a.unit.device.Name)
	}
	return j, "", 0, nil, ""
}

func handoverSuffix(handover int) string { return "-h" + strconv.Itoa(handover) }

// serviceName returns the name on switches of a service made per order. It is at most 27 bytes, the length of a
// bridge-domain name on IOS-XR, of letters, digits, "_", "." and "-"; different ids have different names.
func serviceName(id ixapi.ID, suffix string) string {
	safe := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r == '.' || r == '-' {
			return r
		}
		return '-'
	}, id)
	room := 27 - len(switchcfg.Prefix) - len(suffix)
	if safe != id || len(id) > room {
		h := sha256.Sum256([]byte(id))
		safe = safe[:min(len(safe), room-9)] + "-" + hex.EncodeToString(h[:4])
	}
	return switchcfg.Prefix + safe + suffix
}

// match settles the encapsulation of a circuit and its number.
func (c *Compiler) match(u *unit, conn *ixapi.Connection, n *ixapi.NetworkServiceConfig, circuit *switchcfg.Circuit) (tag Tag, attrs map[string]any, why string) {
	v := n.VLANConfig
	if v == nil {
		return TagVLANConfigMissing, nil, "has no vlan_config, or does not show it"
	}
	if !v.Type.Known() {
		return TagVLANTypeUnknown, map[string]any{"vlan_type": string(v.Type)}, fmt.Sprintf("has vlan_type %q, which the agent does not know", v.Type)
	}
	if len(conn.VLANTypes) > 0 && !slices.Contains(conn.VLANTypes, v.Type) {
		return TagVLANTypeNotOffered, map[string]any{"vlan_type": string(v.Type), "offered": conn.VLANTypes}, fmt.Sprintf("has vlan_type %s, which connection %s does not offer", v.Type, conn.ID)
	}
	if v.Transparent && (v.Type == ixapi.VLANTypeQinQ || n.Type != ixapi.ServiceP2P) {
		return TagTransparency, map[string]any{"vlan_type": string(v.Type), "type": string(n.Type)}, fmt.Sprintf("has vlan_type %s in a %s, and only a dot1q or port config of a p2p_vc lets further tags of its frames pass", v.Type, n.Type)
	}
	form := switchcfg.Untagged
	outer, inner := switchcfg.VLANID(v.VLAN), switchcfg.VLANID(0)
	switch v.Type {
	case ixapi.VLANTypeDot1Q:
		form = switchcfg.Single
	case ixapi.VLANTypeQinQ:
		form, outer, inner = switchcfg.Double, switchcfg.VLANID(v.OuterVLAN), switchcfg.VLANID(v.InnerVLAN)
	}
	if v.Transparent {
		if form = transparent(&u.device.caps, form); !u.device.caps.Form(form) {
			return TagTransparency, map[string]any{"vlan_type": string(v.Type)}, fmt.Sprintf("has vlan_type %s and lets further tags of its frames pass, which %s cannot", v.Type, u.device.Name)
		}
	}
	if !u.device.caps.Form(form) {
		return TagVLANTypeUnsupported, map[string]any{"vlan_type": string(v.Type)}, fmt.Sprintf("has vlan_type %s, which %s cannot carry", v.Type, u.device.Name)
	}
	if v.Type == ixapi.VLANTypePort {
		circuit.Unit, circuit.Match = u.device.caps.UntaggedUnit, switchcfg.Match{Form: form}
		return "", nil, ""
	}
	if outer == 0 {
		return TagVLANNotChosen, nil, "has no VLAN yet: the exchange must choose one"
	}
	if !outer.Valid() || form == switchcfg.Double && !inner.Valid() {
		return TagVLANOutOfRange, map[string]any{"outer_vlan": outer, "inner_vlan": inner}, fmt.Sprintf("has VLANs %d and %d, and a VLAN is 1 to 4094", outer, inner)
	}
	raw, err := v.TPID()
	tpid := switchcfg.TPID(raw)
	switch {
	case err != nil || !tpid.Valid():
		return TagEthertypeUnknown, map[string]any{"ethertype": string(v.Ethertype)}, fmt.Sprintf("has ethertype %q, none of 0x8100, 0x88a8, 0x9100", v.Ethertype)
	case len(conn.OuterVLANEthertypes) > 0 && !slices.ContainsFunc(conn.OuterVLANEthertypes, func(e ixapi.Ethertype) bool { t, err := e.TPID(); return err == nil && t == raw }):
		return TagEthertypeNotOffered, map[string]any{"ethertype": tpid.String(), "offered": conn.OuterVLANEthertypes}, fmt.Sprintf("has ethertype %s, which connection %s does not offer", tpid, conn.ID)
	case !u.device.caps.TPID(tpid):
		return TagEthertypeNoSupport, map[string]any{"ethertype": tpid.String()}, fmt.Sprintf("has ethertype %s, which %s cannot carry", tpid, u.device.Name)
	}
	circuit.Match = switchcfg.Match{Form: form, TPID: tpid, Outer: outer, Inner: inner}
	unit, ok := c.unitNumber(u, n, circuit.Match)
	if !ok {
		return TagUnits, nil, fmt.Sprintf("needs a subinterface number, and none is free on %s of %s", u.parent, u.device.Name)
	}
	circuit.Unit = unit
	return "", nil, ""
}

// transparent returns the form of a circuit that lets further tags of its frames pass.
func transparent(caps *drivers.Capabilities, form switchcfg.Form) switchcfg.Form {
	switch {
	case form == switchcfg.Untagged:
		return switchcfg.Whole
	case caps.SinglePasses:
		return switchcfg.Single
	}
	return switchcfg.Stacked
}

// unitNumber returns the number that the inventory pins, or else the one a person expects for an encapsulation: the
// VLAN, for double tags outer*10000 + inner, further up for other ethertypes where circuits of one port may differ in
// them. Where that is more than the device can number, or pinned for another, one is allocated.
func (c *Compiler) unitNumber(u *unit, n *ixapi.NetworkServiceConfig, m switchcfg.Match) (uint32, bool) {
	if number, ok := u.device.Unit(n.ID, u.parent); ok {
		return number, true
	}
	number := uint32(m.Outer)
	if m.Form == switchcfg.Double {
		number = uint32(m.Outer)*10000 + uint32(m.Inner)
	}
	if u.device.caps.TPIDScope != drivers.PortScope {
		switch m.TPID {
		case switchcfg.TPIDService:
			number += 100_000_000
		case switchcfg.TPIDStacked:
			number += 200_000_000
		}
	}
	limit := u.device.caps.Limits.MaxUnit
	if owner := u.device.UnitOwner(u.parent, number); owner == "" && (limit == 0 || number <= limit) {
		return number, true
	}
	// Numbers above every VLAN, and below every pair of them, are free for this; a device that cannot count so far has
	// only the lower ones.
	pool := config.Range{First: 4096, Last: cmp.Or(limit, 9999)}
	if limit != 0 && limit <= 4096 {
		pool = config.Range{First: 1, Last: limit}
	}
	return c.alloc.Take("unit/"+u.device.Name+"/"+u.parent, markConfig+":"+n.ID, u.device.UnitPool(u.parent, pool), 0, c.now)
}

// rate settles what a member may send and receive: the config's capacity, within that of the service and the
// offering; a joining rule's maximum goes before the config's own (IX-API member-joining-rules).
func (c *Compiler) rate(u *unit, conn *ixapi.Connection, n *ixapi.NetworkServiceConfig, s *ixapi.NetworkService, circuit *switchcfg.Circuit) (tag Tag, attrs map[string]any, why string) {
	capacity := 0
	least := func(v *int) {
		if v != nil && *v > 0 && (capacity == 0 || *v < capacity) {
			capacity = *v
		}
	}
	rule := c.records.rules[joining{n.NetworkService, n.ConsumingAccount}]
	if rule != nil && rule.CapacityMax != nil {
		least(rule.CapacityMax)
	} else {
		least(n.Capacity)
	}
	if rule != nil && rule.CapacityMin != nil && n.Capacity != nil && *n.Capacity < *rule.CapacityMin {
		return TagCapacityBounds, map[string]any{"capacity": *n.Capacity, "capacity_min": *rule.CapacityMin}, fmt.Sprintf("has a capacity of %d Mbit/s, and rule %s asks for at least %d", *n.Capacity, rule.ID, *rule.CapacityMin)
	}
	least(s.Capacity)
	for _, id := range []ixapi.ID{n.ProductOffering, s.ProductOffering} {
		if o := c.records.offerings[id]; o != nil {
			least(o.BandwidthMax)
		}
	}
	if capacity == 0 {
		return "", nil, ""
	}
	if limit := conn.CapacityAllocationLimit; limit != nil && capacity > *limit {
		return TagCapacityLimit, map[string]any{"capacity": capacity, "capacity_allocation_limit": *limit}, fmt.Sprintf("has a capacity of %d Mbit/s, and connection %s may carry %d", capacity, conn.ID, *limit)
	}
	if !u.device.caps.RateIn || !u.device.caps.RateOut {
		return TagCapacityUnenforced, map[string]any{"capacity": capacity}, fmt.Sprintf("is limited to %d Mbit/s, and %s cannot limit what a circuit sends and receives", capacity, u.device.Name)
	}
	circuit.RateIn, circuit.RateOut = switchcfg.Mbps(capacity), switchcfg.Mbps(capacity)
	return "", nil, ""
}

const controlFilter = switchcfg.Prefix + "control"

// filter settles which frames of a circuit enter: on a LAN that is protected by addresses, those from the
// config's MACs whose window is open; elsewhere all but control protocols.
func (c *Compiler) filter(u *unit, a *attachment, s *ixapi.NetworkService, circuit *switchcfg.Circuit, refuse refuseFunc) bool {
	n := a.config
	protected := s.Type == ixapi.ServiceExchangeLAN || s.Type == ixapi.ServiceMP2MP && s.MACACLProtection != nil && *s.MACACLProtection
	if !protected {
		if u.device.caps.Filters {
			circuit.Filter = controlFilter
		}
		return true
	}
	if !u.device.caps.Filters {
		refuse(TagFilterUnsupported, severityError, nil, "joins a LAN that admits registered MAC addresses only, and %s has no MAC filters", u.device.Name)
		return false
	}
	if len(n.MACs) == 0 {
		refuse(TagMACsMissing, severityError, nil, "joins a LAN that admits registered MAC addresses only, and has none")
		return false
	}
	f := &switchcfg.Filter{Name: u.filterName(circuit), Sources: make([]switchcfg.MAC, 0, len(n.MACs))}
	for _, id := range n.MACs {
		m := c.records.macs[id]
		if m == nil {
			refuse(TagMACUnknown, severityError, map[string]any{"mac": id}, "has MAC %s, which the exchange does not list", id)
			return false
		}
		address, err := m.HardwareAddr()
		if err != nil || m.Faulty {
			refuse(TagMACInvalid, severityError, map[string]any{"mac": id}, "has MAC %s with address %q, which no station can have", id, m.Address)
			return false
		}
		if m.Valid(c.now) {
			f.Sources = append(f.Sources, address)
		}
		u.wake(c.now, m)
	}
	if limit := u.device.caps.Limits.FilterMACs; limit > 0 && len(f.Sources) > limit {
		refuse(TagMACsTooMany, severityError, map[string]any{"macs": len(f.Sources), "limit": limit}, "has %d MAC addresses, and a filter of %s holds %d", len(f.Sources), u.device.Name, limit)
		return false
	}
	if len(f.Sources) == 0 {
		u.rejections = append(u.rejections, a.reject(TagMACsNotValidNow, severityNotice, "network-service-config "+n.ID+" has no MAC address that is valid now: nothing it sends is let in", nil))
	}
	slices.SortFunc(f.Sources, func(a, b switchcfg.MAC) int { return slices.Compare(a[:], b[:]) })
	f.Sources = slices.Compact(f.Sources)
	circuit.Filter, a.filter = f.Name, f
	return true
}

// filterName returns the name of the filter that is a circuit's own.
func (u *unit) filterName(c *switchcfg.Circuit) string {
	var b [64]byte
	name := append(append(append(b[:0], switchcfg.Prefix...), c.Parent...), '.')
	return keep(&u.text, strconv.AppendUint(name, uint64(c.Unit), 10))
}

// wake notes the instants around now at which m becomes or ceases to be valid.
func (u *unit) wake(now time.Time, m *ixapi.MAC) {
	note := func(at time.Time) {
		if now.Before(at) {
			u.next = sooner(u.next, at)
		} else if at.After(u.last) {
			u.last = at
		}
	}
	note(m.ValidNotBefore)
	if !m.ValidNotAfter.IsZero() {
		note(m.ValidNotAfter.Add(1)) // the last instant is still valid
	}
}

var noPolicy config.Policy
