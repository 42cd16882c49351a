package dataplane

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/lab/dataplane/lacp"
)

// table is a Config as the fast path wants it. It is never changed; what changes between frames is behind its
// pointers to ports, LAGs and states.
type table struct {
	config   *Config
	ports    map[*port]*entrance
	lags     []*lag
	circuits []*circuit // in the order of the Config
	services []*service // in the order of the Config
	vnis     map[uint32]*service
	filters  []*filter // in the order of the Config

	parents map[string]*parent
	service map[string]*service
	filter  map[string]*filter
}

// entrance is a port as frames find it that come in.
type entrance struct {
	enabled bool
	parent  *parent // the port itself, or its LAG
	lacp    bool    // slow protocols are not forwarded but for the LAG's machine
}

// parent is a port or LAG that has circuits.
type parent struct {
	name    string
	enabled bool
	mtu     int
	tpid    uint16 // of circuits that do not say
	storm   *bucket
	port    *port // of a port
	lag     *lag  // of a LAG

	units    map[uint32]*circuit
	whole    *circuit // takes all frames
	untagged *circuit
	tpids    []uint16 // the outer ethertypes of its circuits; its own as long as none has a tag
	outer    map[outer]*vlan
}

// outer is the ethertype and VLAN of an outer tag.
type outer uint32

func outerTag(tpid, vid uint16) outer { return outer(tpid)<<16 | outer(vid) }

// vlan is an outer VLAN of a parent: one circuit, or one for each inner VLAN.
type vlan struct {
	single *circuit
	inner  map[uint16]*circuit
}

type circuitKey struct {
	parent string
	unit   uint32
}

func (k circuitKey) String() string { return fmt.Sprintf("%s.%d", k.parent, k.unit) }

// circuit is a Circuit and what its frames pass.
type circuit struct {
	*Circuit
	name    string
	parent  *parent
	service *service // nil for none
	filter  *filter  // nil for none
	leaf    bool     // of a tree
	tpid    uint16
	in, out *bucket
	state   *circuitState
	moved   bool // the stations that an earlier table learned behind it may be elsewhere now
}

// circuitState is what of a circuit outlives a table.
type circuitState struct{ counters }

type filter struct {
	*Filter
	hits []counter // by rule
}

// accepts returns the verdict of the first rule that matches.
func (f *filter) accepts(h *frame.Header, octets int) bool {
	for i := range f.Rules {
		if f.Rules[i].matches(h) {
			f.hits[i].add(octets)
			return f.Rules[i].Accept
		}
	}
	return false
}

// service is a Service and who is in it.
type service struct {
	*Service
	circuits []*circuit
	remotes  []netip.Addr
	through  bool // frames in it may have tags of their own
	of       map[*circuitState]*circuit
	*stations
}

// classify returns the circuit that the frame with header h belongs to, or one that it nearly belongs to or nil,
// and why it does not.
func (p *parent) classify(h *frame.Header) (*circuit, Reason) {
	switch {
	case p.whole != nil:
		return p.whole, none
	case p.untagged == nil && p.outer == nil:
		return nil, NoCircuit
	case p.outer == nil && (h.Depth > 0 || h.Opaque()):
		return p.untagged, ExtraTag
	case h.Depth == 0 && h.Opaque():
		return nil, Ethertype
	case h.Depth == 0 && p.untagged == nil:
		return nil, Untagged
	case h.Depth == 0:
		return p.untagged, none
	}
	v := p.outer[outerTag(h.Tags[0].TPID, h.Tags[0].VID())]
	switch {
	case v == nil:
		return nil, OuterVLAN
	case v.single != nil && !v.single.Through && (h.Depth > 1 || h.Opaque()):
		return v.single, ExtraTag
	case v.single != nil:
		return v.single, none
	case h.Depth == 1 && h.Opaque():
		return nil, Ethertype
	case h.Depth == 1:
		return nil, InnerVLAN
	}
	c := v.inner[h.Tags[1].VID()]
	switch {
	case c == nil:
		return nil, InnerVLAN
	case h.Opaque():
		return c, ExtraTag
	}
	return c, none
}

// tags returns the tags of a frame that leaves by c, outermost first, with the given priorities.
func (c *circuit) tags(p priorities) (t [frame.MaxTags]frame.Tag) {
	t[0] = frame.Tag{TPID: c.tpid, TCI: p.outer | c.Outer}
	t[1] = frame.Tag{TPID: frame.CTag, TCI: p.inner | c.Inner}
	return t
}

