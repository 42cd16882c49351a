package adopt

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// lackError says what the configuration must say because nothing on the switches does.
type lackError struct{ what, todo string }

func (e *lackError) Error() string { return e.what }

// Hint returns what an operator can do about it.
func (e *lackError) Hint() string { return e.todo }

// write returns the inventory.
func (w *work) write() ([]byte, error) {
	var y yaml
	y.note(0, "How the exchange is configured, as it was found on its switches. What is commented out is a guess, or is for a person to decide.")
	inv := &w.Config.Inventory
	y.key(0, "fabric")
	y.said(1, w.fabric.why, "type: %s", w.fabric.value)
	if w.storm.value != 0 {
		y.said(0, w.storm.why, "storm_control: %d", w.storm.value)
	}
	pinned := w.pinned()
	w.writePools(&y, pinned)
	w.writeLANs(&y)
	y.key(0, "services")
	for _, s := range pinned {
		c := w.names[s]
		y.said(1, c.why, "- {network_service: %s, %sname: %s%s}", quote(s.of.ID), handoverKey(s.handover), quote(c.place), numbersOf(c))
	}
	for _, s := range w.order() {
		if c := w.names[s]; s.of.Type != ixapi.ServiceExchangeLAN && c.place == "" && len(c.among) > 0 {
			y.note(1, "network service %s: %s: %s", quote(s.of.ID), c.note, strings.Join(sortedPlaces(c.among), " or "))
		}
	}
	y.key(0, "devices")
	for _, d := range inv.Devices {
		if err := w.writeDevice(&y, d); err != nil {
			return nil, err
		}
	}
	w.writeNNIs(&y)
	return y.bytes(), nil
}

// order returns the services in a fixed order.
func (w *work) order() []*soldService {
	return slices.SortedFunc(maps.Keys(w.names), func(a, b *soldService) int { return switchcfg.CompareNames(a.name, b.name) })
}

// sortedPlaces returns the places of a choice, sorted.
func sortedPlaces(among map[string]evidence) []string {
	return slices.SortedFunc(maps.Keys(among), switchcfg.CompareNames)
}

// pinned returns the services made per order that have a name or numbers already.
func (w *work) pinned() (out []*soldService) {
	for _, s := range w.order() {
		if c := w.names[s]; s.of.Type != ixapi.ServiceExchangeLAN && c.place != "" && (c.vlan != 0 || c.vni != 0 || !strings.HasPrefix(c.place, switchcfg.Prefix)) {
			out = append(out, s)
		}
	}
	return out
}

func numbersOf(c *serviceChoice) string {
	var b strings.Builder
	if c.vlan != 0 {
		fmt.Fprintf(&b, ", vlan: %d", c.vlan)
	}
	if c.vni != 0 {
		fmt.Fprintf(&b, ", vni: %d", c.vni)
	}
	return b.String()
}

// writePools writes the numbers that the agent may hand out: those that the configuration gives, without what is in use,
// or else some that no switch uses.
func (w *work) writePools(y *yaml, pinned []*soldService) {
	p := w.Config.Inventory.Pools
	needsVLAN := w.needsVLANs()
	vlan, vni := slices.Clone(p.VLAN), slices.Clone(p.VNI)
	var taken [2][]uint32
	for _, s := range pinned {
		taken[0], taken[1] = append(taken[0], uint32(w.names[s].vlan)), append(taken[1], w.names[s].vni)
	}
	why := [2]string{"given in the configuration", "given in the configuration"}
	if len(vlan) == 0 && needsVLAN {
		if r := free(1000, 1000, 3999, w.vlans); !r.Empty() {
			vlan, why[0] = []config.Range{r}, "no switch that was read uses any of them"
		}
	}
	if len(vni) == 0 && w.fabric.value == config.FabricVXLAN {
		if r := free(20000, 10000, 1<<24-10001, w.vnis); !r.Empty() {
			vni, why[1] = []config.Range{r}, "no switch that was read uses any of them"
		}
	}
	vlan, vni = without(vlan, taken[0]), without(vni, taken[1])
	if len(vlan)+len(vni) == 0 {
		return
	}
	y.key(0, "pools")
	if len(vlan) > 0 {
		y.said(1, why[0], "vlan: [%s]", list(vlan))
	}
	if len(vni) > 0 {
		y.said(1, why[1], "vni: [%s]", list(vni))
	}
}

// without returns the numbers of ranges but for those taken.
func without(all []config.Range, taken []uint32) (out []config.Range) {
	for _, r := range all {
		out = append(out, r.Without(taken)...)
	}
	return out
}

func list(all []config.Range) string {
	var parts []string
	for _, r := range all {
		parts = append(parts, r.String())
	}
	return strings.Join(parts, ", ")
}

