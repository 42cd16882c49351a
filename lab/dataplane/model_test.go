package dataplane_test

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/lab/dataplane/lacp"
)

// model is a plane as one would explain it: it looks through the whole configuration for every frame. Which members
// of a LAG pass frames it is told, because the machines of LAGs have laws of their own.
type model struct {
	conf     *dataplane.Config
	link     map[string]bool
	lag      func(name string) dataplane.LAGState
	stations map[string]map[frame.MAC]*seen // by service
	buckets  map[string]*tokens
	in, out  map[string]dataplane.Count // by circuit
}

func newModel(link map[string]bool, lag func(string) dataplane.LAGState) *model {
	return &model{
		conf: &dataplane.Config{}, link: link, lag: lag, stations: map[string]map[frame.MAC]*seen{},
		buckets: map[string]*tokens{}, in: map[string]dataplane.Count{}, out: map[string]dataplane.Count{},
	}
}

// seen is a station: the name of its circuit or the address of its switch, and when it sent last.
type seen struct {
	at   string
	last time.Time
}

// tokens is a bucket that counts in 8e-9 octets, so that nothing is rounded.
type tokens struct {
	dataplane.Policer
	level, size int64
	filled      time.Time
}

const octet = 8_000_000_000

// outcome is what becomes of one frame.
type outcome struct {
	Out   []sent
	Drops []lost
}

type sent struct{ At, Frame string } // a port, LAG or switch, and the octets in hexadecimal

type lost struct {
	Port, Circuit string
	Reason        string
	Out           bool
}

// entry is a port or LAG that has circuits.
type entry struct {
	name    string
	enabled bool
	mtu     int
	tpid    uint16
	storm   uint64
	lag     *dataplane.LAG
}

// traveller is a frame without its tags.
type traveller struct {
	port     string // where it came in
	from     *dataplane.Circuit
	remote   string
	service  *dataplane.Service
	dst, src frame.MAC
	rest     []byte // from the ethertype on
	leaf     bool
	priority [2]uint16
}

func (t *traveller) place() string {
	if t.from == nil {
		return t.remote
	}
	return name(t.from)
}

func (t *traveller) payload() int { return len(t.rest) - 2 }

func name(c *dataplane.Circuit) string { return fmt.Sprintf("%s.%d", c.Parent, c.Unit) }

func (m *model) entry(name string) entry {
	for _, p := range m.conf.Ports {
		if p.Name == name {
			return entry{p.Name, p.Enabled, p.MTU, cmp.Or(p.TPID, frame.CTag), p.Storm, nil}
		}
	}
	for _, l := range m.conf.LAGs {
		if l.Name == name {
			return entry{l.Name, l.Enabled, l.MTU, cmp.Or(l.TPID, frame.CTag), l.Storm, &l}
		}
	}
	return entry{}
}

func (m *model) service(name string) *dataplane.Service {
	for i := range m.conf.Services {
		if m.conf.Services[i].Name == name {
			return &m.conf.Services[i]
		}
	}
	return nil
}

func (m *model) circuit(called string) *dataplane.Circuit {
	for i := range m.conf.Circuits {
		if name(&m.conf.Circuits[i]) == called {
			return &m.conf.Circuits[i]
		}
	}
	return nil
}

// mute says why no frame leaves by an entry.
func (m *model) mute(e entry) dataplane.Reason {
	switch {
	case !e.enabled:
		return dataplane.AdminDown
	case e.lag == nil && !m.link[e.name]:
		return dataplane.LinkDown
	case e.lag != nil && len(m.lag(e.name).Distributing) == 0:
		return dataplane.NoMember
	}
	return 0
}

// configure forgets what depends on what c changes.
func (m *model) configure(c *dataplane.Config) {
	was := *m
	m.conf = c
	for service, known := range m.stations {
		s, old := m.service(service), was.service(service)
		if s == nil || s.Kind != old.Kind || s.VNI != old.VNI {
			delete(m.stations, service)
			continue
		}
		for a, st := range known {
			if !m.keeps(&was, s, st.at) {
				delete(known, a)
			}
		}
	}
	for key, b := range m.buckets {
		if m.policer(key) != b.Policer {
			delete(m.buckets, key)
		}
	}
	m.forget()
}

