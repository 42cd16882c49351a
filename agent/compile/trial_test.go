package compile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/diff"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
)

// drawExchange draws an exchange of several stories at once, with offerings and limits.
func drawExchange(t *rapid.T, conf *config.Config) records {
	r := exchange()
	for _, s := range rapid.SliceOfN(rapid.SampledFrom(stories()), 0, 4).Draw(t, "stories") {
		t.Log(s.name)
		s.edit(r, conf)
	}
	if rapid.Bool().Draw(t, "few numbers") {
		conf.Inventory.Pools.VNI = []config.Range{{First: 50000, Last: 50001}}
		conf.Inventory.Pools.VLAN = []config.Range{{First: 2000, Last: 2001}}
	}
	r.add(ixapi.NetworkServices, map[string]any{"id": "line2", "type": "p2p_vc", "state": "production", "product_offering": "po-1g"})
	r.get(ixapi.ProductOfferings, "po-1g")["bandwidth_min"] = 100
	for _, p := range strings.Fields("a9 b3 c3 s3 v3 w3") {
		if rapid.Bool().Draw(t, p) {
			c := r.connection("conn-"+p, rapid.SampledFrom([]string{"standalone", "lag_static", "lag_lacp"}).Draw(t, "mode"), p)
			if rapid.Bool().Draw(t, "limited") {
				c["capacity_allocation_limit"] = 500
			}
		}
	}
	for i := range rapid.IntRange(0, 6).Draw(t, "configs") {
		n := drawConfig(t)
		n["id"] = fmt.Sprintf("x%d", i)
		r.add(ixapi.NetworkServiceConfigs, n)
	}
	for c, list := range r { // which of two that have one id is another's matter
		ids := make(map[any]bool)
		r[c] = slices.DeleteFunc(list, func(x map[string]any) bool {
			twice := x["id"] != nil && ids[x["id"]]
			ids[x["id"]] = true
			return twice
		})
	}
	return r
}

// drawConfig draws a network service config.
func drawConfig(t *rapid.T) map[string]any {
	types := map[string]string{"lan": "exchange_lan", "line": "p2p_vc", "line2": "p2p_vc", "tree": "p2mp_vc", "group": "mp2mp_vc", "guarded": "mp2mp_vc", "cloud": "cloud_vc", "cloud2": "cloud_vc", "new": "p2p_vc"}
	service := rapid.SampledFrom(slices.Sorted(maps.Keys(types))).Draw(t, "service")
	connection := rapid.SampledFrom(strings.Fields("c1 c2 c3 c9 conn-a9 conn-b3 conn-c3 conn-s3 conn-v3 conn-w3 nowhere")).Draw(t, "connection")
	vlan := rapid.IntRange(100, 102)
	tags := rapid.OneOf(
		rapid.Custom(func(t *rapid.T) map[string]any { return dot1q(vlan.Draw(t, "vlan")) }),
		rapid.Custom(func(t *rapid.T) map[string]any {
			return qinq(vlan.Draw(t, "outer"), vlan.Draw(t, "inner"), rapid.SampledFrom([]string{"0x8100", "0x88a8"}).Draw(t, "ethertype"))
		}),
		rapid.Just(portTag()),
	).Draw(t, "tags")
	n := map[string]any{
		"type": types[service], "network_service": service, "connection": connection, "vlan_config": tags, "consuming_account": "acct-" + connection,
		"state": rapid.SampledFrom([]string{"production", "requested", "testing", "error"}).Draw(t, "state"),
		"macs":  rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"m1", "m2", "m3", "m-window"}), 0, 2, rapid.ID).Draw(t, "macs"),
	}
	if capacity := rapid.SampledFrom([]int{0, 10, 300, 2000}).Draw(t, "capacity"); capacity > 0 {
		n["capacity"] = capacity
	}
	if n["type"] == "cloud_vc" {
		n["handover"], n["cloud_vlan"] = 1, vlan.Draw(t, "cloud VLAN")
	}
	return n
}

