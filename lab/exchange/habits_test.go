package exchange

import (
	"encoding/json"
	"net/http"
	"testing"
)

// Clients say in different ways what they send, or nothing of it, and have more in a request than they need.
func TestHabitsOfClientsAreBorneWith(t *testing.T) {
	s := serve(t, Options{Data: unsold(t), Credentials: []Credential{{Key: longKey, Secret: longSecret, Account: "acc-alpha"}}})
	var tokens struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
	}
	send := func(status int, method, path, body string, header ...string) map[string]any {
		t.Helper()
		w := ask(s, method, path, body, append([]string{"Authorization", "Bearer " + tokens.Access}, header...)...)
		if w.Code != status {
			t.Fatalf("%s %s %s %q: %d, want %d: %s", method, path, body, header, w.Code, status, w.Body)
		}
		var answer map[string]any
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			var list []any
			if json.Unmarshal(w.Body.Bytes(), &list) != nil {
				t.Fatalf("%s %s: %v: %s", method, path, err, w.Body)
			}
		}
		return answer
	}
	renew := func(path, body string, header ...string) {
		t.Helper()
		answer := send(http.StatusCreated, http.MethodPost, path, body, header...)
		tokens.Access, tokens.Refresh = answer["access_token"].(string), answer["refresh_token"].(string)
	}
	const kind, accept = "Content-Type", "Accept"
	renew("/auth/token", `{"api_key":"`+longKey+`","api_secret":"`+longSecret+`"}`, kind, "application/json;")
	renew("/auth/refresh", `{"refresh_token":"`+tokens.Refresh+`"}`, kind, "application/json;", "Authorization", "Bearer "+tokens.Refresh)
	for _, path := range []string{"/health", "/implementation", "/extensions", "/accounts?external_ref=check&colour=blue", "/accounts/"} {
		send(http.StatusOK, http.MethodGet, path, "", accept, "application/json;")
	}

	const contact = `{"managing_account":"acc-alpha","consuming_account":"acc-alpha","name":"Desk"}`
	for _, sent := range []struct{ kind, patch, end string }{
		{"application/json", "application/merge-patch+json", ""},
		{"application/json;", "application/json", "null"},
		{"application/json; charset=utf-8", "application/json;", "{}"},
		{"", "", " \n"},
	} {
		id := send(http.StatusCreated, http.MethodPost, "/contacts", contact, kind, sent.kind)["id"].(string)
		for _, body := range []string{`{}`, `{"email":"desk@alpha.example","colour":"blue"}`} {
			send(http.StatusOK, http.MethodPatch, "/contacts/"+id, body, kind, sent.patch)
		}
		if got := send(http.StatusOK, http.MethodGet, "/contacts/"+id, ""); got["email"] != "desk@alpha.example" || got["name"] != "Desk" {
			t.Errorf("%+v: %v", sent, got)
		}
		send(http.StatusOK, http.MethodDelete, "/contacts/"+id, sent.end, kind, sent.kind)
		send(http.StatusNotFound, http.MethodGet, "/contacts/"+id, "")
	}
}