// free returns the first run of size numbers from first on, up to last, of which none is used.
func free(first, size, last uint32, used map[uint32]bool) config.Range {
next:
	for n := first; n+size-1 <= last; n += size {
		for u := range used {
			if u >= n && u < n+size {
				continue next
			}
		}
		return config.Range{First: n, Last: n + size - 1}
	}
	return config.Range{}
}

// spare returns a number that nothing uses, from the greatest down, and uses it.
func spare(used map[uint32]bool, from uint32) uint32 {
	for used[from] {
		from--
	}
	used[from] = true
	return from
}

func (w *work) writeLANs(y *yaml) {
	needsVLAN := w.needsVLANs()
	// number adds what the file must have and no switch has.
	number := func(c *serviceChoice) string {
		why := c.why
		if needsVLAN && c.vlan == 0 {
			c.vlan = switchcfg.VLANID(spare(w.vlans, 3999))
			why += "; its VLAN is one that no switch uses"
		}
		if w.fabric.value == config.FabricVXLAN && c.vni == 0 {
			c.vni = spare(w.vnis, 1<<24-1)
			why += "; its VNI is one that no switch uses"
		}
		return why
	}
	y.key(0, "exchange_lans")
	for _, s := range w.order() {
		if s.of.Type != ixapi.ServiceExchangeLAN || s.quarantine {
			continue
		}
		c, q := w.names[s], w.names[w.sold.services[s.name+"-q"]]
		if c.place == "" {
			why := "no circuit on the switches is one of it"
			if len(c.among) > 0 {
				why = c.note + ": " + strings.Join(sortedPlaces(c.among), " or ")
			}
			y.note(0, "peering LAN %s: %s", quote(s.of.ID), why)
			continue
		}
		why := number(c)
		y.said(1, why, "- network_service: %s", quote(s.of.ID))
		y.line(2, "name: %s", quote(c.place))
		if c.vlan != 0 {
			y.line(2, "vlan: %d", c.vlan)
		}
		if c.vni != 0 {
			y.line(2, "vni: %d", c.vni)
		}
		if c.mtu != 0 {
			y.line(2, "mtu: %d", c.mtu)
		}
		if q.place == "" {
			if w.Config.Policy.Testing.ExchangeLAN != config.TestQuarantine {
				continue
			}
			q.place, q.why = w.unusedName(c.place+"-quarantine"), "no switch has one: check what it is to be"
		}
		why = number(q)
		y.said(2, why, "quarantine: {name: %s%s}", quote(q.place), numbersOf(q))
	}
}

// needsVLANs reports whether every service of the inventory must have a VLAN.
func (w *work) needsVLANs() bool {
	return w.fabric.value == config.FabricVLAN || slices.ContainsFunc(w.Config.Inventory.Devices, func(d *config.Device) bool {
		caps := d.Capabilities()
		return caps.ServiceVLAN
	})
}

// unusedName returns a name that no service has.
func (w *work) unusedName(name string) string {
	used := func(n string) bool {
		for _, f := range w.found {
			if f.State[switchcfg.Key{Kind: switchcfg.KindService, Name: n}] != nil {
				return true
			}
		}
		return false
	}
	name = name[:min(len(name), 28)]
	for i, n := 0, name; ; i++ {
		if !used(n) {
			return n
		}
		n = name + strconv.Itoa(i)
	}
}

func (w *work) writeDevice(y *yaml, d *config.Device) error {
	f := w.found[d.Name]
	y.line(1, "- name: %s", quote(d.Name))
	y.said(2, w.sold.why[d.Name], "id: %s", quote(w.sold.ids[d.Name]))
	y.line(2, "driver: %s", d.Driver)
	y.line(2, "profile: %s", quote(d.Profile))
	y.line(2, "address: %s", quote(d.Address.String()))
	y.line(2, "credentials: %s", quote(d.Credentials))
	y.line(2, "mode: %s", d.Mode)
	if d.HealDrift != nil {
		y.line(2, "heal_drift: %t", *d.HealDrift)
	}
	y.said(2, "what was configured by hand gets the agent's mark; false once that is done", "adopt: true")
	switch a, ok := w.addr[d.Name]; {
	case ok:
		y.said(2, a.why, "tunnel_address: %s", a.value)
	case w.fabric.value == config.FabricVXLAN:
		return &lackError{
			fmt.Sprintf("%s: nothing on the switches tells the address of its tunnels", d.Name),
			"add its tunnel_address to the configuration, and run ixagent adopt again",
		}
	}
	if d.Site != "" {
		y.line(2, "site: %s", quote(d.Site))
	}
	if d.Timeout != 0 {
		y.line(2, "timeout: %s", d.Timeout)
	}
	if m := w.mtu[d.Name]; m.value >= 1280 {
		y.said(2, m.why, "mtu: %d", m.value)
	}
	y.override(2, d.Override)
	w.writeLAGs(y, d, f)
	w.writeUnits(y, d)
	w.writePorts(y, d)
	return nil
}

