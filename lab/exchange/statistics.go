package exchange

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// Counters tell what the switches of an exchange have counted since they were started.
type Counters interface {
	// Port returns what a port has counted; ok is false when that is not known. Device and port are the names that the
	// exchange has for them.
	Port(device, port string) (c Count, ok bool)
	// Circuit returns what is counted of the frames with the given tags on a port, or on the LAG that it is in; a tag of
	// 0 is none.
	Circuit(device, port string, outer, inner uint16) (c Count, ok bool)
}

// A Count is what was counted so far. In is what came from the subscriber.
type Count struct{ In, Out Flow }

// A Flow is what was counted in one direction.
type Flow struct{ Octets, Packets, Errors, Discards uint64 }

// quantities is how many numbers there are in a Count.
const quantities = 8

// numbers are those of a count, in the order of rates.
func (c Count) numbers() [quantities]uint64 {
	return [quantities]uint64{
		c.In.Packets, c.Out.Packets, c.In.Octets, c.Out.Octets, c.In.Errors, c.Out.Errors, c.In.Discards, c.Out.Discards,
	}
}

// rates are the names of what is measured: packets, octets, errors and discards a second, in each direction.
func rates() [quantities]string {
	return [quantities]string{"pps_in", "pps_out", "ops_in", "ops_out", "eps_in", "eps_out", "dps_in", "dps_out"}
}

// The bounds of what is remembered: samples of a meter, and meters.
const (
	maxSamples = 512
	maxMeters  = 10_000
	// sampleSpacing is the least time between samples that are kept, samplePeriod the time after which one is taken
	// although nobody asks.
	sampleSpacing = time.Second
	samplePeriod  = 10 * time.Second
)

// A sample is what had been counted at a time. A counter that was set back goes on from where it was.
type sample struct {
	at    time.Time
	total [quantities]float64
}

// A meter remembers what a counter said.
type meter struct {
	last    [quantities]uint64
	samples []sample // in order of time
}

// add takes a sample.
func (m *meter) add(at time.Time, now [quantities]uint64) {
	n := len(m.samples)
	if n > 0 && !at.After(m.samples[n-1].at) {
		return
	}
	next := sample{at: at}
	if n > 0 {
		next.total = m.samples[n-1].total
		for i := range now {
			if now[i] >= m.last[i] {
				next.total[i] += float64(now[i] - m.last[i])
			} else {
				next.total[i] += float64(now[i])
			}
		}
	}
	m.last = now
	if n > 1 && at.Sub(m.samples[n-2].at) < sampleSpacing {
		m.samples[n-1] = next
		return
	}
	if m.samples = append(m.samples, next); len(m.samples) > maxSamples {
		m.samples = slices.Delete(m.samples, 0, 1)
	}
}

// total returns what had been counted at a time between the first and the last sample.
func (m *meter) total(at time.Time) [quantities]float64 {
	i := sort.Search(len(m.samples), func(i int) bool { return !m.samples[i].at.Before(at) })
	if i == 0 || m.samples[i].at.Equal(at) {
		return m.samples[i].total
	}
	a, b := m.samples[i-1], m.samples[i]
	part := float64(at.Sub(a.at)) / float64(b.at.Sub(a.at))
	out := a.total
	for q := range out {
		out[q] += part * (b.total[q] - a.total[q])
	}
	return out
}

// A period is a time from one moment to another.
type period struct{ from, to time.Time }

// seconds is how long a period is; 0 when it is none.
func (w period) seconds() float64 { return max(0, w.to.Sub(w.from).Seconds()) }

// measured returns the part of a period that a meter has measured.
func (m *meter) measured(w period) period {
	if len(m.samples) == 0 {
		return period{}
	}
	if first := m.samples[0].at; w.from.Before(first) {
		w.from = first
	}
	if last := m.samples[len(m.samples)-1].at; w.to.After(last) {
		w.to = last
	}
	return w
}

// rate returns the averages of a period, each second.
func (m *meter) rate(w period) (out [quantities]float64) {
	w = m.measured(w)
	if w.seconds() == 0 {
		return out
	}
	from, to := m.total(w.from), m.total(w.to)
	for q := range out {
		out[q] = (to[q] - from[q]) / w.seconds()
	}
	return out
}

