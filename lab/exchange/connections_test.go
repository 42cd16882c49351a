package exchange

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/lab/exchange/store"
	"github.com/ixagent/ixagent/testdata"
)

// selling serves a data set to everybody.
func selling(tb testing.TB, set string, change func(*Options)) *Server {
	tb.Helper()
	data, err := testdata.Exchange(set)
	if err != nil {
		tb.Fatal(err)
	}
	o := Options{Anonymous: true, Data: data}
	if change != nil {
		change(&o)
	}
	return serve(tb, o)
}

// aConnection is an order of one to the metro.
func aConnection() fields {
	return fields{
		"managing_account": "account:1001", "consuming_account": "account:1001", "billing_account": "account:1001",
		"role_assignments": []string{"c-impl:1001", "c-noc:1001"}, "mode": "lag_lacp", "product_offering": "po:connection-10g", "port_quantity": 2,
		"external_ref": "ours",
	}
}

// reasons joins what a problem says of each property.
func reasons(problem map[string]any) string {
	var out []string
	all, _ := problem["properties"].([]any)
	for _, p := range all {
		p, _ := p.(map[string]any)
		out = append(out, fmt.Sprint(p["name"], ": ", p["reason"]))
	}
	if out == nil {
		return fmt.Sprint(problem["detail"])
	}
	return strings.Join(out, "; ")
}

func listed(v any) (out []string) {
	list, _ := v.([]any)
	for _, s := range list {
		out = append(out, fmt.Sprint(s))
	}
	return out
}

func TestAConnectionIsBuiltOfFreePortsOfOneDevice(t *testing.T) {
	s := selling(t, "metro", nil)
	c := told(t, s, http.MethodPost, "/connections", with(aConnection(), nil), http.StatusCreated)
	if c["state"] != "production" || c["speed"] != 20000.0 || c["lacp_timeout"] != "slow" || c["external_ref"] != "ours" || c["capacity_allocation_limit"] != 20000.0 {
		t.Errorf("%v", c)
	}
	ports := listed(c["ports"])
	if len(ports) != 2 || len(listed(c["port_reservations"])) != 2 {
		t.Fatalf("%v", c)
	}
	devices := map[any]bool{}
	for i, id := range ports {
		p := told(t, s, http.MethodGet, "/ports/"+url.PathEscape(id), "", http.StatusOK)
		devices[p["device"]] = true
		if p["connection"] != c["id"] || p["state"] != "production" || p["operational_state"] != "up" || p["managing_account"] != "account:1001" || p["pop"] != c["pop"] {
			t.Errorf("%v", p)
		}
		r := told(t, s, http.MethodGet, "/port-reservations/"+listed(c["port_reservations"])[i], "", http.StatusOK)
		if r["port"] != id || r["state"] != "production" || r["exchange_side_demarc"] == nil || r["connection"] != c["id"] {
			t.Errorf("%v", r)
		}
	}
	if len(devices) != 1 {
		t.Errorf("it is on the devices %v", devices)
	}
	for device := range devices {
		d := told(t, s, http.MethodGet, "/devices/"+url.PathEscape(fmt.Sprint(device)), "", http.StatusOK)
		if got := d["capabilities"].([]any)[0].(map[string]any)["availability"]; got != 1.0 {
			t.Errorf("%v ports are free", got)
		}
	}
}

