package adopt

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// serviceChoice is what a service is called on switches, and its numbers there.
type serviceChoice struct {
	choice
	why  string
	vlan switchcfg.VLANID
	vni  uint32
	mtu  uint16
}

// services finds the services by the circuits that join them.
func (w *work) services() {
	votes := make(map[*soldService]map[string]int)
	for _, p := range w.pairs {
		if p.sold.service == nil {
			continue
		}
		if votes[p.sold.service] == nil {
			votes[p.sold.service] = make(map[string]int)
		}
		votes[p.sold.service][p.circuit.Service]++
	}
	w.names = make(map[*soldService]*serviceChoice)
	w.kept()
	all := slices.SortedFunc(maps.Values(w.sold.services), func(a, b *soldService) int { return switchcfg.CompareNames(a.name, b.name) })
	owners := make(map[string][]*serviceChoice)
	for _, s := range all {
		if w.names[s] == nil {
			w.names[s] = elect(votes[s])
		}
		c := w.names[s]
		owners[c.place] = append(owners[c.place], c)
	}
	for name, by := range owners {
		if name == "" || len(by) < 2 {
			continue
		}
		for _, c := range by {
			if c.choice.why != given {
				c.open(fmt.Sprintf("%d services of the exchange are %q on the switches", len(by), name))
			}
		}
	}
	for _, s := range all {
		w.callQuarantine(s)
	}
	for _, s := range all {
		if c := w.names[s]; c.place != "" && !nameable.MatchString(c.place) {
			c.open("a name of the inventory has letters, digits and ._- only, and at most 31 of them")
		}
		w.measure(w.names[s])
	}
}