// drawOrder draws an order: a config, or several records.
func drawOrder(t *rapid.T) []byte {
	one := drawConfig(t)
	if id := rapid.SampledFrom(strings.Fields("- n1 n2 n9 x0 x1")).Draw(t, "id"); id != "-" {
		one["id"] = id
	}
	var order any = one
	if rapid.Bool().Draw(t, "several") {
		all := records{ixapi.NetworkServiceConfigs: {one}}
		if rapid.Bool().Draw(t, "two") {
			all.add(ixapi.NetworkServiceConfigs, drawConfig(t))
		}
		if rapid.Bool().Draw(t, "service") {
			all.add(ixapi.NetworkServices, map[string]any{"id": "new", "type": "p2p_vc", "product_offering": "po-1g"})
		}
		if rapid.Bool().Draw(t, "connection") {
			all.add(ixapi.Connections, map[string]any{
				"id": rapid.SampledFrom(strings.Fields("c1 c2 c9 conn-a9 conn-c3 conn-new")).Draw(t, "changed"), "mode": rapid.SampledFrom([]string{"standalone", "lag_static", "lag_lacp", "flex_ethernet"}).Draw(t, "mode"),
			})
			if rapid.Bool().Draw(t, "ports") {
				all[ixapi.Connections][0]["ports"] = rapid.SliceOfN(rapid.SampledFrom(strings.Fields("a3 a8 a9 b3 c3")), 1, 2).Draw(t, "port")
			}
		}
		if rapid.Bool().Draw(t, "mac") {
			all.add(ixapi.MACs, map[string]any{"id": rapid.SampledFrom([]string{"m1", "m4"}).Draw(t, "mac"), "address": "02:00:00:00:00:04"})
		}
		order = all
	}
	text, err := json.Marshal(order)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// holdings returns what is known of numbers, in a fixed order.
func (a *Allocations) holdings() (out []Allocation) {
	for _, s := range a.scopes {
		for _, h := range s.holders {
			out = append(out, h.Allocation)
		}
	}
	slices.SortFunc(out, func(x, y Allocation) int { return strings.Compare(fmt.Sprint(x), fmt.Sprint(y)) })
	return out
}

// inside prints everything that a compiler holds, with the places in memory of what must stay the same piece of it.
func inside(c *Compiler) string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	add("now %v next %v trial %v touched %d alloc %p", c.now, c.Next(), c.trial, len(c.touched), c.alloc)
	for scope, s := range c.given.scopes {
		add("numbers %s free %d released %+v", scope, s.free, s.released)
		for n, h := range s.holders {
			add("number %s %d %p %+v", scope, n, h, *h)
		}
	}
	add("dirty numbers %v", c.given.dirty)
	for owner, h := range c.given.owners {
		add("owner %s %p", owner, h)
	}
	for id, u := range c.units {
		add("unit %s %p %p %+v", id, u, c.loose[id], *u)
	}
	add("%d loose", len(c.loose))
	for k, g := range c.groups {
		add("group %+v %p %+v", k, g, *g)
	}
	for k, of := range c.nnis {
		add("nni %+v %p %v", k, of, of)
	}
	for name, d := range c.devices {
		for _, u := range d.units {
			add("device %s unit %p", name, u)
		}
		for _, g := range d.groups {
			add("device %s group %p", name, g)
		}
	}
	x := c.records
	for id, r := range x.connections {
		add("connection %s %p %+v", id, r, *r)
	}
	for id, list := range x.configs {
		add("configs of %s %p", id, list)
		for _, n := range list {
			add("config of %s %p %+v", id, n, *n)
			if got := x.config(n.ID); got.ID != n.ID {
				add("config %s is found as %s", n.ID, got.ID)
			}
		}
	}
	add("%d configs, %v %v %v %v %v %v", len(x.configByID), x.services, x.macs, x.rules, x.user, x.sharers, x.faults)
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n" + text(c, nil)
}

