package exchange

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// counting are counters that tests turn.
type counting map[string]Count

func (c counting) Port(device, port string) (Count, bool) {
	n, ok := c[device+" "+port]
	return n, ok
}

func (c counting) Circuit(device, port string, outer, inner uint16) (Count, bool) {
	n, ok := c[fmt.Sprint(device, " ", port, " ", outer, ".", inner)]
	return n, ok
}

// metered serves a metro whose first trunk, in the ports Ethernet7 to Ethernet9 of fra1-sw1, is counted, at a time.
func metered(tb testing.TB, now *time.Time, counters counting) *Server {
	return selling(tb, "metro", func(o *Options) {
		o.Clock = func() time.Time { return *now }
		o.Counters = counters
	})
}

func TestStatisticsAreRatesBetweenSamples(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	start := now
	counters := counting{"fra1-sw1 Ethernet1": {}}
	s := metered(t, &now, counters)
	const path = "/ports/port:fra1-sw1:1/statistics"
	read := func(query string) map[string]any {
		t.Helper()
		return told(t, s, http.MethodGet, path+query, "", http.StatusOK)["aggregates"].(map[string]any)
	}
	read("")
	for minute := range 10 { // 60 packets a second for five minutes, and then 300
		n := counters["fra1-sw1 Ethernet1"]
		rate := uint64(60)
		if minute >= 5 {
			rate = 300
		}
		n.In.Packets, n.In.Octets, n.Out.Discards = n.In.Packets+60*rate, n.In.Octets+6000*rate, n.Out.Discards+60
		counters["fra1-sw1 Ethernet1"] = n
		now = now.Add(time.Minute)
		read("")
	}
	at := func(d time.Duration) string { return start.Add(d).Format(time.RFC3339) }
	for query, want := range map[string]map[string]float64{
		"": {"average_pps_in": 300, "average_ops_in": 30000, "average_dps_out": 1, "average_pps_out": 0, "maximum_pps_in": 300, "accuracy": 1},
		"?start=" + at(0) + "&end=" + at(10*time.Minute):                {"average_pps_in": 180, "maximum_pps_in": 300, "percentile95_pps_in": 300, "accuracy": 1},
		"?start=" + at(time.Minute) + "&end=" + at(3*time.Minute):       {"average_pps_in": 60, "percentile95_pps_in": 60, "accuracy": 1},
		"?start=" + at(4*time.Minute) + "&end=" + at(6*time.Minute):     {"average_pps_in": 180, "maximum_pps_in": 300},
		"?start=" + at(-10*time.Minute) + "&end=" + at(10*time.Minute):  {"average_pps_in": 180, "accuracy": 0.5},
		"?start=" + at(-20*time.Minute) + "&end=" + at(-10*time.Minute): {"average_pps_in": 0, "accuracy": 0},
		"?start=" + at(90*time.Second) + "&end=" + at(150*time.Second):  {"average_pps_in": 60, "accuracy": 1},
		"?start=" + at(270*time.Second) + "&end=" + at(330*time.Second): {"average_pps_in": 180, "accuracy": 1},
	} {
		name := "PT5M"
		if query != "" {
			name = "custom"
		}
		got := read(query)[name].(map[string]any)
		for field, n := range want {
			if have, _ := got[field].(float64); math.Abs(have-n) > 1e-6 {
				t.Errorf("%s: %s of %s is %v, want %v", query, field, name, got[field], n)
			}
		}
	}
	series := told(t, s, http.MethodGet, path+"/PT5M/timeseries?start="+at(0)+"&fields=average_pps_in,maximum_dps_out", "", http.StatusOK)
	if got, _ := json.Marshal(series["samples"]); string(got) != `[["2026-06-01T12:00:00Z",60,1],["2026-06-01T12:05:00Z",300,1]]` {
		t.Errorf("%s", got)
	}
	if series["precision"] != 300.0 || fmt.Sprint(series["fields"]) != "[average_pps_in maximum_dps_out]" || series["origin_timezone"] != "UTC" {
		t.Errorf("%v", series)
	}
}

// A switch that starts again counts from nothing, which is no traffic backwards.
func TestACounterThatIsSetBackGoesOn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var m meter
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		first, sum, now := at, 0.0, uint64(rapid.Uint32().Draw(t, "first"))
		m.add(at, [quantities]uint64{now})
		for range rapid.IntRange(1, 2*maxSamples).Draw(t, "samples") {
			at = at.Add(time.Duration(rapid.Int64Range(1, int64(time.Minute)).Draw(t, "later")))
			more := uint64(rapid.Uint16().Draw(t, "more"))
			if rapid.Bool().Draw(t, "reboot") && more < now {
				now = 0
			}
			now += more
			sum += float64(more)
			m.add(at, [quantities]uint64{now})
		}
		if len(m.samples) > maxSamples {
			t.Fatalf("%d samples", len(m.samples))
		}
		last := m.samples[len(m.samples)-1]
		if last.total[0] != sum || !last.at.Equal(at) {
			t.Fatalf("%v at %v, want %v at %v", last.total[0], last.at, sum, at)
		}
		if w := (period{first, at}); m.samples[0].at.Equal(first) && math.Abs(m.rate(w)[0]*w.seconds()-sum) > 1e-3 {
			t.Fatalf("%v in %v, want %v", m.rate(w)[0]*w.seconds(), w.seconds(), sum)
		}
	})
}

