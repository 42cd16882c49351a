package adopt

import (
	"fmt"
	"slices"
	"time"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Input is all that adoption depends on.
type Input struct {
	Config   *config.Config // what an operator has said already: it is kept
	Path     string         // of the configuration, with Text
	Text     []byte
	Drivers  drivers.Registry
	Records  *ixapi.Records
	Faults   []ixapi.RecordFault
	Switches map[string]Switch // every switch of the configuration, by name
	Guesses  bool              // guesses are taken, as a person wants it
	Now      time.Time
}

// Adoption is what was found.
type Adoption struct {
	Report    Report
	Inventory []byte         // YAML, with the evidence of each line; it passes the check of configurations
	Config    *config.Config // the operator's, with that inventory
}

// Find compares what is sold with what the switches carry. Equal input gives the same answer, byte for byte. It is an
// error if a switch is missing or the configuration lacks what cannot be found.
func Find(in Input) (*Adoption, error) {
	for _, d := range in.Config.Inventory.Devices {
		if _, ok := in.Switches[d.Name]; !ok {
			return nil, fmt.Errorf("%s was not read: an inventory is made of all switches or not at all", d.Name)
		}
	}
	sold, err := sell(in)
	if err != nil {
		return nil, err
	}
	w := &work{Input: in, sold: sold, found: make(map[string]*found), match: make(map[string]*matcher)}
	for _, d := range in.Config.Inventory.Devices {
		w.found[d.Name] = look(in.Switches[d.Name])
		m := &matcher{device: d.Name, on: w.found[d.Name], sales: sold.sales[d.Name], free: sold.free[d.Name], fixed: fixed(d)}
		m.match()
		w.match[d.Name] = m
	}
	w.pair()
	w.services()
	w.numbers()
	w.tunnels()
	w.handovers()
	text, err := w.write()
	if err != nil {
		return nil, err
	}
	a := &Adoption{Inventory: text}
	if a.Config, err = config.Adopted(in.Path, in.Text, text, in.Drivers); err != nil {
		return nil, fmt.Errorf("what was found does not pass the check: %w", err)
	}
	a.Report = w.report(a.Config)
	return a, nil
}

// fixed returns what the configuration says of a device already.
func fixed(d *config.Device) map[ixapi.ID]string {
	out := make(map[ixapi.ID]string)
	for _, p := range d.Ports {
		if p.ID != "" {
			out[p.ID] = p.Interface
		}
	}
	for _, l := range d.LAGs.Numbers {
		out[lagOf(l.Connection)] = d.LAGName(l.Number)
	}
	return out
}

// work is one run of Find.
type work struct {
	Input
	sold  *sold
	found map[string]*found
	match map[string]*matcher
	pairs []pair
	odd   []oddPair

	names  map[*soldService]*serviceChoice
	fabric said[config.FabricType]
	vlans  map[uint32]bool // in use on some switch
	vnis   map[uint32]bool
	addr   map[string]said[string] // tunnel addresses by device
	mtu    map[string]said[uint16] // of customer ports by device
	storm  said[switchcfg.Kbps]
	nnis   []nni
}

// said is a value with its evidence.
type said[T any] struct {
	value T
	why   string
}

// pair is a network service config with the circuit that stands for it.
type pair struct {
	sale    *sale
	sold    soldCircuit
	circuit *switchcfg.Circuit
	why     string
}

// oddPair is a network service config whose circuit has another number than the usual one and is no [pair]: it is not
// understood, so that another one beside it would take the same frames, or it is the provider's side of a cloud service.
type oddPair struct {
	device string
	why    string
	config *ixapi.NetworkServiceConfig
	key    switchcfg.Key
}

// oddPairs gives each circuit that is not understood to a config, by the usual number where it has that.
func oddPairs(device string, at *parent, lost []soldCircuit) (out []oddPair) {
	var rest []*ixapi.NetworkServiceConfig
	odd := slices.Clone(at.odd)
	for _, c := range lost {
		if i := slices.Index(odd, c.circuit.Unit); i >= 0 {
			odd = slices.Delete(odd, i, i+1)
		} else {
			rest = append(rest, c.config)
		}
	}
	for i, n := range rest {
		out = append(out, oddPair{device, "it is not understood, and nothing else can be what is sold", n, switchcfg.Key{Kind: switchcfg.KindCircuit, Name: at.name, Unit: odd[i]}})
	}
	return out
}

// place returns the port or LAG that carries a connection, or "".
func (w *work) place(s *sale) string {
	m := w.match[s.device]
	if s.isLAG() {
		return m.lags[s].place
	}
	if len(s.ports) != 1 {
		return ""
	}
	return m.ports[s.ports[0].ID].place
}

// pair finds the circuit of every config that is sold: the one with its encapsulation, or else the one that admits its
// addresses.
func (w *work) pair() {
	for _, d := range w.Config.Inventory.Devices {
		for _, s := range w.sold.sales[d.Name] {
			at := w.found[d.Name].parents[w.place(s)]
			if at == nil {
				continue
			}
			taken := make(map[*switchcfg.Circuit]bool)
			var open []soldCircuit
			for _, c := range s.circuits {
				i := slices.IndexFunc(at.circuits, func(o *switchcfg.Circuit) bool { return o.Match == c.circuit.Match })
				if i < 0 {
					open = append(open, c)
					continue
				}
				taken[at.circuits[i]] = true
				w.pairs = append(w.pairs, pair{s, c, at.circuits[i], "it has the encapsulation that is sold"})
			}
			var lost []soldCircuit
			for _, c := range open {
				i := slices.IndexFunc(at.circuits, func(o *switchcfg.Circuit) bool {
					return !taken[o] && w.admits(d.Name, o, c.sources)
				})
				if i < 0 {
					lost = append(lost, c)
					continue
				}
				taken[at.circuits[i]] = true
				w.pairs = append(w.pairs, pair{s, c, at.circuits[i], "it admits the addresses that are registered"})
			}
			if len(lost) == len(at.odd) {
				w.odd = append(w.odd, oddPairs(d.Name, at, lost)...)
			}
		}
	}
}

// admits reports whether the filter of a circuit lets one of these in by its address.
func (w *work) admits(device string, c *switchcfg.Circuit, sources []switchcfg.MAC) bool {
	f, ok := w.found[device].State[switchcfg.Key{Kind: switchcfg.KindFilter, Name: c.Filter}].(*switchcfg.Filter)
	return ok && slices.ContainsFunc(f.Sources, func(m switchcfg.MAC) bool { return slices.Contains(sources, m) })
}