var lagName = regexp.MustCompile(`^([A-Za-z](?:[A-Za-z0-9/_. -]*[A-Za-z/_. -])?)([0-9]{1,9})$`)

// splitLAG returns the prefix and the number in the name of a LAG.
func splitLAG(name string) (prefix string, number uint32, ok bool) {
	m := lagName.FindStringSubmatch(name)
	if m == nil || len(m[1]) > 32 || len(m[2]) > 1 && m[2][0] == '0' {
		return "", 0, false
	}
	n, err := strconv.ParseUint(m[2], 10, 32)
	return m[1], uint32(n), err == nil
}

// writeLAGs writes what LAGs are called, a range that none lies in, and the numbers that connections have.
func (w *work) writeLAGs(y *yaml, d *config.Device, f *found) {
	prefix, why := d.LAGs.Prefix, "given in the configuration"
	if prefix == "" {
		prefix, why = w.lagPrefix(d)
	}
	if prefix == "" {
		y.note(2, "lags: no LAG is on the switch that tells what they are called")
		return
	}
	used := make(map[uint32]bool)
	for name, at := range f.parents {
		if p, n, ok := splitLAG(name); ok && at.isLAG && p == prefix {
			used[n] = true
		}
	}
	y.key(2, "lags")
	y.said(3, why, "prefix: %s", quote(prefix))
	r, why := d.LAGs.Range, "given in the configuration"
	if r.Empty() {
		r, why = free(100, 100, 1<<20, used), "none of the switch's LAGs is in it"
	}
	y.said(3, why, "range: %s", r)
	y.key(3, "numbers")
	for _, s := range w.sold.sales[d.Name] {
		if !s.isLAG() {
			continue
		}
		c := w.match[d.Name].lags[s]
		switch p, n, ok := splitLAG(c.place); {
		case c.place == "" && len(c.among) > 0:
			y.note(3, "connection %s: %s: %s", quote(s.conn.ID), c.note, weigh(c.among))
		case c.place == "" || !writable(s.conn.ID):
		case !ok || p != prefix:
			y.note(3, "connection %s is %s, and that is not called %s and a number", quote(s.conn.ID), quote(c.place), quote(prefix))
		default:
			y.said(4, c.why.words(w.details(s, c.place)), "- {connection: %s, number: %d}", quote(s.conn.ID), n)
		}
	}
}

// lagPrefix returns what most LAGs of a switch are called, or of the other switches with the same driver.
func (w *work) lagPrefix(d *config.Device) (prefix, why string) {
	most := func(devices ...*config.Device) string {
		count := make(map[string]int)
		for _, d := range devices {
			for name, at := range w.found[d.Name].parents {
				if p, _, ok := splitLAG(name); ok && at.isLAG {
					count[p]++
				}
			}
		}
		best := ""
		for _, p := range slices.Sorted(maps.Keys(count)) {
			if best == "" || count[p] > count[best] {
				best = p
			}
		}
		return best
	}
	if p := most(d); p != "" {
		return p, "so the LAGs of the switch are called"
	}
	var alike []*config.Device
	for _, o := range w.Config.Inventory.Devices {
		if o.Driver == d.Driver {
			alike = append(alike, o)
		}
	}
	return most(alike...), "so the LAGs of other switches of this make are called"
}

// writeUnits writes the numbers of the subinterfaces that have not the usual ones.
func (w *work) writeUnits(y *yaml, d *config.Device) {
	caps := d.Capabilities()
	y.key(2, "units")
	for _, p := range w.pairs {
		usual := p.circuit.Unit == p.sold.circuit.Unit && (caps.Limits.MaxUnit == 0 || counted(p.sold.circuit))
		if p.sale.device != d.Name || usual || !writable(p.sold.config.ID) {
			continue
		}
		y.said(3, p.why, "- {network_service_config: %s, interface: %s, unit: %d}", quote(p.sold.config.ID), quote(p.circuit.Parent), p.circuit.Unit)
	}
	for _, p := range w.odd {
		if p.device == d.Name && writable(p.config.ID) {
			y.said(3, p.why, "- {network_service_config: %s, interface: %s, unit: %d}", quote(p.config.ID), quote(p.key.Name), p.key.Unit)
		}
	}
}

