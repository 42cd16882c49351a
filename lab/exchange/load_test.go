package exchange

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// crowded returns an exchange with so many configs on a LAN, fifty to a connection, and room for more.
func crowded(tb testing.TB, o Options, configs int) *Server {
	tb.Helper()
	s := moon(tb, o)
	copied(tb, s, "network-services", "service:lan", "service:lan", fields{"subnet_v4": "10.0.0.0/16"})
	records := map[string][]json.RawMessage{}
	add := func(collection, format string, args ...any) {
		records[collection] = append(records[collection], json.RawMessage(fmt.Sprintf(format, args...)))
	}
	const perConnection = 50
	for i := range max(1, configs/perConnection) {
		add("connections", `{"id":"c%d","state":"production","consuming_account":"2381982","metro_area_network":"191239810","capacity_allocation_limit":null,`+
			`"vlan_types":["dot1q","qinq"],"outer_vlan_ethertypes":["0x8100"],"ports":[]}`, i)
	}
	for i := range configs {
		a, b := i/250, i%250+2
		add("ips", `{"id":"four%d","managing_account":"2381982","consuming_account":"2381982","version":4,"address":"10.0.%d.%d","prefix_length":16,"valid_not_after":null}`, i, a, b)
		add("ips", `{"id":"six%d","managing_account":"2381982","consuming_account":"2381982","version":6,"address":"2001:db8:23::%x","prefix_length":64,"valid_not_after":null}`, i, i+2)
		add("macs", `{"id":"m%d","managing_account":"2381982","consuming_account":"2381982","address":"02:00:00:00:%02x:%02x"}`, i, i>>8, i&255)
		add("network-service-configs", `{"id":"n%d","type":"exchange_lan","state":"production","status":[],"managing_account":"2381982","consuming_account":"2381982",`+
			`"network_service":"service:lan","connection":"c%d","product_offering":"po:peering","vlan_config":{"vlan_type":"dot1q","vlan":%d,"vlan_ethertype":"0x8100"},`+
			`"macs":["m%[1]d"],"ips":["four%[1]d","six%[1]d"],"capacity":100,"asns":[64496],"listed":true}`, i, i/perConnection, i%perConnection+firstVLAN)
	}
	if err := s.PutAll(records); err != nil {
		tb.Fatal(err)
	}
	return s
}

func BenchmarkOrderBesideTenThousandConfigs(b *testing.B) {
	s := crowded(b, Options{}, 10_000)
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		body := with(orders()["exchange_lan"], fields{"connection": fmt.Sprint("c", n%200)})
		told(b, s, http.MethodPost, configsPath, body, http.StatusCreated)
		n++
	}
}

func BenchmarkResultBesideTenThousandConfigs(b *testing.B) {
	s := crowded(b, Options{Reported: true}, 10_000)
	b.ReportAllocs()
	n, at := 0, time.Now()
	for b.Loop() {
		n++
		if w := report(b, s, fmt.Sprint("network-service-configs/n", n%10_000), n, at.Add(time.Duration(n)), "pending", "", message(5, "waiting")); w.Code != http.StatusAccepted {
			b.Fatal(w.Body)
		}
	}
}

// BenchmarkTenThousandConfigsOverHTTP reads all configs over HTTP, as a client without pagination does, next to what copying
// as many bytes takes.
func BenchmarkTenThousandConfigsOverHTTP(b *testing.B) {
	s := crowded(b, Options{}, 10_000)
	if err := s.Start(); err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var body []byte
	b.Run("list", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			res, err := http.Get(s.URL() + configsPath)
			if err != nil {
				b.Fatal(err)
			}
			body, err = io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil {
				b.Fatal(err)
			}
		}
		if n := len(idsOf(b, body)); n < 10_000 {
			b.Fatalf("%d configs", n)
		}
	})
	b.Run("baseline", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := io.ReadAll(bytes.NewReader(body)); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// demand has clients each order addresses and configs, one after the other, until all is ordered or an order fails, and
// returns what was acknowledged, by path.
func demand(tb testing.TB, url string, clients, each int) map[string]fields {
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 30 * time.Second}
	var mu sync.Mutex
	acknowledged := map[string]fields{}
	post := func(path, body string) (fields, bool) {
		res, err := client.Post(url+path, "application/json", strings.NewReader(body))
		if err != nil {
			return nil, false
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		var record fields
		if err != nil || res.StatusCode != http.StatusCreated || json.Unmarshal(text, &record) != nil {
			return nil, false
		}
		mu.Lock()
		defer mu.Unlock()
		at := path + "/" + record["id"].(string)
		if acknowledged[at] != nil {
			tb.Errorf("%s was given twice", at)
		}
		acknowledged[at] = record
		return record, true
	}
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for n := range each {
				mac, ok := post("/macs", with(nil, fields{
					"managing_account": exchangeAccount, "consuming_account": moonAccount, "address": fmt.Sprintf("02:00:00:00:%02x:%02x", c, n),
				}))
				if !ok {
					return
				}
				order := with(orders()["exchange_lan"], fields{"macs": []any{mac["id"]}, "capacity": nil, "connection": fmt.Sprint("connection:", 1+c%2)})
				if _, ok := post(configsPath, order); !ok {
					return
				}
			}
		})
	}
	wg.Wait()
	return acknowledged
}