// foreseen returns what becomes of an order when it is made for good: the hard way.
func foreseen(t *rapid.T, c *Compiler, order []byte, now time.Time) *Trial {
	records, err := c.read(order)
	if err != nil {
		t.Fatal(err)
	}
	own := make(map[string]bool)
	each(records, func(collection ixapi.Collection, id ixapi.ID) { own[string(collection)+id] = true })
	known := make(map[string]bool)
	for _, r := range c.Rejections() {
		known[r.text()] = true
	}
	before := states(c)
	unsold := c.unsold(records)
	c.Update(Delta{Changed: *records}, now)
	out := &Trial{Possible: true, Status: []ixapi.StatusMessage{}, Others: []Rejection{}, Plans: []plan.Plan{}}
	for _, r := range sortRejections(append(c.Rejections(), unsold()...)) {
		if own[string(r.Collection)+r.ID] {
			out.Rejections = append(out.Rejections, r)
			out.Status = append(out.Status, r.Status(now.UTC().Truncate(time.Second)))
		} else if known[r.text()] || !r.Refused() {
			continue
		} else {
			out.Others = append(out.Others, r)
		}
		out.Possible = out.Possible && !r.Refused()
	}
	if out.Possible {
		for _, name := range slices.Sorted(maps.Keys(before)) {
			if changes := plan.Diff(before[name], c.Intent(name).State); len(changes) > 0 {
				out.Plans = append(out.Plans, plan.Plan{Device: name, Changes: changes})
			}
		}
	}
	return out
}

// A trial has the answer that an order has when it is made, and leaves everything as it was.
func TestTrialForeseesAndLeavesNothingBehind(t *testing.T) {
	possible, refused := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		conf, err := config.Load("testdata/inventory.yaml", registry())
		if err != nil {
			t.Fatal(err)
		}
		r := drawExchange(t, conf)
		r.add(ixapi.MACs, map[string]any{"id": "m-window", "address": "02:00:00:00:00:05", "valid_not_after": now.Add(time.Minute).Format(time.RFC3339)})
		released := now.Add(-rapid.SampledFrom([]time.Duration{Cooling / 2, 2 * Cooling}).Draw(t, "released"))
		numbers := []Allocation{
			{Scope: "vni", Owner: "ns:tree", Number: 50000, Released: released},
			{Scope: "vni", Owner: "ns:past", Number: 50001, Released: released},
			{Scope: "vlan", Owner: "ns:line2", Number: 2000, Released: released},
			{Scope: "lag/sw1", Owner: "conn:past", Number: 10, Released: released},
		}
		compile := func(known []Allocation) *Compiler {
			raw := make(map[ixapi.Collection]ixapi.Raw)
			for c, list := range r {
				text, err := json.Marshal(list)
				if err != nil {
					t.Fatal(err)
				}
				raw[c] = ixapi.Raw{text}
			}
			list, faults, err := ixapi.Decode(raw)
			if err != nil {
				t.Fatal(err)
			}
			c := New(&conf.Inventory, conf.Policy, NewAllocations(known, Cooling))
			c.Set(list, faults, now)
			return c
		}
		c := compile(numbers)
		c.records.config("") // what finds configs by id is made when needed
		for range rapid.IntRange(1, 3).Draw(t, "trials") {
			order, at := drawOrder(t), now.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "minutes"))*time.Minute)
			before := inside(c)
			got, err := c.Try(order, at)
			if err != nil {
				t.Fatalf("%s: %v", order, err)
			}
			if after := inside(c); after != before {
				t.Fatalf("%s\n%s", order, diff.Diff("before", []byte(before), "after", []byte(after)))
			}
			if want := foreseen(t, compile(numbers), order, at); !cmp.Equal(want, got, cmp.Comparer(func(a, b plan.Plan) bool { return bytes.Equal(a.AppendText(nil), b.AppendText(nil)) })) {
				t.Fatalf("%s\n%s", order, cmp.Diff(fmt.Sprintf("%+v", want), fmt.Sprintf("%+v", got)))
			}
			if got.Possible {
				possible++
			} else {
				refused++
			}
		}
	})
	if possible == 0 || refused == 0 {
		t.Errorf("%d orders were possible, %d refused", possible, refused)
	}
}

