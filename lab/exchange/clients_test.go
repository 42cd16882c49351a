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
	"github.com/ixagent/ixagent/testdata"
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

// trading returns an exchange that serves records to a client with the long key and secret, of that account.
func trading(t *testing.T, data fs.FS, account string) *Server {
	t.Helper()
	s := serve(t, Options{
		Data: data, Credentials: []Credential{{Key: longKey, Secret: longSecret, Account: account}}, TokenLifetime: 3 * time.Second,
		AcceptTerms: true,
	})
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// A client that nobody here wrote reads and orders, and prism, between it and the exchange, finds nothing that the
// official schema does not allow.
func TestForeignClientIsServedByTheContract(t *testing.T) {
	client := judge.NewClient(t)
	t.Run("reads", func(t *testing.T) {
		contract := judge.NewContract(t, trading(t, settled(t), "").URL())
		t.Log(client.Run(t, contract.URL(), longKey, longSecret, "read"))
		t.Log(client.Run(t, contract.URL(), longKey, longSecret, "refresh"))
		contract.Check(t)
	})
	t.Run("orders as of 2.1", func(t *testing.T) {
		s := trading(t, unsold(t), "acc-alpha")
		contract := judge.NewContract(t, s.URL())
		t.Log(client.Run(t, contract.URL(), longKey, longSecret, "order", "2.1"))
		contract.Check(t)
		nothingIsLeft(t, s)
	})
	t.Run("orders as of 2.4", func(t *testing.T) {
		s := trading(t, unsold(t), "acc-alpha")
		t.Log(client.Run(t, s.URL(), longKey, longSecret, "order", "2.4"))
		nothingIsLeft(t, s)
	})
}

// unsold is the data set of an exchange that has sold nothing yet.
func unsold(t *testing.T) fs.FS {
	t.Helper()
	data, err := testdata.Exchange("market")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// nothingIsLeft fails the test for what was ordered at the market and is still in service.
func nothingIsLeft(t *testing.T, s *Server) {
	t.Helper()
	before := serve(t, Options{Anonymous: true, Data: unsold(t)}).store.Now()
	for _, collection := range []string{"connections", "port-reservations", "network-services", "network-service-configs", "network-feature-configs"} {
		for _, r := range s.store.Now().List(collection) {
			if before.Get(collection, r.ID) == nil && inService(r) {
				t.Errorf("%s %s is still %s", collection, r.ID, r.State())
			}
		}
	}
}