// nameable is what the inventory can call a service.
var nameable = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,30}$`)

// kept takes the services that the configuration describes already.
func (w *work) kept() {
	keep := func(s *soldService, name string, vlan switchcfg.VLANID, vni uint32, mtu uint16) {
		w.names[s] = &serviceChoice{choice: choice{place: name, why: given}, why: "given in the configuration", vlan: vlan, vni: vni, mtu: mtu}
	}
	inv := &w.Config.Inventory
	for _, s := range w.sold.services {
		if s.of.Type != ixapi.ServiceExchangeLAN {
			if pin, ok := inv.ServiceName(s.of.ID, s.handover); ok {
				keep(s, pin.Name, pin.VLAN, pin.VNI, 0)
			}
			continue
		}
		lan, ok := inv.ExchangeLAN(s.of.ID)
		switch {
		case ok && !s.quarantine:
			keep(s, lan.Name, lan.VLAN, lan.VNI, lan.MTU)
		case ok && lan.Quarantine != nil:
			keep(s, lan.Quarantine.Name, lan.Quarantine.VLAN, lan.Quarantine.VNI, 0)
		}
	}
}

// elect returns the service that most circuits join.
func elect(votes map[string]int) *serviceChoice {
	c := &serviceChoice{}
	total, most := 0, 0
	for _, n := range votes {
		total, most = total+n, max(most, n)
	}
	for _, name := range slices.Sorted(maps.Keys(votes)) {
		switch {
		case votes[name] < most:
		case 2*most > total:
			c.place, c.choice.why = name, circuits
			c.why = fmt.Sprintf("%d of the %d circuits that are sold in it join it", most, total)
		default:
			if c.among == nil {
				c.among, c.note = make(map[string]evidence), "as many circuits that are sold in it join another"
			}
			c.among[name] = circuits
		}
	}
	return c
}

// callQuarantine finds a quarantine that nobody is in by its name: the only service that is called one, of this LAN where
// there are several.
func (w *work) callQuarantine(s *soldService) {
	if !s.quarantine || w.names[s].place != "" || len(w.names[s].among) > 0 {
		return
	}
	lan := w.names[w.sold.services[strings.TrimSuffix(s.name, "-q")]]
	lans := 0
	for _, o := range w.sold.services {
		if o.quarantine {
			lans++
		}
	}
	found := make(map[string]bool)
	for _, f := range w.found {
		for k := range f.State {
			name := strings.ToLower(k.Name)
			if k.Kind == switchcfg.KindService && strings.Contains(name, "quarantine") && (lans == 1 || lan.place != "" && strings.Contains(name, strings.ToLower(lan.place))) {
				found[k.Name] = true
			}
		}
	}
	if len(found) == 1 {
		for name := range found {
			w.names[s] = &serviceChoice{choice: choice{place: name, why: named}, why: "it is called so"}
		}
	}
}

// measure takes the numbers of a service from the switches, where most agree.
func (w *work) measure(c *serviceChoice) {
	if c.choice.why == given || c.place == "" {
		return
	}
	vlans, vnis, mtus := make(map[uint32]int), make(map[uint32]int), make(map[uint32]int)
	for _, d := range w.Config.Inventory.Devices {
		s, ok := w.found[d.Name].State[switchcfg.Key{Kind: switchcfg.KindService, Name: c.place}].(*switchcfg.Service)
		if !ok {
			continue
		}
		vlans[uint32(s.VLAN)]++
		vnis[s.VNI]++
		if caps := d.Capabilities(); caps.ServiceMTU {
			mtus[uint32(s.MTU)]++
		}
	}
	delete(vlans, 0)
	delete(vnis, 0)
	c.vlan, c.vni, c.mtu = switchcfg.VLANID(usual(vlans)), usual(vnis), uint16(usual(mtus))
}

// usual returns what there is most of, the least of several; 0 for nothing.
func usual(count map[uint32]int) uint32 {
	best := uint32(0)
	for _, v := range slices.Sorted(maps.Keys(count)) {
		if count[v] > count[best] {
			best = v
		}
	}
	return best
}

// numbers finds what is in use, how services cross, and what ports have in common.
func (w *work) numbers() {
	w.vlans, w.vnis = make(map[uint32]bool), make(map[uint32]bool)
	on := make(map[string]int) // switches by service
	vxlan := ""
	for _, d := range w.Config.Inventory.Devices {
		for _, k := range w.found[d.Name].State.Keys() {
			s, ok := w.found[d.Name].State[k].(*switchcfg.Service)
			if !ok {
				continue
			}
			w.vlans[uint32(s.VLAN)], w.vnis[s.VNI] = true, true
			on[s.Name]++
			if s.VNI != 0 && vxlan == "" {
				vxlan = s.Name
			}
		}
	}
	for _, c := range w.names {
		w.vlans[uint32(c.vlan)], w.vnis[c.vni] = true, true
	}
	all := func(can func(*config.Device) bool) bool {
		return !slices.ContainsFunc(w.Config.Inventory.Devices, func(d *config.Device) bool { return !can(d) })
	}
	switch given := w.Config.Inventory.Fabric.Type; {
	case given != config.FabricNone && given != "":
		w.fabric = said[config.FabricType]{given, "given in the configuration"}
	case vxlan != "" && all(func(d *config.Device) bool { c := d.Capabilities(); return c.VXLAN }):
		w.fabric = said[config.FabricType]{config.FabricVXLAN, fmt.Sprintf("service %s has a VNI", vxlan)}
	default:
		w.fabric = said[config.FabricType]{config.FabricNone, "no service crosses from switch to switch"}
		for _, s := range w.order() {
			c := w.names[s]
			if c.place != "" && c.vlan != 0 && on[c.place] > 1 && all(func(d *config.Device) bool { c := d.Capabilities(); return c.VLANTags }) {
				w.fabric = said[config.FabricType]{config.FabricVLAN, fmt.Sprintf("service %s is the same VLAN on %d switches", c.place, on[c.place])}
				break
			}
		}
	}
	w.habits()
}

// habits finds what most customer ports have in common.
func (w *work) habits() {
	w.mtu = make(map[string]said[uint16])
	storms := make(map[uint32]int)
	total := 0
	for _, d := range w.Config.Inventory.Devices {
		mtus, ports := make(map[uint32]int), 0
		for _, s := range w.sold.sales[d.Name] {
			at := w.found[d.Name].parents[w.place(s)]
			if at == nil {
				continue
			}
			mtu, storm, ok := settings(w.found[d.Name].State, at)
			if !ok {
				continue
			}
			mtus[uint32(mtu)]++
			ports++
			if caps := d.Capabilities(); caps.StormControl {
				storms[uint32(storm)]++
				total++
			}
		}
		mtu := uint16(usual(mtus))
		w.mtu[d.Name] = said[uint16]{mtu, fmt.Sprintf("%d of %d customer ports have it", mtus[uint32(mtu)], ports)}
		if d.MTU != 0 {
			w.mtu[d.Name] = said[uint16]{d.MTU, "given in the configuration"}
		}
	}
	storm := usual(storms)
	w.storm = said[switchcfg.Kbps]{switchcfg.Kbps(storm), fmt.Sprintf("%d of %d customer ports have it", storms[storm], total)}
	if given := w.Config.Inventory.StormControl; given != 0 {
		w.storm = said[switchcfg.Kbps]{given, "given in the configuration"}
	}
}

// settings returns the MTU and the storm control of a port or LAG.
func settings(s switchcfg.State, at *parent) (mtu uint16, storm switchcfg.Kbps, ok bool) {
	if at.lag != nil {
		return at.lag.MTU, at.lag.StormControl, true
	}
	if i, ok := s[switchcfg.Key{Kind: switchcfg.KindInterface, Name: at.name}].(*switchcfg.Interface); ok {
		return i.MTU, i.StormControl, true
	}
	return 0, 0, false
}

// tunnels finds the tunnel address of each switch: in every service that crosses, it is the one that the others have and
// the switch has not.
func (w *work) tunnels() {
	w.addr = make(map[string]said[string])
	all := make(map[uint32]map[netip.Addr]bool) // peers of all switches by VNI
	type end struct {
		device  string
		service *switchcfg.Service
	}
	var ends []end
	for _, d := range w.Config.Inventory.Devices {
		for _, k := range w.found[d.Name].State.Keys() {
			s, ok := w.found[d.Name].State[k].(*switchcfg.Service)
			if !ok || s.VNI == 0 {
				continue
			}
			ends = append(ends, end{d.Name, s})
			if all[s.VNI] == nil {
				all[s.VNI] = make(map[netip.Addr]bool)
			}
			for _, p := range s.Peers {
				all[s.VNI][p] = true
			}
		}
	}
	for _, d := range w.Config.Inventory.Devices {
		if d.TunnelAddress.IsValid() {
			w.addr[d.Name] = said[string]{d.TunnelAddress.String(), "given in the configuration"}
			continue
		}
		votes, services := make(map[netip.Addr]int), 0
		for _, e := range ends {
			if e.device != d.Name {
				continue
			}
			alone := true
			for p := range all[e.service.VNI] {
				if !slices.Contains(e.service.Peers, p) {
					votes[p]++
					alone = false
				}
			}
			if !alone {
				services++
			}
		}
		for a, n := range votes {
			only := !slices.ContainsFunc(slices.Collect(maps.Keys(votes)), func(o netip.Addr) bool { return o != a && votes[o] >= n })
			if only {
				w.addr[d.Name] = said[string]{a.String(), fmt.Sprintf("the others have it as the far end in %d of %d services, and this switch has not", n, services)}
			}
		}
	}
}

// nni is the provider's side of cloud services, as it is configured.
type nni struct {
	service   ixapi.ID
	provider  string
	handover  uint16
	device    string
	place     string
	ethertype switchcfg.TPID
	why       string
}

// handovers finds the NNIs: the other ends of the lines in which cloud services are sold.
func (w *work) handovers() {
	type spot struct {
		device, place string
		ethertype     switchcfg.TPID
	}
	type key struct {
		service, provider string
		handover          uint16
	}
	offerings := make(map[ixapi.ID]*ixapi.ProductOffering)
	for i := range w.Records.ProductOfferings {
		offerings[w.Records.ProductOfferings[i].ID] = &w.Records.ProductOfferings[i]
	}
	paired := make(map[*switchcfg.Circuit]bool)
	for _, p := range w.pairs {
		paired[p.circuit] = true
	}
	spots := make(map[key]map[spot]int)
	for _, s := range w.order() {
		c := w.names[s]
		if s.handover == 0 || c.place == "" {
			continue
		}
		o := offerings[s.of.ProductOffering]
		if _, ok := w.Config.Inventory.NNI(s.of, o, s.handover); ok {
			continue
		}
		keys := []key{{service: s.of.ID, handover: s.handover}}
		if o != nil && writable(o.ServiceProvider) {
			keys = append(keys, key{provider: o.ServiceProvider, handover: s.handover})
		}
		for _, d := range w.Config.Inventory.Devices {
			for _, k := range w.found[d.Name].State.Keys() {
				x, ok := w.found[d.Name].State[k].(*switchcfg.Circuit)
				if !ok || x.Service != c.place || paired[x] || x.Match.Form != switchcfg.Single {
					continue
				}
				w.provide(d.Name, s, x)
				for _, k := range keys {
					if spots[k] == nil {
						spots[k] = make(map[spot]int)
					}
					spots[k][spot{d.Name, x.Parent, x.Match.TPID}]++
				}
			}
		}
	}
	// One for the provider goes for all its services where they agree.
	for _, k := range slices.SortedFunc(maps.Keys(spots), func(a, b key) int {
		return cmp.Or(cmp.Compare(a.provider, b.provider), cmp.Compare(a.service, b.service), cmp.Compare(a.handover, b.handover))
	}) {
		if len(spots[k]) != 1 {
			continue
		}
		if k.provider == "" {
			s := w.sold.service(k.service, k.handover)
			if o := offerings[s.of.ProductOffering]; o != nil && len(spots[key{provider: o.ServiceProvider, handover: k.handover}]) == 1 {
				continue
			}
		}
		for at, n := range spots[k] {
			w.nnis = append(w.nnis, nni{
				service: k.service, provider: k.provider, handover: k.handover, device: at.device, place: at.place, ethertype: at.ethertype,
				why: fmt.Sprintf("the other end of %d sold", n),
			})
		}
	}
}

// provide notes the number of the provider's side of a cloud service, if it is not the VLAN.
func (w *work) provide(device string, s *soldService, c *switchcfg.Circuit) {
	if c.Unit%100_000_000 == uint32(c.Match.Outer) {
		return
	}
	for _, p := range w.pairs {
		if p.sold.service == s {
			w.odd = append(w.odd, oddPair{device, "it is the provider's side", p.sold.config, c.Key()})
			return
		}
	}
}

// service returns a service made per order.
func (s *sold) service(id ixapi.ID, handover uint16) *soldService {
	for _, o := range s.services {
		if o.of.ID == id && o.handover == handover && !o.quarantine {
			return o
		}
	}
	return nil
}