// keeps reports whether stations of s that are at a place are there still.
func (m *model) keeps(was *model, s *dataplane.Service, at string) bool {
	if a, err := netip.ParseAddr(at); err == nil {
		return slices.Contains(s.Remotes, a)
	}
	old, c := was.circuit(at), m.circuit(at)
	if c == nil || c.Service != s.Name {
		return false
	}
	a, b := *old, *c
	a.In, a.Out, b.In, b.Out = dataplane.Policer{}, dataplane.Policer{}, dataplane.Policer{}, dataplane.Policer{}
	a.TPID, b.TPID = was.tpid(old), m.tpid(c)
	return a == b &&
		slices.Equal(was.rules(c.Filter), m.rules(c.Filter))
}

func (m *model) rules(filter string) []dataplane.Rule {
	for _, f := range m.conf.Filters {
		if f.Name == filter {
			return f.Rules
		}
	}
	return nil
}

// policer returns what a bucket is for, by its key.
func (m *model) policer(key string) dataplane.Policer {
	var kind, of string
	if _, err := fmt.Sscan(key, &kind, &of); err != nil {
		panic(err)
	}
	if kind == "storm" {
		return dataplane.Policer{Rate: m.entry(of).storm}
	}
	c := m.circuit(of)
	switch {
	case c == nil:
		return dataplane.Policer{}
	case kind == "in":
		return c.In
	}
	return c.Out
}

// admits takes tokens for a frame.
func (m *model) admits(key string, octets int) bool {
	p := m.policer(key)
	if p.Rate == 0 {
		return true
	}
	b := m.buckets[key]
	if b == nil {
		b = &tokens{Policer: p, size: int64(p.Burst) * octet, filled: time.Now()}
		if p.Burst == 0 {
			b.size = max(int64(p.Rate)*int64(50*time.Millisecond), 2*9600*octet)
		}
		b.level = b.size
		m.buckets[key] = b
	}
	b.level = min(b.size, b.level+int64(p.Rate)*int64(time.Since(b.filled)))
	b.filled = time.Now()
	if b.level < int64(octets)*octet {
		return false
	}
	b.level -= int64(octets) * octet
	return true
}

// forget removes stations that are too old, and those that no frame can reach because a link was lost.
func (m *model) forget() {
	for _, known := range m.stations {
		for a, st := range known {
			c := m.circuit(st.at)
			if time.Since(st.last) >= dataplane.AgeingTime || c != nil && m.mute(m.entry(c.Parent)) != 0 {
				delete(known, a)
			}
		}
	}
}

func (m *model) learn(t *traveller, limit int) bool {
	m.forget()
	known := m.stations[t.service.Name]
	if known == nil {
		known = map[frame.MAC]*seen{}
		m.stations[t.service.Name] = known
	}
	st, at := known[t.src], t.place()
	behind := 0
	for _, other := range known {
		if other.at == at {
			behind++
		}
	}
	switch {
	case st != nil && st.at == at:
	case st == nil && t.service.MACLimit > 0 && len(known) >= t.service.MACLimit:
		return false
	case limit > 0 && behind >= limit:
		return false
	}
	known[t.src] = &seen{at, time.Now()}
	return true
}

// finds returns where a packet is to go, "" if nobody knows.
func (m *model) finds(t *traveller) string {
	m.forget()
	if st := m.stations[t.service.Name][t.dst]; st != nil && t.service.Kind != dataplane.Line && !t.dst.Group() {
		return st.at
	}
	return ""
}

func vlan(ethertype uint16) bool { return slices.Contains(tpids, ethertype) }

// stack returns all VLAN tags of a frame of 14 octets at least, and whether the frame ends inside the last.
func stack(f []byte) (tags []frame.Tag, cut bool) {
	for at := 12; len(f) >= at+2 && vlan(binary.BigEndian.Uint16(f[at:])); at += 4 {
		t := frame.Tag{TPID: binary.BigEndian.Uint16(f[at:])}
		if len(f) < at+6 {
			return append(tags, t), true
		}
		t.TCI = binary.BigEndian.Uint16(f[at+2:])
		tags = append(tags, t)
	}
	return tags, false
}

// understood is how many of the tags are such as somebody looks for who takes outer ones of some ethertypes.
func understood(tags []frame.Tag, tpids ...uint16) (n int) {
	for n < len(tags) && n < 2 && slices.Contains([][]uint16{tpids, {frame.CTag}}[n], tags[n].TPID) {
		n++
	}
	return n
}

