package exchange

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// told asks for something and returns the answer decoded.
func told(tb testing.TB, s *Server, method, path, body string, status int) map[string]any {
	tb.Helper()
	w := ask(s, method, path, body)
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != status {
		tb.Fatalf("%s %s %s: %d, want %d: %s (%v)", method, path, body, w.Code, status, w.Body, err)
	}
	return out
}

func TestAnOrderIsCheckedFieldByField(t *testing.T) {
	s := anonymous(t)
	for body, want := range map[string]string{
		`{}`: "managing_account is required; consuming_account is required; address is required",
		`{"managing_account":1,"consuming_account":"account:none","address":"01:00:5e:00:00:01"}`: "managing_account is not a string; " +
			"consuming_account there is no such record in accounts; address is not the address of one station",
		`{"managing_account":null,"consuming_account":"account:1001","address":"02:00:5e:00:00:01","valid_not_before":"tomorrow"}`: "managing_account cannot be null; " +
			"valid_not_before is not a time of RFC 3339",
	} {
		out := told(t, s, http.MethodPost, "/macs", body, http.StatusBadRequest)
		var got []string
		for _, p := range out["properties"].([]any) {
			got = append(got, p.(map[string]any)["name"].(string)+" "+p.(map[string]any)["reason"].(string))
		}
		if out["type"] != validationError || strings.Join(got, "; ") != want {
			t.Errorf("%s: %v %q, want %q", body, out["type"], strings.Join(got, "; "), want)
		}
	}
}

func TestWhatIsNoObjectIsNoOrder(t *testing.T) {
	s := anonymous(t)
	for _, body := range []string{"", "[]", "null", "1", `"x"`, "{", `{"a":1} {}`, strings.Repeat("[", 100_000), `{"a":` + strings.Repeat("x", maxRequest) + `}`} {
		var w *httptest.ResponseRecorder
		if w = ask(s, http.MethodPost, "/macs", body); w.Code != http.StatusBadRequest && w.Code != http.StatusRequestEntityTooLarge {
			t.Errorf("%.20q: %d %s", body, w.Code, w.Body)
		}
		var p problem
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Status != w.Code {
			t.Errorf("%.20q: %s", body, w.Body)
		}
	}
}

func TestAMACIsOrderedAndGivenUp(t *testing.T) {
	s := anonymous(t)
	mac := told(t, s, http.MethodPost, "/macs", `{"managing_account":"account:1001","consuming_account":"account:1001","address":"02-00-5E-00-53-01"}`, http.StatusCreated)
	if mac["address"] != "02:00:5e:00:53:01" || mac["valid_not_after"] != nil {
		t.Errorf("%v", mac)
	}
	path := "/macs/" + mac["id"].(string)
	told(t, s, http.MethodGet, path, "", http.StatusOK)
	told(t, s, http.MethodPatch, path, "{}", http.StatusMethodNotAllowed)
	told(t, s, http.MethodDelete, path, "null", http.StatusOK)
	told(t, s, http.MethodGet, path, "", http.StatusNotFound)
}
