package exchange

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// An offering is sold in its time only, and left only in the direction that it allows.
func TestAnOfferingIsOrderedInItsTimeAndLeftAsItAllows(t *testing.T) {
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	s := selling(t, "metro", func(o *Options) { o.Clock = func() time.Time { return now } })
	refused := func(offering, want string) {
		t.Helper()
		p := told(t, s, http.MethodPost, "/connections", with(aConnection(), fields{"product_offering": offering}), http.StatusBadRequest)
		if got := reasons(p); got != want {
			t.Errorf("%s: %s, want %s", offering, got, want)
		}
	}
	refused("po:connection-400g", "product_offering: cannot be ordered before 2035-01-01T00:00:00Z")
	refused("po:connection-1g", "product_offering: could not be ordered after 2025-12-31T23:59:59Z")
	now = time.Date(2025, 6, 1, 12, 0, 0, 0, time.UTC)
	refused("po:connection-1g", "no device has 2 ports for po:connection-1g")

	type move struct{ from, field, to, want string }
	for _, m := range []move{
		{"po:line-fixed", "product_offering", "po:line", "product_offering po:line-fixed does not allow an upgrade"},
		{"po:line-fixed", "product_offering", "po:line-2g", "product_offering po:line-fixed does not allow an upgrade"},
		{"po:line", "product_offering", "po:line-fixed", ""},
		{"po:line-2g", "product_offering", "po:line", ""},
		{"po:line-2g", "product_offering", "po:tree", "product_offering is of type p2mp_vc, not p2p_vc"},
	} {
		if p := s.transact(principal{operator: true}, func(o *order) *problem {
			o.old, o.new = map[string]any{m.field: m.from}, map[string]any{m.field: m.to}
			if offering := o.offering(m.field, "p2p_vc"); (offering == nil) != (m.want != "") {
				t.Errorf("%v: %v", m, offering)
			}
			if got := faultsOf(o); got != m.want {
				t.Errorf("%v: %q", m, got)
			}
			return nil
		}); p != nil {
			t.Fatal(p)
		}
	}
	for _, c := range []struct {
		offering string
		was, is  any
		want     string
	}{
		{"po:line-2g", nil, int64(2001), "capacity is more than the 2000 Mbit/s that po:line-2g ends with"},
		{"po:line-fixed", nil, int64(499), "capacity is less than the 500 Mbit/s that po:line-fixed begins with"},
		{"po:line-2g", int64(100), int64(2000), ""},
		{"po:line-2g", int64(100), nil, ""},
	} {
		if p := s.transact(principal{operator: true}, func(o *order) *problem {
			o.new = map[string]any{"capacity": c.is}
			if c.was != nil {
				o.old = map[string]any{"capacity": c.was}
			}
			o.withinBandwidth("capacity", o.Get("product-offerings", c.offering))
			if got := faultsOf(o); got != c.want {
				t.Errorf("%v: %q", c, got)
			}
			return nil
		}); p != nil {
			t.Fatal(p)
		}
	}
}

func faultsOf(o *order) string {
	out := ""
	for _, f := range o.faults {
		out += f.Name + " " + f.Reason
	}
	return out
}

func TestOfferingsAreFoundByTheirTerms(t *testing.T) {
	s := anonymous(t)
	for query, want := range map[string]int{
		"handover_pop=pop:fra1": 1, "contract_initial_period=P12M": 2, "contract_renewal_notice_period=P14D&handover_pop=pop:fra2": 1,
		"contract_initial_period=P1Y": 0, "type=p2p_vc&upgrade_allowed=false": 1, "type=connection&physical_port_speed=400000": 1,
		"bandwidth=500&type=p2p_vc": 3, "bandwidth=501&type=p2p_vc": 2,
	} {
		if got := idsOf(t, get(s, "/product-offerings?"+query).Body.Bytes()); len(got) != want {
			t.Errorf("%s: %v, want %d", query, got, want)
		}
	}
}

// An account that has accepted the terms is in production once it has ordered what is first required of it, and may order
// nothing else before.
func TestSomethingIsOrderedFirst(t *testing.T) {
	s := selling(t, "metro", func(o *Options) {
		o.AcceptTerms, o.FirstOfferings = true, []string{"po:connection-10g"}
	})
	account := told(t, s, http.MethodPost, "/accounts", `{"managing_account":"account:1000","name":"New","billing_information":{"name":"New",
		"address":{"country":"DE","locality":"F","postal_code":"1","street_address":"S 1"}},
		"address":{"country":"DE","locality":"F","postal_code":"1","street_address":"S 1"}}`, http.StatusCreated)
	status := account["status"].([]any)
	if account["state"] != "requested" || len(status) != 1 || status[0].(map[string]any)["tag"] != firstService {
		t.Fatalf("%v", account)
	}
	id := account["id"]
	own := fields{"managing_account": id, "consuming_account": id, "billing_account": id}
	another := maps.Clone(own)
	another["product_offering"], another["port_quantity"] = "po:connection-100g", 1
	p := told(t, s, http.MethodPost, "/connections", with(aConnection(), another), http.StatusBadRequest)
	if got := reasons(p); got != fmt.Sprintf("consuming_account: account %s cannot consume services while its state is requested", id) {
		t.Errorf("%s", got)
	}
	told(t, s, http.MethodPost, "/connections", with(aConnection(), own), http.StatusCreated)
	if got := told(t, s, http.MethodGet, "/accounts/"+url.PathEscape(fmt.Sprint(id)), "", http.StatusOK); got["state"] != "production" || len(got["status"].([]any)) != 0 {
		t.Errorf("%v", got)
	}
}
