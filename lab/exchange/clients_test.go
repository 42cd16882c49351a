package exchange

import (
	"encoding/json"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/ixagent/ixagent/lab/exchange/judge"
)

// The key and secret that tests of foreign clients log in with are as long as the official schema wants them.
var (
	longKey    = strings.Repeat("k", 16)
	longSecret = strings.Repeat("s", 86)
)

// settled is the metro without what the official schema does not know: its odd records, and what is newer.
func settled(t *testing.T) fs.FS {
	t.Helper()
	data, all := metro(t), fstest.MapFS{}
	files, err := fs.Glob(data, "*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := fs.ReadFile(data, file)
		if err != nil {
			t.Fatal(err)
		}
		var list, kept []map[string]any
		if err := json.Unmarshal(text, &list); err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			ref, _ := r["external_ref"].(string)
			if !slices.Contains(irregular, ref) && backport(strings.TrimSuffix(file, ".json"), r) {
				kept = append(kept, r)
			}
		}
		if text, err = json.Marshal(kept); err != nil {
			t.Fatal(err)
		}
		all[file] = &fstest.MapFile{Data: text}
	}
	return all
}

// A client that nobody here wrote reads and orders, and prism, between it and the exchange, finds nothing that the
// official schema does not allow.
func TestForeignClientIsServedByTheContract(t *testing.T) {
	client := judge.NewClient(t)
	s := serve(t, Options{Data: settled(t), Credentials: []Credential{{Key: longKey, Secret: longSecret}}, TokenLifetime: 3 * time.Second})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	contract := judge.NewContract(t, s.URL())
	for _, args := range [][]string{{"read"}, {"refresh"}} {
		t.Run(args[0], func(t *testing.T) {
			t.Log(client.Run(t, contract.URL(), longKey, longSecret, args...))
			contract.Check(t)
		})
	}
}