// Numbers that are given tentatively are those that would be given, and none of them is.
func TestTentativeNumbersAreThoseThatWouldBeGiven(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pool := []config.Range{{First: 1, Last: 3}, {First: 7, Last: 9}}
		scope, owner := rapid.SampledFrom([]string{"vni", "vlan"}), rapid.StringMatching("[a-h]")
		at := now
		do := func(n numbering, prefer uint32, scope, owner string, release bool) string {
			if release {
				n.Release(owner, at)
				return ""
			}
			number, ok := n.Take(scope, owner, pool, prefer, at)
			found, known := n.Lookup(scope, owner)
			return fmt.Sprint(number, ok, found, known)
		}
		real := NewAllocations(nil, Cooling)
		for range rapid.IntRange(0, 30).Draw(t, "before") {
			at = at.Add(time.Duration(rapid.IntRange(0, 9).Draw(t, "days")) * 24 * time.Hour)
			do(real, 0, scope.Draw(t, "scope"), owner.Draw(t, "owner"), rapid.Bool().Draw(t, "release"))
		}
		before := fmt.Sprintf("%+v", real.holdings())
		known := real.holdings()
		tried := newTentative(real)
		made := NewAllocations(known, Cooling)
		for range rapid.IntRange(1, 12).Draw(t, "during") {
			prefer, s, o, release := rapid.Uint32Range(0, 3).Draw(t, "prefer"), scope.Draw(t, "scope"), owner.Draw(t, "owner"), rapid.Bool().Draw(t, "release")
			if got, want := do(tried, prefer, s, o, release), do(made, prefer, s, o, release); got != want {
				t.Fatalf("%s %s: %s, want %s", s, o, got, want)
			}
		}
		if after := fmt.Sprintf("%+v", real.holdings()); after != before {
			t.Fatalf("numbers were\n%s\nand are\n%s", before, after)
		}
	})
}

// try tries an order on the exchange in good order, edited.
func try(t *testing.T, order string, edit func(r records, c *config.Config)) *Trial {
	t.Helper()
	got, err := compiled(t, story{edit: edit}).Try([]byte(order), now)
	if err != nil {
		t.Fatalf("%s: %v", order, err)
	}
	return got
}

func (t *Trial) tags() string {
	var b strings.Builder
	fmt.Fprint(&b, t.Possible)
	for _, r := range t.Rejections {
		fmt.Fprintf(&b, " %s", r.Tag)
	}
	for _, r := range t.Others {
		fmt.Fprintf(&b, " others:%s", r.Tag)
	}
	for _, p := range t.Plans {
		fmt.Fprintf(&b, " %s", p.Device)
	}
	return b.String()
}