func TestStatisticsAreOfWhatARecordIsAbout(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	counters := counting{}
	s := metered(t, &now, counters)
	c := told(t, s, http.MethodPost, "/connections", with(aConnection(), nil), http.StatusCreated)
	for _, id := range listed(c["ports"]) {
		if err := patchOffice(s, "ports", id, `{"name":"`+id+`"}`); err != nil {
			t.Fatal(err)
		}
		counters["fra1-sw1 "+id] = Count{}
	}
	config := map[string]any{
		"type": "exchange_lan", "id": "nsc-counted", "state": "production", "network_service": "service:counted", "connection": c["id"],
		"vlan_config": map[string]any{"vlan_type": "qinq", "outer_vlan": 7, "outer_vlan_ethertype": "0x88a8", "inner_vlan": 8},
	}
	for collection, record := range map[string]any{
		"network-service-configs": config,
		"network-services":        map[string]any{"type": "exchange_lan", "id": "service:counted", "state": "production"},
	} {
		text, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Put(collection, text); err != nil {
			t.Fatal(err)
		}
	}
	circuit := "fra1-sw1 " + listed(c["ports"])[0] + " 7.8"
	counters[circuit] = Count{}
	read := func() map[string]float64 {
		out := map[string]float64{}
		for _, path := range []string{"/connections/" + c["id"].(string), "/network-service-configs/nsc-counted", "/network-services/service:counted"} {
			got := told(t, s, http.MethodGet, path+"/statistics", "", http.StatusOK)["aggregates"].(map[string]any)["PT5M"].(map[string]any)
			out[path] = got["average_ops_out"].(float64)
		}
		return out
	}
	read()
	now = now.Add(100 * time.Second)
	for name, n := range map[string]uint64{listed(c["ports"])[0]: 1000, listed(c["ports"])[1]: 500} {
		counters["fra1-sw1 "+name] = Count{Out: Flow{Octets: n}}
	}
	counters[circuit] = Count{Out: Flow{Octets: 300}}
	got := fmt.Sprint(read())
	if want := "map[/connections/conn-1:15 /network-service-configs/nsc-counted:3 /network-services/service:counted:3]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestStatisticsWithoutCountersAreZeros(t *testing.T) {
	s := anonymous(t)
	for _, path := range []string{
		"/ports/port:fra1-sw1:1", "/connections/conn:30001", "/network-services/service:lan-peering", "/network-service-configs/nsc:40001",
	} {
		got := told(t, s, http.MethodGet, path+"/statistics", "", http.StatusOK)
		day := got["aggregates"].(map[string]any)["P1D"].(map[string]any)
		for _, kind := range []string{"average_", "percentile95_", "maximum_"} {
			for _, name := range rates() {
				if day[kind+name] != 0.0 {
					t.Errorf("%s: %s is %v", path, kind+name, day[kind+name])
				}
			}
		}
		series := told(t, s, http.MethodGet, path+"/statistics/PT5M/timeseries", "", http.StatusOK)
		if n := len(series["samples"].([]any)); n < 288 || n > 289 {
			t.Errorf("%s: %d samples", path, n)
		}
	}
}

func TestStatisticsThatCannotBeAreRefused(t *testing.T) {
	s := anonymous(t)
	const port, config, lan = "/ports/port:fra1-sw1:1/statistics", "/network-service-configs/nsc:40001", "/network-services/service:lan-peering"
	for path, want := range map[string]string{
		port + "?start=yesterday":                                     "start",
		port + "?end=2026-01-01":                                      "end",
		port + "?start=2026-01-02T00:00:00Z&end=2026-01-01T00:00:00Z": "start",
		port + "/PT7M/timeseries":                                     "aggregate",
		port + "/PT5M/timeseries?fields=average_pps_in,colour":        "fields",
		port + "/PT5M/timeseries?start=2020-01-01T00:00:00Z":          "start",
		config + "/peer-statistics?asn=AS1":                           "asn",
		config + "/peer-statistics/PT5M/timeseries?ip_version=six":    "ip_version",
		lan + "/rtt-statistics?ip=x":                                  "ip",
		lan + "/rtt-statistics?after=then":                            "after",
	} {
		p := told(t, s, http.MethodGet, path, "", http.StatusBadRequest)
		if !strings.HasPrefix(reasons(p), want+": ") || p["type"] != validationError {
			t.Errorf("%s: %v", path, p)
		}
	}
	for _, path := range []string{port + "/PT5M", port + "/PT5M/graph", lan + "/rtt-statistics/1", lan + "/peer-statistics"} {
		told(t, s, http.MethodGet, path, "", http.StatusNotFound)
	}
}

func TestPeersAreThoseOfTheLAN(t *testing.T) {
	s := anonymous(t)
	const path = "/network-service-configs/nsc:40001/peer-statistics"
	var all []map[string]any
	if err := json.Unmarshal(get(s, path).Body.Bytes(), &all); err != nil || len(all) < 10 {
		t.Fatalf("%d peers, %v", len(all), err)
	}
	for _, p := range all {
		if p["ip_address"] == "" || p["asn"] == 0.0 || p["aggregates"] == nil {
			t.Errorf("%v", p)
		}
	}
	var some []map[string]any
	if err := json.Unmarshal(get(s, fmt.Sprintf("%s?asn=%v&ip_version=6", path, all[0]["asn"])).Body.Bytes(), &some); err != nil || len(some) == 0 || len(some) >= len(all) {
		t.Fatalf("%d peers, %v", len(some), err)
	}
	for _, p := range some {
		if p["asn"] != all[0]["asn"] || p["ip_version"] != 6.0 {
			t.Errorf("%v", p)
		}
	}
}