// Meters are those of an exchange, by what they measure.
type meters struct {
	mu  sync.Mutex
	all map[spot]*meter
}

// A spot is where something is counted: a port, or the frames with certain tags on it.
type spot struct {
	device, port string
	circuit      bool
	outer, inner uint16
}

// read takes samples of spots, and returns their meters, which nobody changes.
func (m *meters) read(from Counters, now time.Time, spots []spot) []meter {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil {
		m.all = make(map[spot]*meter)
	}
	var out []meter
	for _, s := range spots {
		c, ok := Count{}, false
		switch {
		case from == nil:
		case s.circuit:
			c, ok = from.Circuit(s.device, s.port, s.outer, s.inner)
		default:
			c, ok = from.Port(s.device, s.port)
		}
		if ok && m.all[s] == nil {
			for old := range m.all {
				if len(m.all) < maxMeters {
					break
				}
				delete(m.all, old)
			}
			m.all[s] = &meter{}
		}
		if ok {
			m.all[s].add(now, c.numbers())
		}
		if known := m.all[s]; known != nil {
			out = append(out, meter{samples: slices.Clone(known.samples)})
		}
	}
	return out
}

// sample takes samples of all connections and configs that are in service, until ctx is done.
func (s *Server) sample(ctx context.Context) {
	tick := time.NewTicker(samplePeriod)
	defer tick.Stop()
	for {
		at := s.store.Now()
		var all []spot
		for _, collection := range []string{"connections", "network-service-configs"} {
			for _, r := range at.List(collection) {
				if inService(r) {
					all = append(all, spots(at, collection, r)...)
				}
			}
		}
		s.meters.read(s.options.Counters, s.options.Clock(), all)
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// spotOf returns where a port is.
func spotOf(at *store.Snapshot, p *store.Record) spot {
	name, named := p.Text("name")
	if !named {
		name = p.ID
	}
	return spot{device: at.Follow(p, "device", "devices", "name"), port: name}
}

// spots returns where is counted what a record is about.
func spots(at *store.Snapshot, collection string, r *store.Record) (out []spot) {
	switch collection {
	case "ports":
		return []spot{spotOf(at, r)}
	case "connections":
		for _, id := range r.List("ports") {
			if p := at.Get("ports", id); p != nil {
				out = append(out, spotOf(at, p))
			}
		}
	case "network-service-configs":
		id, _ := r.Text("connection")
		c := at.Get("connections", id)
		if c == nil {
			return nil
		}
		for _, id := range c.List("ports") {
			if p := at.Get("ports", id); p != nil { // one stands for all of a LAG
				s := spotOf(at, p)
				s.circuit = true
				s.outer, s.inner = tagIn(r, "vlan"), 0
				if s.outer == 0 {
					s.outer, s.inner = tagIn(r, "outer_vlan"), tagIn(r, "inner_vlan")
				}
				return []spot{s}
			}
		}
	case "network-services":
		for _, c := range inServiceOf(at, "network-service-configs", "network_service", r.ID) {
			out = append(out, spots(at, "network-service-configs", c)...)
		}
	}
	return out
}

// tagIn returns a tag of a config; 0 for none.
func tagIn(config *store.Record, field string) uint16 {
	text, _ := config.Text("vlan_config." + field)
	n, err := strconv.ParseUint(text, 10, 12)
	if err != nil {
		return 0
	}
	return uint16(n)
}

// A span is a length of time that is aggregated, by its name in ISO 8601.
type span struct {
	name   string
	length time.Duration
}

func spans() []span {
	const day = 24 * time.Hour
	return []span{{"PT5M", 5 * time.Minute}, {"PT1H", time.Hour}, {"P1D", day}, {"P7D", 7 * day}, {"P30D", 30 * day}}
}

// maxPoints bounds a time series.
const maxPoints = 2016

// figures are the numbers of a period by the names of fields (IX-API, aggregates).
func figures(all []meter, w period) map[string]float64 {
	out := map[string]float64{}
	var average [quantities]float64
	cuts := []time.Time{}
	for i := range all {
		for q, n := range all[i].rate(w) {
			average[q] += n
		}
		part := all[i].measured(w)
		if part.seconds() == 0 {
			continue
		}
		cuts = append(cuts, part.from, part.to)
		for _, s := range all[i].samples {
			if s.at.After(part.from) && s.at.Before(part.to) {
				cuts = append(cuts, s.at)
			}
		}
	}
	slices.SortFunc(cuts, time.Time.Compare)
	cuts = slices.CompactFunc(cuts, time.Time.Equal)
	type stretch struct{ rate, seconds float64 }
	var stretches [quantities][]stretch
	for i := 1; i < len(cuts); i++ {
		part := period{cuts[i-1], cuts[i]}
		var sum [quantities]float64
		for m := range all {
			for q, n := range all[m].rate(part) {
				sum[q] += n
			}
		}
		for q, n := range sum {
			stretches[q] = append(stretches[q], stretch{n, part.seconds()})
		}
	}
	for q, name := range rates() {
		list, whole, most, high := stretches[q], 0.0, 0.0, 0.0
		slices.SortFunc(list, func(a, b stretch) int { return cmp.Compare(a.rate, b.rate) })
		for _, s := range list {
			whole += s.seconds
			most = max(most, s.rate)
		}
		below := 0.0
		for _, s := range list {
			if below < 0.95*whole {
				high = s.rate
			}
			below += s.seconds
		}
		out["average_"+name], out["percentile95_"+name], out["maximum_"+name] = average[q], high, most
	}
	return out
}

// accuracy is the part of a period that was measured, of the meter that measured least; 0 without one.
func accuracy(all []meter, w period) float64 {
	if len(all) == 0 || w.seconds() == 0 {
		return 0
	}
	least := 1.0
	for i := range all {
		least = min(least, all[i].measured(w).seconds()/w.seconds())
	}
	return least
}

// aggregate returns the object for a period, with what is said of when it was made.
func aggregate(all []meter, title string, w period, now time.Time) map[string]any {
	out := map[string]any{
		"title": title, "precision": int(w.seconds()), "start": stamp(w.from), "end": stamp(w.to), "created_at": stamp(now),
		"next_update_at": stamp(now.Add(sampleSpacing)), "accuracy": accuracy(all, w),
	}
	for name, n := range figures(all, w) {
		out[name] = n
	}
	return out
}

func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// asked reads the period that a request asks for; it has no beginning when there is no start.
func asked(query url.Values, now time.Time) (w period, faults []property) {
	w.to = now
	for _, p := range []struct {
		name string
		into *time.Time
	}{{"start", &w.from}, {"end", &w.to}} {
		if !query.Has(p.name) {
			continue
		}
		t, err := timestamp([]string{query.Get(p.name)})
		if err != nil {
			faults = append(faults, property{Name: p.name, Reason: err.Error()})
			continue
		}
		*p.into = t
	}
	if w.to.After(now) {
		w.to = now
	}
	if faults == nil && !w.from.IsZero() && !w.from.Before(w.to) {
		faults = append(faults, property{Name: "start", Reason: "is not before the end, or not in the past"})
	}
	return w, faults
}

// measurements are the actions below records that are about traffic, by collection and path.
func measurements() map[string]map[string]action {
	traffic := action{http.MethodGet: (*call).statistics}
	return map[string]map[string]action{
		"ports":            {"statistics": traffic},
		"connections":      {"statistics": traffic},
		"network-services": {"statistics": traffic, "rtt-statistics": {http.MethodGet: (*call).roundTrips}},
		"network-service-configs": {
			"statistics": traffic, "peer-statistics": {http.MethodGet: (*call).peers},
		},
	}
}

// mayKnow answers a caller who sees of a record only that it is there, and reports whether it sees more.
func (c *call) mayKnow(at *store.Snapshot) bool {
	if c.server.sees(c.by, at, c.collection, c.record) < shared {
		c.refuse(forbidden("this is not for account %s to know", c.by.account))
		return false
	}
	return true
}

// statistics answers for the traffic of a record: its aggregates, or a time series of one of them.
func (c *call) statistics() {
	at, now, query := c.server.store.Now(), c.server.options.Clock(), c.r.URL.Query()
	w, faults := asked(query, now)
	series := len(c.rest) == 2 && c.rest[1] == "timeseries"
	if len(c.rest) > 0 && !series {
		c.refuse(missing("there is no such resource"))
		return
	}
	if !c.mayKnow(at) {
		return
	}
	read := func() []meter {
		return c.server.meters.read(c.server.options.Counters, now, spots(at, c.collection, c.record))
	}
	title := c.collection + " " + c.record.ID
	if series {
		if answer, ok := c.timeseries(w, faults, title, now, read); ok {
			c.answer(http.StatusOK, answer)
		}
		return
	}
	if faults != nil {
		c.refuse(invalid(faults...))
		return
	}
	answer := map[string]any{"aggregates": aggregates(read(), title, w, now)}
	if c.collection == "ports" {
		answer["light_levels_tx"], answer["light_levels_rx"] = []float64{}, []float64{}
	}
	c.answer(http.StatusOK, answer)
}

// aggregates returns the spans up to the end of a period, and the period as custom where it has a beginning.
func aggregates(all []meter, title string, w period, now time.Time) map[string]any {
	out := map[string]any{}
	for _, s := range spans() {
		out[s.name] = aggregate(all, title, period{w.to.Add(-s.length), w.to}, now)
	}
	if !w.from.IsZero() {
		out["custom"] = aggregate(all, title, w, now)
	}
	return out
}

// timeseries returns the series that is asked for; ok is false when it has refused that.
func (c *call) timeseries(w period, faults []property, title string, now time.Time, read func() []meter) (answer map[string]any, ok bool) {
	known := slices.Collect(func(yield func(string) bool) {
		for _, kind := range []string{"average_", "percentile95_", "maximum_"} {
			for _, name := range rates() {
				if !yield(kind + name) {
					return
				}
			}
		}
	})
	names := []string{"average_pps_in", "average_pps_out", "average_ops_in", "average_ops_out"}
	if query := c.r.URL.Query(); query.Has("fields") {
		names = strings.Split(strings.Join(query["fields"], ","), ",")
		if _, err := choices(names, known); err != nil {
			faults = append(faults, property{Name: "fields", Reason: err.Error()})
		}
	}
	name, err := url.PathUnescape(c.rest[0])
	i := slices.IndexFunc(spans(), func(s span) bool { return s.name == name })
	if err != nil || i < 0 {
		faults = append(faults, property{Name: "aggregate", Reason: fmt.Sprintf("%q is none of the aggregates", name)})
		c.refuse(invalid(faults...))
		return nil, false
	}
	step := spans()[i].length
	if w.from.IsZero() {
		w.from = w.to.Add(-288 * step)
	}
	if w.to.Sub(w.from) > maxPoints*step {
		faults = append(faults, property{Name: "start", Reason: fmt.Sprintf("is more than %d times %s before the end", maxPoints, name)})
	}
	if faults != nil {
		c.refuse(invalid(faults...))
		return nil, false
	}
	all, samples := read(), [][]any{}
	for from := w.from.Truncate(step); from.Before(w.to); from = from.Add(step) {
		line, numbers := []any{stamp(from)}, figures(all, period{from, from.Add(step)})
		for _, n := range names {
			line = append(line, numbers[n])
		}
		samples = append(samples, line)
	}
	return map[string]any{
		"title": title, "precision": int(step.Seconds()), "created_at": stamp(now), "next_update_at": stamp(now.Add(step)),
		"origin_timezone": "UTC", "fields": names, "samples": samples,
	}, true
}

// numeric reports a parameter that is no integer.
func numeric(query url.Values, name string) []property {
	if query.Has(name) {
		if _, err := integer(query[name]); err != nil {
			return []property{{Name: name, Reason: err.Error()}}
		}
	}
	return nil
}

// peers answers for the traffic between a config of an exchange LAN and each of the others that let it know. No switch of
// the lab counts by peer, so that nothing of it was measured.
func (c *call) peers() {
	at, now, query := c.server.store.Now(), c.server.options.Clock(), c.r.URL.Query()
	w, faults := asked(query, now)
	faults = slices.Concat(faults, numeric(query, "asn"), numeric(query, "ip_version"))
	series := len(c.rest) == 2 && c.rest[1] == "timeseries"
	if len(c.rest) > 0 && !series {
		c.refuse(missing("there is no such resource"))
		return
	}
	if !c.mayKnow(at) {
		return
	}
	var answer map[string]any
	if series {
		var ok bool
		none := func() []meter { return nil }
		if answer, ok = c.timeseries(w, faults, "peer of network-service-configs "+c.record.ID, now, none); !ok {
			return
		}
	} else if faults != nil {
		c.refuse(invalid(faults...))
		return
	} else {
		answer = map[string]any{"aggregates": aggregates(nil, "peer of network-service-configs "+c.record.ID, w, now)}
	}
	list := []any{}
	for _, p := range c.peersOf(at) {
		if !p.matches(query) {
			continue
		}
		one := map[string]any{"asn": p.asn, "mac_address": p.mac, "ip_address": p.ip, "ip_version": p.version}
		for name, v := range answer {
			one[name] = v
		}
		list = append(list, one)
	}
	c.answer(http.StatusOK, list)
}

// A peer is an address in a LAN.
type peer struct {
	asn     int64
	mac, ip string
	version int64
}

// matches reports whether a query asks for a peer.
func (p peer) matches(query url.Values) bool {
	is := func(name, value string) bool { return !query.Has(name) || strings.EqualFold(query.Get(name), value) }
	if a, err := netip.ParseAddr(query.Get("ip_address")); err == nil {
		if b, err := netip.ParseAddr(p.ip); err != nil || a != b {
			return false
		}
	} else if query.Has("ip_address") {
		return false
	}
	return is("asn", strconv.FormatInt(p.asn, 10)) && is("mac_address", p.mac) && is("ip_version", strconv.FormatInt(p.version, 10))
}

// peersOf returns the peers of the config of a call that share what they know with its account.
func (c *call) peersOf(at *store.Snapshot) (out []peer) {
	service, _ := c.record.Text("network_service")
	mine, _ := c.record.Text("consuming_account")
	for _, other := range inServiceOf(at, "network-service-configs", "network_service", service) {
		kind, _ := other.Text("type")
		config, err := other.Object()
		if other.ID == c.record.ID || kind != "exchange_lan" || err != nil {
			continue
		}
		switch sharing := config.Object("shared_statistics"); sharing["policy"] {
		case "deny":
			if !slices.Contains(sharing.List("accounts_allowed"), mine) {
				continue
			}
		case "allow":
			if slices.Contains(sharing.List("accounts_denied"), mine) {
				continue
			}
		}
		p := peer{}
		if asns := config.List("asns"); len(asns) > 0 {
			p.asn, _ = integer(asns)
		}
		if macs := config.List("macs"); len(macs) > 0 {
			if m := at.Get("macs", macs[0]); m != nil {
				p.mac, _ = m.Text("address")
			}
		}
		for _, id := range config.List("ips") {
			if ip := at.Get("ips", id); ip != nil {
				if object, err := ip.Object(); err == nil {
					p.ip, _ = object.Text("address")
					p.version, _ = object.Int("version")
					out = append(out, p)
				}
			}
		}
	}
	return out
}

// roundTrips answers with the round trips to the peers of a service. Nobody measures them in the lab.
func (c *call) roundTrips() {
	query := c.r.URL.Query()
	faults := slices.Concat(numeric(query, "asn"), numeric(query, "after"))
	if _, err := netip.ParseAddr(query.Get("ip")); query.Has("ip") && err != nil {
		faults = append(faults, property{Name: "ip", Reason: "is not an IP address"})
	}
	switch {
	case len(c.rest) > 0:
		c.refuse(missing("there is no such resource"))
	case faults != nil:
		c.refuse(invalid(faults...))
	case c.mayKnow(c.server.store.Now()):
		c.answer(http.StatusOK, []any{})
	}
}
