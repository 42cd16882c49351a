package all_test

import (
	"testing"

	"github.com/ixagent/ixagent/drivers/all"
)

func TestEveryDriverIsWhole(t *testing.T) {
	for name, s := range all.Registry() {
		if s.Name != name || s.Open == nil || s.Summary == "" || s.Transport == "" || len(s.Profiles) == 0 {
			t.Errorf("%s is %+v", name, s)
		}
		seen := make(map[string]bool)
		for _, p := range s.Profiles {
			if p.Name == "" || seen[p.Name] {
				t.Errorf("%s has profile %q twice or without a name", name, p.Name)
			}
			seen[p.Name] = true
		}
		if _, ok := s.Profile(""); !ok {
			t.Errorf("%s has no default profile", name)
		}
	}
}