func TestAConnectionThatCannotBeIsRefused(t *testing.T) {
	s := selling(t, "metro", nil)
	for name, test := range map[string]struct {
		change fields
		want   string
	}{
		"nothing":             {fields{"mode": absent, "product_offering": absent}, "mode: is required; product_offering: is required"},
		"an unknown mode":     {fields{"mode": "bond"}, "mode: is not one of lag_lacp, lag_static, flex_ethernet, standalone"},
		"no quantity":         {fields{"port_quantity": absent}, "port_quantity: is required"},
		"no port":             {fields{"port_quantity": 0}, "port_quantity: is not between 1 and 64"},
		"too many ports":      {fields{"port_quantity": 9}, "port_quantity: is more than 8, the most that po:connection-10g has"},
		"ports that are not":  {fields{"product_offering": "po:connection-100g", "port_quantity": 8}, "no device has 8 ports for po:connection-100g"},
		"two alone":           {fields{"mode": "standalone"}, "port_quantity: a standalone connection has one port, not 2"},
		"a timer of static":   {fields{"mode": "lag_static", "lacp_timeout": "fast"}, "lacp_timeout: is for the mode lag_lacp only"},
		"FlexEthernet":        {fields{"mode": "flex_ethernet"}, "no device of this exchange can build a FlexEthernet group"},
		"another's offering":  {fields{"product_offering": "po:line"}, "product_offering: is of type p2p_vc, not connection"},
		"no offering":         {fields{"product_offering": "po:none"}, "product_offering: there is no such record in product-offerings"},
		"too many demarcs":    {fields{"subscriber_side_demarcs": []string{"a", "b", "c"}}, "subscriber_side_demarcs: has more than port_quantity items"},
		"a role that is none": {fields{"role_assignments": []string{"c-impl:1001"}}, "role_assignments: no contact has the role noc (role:noc), which is required"},
		"who cannot pay":      {fields{"billing_account": "account:1028"}, "billing_account: account account:1028 has no billing information"},
	} {
		t.Run(name, func(t *testing.T) {
			p := told(t, s, http.MethodPost, "/connections", with(aConnection(), test.change), http.StatusBadRequest)
			if got := reasons(p); got != test.want {
				t.Errorf("%s, want %s", got, test.want)
			}
			kind := validationError
			if p["properties"] == nil {
				kind = unableToFulfill
			}
			if p["type"] != kind {
				t.Errorf("%v", p["type"])
			}
		})
	}
	if n := len(s.store.Now().List("port-reservations")); n != 0 {
		t.Errorf("%d port reservations are left", n)
	}
}

func TestWhatFindsNoPortWaitsUntilThereIsOne(t *testing.T) {
	s := selling(t, "market", nil)
	order := func(mode string, quantity int, status int) map[string]any {
		return told(t, s, http.MethodPost, "/connections", marketConnection(mode, quantity), status)
	}
	first, second := order("lag_lacp", 4, http.StatusCreated), order("lag_static", 4, http.StatusCreated)
	if first["state"] != "production" || second["state"] != "requested" || second["status"].([]any)[0].(map[string]any)["tag"] != noFreePort {
		t.Fatalf("%v, %v", first, second)
	}
	if third := order("standalone", 1, http.StatusCreated); third["state"] != "production" {
		t.Errorf("%v", third)
	}
	r := listed(second["port_reservations"])[0]
	if got := told(t, s, http.MethodGet, "/port-reservations/"+r, "", http.StatusOK); got["state"] != "requested" || got["port"] != nil || len(got["status"].([]any)) != 1 {
		t.Errorf("%v", got)
	}
	if got := told(t, s, http.MethodDelete, "/port-reservations/"+listed(first["port_reservations"])[0], "null", http.StatusAccepted); got["state"] != "decommission_requested" {
		t.Errorf("%v", got)
	}
	now := time.Now()
	s.options.Clock = func() time.Time { return now.Add(24 * time.Hour) }
	got := told(t, s, http.MethodGet, "/connections/"+second["id"].(string), "", http.StatusOK)
	if got["state"] != "requested" {
		t.Errorf("with three free ports: %v", got)
	}
	told(t, s, http.MethodDelete, "/connections/"+first["id"].(string), "", http.StatusAccepted)
	s.options.Clock = func() time.Time { return now.Add(48 * time.Hour) }
	got = told(t, s, http.MethodGet, "/connections/"+second["id"].(string), "", http.StatusOK)
	if got["state"] != "production" || len(listed(got["ports"])) != 4 || len(got["status"].([]any)) != 0 || got["speed"] != 40000.0 {
		t.Errorf("with free ports: %v", got)
	}
	if got = told(t, s, http.MethodGet, "/connections/"+first["id"].(string), "", http.StatusOK); got["state"] != "decommissioned" || len(listed(got["ports"])) != 0 {
		t.Errorf("%v", got)
	}
}