// tpid is the outer ethertype of a circuit.
func (m *model) tpid(c *dataplane.Circuit) uint16 { return cmp.Or(c.TPID, m.entry(c.Parent).tpid) }

// outers are the ethertypes that an entry looks for: those of its circuits, or its own if none of them has a tag.
func (m *model) outers(e entry) (tpids []uint16) {
	for i := range m.conf.Circuits {
		if c := &m.conf.Circuits[i]; c.Parent == e.name && c.Tags > 0 {
			tpids = append(tpids, m.tpid(c))
		}
	}
	if tpids == nil {
		tpids = []uint16{e.tpid}
	}
	return tpids
}

// arrive says what becomes of a frame that comes in at a port.
func (m *model) arrive(port string, f []byte) (o outcome) {
	refuse := func(why dataplane.Reason, c *dataplane.Circuit) outcome {
		return o.refused(port, c, why)
	}
	e := m.entry(port)
	enabled := e.enabled
	for _, l := range m.conf.LAGs {
		if slices.Contains(l.Members, port) {
			e = m.entry(l.Name)
		}
	}
	if !enabled || !e.enabled {
		return refuse(dataplane.AdminDown, nil)
	}
	if e.lag != nil && e.lag.Mode != lacp.Static && slow(f) {
		return o
	}
	if e.lag != nil && !slices.Contains(m.lag(e.name).Collecting, port) {
		return refuse(dataplane.NotCollecting, nil)
	}
	if len(f) < frame.HeaderSize || f[6]&1 != 0 {
		return refuse(dataplane.Malformed, nil)
	}
	tags, cut := stack(f)
	if cut && understood(tags, m.outers(e)...) == len(tags) {
		return refuse(dataplane.Malformed, nil)
	}
	c := m.owner(e, tags)
	if c == nil {
		near, why := m.whyNot(e, tags)
		return refuse(why, near)
	}
	if c.Through {
		tags = tags[:c.Tags]
	}
	t := &traveller{
		port: port, from: c, service: m.service(c.Service),
		dst: frame.MAC(f[:6]), src: frame.MAC(f[6:12]), rest: f[12+4*len(tags):],
	}
	for i := range t.priority {
		if len(tags) > 0 {
			t.priority[i] = tags[min(i, len(tags)-1)].TCI & 0xf000
		}
	}
	if why := m.admit(t, e, len(f)); why != 0 {
		return refuse(why, c)
	}
	t.leaf = c.Leaf && t.service.Kind == dataplane.Tree
	m.in[name(c)] = plus(m.in[name(c)], len(f))
	m.deliver(t, &o)
	return o
}

func (o outcome) refused(port string, c *dataplane.Circuit, why dataplane.Reason) outcome {
	l := lost{Port: port, Reason: why.String()}
	if c != nil {
		l.Circuit = name(c)
	}
	o.Drops = append(o.Drops, l)
	return o
}

func plus(c dataplane.Count, octets int) dataplane.Count {
	return dataplane.Count{Frames: c.Frames + 1, Octets: c.Octets + uint64(octets)}
}

// slow reports whether a frame is of a slow protocol, such as LACP.
func slow(f []byte) bool {
	return len(f) >= 14 && frame.MAC(f) == frame.MAC(lacp.Address()) && binary.BigEndian.Uint16(f[12:]) == lacp.EtherType
}

// owner returns the circuit whose tags are exactly these, or the first of these if it lets others through.
func (m *model) owner(e entry, tags []frame.Tag) *dataplane.Circuit {
	for i := range m.conf.Circuits {
		c := &m.conf.Circuits[i]
		if c.Through && c.Parent == e.name && (c.Tags == 0 || understood(tags, m.tpid(c)) > 0 && tags[0].VID() == c.Outer) {
			return c
		}
		if c.Parent == e.name && c.Tags == len(tags) && understood(tags, m.tpid(c)) == c.Tags &&
			(c.Tags < 1 || tags[0].VID() == c.Outer) && (c.Tags < 2 || tags[1].VID() == c.Inner) {
			return c
		}
	}
	return nil
}