func TestOrderOfCapacityThatCannotBeSoldIsRefused(t *testing.T) {
	exchange := func(limit int, allocated any) func(records, *config.Config) {
		return func(r records, _ *config.Config) {
			c := r.get(ixapi.Connections, "c1")
			c["capacity_allocation_limit"], c["capacity_allocated"] = limit, allocated
			r.get(ixapi.NetworkServiceConfigs, "n1")["capacity"] = 600
			r.config("old", "mp2mp_vc", "group", "c1", dot1q(400))["state"] = "archived"
			r.get(ixapi.NetworkServiceConfigs, "old")["capacity"] = 900
			r.add(ixapi.ProductOfferings, map[string]any{"id": "po", "type": "mp2mp_vc", "bandwidth_min": 100, "bandwidth_max": 500})
			r.get(ixapi.NetworkServices, "tree")["product_offering"] = "po"
		}
	}
	order := func(more string) string {
		return `{"type": "mp2mp_vc", "network_service": "group", "connection": "c1", "vlan_config": {"vlan_type": "dot1q", "vlan": 300, "vlan_ethertype": "0x8100"}, ` + more + `}`
	}
	for _, c := range []struct {
		limit     int
		allocated any
		order     string
		want      string
	}{
		{1000, nil, order(`"capacity": 400`), "true sw1"},
		{1000, nil, order(`"capacity": 401`), "false capacity_above_limit"},
		{1000, nil, order(`"capacity": 1001`), "false capacity_above_limit"},
		{1000, 700, order(`"capacity": 400`), "false capacity_above_limit"},
		{1000, 700, order(`"capacity": 300`), "true sw1"},
		{1000, nil, order(`"capacity": null`), "true sw1"},
		// Who has too much already may keep it or take less, and not more.
		{500, nil, `{"id": "n1", "type": "exchange_lan", "network_service": "lan", "connection": "c1", "macs": ["m1"], "capacity": 500, "vlan_config": {"vlan_type": "dot1q", "vlan": 100, "vlan_ethertype": "0x8100"}}`, "true sw1"},
		{500, 900, order(`"capacity": 1`), "false capacity_above_limit"},
		{5000, nil, order(`"capacity": 99, "product_offering": "po"`), "false capacity_not_offered"},
		{5000, nil, order(`"capacity": 100, "product_offering": "po"`), "true sw1"},
		{5000, nil, order(`"capacity": 501, "product_offering": "po"`), "false capacity_not_offered"},
		{5000, nil, order(`"product_offering": "po"`), "true sw1"},
		{5000, nil, strings.NewReplacer("mp2mp_vc", "p2mp_vc", `"group"`, `"tree"`).Replace(order(`"capacity": 501`)), "false capacity_not_offered"},
	} {
		if got := try(t, c.order, exchange(c.limit, c.allocated)).tags(); got != c.want {
			t.Errorf("limit %d, allocated %v, %s: %s, want %s", c.limit, c.allocated, c.order, got, c.want)
		}
	}
	// What is provisioned already is what it was.
	c := compiled(t, story{edit: exchange(1000, 1500)})
	for _, r := range c.Rejections() {
		t.Errorf("in production, and refused: %+v", r)
	}
}

func TestOrderOfSeveralRecordsIsTriedAsOne(t *testing.T) {
	none := func(records, *config.Config) {}
	end := func(id, connection string, vlan int) string {
		return fmt.Sprintf(`{"type": "p2p_vc", %s "network_service": "new", "connection": %q, "vlan_config": {"vlan_type": "dot1q", "vlan": %d, "vlan_ethertype": "0x8100"}}`, id, connection, vlan)
	}
	for _, c := range []struct {
		order, want string
	}{
		{`{"network-services": [{"id": "new", "type": "p2p_vc"}], "network-service-configs": [` + end("", "c1", 300) + `, ` + end("", "c3", 301) + `]}`, "true sw1 sw2"},
		{`{"network-services": [{"id": "new", "type": "p2p_vc"}], "network-service-configs": [` + end("", "c1", 300) + `]}`, "true line_one_sided sw1"},
		{`{"network-service-configs": [` + end("", "c1", 300) + `]}`, "false network_service_unknown"},
		{`{"network-services": [{"id": "new", "type": "p2p_vc"}], "network-service-configs": [` + end("", "c1", 100) + `]}`, "false vlan_collision others:vlan_collision"},
		// Of a connection that is there, only what changes is said.
		{`{"connections": [{"id": "c1", "lacp_timeout": "fast"}]}`, "true sw1"},
		{`{"connections": [{"id": "c1", "mode": "lag_static"}]}`, "true sw1"},
		{`{"connections": [{"id": "c1", "mode": "standalone"}]}`, "false standalone_needs_one_port others:connection_refused"},
		{`{"connections": [{"id": "c1", "state": "archived"}]}`, "true"},
		{`{"connections": [{"id": "c9", "mode": "standalone", "ports": ["a3"]}]}`, "false port_in_two_connections others:port_in_two_connections others:connection_refused"},
		{`{"connections": [{"id": "c9", "mode": "standalone", "ports": ["a5"]}], "network-service-configs": [` + strings.Replace(end(`"macs": ["m9"],`, "c9", 100), `"p2p_vc", "macs": ["m9"], "network_service": "new"`, `"exchange_lan", "macs": ["m9"], "network_service": "lan"`, 1) +
			`], "macs": [{"id": "m9", "address": "02:00:00:00:00:09"}]}`, "true sw1"},
		{`{"connections": []}`, "true"},
	} {
		if got := try(t, c.order, none).tags(); got != c.want {
			t.Errorf("%s: %s, want %s", c.order, got, c.want)
		}
	}
}