// marketConnection is an order to the market.
func marketConnection(mode string, quantity int) string {
	return with(fields{
		"managing_account": "acc-alpha", "consuming_account": "acc-alpha", "billing_account": "acc-alpha", "mode": mode,
		"product_offering": "po-connection-nord", "port_quantity": quantity, "role_assignments": []string{"ra-alpha-implementation", "ra-alpha-noc"},
		"subscriber_side_demarcs": []string{"cage 1, panel 2"},
	}, nil)
}

func TestPortsOfWhichThereIsNoRecordAreMade(t *testing.T) {
	s := selling(t, "market", nil)
	for _, p := range s.store.Now().List("ports") {
		if p.ID != "nord-1" {
			if err := s.Delete("ports", p.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := told(t, s, http.MethodPost, "/connections", marketConnection("lag_lacp", 3), http.StatusCreated)
	if got := strings.Join(listed(c["ports"]), " "); got != "nord-1 port:nord-sw1:2 port:nord-sw1:3" {
		t.Errorf("%s", got)
	}
	p := told(t, s, http.MethodGet, "/ports/port:nord-sw1:3", "", http.StatusOK)
	if p["name"] != "Ethernet3" || p["connection"] != c["id"] || p["pop"] != "pop-nord" || p["media_type"] != "10GBASE-LR" {
		t.Errorf("%v", p)
	}
}

func TestAConnectionIsPatchedByHandAndReportedByTheAgent(t *testing.T) {
	s := selling(t, "market", func(o *Options) { o.PatchedByHand, o.Reported = true, true })
	c := told(t, s, http.MethodPost, "/connections", marketConnection("lag_lacp", 2), http.StatusCreated)
	path := "/connections/" + c["id"].(string)
	if c["state"] != "allocated" {
		t.Fatalf("%v", c)
	}
	for i, r := range listed(c["port_reservations"]) {
		if got := told(t, s, http.MethodGet, path, "", http.StatusOK); got["state"] != "allocated" {
			t.Errorf("with %d cross connects: %v", i, got["state"])
		}
		if err := patchOffice(s, "port-reservations", r, `{"state":"production"}`); err != nil {
			t.Fatal(err)
		}
	}
	if got := told(t, s, http.MethodGet, path, "", http.StatusOK); got["state"] != "testing" {
		t.Errorf("%v", got["state"])
	}
	if err := patchOffice(s, "connections", c["id"].(string), `{"state":"production","current_billing_start_date":"2026-01-01"}`); err != nil {
		t.Fatal(err)
	}
	if got := told(t, s, http.MethodPatch, path, `{"purchase_order":"12"}`, http.StatusAccepted); got["state"] != "production" {
		t.Errorf("an order number: %v", got["state"])
	}
	if got := told(t, s, http.MethodPatch, path, `{"lacp_timeout":"fast"}`, http.StatusAccepted); got["state"] != "production_change_pending" {
		t.Errorf("another timer: %v", got["state"])
	}
	more := told(t, s, http.MethodPost, "/port-reservations", `{"connection":"`+c["id"].(string)+`","subscriber_side_demarc":"cage 2"}`, http.StatusCreated)
	if got := told(t, s, http.MethodGet, path, "", http.StatusOK); more["state"] != "allocated" || got["port_quantity"] != 2.0 || len(listed(got["ports"])) != 3 {
		t.Errorf("%v %v", more, got)
	}
}

// A port that is given up goes at once to what waits for one, even on the same connection.
func TestAPortThatIsGivenUpGoesToWhatWaits(t *testing.T) {
	s := selling(t, "market", func(o *Options) { o.PatchedByHand = true })
	for _, ports := range []int{4, 1} {
		told(t, s, http.MethodPost, "/connections", marketConnection("lag_static", ports), http.StatusCreated)
	}
	c := told(t, s, http.MethodPost, "/connections", marketConnection("lag_lacp", 2), http.StatusCreated)
	more := told(t, s, http.MethodPost, "/port-reservations", with(fields{"connection": c["id"], "subscriber_side_demarc": "cage 2"}, nil), http.StatusCreated)
	if more["state"] != "requested" {
		t.Fatalf("%v", more)
	}
	told(t, s, http.MethodDelete, "/port-reservations/"+listed(c["port_reservations"])[1], "null", http.StatusAccepted)
	got := told(t, s, http.MethodGet, "/connections/"+c["id"].(string), "", http.StatusOK)
	if got["speed"] != 20000.0 || got["port_quantity"] != 2.0 || got["state"] != "allocated" || !slices.Equal(listed(got["ports"]), listed(c["ports"])) {
		t.Errorf("%v", got)
	}
}

func patchOffice(s *Server, collection, id, body string) error {
	r, err := http.NewRequest(http.MethodPatch, officePath+"/"+collection+"/"+id, strings.NewReader(body))
	if err != nil {
		return err
	}
	w := &recorder{header: http.Header{}}
	s.ServeHTTP(w, r)
	if w.status != http.StatusOK {
		return fmt.Errorf("%d %s", w.status, w.body.String())
	}
	return nil
}

type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return r.body.Write(b) }

func TestAConnectionIsChanged(t *testing.T) {
	s := selling(t, "metro", nil)
	c := told(t, s, http.MethodPost, "/connections", with(aConnection(), nil), http.StatusCreated)
	path := "/connections/" + c["id"].(string)
	for body, want := range map[string]string{
		`{"mode":"standalone"}`:                       "mode: a standalone connection has one port, not 2",
		`{"mode":"flex_ethernet"}`:                    "no device of this exchange can build a FlexEthernet group",
		`{"port_quantity":3}`:                         "port_quantity: cannot change",
		`{"role_assignments":[]}`:                     "role_assignments: no contact has the role implementation (role:implementation), which is required; role_assignments: no contact has the role noc (role:noc), which is required",
		`{"product_offering":"po:connection-100g"}`:   "product_offering: is for ports of 100000 Mbit/s, and " + listed(c["ports"])[0] + " has 10000 Mbit/s: another connection is to be ordered; product_offering: is for ports of 100000 Mbit/s, and " + listed(c["ports"])[1] + " has 10000 Mbit/s: another connection is to be ordered",
		`{"mode":"lag_static","lacp_timeout":"slow"}`: "lacp_timeout: is for the mode lag_lacp only",
	} {
		if got := reasons(told(t, s, http.MethodPatch, path, body, http.StatusBadRequest)); got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	if got := told(t, s, http.MethodPatch, path, `{"mode":"lag_static"}`, http.StatusAccepted); got["lacp_timeout"] != nil || got["mode"] != "lag_static" {
		t.Errorf("%v", got)
	}
	if got := told(t, s, http.MethodPatch, path, `{"mode":"lag_lacp"}`, http.StatusAccepted); got["lacp_timeout"] != "slow" {
		t.Errorf("%v", got)
	}
	whole := aConnection()
	whole["port_quantity"], whole["external_ref"], whole["managing_account"] = absent, absent, "account:1002"
	got := told(t, s, http.MethodPut, path, with(whole, nil), http.StatusAccepted)
	if got["port_quantity"] != 2.0 || got["external_ref"] != nil || len(listed(got["ports"])) != 2 {
		t.Errorf("%v", got)
	}
	if p := told(t, s, http.MethodGet, "/ports/"+listed(c["ports"])[0], "", http.StatusOK); p["managing_account"] != "account:1002" {
		t.Errorf("the port is still of %v", p["managing_account"])
	}
	told(t, s, http.MethodDelete, path, "", http.StatusAccepted)
	if p := told(t, s, http.MethodPatch, path, `{}`, http.StatusBadRequest); p["type"] != unableToFulfill {
		t.Errorf("%v", p)
	}
}

func TestHardwareSaysWhatAConnectionCarries(t *testing.T) {
	s := selling(t, "market", func(o *Options) {
		o.Hardware = map[string]Hardware{"nord-sw1": {VLANTypes: []string{"dot1q"}, Ethertypes: []string{"0x8100"}}}
	})
	c := told(t, s, http.MethodPost, "/connections", marketConnection("standalone", 1), http.StatusCreated)
	if fmt.Sprint(c["vlan_types"], c["outer_vlan_ethertypes"]) != "[dot1q] [0x8100]" {
		t.Errorf("%v %v", c["vlan_types"], c["outer_vlan_ethertypes"])
	}
}

func TestLettersAreReadAndWritten(t *testing.T) {
	s := selling(t, "metro", nil)
	c := told(t, s, http.MethodPost, "/connections", with(aConnection(), nil), http.StatusCreated)
	for _, path := range []string{"/connections/" + c["id"].(string), "/port-reservations/" + listed(c["port_reservations"])[1]} {
		w := get(s, path+"/loa")
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != pdf || !bytes.HasPrefix(w.Body.Bytes(), []byte("%PDF-1.4\n")) || !strings.Contains(w.Body.String(), "fra1-sw1 port:fra1-sw1:18") {
			t.Errorf("%s: %d %v %.200s", path, w.Code, w.Header(), w.Body)
		}
		letter := strings.Repeat("\x00signed\n", 20000)
		if w := ask(s, http.MethodPost, path+"/loa", letter, "Content-Type", "image/tiff"); w.Code != http.StatusOK {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		if w := get(s, path+"/loa"); w.Body.String() != letter || w.Header().Get("Content-Type") != "image/tiff" {
			t.Errorf("%s: %v, %d bytes", path, w.Header(), w.Body.Len())
		}
		form := "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"x.pdf\"\r\nContent-Type: application/pdf\r\n\r\nPDF\r\n--b--\r\n"
		ask(s, http.MethodPost, path+"/loa", form, "Content-Type", "multipart/form-data; boundary=b")
		if w := get(s, path+"/loa"); w.Body.String() != "PDF" || w.Header().Get("Content-Type") != pdf {
			t.Errorf("%s: %v %s", path, w.Header(), w.Body)
		}
		for body, status := range map[string]int{"": http.StatusBadRequest, strings.Repeat("x", maxLetter+1): http.StatusRequestEntityTooLarge} {
			if w := ask(s, http.MethodPost, path+"/loa", body); w.Code != status {
				t.Errorf("%s: %d bytes: %d %s", path, len(body), w.Code, w.Body)
			}
		}
		if w := get(s, path+"/loa/1"); w.Code != http.StatusNotFound {
			t.Errorf("%d", w.Code)
		}
	}
	if w := get(s, "/connections/conn:30001/loa"); w.Code != http.StatusNotFound {
		t.Errorf("without a reservation: %d %s", w.Code, w.Body)
	}
}

func TestOrderedRecordsAreThoseOfTheSchema(t *testing.T) {
	doc := schema(t)
	s := selling(t, "metro", nil)
	c := told(t, s, http.MethodPost, "/connections", with(aConnection(), nil), http.StatusCreated)
	check := func(path string, record map[string]any) {
		t.Helper()
		backport(path[1:], record)
		of := doc.Paths.Value(path).Get.Responses.Status(http.StatusOK).Value.Content["application/json"].Schema.Value.Items.Value
		if err := of.VisitJSON(record, openapi3.MultiErrors(), openapi3.EnableFormatValidation()); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	check("/connections", c)
	for _, id := range listed(c["ports"]) {
		check("/ports", told(t, s, http.MethodGet, "/ports/"+id, "", http.StatusOK))
	}
	has := func(record map[string]any, names ...string) {
		for _, name := range names {
			if _, ok := record[name]; !ok {
				t.Errorf("%v has no %s", record["id"], name)
			}
		}
	}
	has(c, "state", "status", "current_billing_start_date", "managing_account", "consuming_account", "external_ref",
		"purchase_order", "contract_ref", "billing_account", "role_assignments", "id", "mode", "lacp_timeout", "product_offering", "name", "ports",
		"port_reservations", "pop", "speed", "capacity_allocated", "capacity_allocation_limit", "vlan_types", "outer_vlan_ethertypes", "port_quantity",
		"subscriber_side_demarcs", "metro_area", "metro_area_network")
	for _, id := range listed(c["port_reservations"]) {
		has(told(t, s, http.MethodGet, "/port-reservations/"+id, "", http.StatusOK), "state", "status",
			"current_billing_start_date", "purchase_order", "contract_ref", "external_ref", "id", "subscriber_side_demarc", "connecting_party",
			"cross_connect_id", "connection", "exchange_side_demarc", "port")
	}
}

// Whatever is ordered, changed and given up, no port is in two connections or in none that a reservation says, none is
// lost, and the devices offer what is free.
func TestLawsOfPorts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		byHand, reported := rapid.Bool().Draw(t, "patched by hand"), rapid.Bool().Draw(t, "reported")
		data, err := testdata.Exchange("market")
		if err != nil {
			t.Fatal(err)
		}
		s, err := New(Options{Anonymous: true, Data: data, Clock: func() time.Time { return now }, PatchedByHand: byHand, Reported: reported})
		if err != nil {
			t.Fatal(err)
		}
		total := len(s.store.Now().List("ports"))
		pick := func(collection string) string {
			list := s.store.Now().List(collection)
			if len(list) == 0 {
				return ""
			}
			return rapid.SampledFrom(list).Draw(t, collection).ID
		}
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			switch step := rapid.IntRange(0, 6).Draw(t, "step"); step {
			case 0, 1:
				mode := rapid.SampledFrom([]string{"lag_lacp", "lag_static", "standalone"}).Draw(t, "mode")
				ask(s, http.MethodPost, "/connections", marketConnection(mode, rapid.IntRange(1, 5).Draw(t, "ports")))
			case 2:
				ask(s, http.MethodPost, "/port-reservations", `{"connection":"`+pick("connections")+`","subscriber_side_demarc":"cage 2"}`)
			case 3:
				ask(s, http.MethodDelete, "/port-reservations/"+pick("port-reservations"), "null")
			case 4:
				ask(s, http.MethodDelete, "/connections/"+pick("connections"), "")
			case 5:
				now = now.Add(24 * time.Hour)
				get(s, "/connections")
			case 6:
				if id := pick("port-reservations"); id != "" && s.store.Now().Get("port-reservations", id).State() == "allocated" {
					if err := patchOffice(s, "port-reservations", id, `{"state":"production"}`); err != nil {
						t.Fatal(err)
					}
				}
			}
			lawsOfPorts(t, s.store.Now(), total)
		}
	})
}

func lawsOfPorts(t *rapid.T, at *store.Snapshot, total int) {
	t.Helper()
	if n := len(at.List("ports")); n != total {
		t.Fatalf("%d ports, want %d", n, total)
	}
	holder := map[string]string{}
	for _, c := range at.List("connections") {
		devices := map[string]bool{}
		var speed int64
		for _, id := range c.List("ports") {
			p := at.Get("ports", id)
			on, _ := p.Text("connection")
			if holder[id] != "" || on != c.ID || !inService(c) {
				t.Fatalf("port %s of %q is in %s (%s) and %q", id, on, c.ID, c.State(), holder[id])
			}
			holder[id] = c.ID
			device, _ := p.Text("device")
			devices[device] = true
			n, _ := p.Int("speed")
			speed += n
		}
		if len(devices) > 1 {
			t.Fatalf("%s is on %v", c.ID, devices)
		}
		object, err := c.Object()
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := object.Int("speed"); inService(c) && got != speed {
			t.Fatalf("%s has %d Mbit/s and says %d", c.ID, speed, got)
		}
		var reserved, waiting []string
		for _, r := range at.List("port-reservations") {
			if on, _ := r.Text("connection"); on == c.ID && inService(r) {
				if port, ok := r.Text("port"); ok {
					reserved = append(reserved, port)
				} else if waiting = append(waiting, r.ID); r.State() != "requested" {
					t.Fatalf("%s is %s and has no port", r.ID, r.State())
				}
			}
		}
		held := slices.Sorted(slices.Values(c.List("ports")))
		slices.Sort(reserved)
		if !slices.Equal(held, reserved) {
			t.Fatalf("%s has the ports %v and reserved %v", c.ID, held, reserved)
		}
		if n := len(c.List("port_reservations")); inService(c) && n != len(reserved)+len(waiting) {
			t.Fatalf("%s lists %d reservations and has %d", c.ID, n, len(reserved)+len(waiting))
		}
	}
	free := map[string]int64{}
	for _, p := range at.List("ports") {
		on, connected := p.Text("connection")
		if connected != (holder[p.ID] != "") {
			t.Fatalf("port %s says that it is in %q", p.ID, on)
		}
		if owner, _ := p.Text("managing_account"); !connected && (owner != "acc-exchange" || p.State() != "allocated") {
			t.Fatalf("free port %s is %s of %s", p.ID, p.State(), owner)
		}
		if device, _ := p.Text("device"); !connected {
			free[device]++
		}
	}
	for _, d := range at.List("devices") {
		offered := d.Value("capabilities").([]any)[0].(map[string]any)["availability"]
		if n, ok := offered.(json.Number); !ok || n.String() != fmt.Sprint(free[d.ID]) {
			t.Fatalf("%s offers %v ports, and %d are free", d.ID, offered, free[d.ID])
		}
	}
}

// Whatever is ordered, changed and given up on a connection, it says what its configs take of it together, and they never
// take more than it has.
func TestLawsOfCapacity(t *testing.T) {
	data, err := testdata.Exchange("market")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
		s, err := New(Options{Anonymous: true, Data: data, Clock: func() time.Time { return now }, Reported: rapid.Bool().Draw(t, "reported")})
		if err != nil {
			t.Fatal(err)
		}
		if w := ask(s, http.MethodPost, "/connections", marketConnection("lag_lacp", 2)); w.Code != http.StatusCreated {
			t.Fatal(w.Body)
		}
		if w := ask(s, http.MethodPost, "/macs", `{"managing_account":"acc-alpha","consuming_account":"acc-alpha","address":"02:00:5e:00:77:01"}`); w.Code != http.StatusCreated {
			t.Fatal(w.Body)
		}
		made := []string{}
		config := fields{
			"type": "exchange_lan", "managing_account": "acc-alpha", "consuming_account": "acc-alpha", "billing_account": "acc-alpha",
			"role_assignments": []string{"ra-alpha-implementation", "ra-alpha-noc", "ra-alpha-peering"}, "network_service": "lan-peering", "product_offering": "po-peering",
			"connection": "conn-1", "asns": []int{64496}, "macs": []string{"mac-1"}, "vlan_config": fields{"vlan_type": "dot1q", "vlan": nil},
		}
		capacity := func() any {
			if n := rapid.IntRange(-1, 12).Draw(t, "Gbit/s"); n > 0 {
				return 1000 * n
			}
			return nil
		}
		for range rapid.IntRange(1, 15).Draw(t, "steps") {
			switch step := rapid.IntRange(0, 4).Draw(t, "step"); {
			case step < 2 || len(made) == 0:
				w := ask(s, http.MethodPost, "/network-service-configs", with(config, fields{"capacity": capacity()}))
				var answer struct{ ID string }
				if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != http.StatusCreated && w.Code != http.StatusBadRequest {
					t.Fatalf("%d %s %v", w.Code, w.Body, err)
				}
				if w.Code != http.StatusCreated && len(made) == 0 {
					t.Fatalf("the first is refused: %s", w.Body)
				}
				if w.Code == http.StatusCreated {
					made = append(made, answer.ID)
				}
			case step == 2:
				body, err := json.Marshal(fields{"type": "exchange_lan", "capacity": capacity()})
				if err != nil {
					t.Fatal(err)
				}
				ask(s, http.MethodPatch, "/network-service-configs/"+rapid.SampledFrom(made).Draw(t, "config"), string(body))
			case step == 3:
				ask(s, http.MethodDelete, "/network-service-configs/"+rapid.SampledFrom(made).Draw(t, "config"), "")
			default:
				now = now.Add(24 * time.Hour)
				get(s, "/connections")
			}
			at, sum := s.store.Now(), int64(0)
			for _, id := range made {
				if c := at.Get("network-service-configs", id); inService(c) {
					n, _ := c.Int("capacity")
					sum += n
				}
			}
			if got, _ := at.Get("connections", "conn-1").Int("capacity_allocated"); got != sum || sum > 20000 {
				t.Fatalf("it says %d, its configs take %d of 20000", got, sum)
			}
		}
	})
}