// counted reports whether the number of a circuit follows from its encapsulation, and was not handed out.
func counted(c *switchcfg.Circuit) bool {
	return c.Match.Form != switchcfg.Double || c.Unit%100_000_000 == uint32(c.Match.Outer)*10000+uint32(c.Match.Inner)
}

func (w *work) writePorts(y *yaml, d *config.Device) {
	y.key(2, "ports")
	m := w.match[d.Name]
	byID := make(map[ixapi.ID]bool)
	for _, p := range d.Ports {
		if p.ID == "" {
			y.said(3, "given in the configuration", "- {name: %s, interface: %s}", quote(p.Name), quote(p.Interface))
		}
	}
	one := func(p *ixapi.Port, details string) {
		c := m.ports[p.ID]
		byID[p.ID] = true
		item := func(place string) string {
			return fmt.Sprintf("- {id: %s, interface: %s}", quote(p.ID), quote(place))
		}
		switch {
		case c.place != "":
			y.said(3, c.why.words(details), "%s", item(c.place))
		case c.guess != "" && w.Guesses:
			y.said(3, "a guess that was taken: "+c.note, "%s", item(c.guess))
		case c.guess != "":
			y.tell(3, "a guess: "+c.note, "# "+item(c.guess))
		case len(c.among) > 0:
			y.note(3, "port %s: %s", quote(p.ID), c.note)
			for _, place := range sortedPlaces(c.among) {
				y.tell(3, c.among[place].words(""), "# "+item(place))
			}
		default:
			y.note(3, "port %s: nothing on the switch speaks for any interface", quote(p.ID))
		}
	}
	for _, s := range w.sold.sales[d.Name] {
		for _, p := range s.ports {
			details := ""
			if c := m.ports[p.ID]; c.place != "" {
				details = w.details(s, c.place)
			}
			one(p, details)
		}
	}
	for _, p := range w.sold.free[d.Name] {
		one(p, "")
	}
	for _, p := range d.Ports {
		if p.ID != "" && !byID[p.ID] {
			y.said(3, "given in the configuration", "- {id: %s, interface: %s}", quote(p.ID), quote(p.Interface))
		}
	}
}

func (w *work) writeNNIs(y *yaml) {
	given := w.Config.Inventory.NNIs
	y.key(0, "nnis")
	for _, n := range given {
		which := "service: " + quote(n.Service)
		switch {
		case n.ProductOffering != "":
			which = "product_offering: " + quote(n.ProductOffering)
		case n.ServiceProvider != "":
			which = "service_provider: " + quote(n.ServiceProvider)
		}
		y.said(1, "given in the configuration", "- {%s, handover: %d, device: %s, interface: %s, ethertype: %q}", which, n.Handover, quote(n.Device), quote(n.Interface), n.Ethertype.String())
	}
	for _, n := range w.nnis {
		which := "service_provider: " + quote(n.provider)
		if n.provider == "" {
			which = "service: " + quote(n.service)
		}
		y.said(1, n.why, "- {%s, handover: %d, device: %s, interface: %s, ethertype: %q}", which, n.handover, quote(n.device), quote(n.place), n.ethertype.String())
	}
}

// details says how many addresses a place admits.
func (w *work) details(s *sale, place string) string {
	all := make(map[switchcfg.MAC]bool)
	admitted := 0
	for _, c := range s.circuits {
		for _, m := range c.sources {
			if !all[m] && slices.Contains(w.found[s.device].sources[m], place) {
				admitted++
			}
			all[m] = true
		}
	}
	return fmt.Sprintf("it admits %d of the %d addresses that are registered", admitted, len(all))
}

// words returns reasons as an operator reads them; details stands for the addresses.
func (e evidence) words(details string) string {
	if details == "" {
		details = "it admits addresses that are registered"
	}
	var parts []string
	for _, r := range []struct {
		bit  evidence
		text string
	}{
		{given, "given in the configuration"},
		{marked, "it has the agent's mark"},
		{named, "it is called so at the exchange"},
		{described, "its description names it"},
		{members, "its ports are in it"},
		{stations, details},
		{circuits, "it carries what is sold, and nothing else does"},
		{last, "it is the only one left of its LAG"},
	} {
		if e&r.bit != 0 {
			parts = append(parts, r.text)
		}
	}
	if e&(circuits|carries) == carries {
		parts = append(parts, "it carries what is sold")
	}
	return strings.Join(parts, "; ")
}

// weigh returns places with what speaks for each.
func weigh(among map[string]evidence) string {
	var parts []string
	for _, place := range sortedPlaces(among) {
		parts = append(parts, fmt.Sprintf("%s (%s)", quote(place), among[place].words("")))
	}
	return strings.Join(parts, " or ")
}
