package exchange

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/ixagent/ixagent/testdata"
)

// sandbox serves a data set to everybody.
func sandbox(tb testing.TB, set string, change ...func(*Options)) *Server {
	tb.Helper()
	data, err := testdata.Exchange(set)
	if err != nil {
		tb.Fatal(err)
	}
	o := Options{Anonymous: true, Data: data}
	for _, f := range change {
		f(&o)
	}
	return serve(tb, o)
}

// ordered is an order with fields that replace others.
func ordered(tb testing.TB, base string, fields map[string]any) string {
	tb.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(base), &o); err != nil {
		tb.Fatal(err)
	}
	for name, v := range fields {
		if o[name] = v; v == nil {
			delete(o, name)
		}
	}
	text, err := json.Marshal(o)
	if err != nil {
		tb.Fatal(err)
	}
	return string(text)
}

const metroConnection = `{"managing_account":"account:1001","consuming_account":"account:1001","billing_account":"account:1001",
	"role_assignments":["c-impl:1001","c-noc:1001"],"mode":"lag_lacp","product_offering":"po:connection-10g","port_quantity":2,"external_ref":"ours"}`

func TestAConnectionIsOrderedAndBuilt(t *testing.T) {
	s := sandbox(t, "metro")
	c := told(t, s, http.MethodPost, "/connections", ordered(t, metroConnection, nil), http.StatusCreated)
	t.Log(c)
}