// whyNot says why no circuit has these tags, and which one it is that nearly has them.
func (m *model) whyNot(e entry, tags []frame.Tag) (*dataplane.Circuit, dataplane.Reason) {
	var bare, single, double *dataplane.Circuit // single and double have the outer VLAN, double has both
	some, tagged, outer := false, false, false
	for i := range m.conf.Circuits {
		c := &m.conf.Circuits[i]
		if c.Parent != e.name {
			continue
		}
		some = true
		tagged = tagged || c.Tags > 0
		same := c.Tags > 0 && len(tags) > 0 && tags[0].TPID == m.tpid(c) && tags[0].VID() == c.Outer
		outer = outer || same
		switch {
		case c.Tags == 0:
			bare = c
		case c.Tags == 1 && same:
			single = c
		case same && len(tags) > 1 && tags[1].VID() == c.Inner:
			double = c
		}
	}
	switch known := understood(tags, m.outers(e)...); {
	case !some:
		return nil, dataplane.NoCircuit
	case !tagged:
		return bare, dataplane.ExtraTag
	case len(tags) == 0:
		return nil, dataplane.Untagged
	case known == 0:
		return nil, dataplane.Ethertype
	case !outer:
		return nil, dataplane.OuterVLAN
	case single != nil:
		return single, dataplane.ExtraTag
	case len(tags) > 1 && known == 1:
		return nil, dataplane.Ethertype
	case double == nil:
		return nil, dataplane.InnerVLAN
	}
	return double, dataplane.ExtraTag
}

// admit asks all that is asked of a frame of some octets with its tags that comes in by a circuit.
func (m *model) admit(t *traveller, e entry, octets int) dataplane.Reason {
	c := t.from
	switch {
	case !c.Enabled:
		return dataplane.AdminDown
	case t.service == nil:
		return dataplane.NoService
	case tooLong(t, e.mtu) || tooLong(t, t.service.MTU):
		return dataplane.MTU
	case c.Filter != "" && !passes(m.rules(c.Filter), t):
		return dataplane.Filtered
	case (t.dst.Group() || t.service.Kind != dataplane.Line && m.finds(t) == "") && !m.admits("storm "+e.name, octets):
		return dataplane.Storm
	case !m.admits("in "+name(c), octets):
		return dataplane.Policed
	case t.service.Kind != dataplane.Line && m.mute(e) == 0 && !m.learn(t, c.MACLimit):
		return dataplane.MACLimit
	}
	return 0
}

func tooLong(t *traveller, mtu int) bool { return mtu != 0 && t.payload() > mtu }

func passes(rules []dataplane.Rule, t *traveller) bool {
	for _, r := range rules {
		same := true
		for i := range 6 {
			same = same && t.dst[i]&r.DstMask[i] == r.Dst[i]&r.DstMask[i] && t.src[i]&r.SrcMask[i] == r.Src[i]&r.SrcMask[i]
		}
		if same {
			return r.Accept
		}
	}
	return false
}

// deliver passes a frame on that was admitted.
func (m *model) deliver(t *traveller, o *outcome) {
	if at := m.finds(t); at != "" {
		c := m.circuit(at)
		switch {
		case at == t.place() && t.from != nil:
			*o = o.refused(t.port, t.from, dataplane.SameCircuit)
		case c != nil && t.leaf && c.Leaf:
			*o = o.refused(t.port, t.from, dataplane.Leaf)
		case c != nil:
			m.leave(t, c, o)
		case t.from == nil:
			*o = o.refused(t.port, nil, dataplane.SplitHorizon)
		default:
			m.cross(t, at, o)
		}
		return
	}
	nobody := true
	for i := range m.conf.Circuits {
		c := &m.conf.Circuits[i]
		if c.Service == t.service.Name && c != t.from && !(t.leaf && c.Leaf) {
			m.leave(t, c, o)
			nobody = false
		}
	}
	for _, r := range t.service.Remotes {
		if t.from != nil {
			m.cross(t, r.String(), o)
			nobody = false
		}
	}
	if nobody {
		*o = o.refused(t.port, t.from, dataplane.NoDestination)
	}
}