// checkUnique finds VLANs and addresses that were given twice, and acknowledged records that are not there as they were.
func checkUnique(tb testing.TB, url string, acknowledged map[string]fields) {
	tb.Helper()
	list := func(path string) (all []fields) {
		tb.Helper()
		res, err := http.Get(url + path)
		if err != nil {
			tb.Fatal(err)
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(&all); err != nil {
			tb.Fatal(err)
		}
		return all
	}
	configs, addresses := list(configsPath), list("/ips")
	for i, a := range configs {
		for _, b := range configs[:i] {
			if clash(a, b) {
				tb.Errorf("%v and %v", a, b)
			}
		}
	}
	of := map[string]string{}
	for _, c := range configs {
		ips, _ := c["ips"].([]any)
		for _, ip := range ips {
			if other := of[ip.(string)]; other != "" {
				tb.Errorf("%s is of %s and %s", ip, other, c["id"])
			}
			of[ip.(string)] = c["id"].(string)
		}
	}
	given := map[string]bool{}
	for _, ip := range addresses {
		if given[ip["address"].(string)] {
			tb.Errorf("%s is given twice", ip["address"])
		}
		given[ip["address"].(string)] = true
	}
	stored := map[string]fields{}
	for _, path := range []string{configsPath, "/macs"} {
		for _, r := range list(path) {
			stored[path+"/"+r["id"].(string)] = r
		}
	}
	for path, was := range acknowledged {
		is := stored[path]
		if is == nil || fmt.Sprint(is["vlan_config"], is["ips"], is["macs"], is["address"]) != fmt.Sprint(was["vlan_config"], was["ips"], was["macs"], was["address"]) {
			tb.Errorf("%s was acknowledged as %v and is %v", path, was, is)
		}
	}
}

func roomy(tb testing.TB, o Options) *Server {
	tb.Helper()
	s := moon(tb, o)
	copied(tb, s, "network-services", "service:lan", "service:lan", fields{"subnet_v4": "198.51.0.0/16"})
	return s
}

func TestAHundredClientsAreGivenNothingTwice(t *testing.T) {
	s := roomy(t, Options{Reported: true})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const clients, each = 100, 3
	acknowledged := demand(t, s.URL(), clients, each)
	if len(acknowledged) != 2*clients*each {
		t.Errorf("%d records were acknowledged, want %d", len(acknowledged), 2*clients*each)
	}
	checkUnique(t, s.URL(), acknowledged)
	http.DefaultClient.CloseIdleConnections()
}

// childFile is the variable that has the test's process serve an exchange from the file that it names, and do nothing else.
const childFile = "IXAGENT_TEST_EXCHANGE"

func TestMain(m *testing.M) {
	if path := os.Getenv(childFile); path != "" {
		if err := serveChild(path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// serveChild serves an exchange until it is killed, and says where.
func serveChild(path string) error {
	st, err := store.Open(store.Options{Path: path, Index: Index()})
	if err != nil {
		return err
	}
	s, err := New(Options{Store: st, Anonymous: true, Reported: true})
	if err != nil {
		return err
	}
	if err := s.Start(); err != nil {
		return err
	}
	fmt.Println(s.URL())
	select {}
}

func TestAnExchangeThatIsKilledLosesNoOrderAndGivesNothingTwice(t *testing.T) {
	path := filepath.Join(t.TempDir(), "exchange.db")
	st, err := store.Open(store.Options{Path: path, Index: Index()})
	if err != nil {
		t.Fatal(err)
	}
	roomy(t, Options{Store: st})
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	start := func() (url string, kill func()) {
		t.Helper()
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), childFile+"="+path)
		var stderr bytes.Buffer
		child.Stderr = &stderr
		out, err := child.StdoutPipe()
		if err == nil {
			err = child.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		line, err := bufio.NewReader(out).ReadString('\n')
		if err != nil {
			t.Fatalf("%v: %s", err, &stderr)
		}
		return strings.TrimSpace(line), sync.OnceFunc(func() {
			_ = child.Process.Kill()
			_ = child.Wait() // it was killed
		})
	}
	all := map[string]fields{}
	for round := range 3 {
		url, kill := start()
		defer kill()
		timer := time.AfterFunc(time.Duration(100+150*round)*time.Millisecond, kill)
		for path, record := range demand(t, url, 10, 100) {
			if all[path] != nil {
				t.Errorf("%s was given twice", path)
			}
			all[path] = record
		}
		timer.Stop()
		kill()
		url, kill = start()
		checkUnique(t, url, all)
		http.DefaultClient.CloseIdleConnections()
		kill()
	}
	if len(all) == 0 {
		t.Error("nothing was ordered")
	}
	t.Logf("%d records were acknowledged", len(all))
}
