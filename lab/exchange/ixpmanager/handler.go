package ixpmanager

import (
	"crypto/subtle"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// Prefix is what the paths of the API begin with.
const Prefix = "/api/v4/"

// KeyHeader is the header that carries the API key.
const KeyHeader = "X-IXP-Manager-API-Key"

// Handler returns the API over the records of a store, for who shows the key.
func Handler(records *store.Store, key string) http.Handler {
	mux := http.NewServeMux()
	list := func(name string, of func(*view, *device) any) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			v := newView(records.Now())
			by, isJSON := strings.CutSuffix(r.PathValue("switch"), ".json")
			d := v.device(r.PathValue("by"), by)
			if !isJSON || d == nil {
				http.Error(w, "Unknown switch", http.StatusNotFound)
				return
			}
			answer(w, name, of(v, d))
		}
	}
	mux.HandleFunc("GET "+Prefix+"provisioner/switch/list.json", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, "switches", newView(records.Now()).switches())
	})
	mux.HandleFunc("GET "+Prefix+"provisioner/vlans/{by}/{switch}", list("vlans", func(v *view, _ *device) any { return v.vlans() }))
	mux.HandleFunc("GET "+Prefix+"provisioner/layer2interfaces/{by}/{switch}", list("layer2interfaces", func(v *view, d *device) any {
		return v.interfaces(d)
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown := r.Header.Get(KeyHeader)
		switch {
		case shown == "":
			http.Error(w, "Unauthorised", http.StatusUnauthorized)
		case subtle.ConstantTimeCompare([]byte(shown), []byte(key)) != 1:
			http.Error(w, "Valid API key required", http.StatusForbidden)
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

// answer sends a list under its name.
func answer(w http.ResponseWriter, name string, list any) {
	w.Header().Set("Content-Type", "application/json")
	e := json.NewEncoder(w)
	e.SetIndent("", "    ")
	_ = e.Encode(map[string]any{name: list}) // the client has gone, if it fails
}