// compile makes the table for c, which is valid, with the states of old that still fit. The caller holds p.mu.
func (p *Plane) compile(c *Config, old *table) *table {
	t := &table{
		config: c,
		ports:  make(map[*port]*entrance, len(c.Ports)), vnis: map[uint32]*service{},
		circuits: make([]*circuit, len(c.Circuits)), parents: make(map[string]*parent, len(c.Ports)+len(c.LAGs)),
		service: make(map[string]*service, len(c.Services)), filter: make(map[string]*filter, len(c.Filters)),
	}
	for i := range c.Ports {
		conf := &c.Ports[i]
		pt := p.port(conf.Name)
		pt.storm = bucketFor(Policer{Rate: conf.Storm}, pt.storm)
		pa := &parent{
			name: conf.Name, enabled: conf.Enabled, mtu: conf.MTU, tpid: cmp.Or(conf.TPID, frame.CTag),
			storm: pt.storm, port: pt, units: make(map[uint32]*circuit, old.size(conf.Name)),
		}
		pa.tpids = []uint16{pa.tpid}
		t.parents[conf.Name] = pa
		t.ports[pt] = &entrance{enabled: conf.Enabled, parent: pa}
	}
	for i := range c.LAGs {
		conf := &c.LAGs[i]
		l := p.lag(conf.Name)
		l.storm = bucketFor(Policer{Rate: conf.Storm}, l.storm)
		pa := &parent{
			name: conf.Name, enabled: conf.Enabled, mtu: conf.MTU, tpid: cmp.Or(conf.TPID, frame.CTag),
			storm: l.storm, lag: l, units: make(map[uint32]*circuit, old.size(conf.Name)),
		}
		pa.tpids = []uint16{pa.tpid}
		t.parents[conf.Name] = pa
		t.lags = append(t.lags, l)
		for _, m := range conf.Members {
			e := t.ports[p.port(m)]
			e.parent, e.lacp = pa, conf.Mode != lacp.Static
		}
	}
	for i := range c.Filters {
		f := &filter{Filter: &c.Filters[i]}
		if was := old.filter[f.Name]; was != nil && slices.Equal(was.Rules, f.Rules) {
			f.hits = was.hits
		} else {
			f.hits = make([]counter, len(f.Rules))
		}
		t.filters = append(t.filters, f)
		t.filter[f.Name] = f
	}
	for i := range c.Services {
		s := &service{Service: &c.Services[i], remotes: c.Services[i].Remotes, of: map[*circuitState]*circuit{}}
		if was := old.service[s.Name]; was != nil && was.Kind == s.Kind && was.VNI == s.VNI {
			s.stations = was.stations
		} else {
			s.stations = newStations()
		}
		t.services = append(t.services, s)
		t.service[s.Name] = s
		if s.VNI != 0 {
			t.vnis[s.VNI] = s
		}
	}
	circuits := make([]circuit, len(c.Circuits))
	for i := range circuits {
		t.circuits[i] = &circuits[i]
		t.add(&circuits[i], &c.Circuits[i], old)
	}
	return t
}

// add compiles one circuit.
func (t *table) add(c *circuit, conf *Circuit, old *table) {
	c.Circuit, c.parent = conf, t.parents[conf.Parent]
	c.tpid = cmp.Or(conf.TPID, c.parent.tpid)
	c.service, c.filter = t.service[conf.Service], t.filter[conf.Filter]
	if was := old.circuit(conf); was != nil {
		c.name, c.state = was.name, was.state
		c.in, c.out = bucketFor(c.In, was.in), bucketFor(c.Out, was.out)
		c.moved = c.differs(was)
	} else {
		c.name, c.state = circuitKey{conf.Parent, conf.Unit}.String(), &circuitState{}
		c.in, c.out = bucketFor(c.In, nil), bucketFor(c.Out, nil)
	}
	c.parent.units[c.Unit] = c
	if s := c.service; s != nil {
		c.leaf = conf.Leaf && s.Kind == Tree
		s.through = s.through || conf.Through
		s.circuits = append(s.circuits, c)
		s.of[c.state] = c
	}
	switch {
	case c.Tags == 0 && c.Through:
		c.parent.whole = c
		return
	case c.Tags == 0:
		c.parent.untagged = c
		return
	}
	if c.parent.outer == nil {
		c.parent.outer, c.parent.tpids = map[outer]*vlan{}, nil
	}
	if !slices.Contains(c.parent.tpids, c.tpid) {
		c.parent.tpids = append(c.parent.tpids, c.tpid)
	}
	tag := outerTag(c.tpid, c.Outer)
	v := c.parent.outer[tag]
	if v == nil {
		v = &vlan{}
		c.parent.outer[tag] = v
	}
	if c.Tags == 1 {
		v.single = c
		return
	}
	if v.inner == nil {
		v.inner = map[uint16]*circuit{}
	}
	v.inner[c.Inner] = c
}

// size returns the number of circuits of a parent.
func (t *table) size(parent string) int {
	if p := t.parents[parent]; p != nil {
		return len(p.units)
	}
	return 0
}

// circuit returns the one that has the parent and unit of c, or nil.
func (t *table) circuit(c *Circuit) *circuit {
	if p := t.parents[c.Parent]; p != nil {
		return p.units[c.Unit]
	}
	return nil
}

// forget removes from the services of t the stations that may be behind another circuit or tunnel, or nowhere,
// now that t has taken the place of another table. No reader must be at work with that any more.
func (t *table) forget() {
	for _, s := range t.services {
		s.prune(func(at place) bool {
			if at.circuit == nil {
				return slices.Contains(s.remotes, at.remote)
			}
			c := s.of[at.circuit]
			return c != nil && !c.moved
		})
	}
}

// differs reports whether c may have other stations than was, which is the same circuit of an earlier table.
func (c *circuit) differs(was *circuit) bool {
	if was.tpid != c.tpid || was.parent.enabled != c.parent.enabled || (was.filter == nil) != (c.filter == nil) {
		return true
	}
	if c.filter != nil && !slices.Equal(c.filter.Rules, was.filter.Rules) {
		return true
	}
	a, b := *c.Circuit, *was.Circuit
	a.TPID, b.TPID = 0, 0
	a.In, a.Out, b.In, b.Out = Policer{}, Policer{}, Policer{}, Policer{}
	return a != b
}