// leave sends a frame out of a circuit.
func (m *model) leave(t *traveller, c *dataplane.Circuit, o *outcome) {
	e := m.entry(c.Parent)
	tags := []frame.Tag{{TPID: m.tpid(c), TCI: t.priority[0] | c.Outer}, {TPID: frame.CTag, TCI: t.priority[1] | c.Inner}}[:c.Tags]
	f := put(t, tags)
	why := m.mute(e)
	switch {
	case !c.Enabled:
		why = dataplane.AdminDown
	case why != 0:
	case tooLong(t, e.mtu) || tooLong(t, t.service.MTU):
		why = dataplane.MTU
	case !m.admits("out "+name(c), len(f)):
		why = dataplane.Policed
	}
	if why != 0 {
		o.Drops = append(o.Drops, lost{t.port, name(c), why.String(), true})
		return
	}
	m.out[name(c)] = plus(m.out[name(c)], len(f))
	o.Out = append(o.Out, sent{e.name, fmt.Sprintf("%x", f)})
}

func put(t *traveller, tags []frame.Tag) []byte {
	f := slices.Concat(t.dst[:], t.src[:])
	for _, tag := range tags {
		f = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(f, tag.TPID), tag.TCI)
	}
	return append(f, t.rest...)
}

// cross sends a frame to another switch.
func (m *model) cross(t *traveller, remote string, o *outcome) {
	vni := t.service.VNI
	datagram := []byte{8, 0, 0, 0, byte(vni >> 16), byte(vni >> 8), byte(vni), 0}
	if t.leaf {
		datagram[0], datagram[3] = 0x88, 1
	}
	var tags []frame.Tag
	for _, p := range t.priority {
		tags = append(tags, frame.Tag{TPID: frame.CTag, TCI: p})
	}
	switch {
	case len(t.rest) >= 4 && binary.BigEndian.Uint16(t.rest) == frame.CTag && binary.BigEndian.Uint16(t.rest[2:])&0xfff == 0:
		tags = tags[:1]
	case t.priority == [2]uint16{}:
		tags = nil
	case t.priority[0] == t.priority[1]:
		tags = tags[:1]
	}
	o.Out = append(o.Out, sent{remote, fmt.Sprintf("%x", append(datagram, put(t, tags)...))})
}

// through reports whether frames of a service may have tags of their own.
func (m *model) through(s *dataplane.Service) bool {
	return slices.ContainsFunc(m.conf.Circuits, func(c dataplane.Circuit) bool { return c.Service == s.Name && c.Through })
}

// hear says what becomes of a datagram from another switch.
func (m *model) hear(remote string, d []byte) (o outcome) {
	refuse := func(why dataplane.Reason) outcome { return o.refused(dataplane.TunnelPort, nil, why) }
	if len(d) < 8 || d[0]&8 == 0 {
		return refuse(dataplane.Malformed)
	}
	vni := uint32(d[4])<<16 | uint32(d[5])<<8 | uint32(d[6])
	t := &traveller{port: dataplane.TunnelPort, remote: remote}
	for i := range m.conf.Services {
		if s := &m.conf.Services[i]; s.VNI != 0 && s.VNI == vni {
			t.service = s
		}
	}
	if t.service == nil {
		return refuse(dataplane.UnknownVNI)
	}
	if !slices.Contains(t.service.Remotes, netip.MustParseAddr(remote)) {
		return refuse(dataplane.UnknownRemote)
	}
	f := d[8:]
	if len(f) < frame.HeaderSize || f[6]&1 != 0 {
		return refuse(dataplane.Malformed)
	}
	tags, cut := stack(f)
	switch {
	case cut && understood(tags, frame.CTag) == len(tags):
		return refuse(dataplane.Malformed)
	case m.through(t.service) && len(tags) > 0 && tags[0].TPID == frame.CTag && tags[0].VID() == 0:
		tags = tags[:1]
	case m.through(t.service):
		tags = nil
	case len(tags) > 2:
		return refuse(dataplane.ExtraTag)
	}
	for _, tag := range tags {
		if tag.TPID != frame.CTag || tag.VID() != 0 {
			return refuse(dataplane.ExtraTag)
		}
	}
	t.dst, t.src, t.rest = frame.MAC(f[:6]), frame.MAC(f[6:12]), f[12+4*len(tags):]
	if len(tags) > 0 {
		t.priority = [2]uint16{tags[0].TCI & 0xf000, tags[len(tags)-1].TCI & 0xf000}
	}
	t.leaf = t.service.Kind == dataplane.Tree && d[0]&0x80 != 0 && d[2] == 0 && d[3] == 1
	if t.service.Kind != dataplane.Line && !m.learn(t, 0) {
		return refuse(dataplane.MACLimit)
	}
	m.deliver(t, &o)
	return o
}