func TestWhatIsNoOrderSaysWhy(t *testing.T) {
	c := compiled(t, stories()[0])
	for text, why := range map[string]string{
		"": "not a JSON object", "null": "not a JSON object", "[]": "not a JSON object", "7": "not a JSON object", "{": "not a JSON object",
		"{} {}": "something comes after it", `{"id": {}}`: "id: it is not a string", `{"id": 7}`: "id: it is not a string",
		`{"type": 7}`: "type: number where a string is expected", `{"vlan_config": []}`: "vlan_config: ", `{"vlan_config": {"vlan": 4095}}`: "vlan_config/vlan: vlan 4095 is not within",
		`{"capacity": -1}`:                                          "capacity: -1 is negative",
		`{"connections": {}}`:                                       "connections: it is not a list of objects",
		`{"connections": [null]}`:                                   "connections: it is not a list of objects",
		`{"connections": [{}], "ports": []}`:                        "ports: it is none of",
		`{"network-service-configs": [{}, {"capacity": "much"}]}`:   "network-service-configs/1/capacity: string where",
		`{"network-service-configs": [{"id": "1"}, {"id": "1"}]}`:   "network-service-configs/1: duplicate id",
		`{"network-service-configs": [{"id": "1"}, {"id": ["1"]}]}`: "network-service-configs/1/id: it is not a string",
	} {
		before := inside(c)
		_, err := c.Try([]byte(text), now)
		var wrong *OrderError
		if !errors.As(err, &wrong) || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v, want %q", text, err, why)
		}
		if inside(c) != before {
			t.Errorf("%q changed something", text)
		}
	}
	for _, order := range []string{`{}`, `{"type": "exchange_lan"}`, `{"type": "` + strings.Repeat("x", 100_000) + `"}`, `{"connections": [{}]}`} {
		if trial := try(t, order, stories()[0].edit); trial.Possible || len(trial.Status) == 0 {
			t.Errorf("%.60v: %+v", order, trial)
		}
	}
}

// Whatever is asked is answered or refused, and changes nothing.
func FuzzOrder(f *testing.F) {
	f.Add([]byte(`{"type": "p2p_vc", "id": "n1", "connection": "c1", "network_service": "line", "vlan_config": {"vlan_type": "dot1q", "vlan": 7}}`))
	f.Add([]byte(`{"id": 1}`))
	f.Add([]byte(`{"connections": [{"id": "c1", "mode": "standalone", "ports": ["a3", "a3"]}], "macs": [{}], "network-services": [{"id": "lan"}], "network-service-configs": []}`))
	f.Add([]byte("null"))
	r, conf := exchange(), testInventory(f)
	list, faults := r.decode(f)
	c := New(&conf.Inventory, conf.Policy, NewAllocations(nil, Cooling))
	c.Set(list, faults, now)
	c.records.config("")
	before := inside(c)
	f.Fuzz(func(t *testing.T, order []byte) {
		trial, err := c.Try(order, now)
		var wrong *OrderError
		if err != nil && !errors.As(err, &wrong) || err == nil && trial.Possible && len(trial.Others) > 0 {
			t.Errorf("%s: %+v, %v", order, trial, err)
		}
		if inside(c) != before {
			t.Fatalf("%s changed something", order)
		}
	})
}
