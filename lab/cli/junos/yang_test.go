package junos

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/openconfig/goyang/pkg/yang"

	"github.com/ixagent/ixagent/models/oc/octest"
)

// vendor returns the vendor's schema below the configuration, of the modules there are.
func vendor(t *testing.T) map[string]*yang.Entry {
	t.Helper()
	dir := filepath.Join(octest.Models(t), "junos")
	files, err := filepath.Glob(filepath.Join(dir, "junos-conf-*.yang"))
	if err != nil || len(files) == 0 {
		if os.Getenv("IXAGENT_REQUIRE") == "all" {
			t.Fatalf("required and missing: the YANG modules of Junos in %s", dir)
		}
		t.Skipf("SKIPPED, no YANG modules of Junos in %s", dir)
	}
	top := make(map[string]*yang.Entry)
	for _, area := range []string{"bridge-domains", "firewall", "forwarding-options", "interfaces"} {
		modules := yang.NewModules()
		modules.AddPath(dir)
		name := "junos-conf-" + area
		if err := modules.Read(name); err != nil {
			t.Fatal(err)
		}
		if errs := modules.Process(); len(errs) > 0 {
			t.Fatal(errs[0])
		}
		e, errs := modules.GetModule("junos-conf-root")
		if len(errs) > 0 {
			t.Fatal(errs[0])
		}
		top[area] = e.Dir["configuration"].Dir[area]
	}
	return top
}

// find returns the entry of a data node, through choices and their cases.
func find(e *yang.Entry, name string) *yang.Entry {
	if k := e.Dir[name]; k != nil && !k.IsChoice() && !k.IsCase() {
		return k
	}
	for _, k := range e.Dir {
		if k.IsChoice() || k.IsCase() {
			if found := find(k, name); found != nil {
				return found
			}
		}
	}
	return nil
}

// names returns the words and the largest number that a type takes.
func names(y *yang.YangType) (words []string, most uint64) {
	if y.Kind == yang.Yenum {
		words = y.Enum.Names()
	}
	for _, r := range y.Range {
		most = max(most, r.Max.Value)
	}
	for _, part := range y.Type {
		w, n := names(part)
		words, most = append(words, w...), max(most, n)
	}
	if y.Kind == yang.Ystring && len(y.Pattern) == 0 {
		most = math.MaxUint64 // may be any
	}
	return words, most
}

func TestEveryStatementIsOneOfTheVendors(t *testing.T) {
	root := testNOS(t).schema
	checked := 0
	var walk func(s *schema, e *yang.Entry)
	walk = func(s *schema, e *yang.Entry) {
		for _, k := range s.kids {
			v := find(e, k.json)
			if v == nil {
				t.Errorf("%s: there is no such statement", way(k))
				continue
			}
			checked++
			is := map[kind]bool{list: v.IsList(), leaf: v.IsLeaf(), leafList: v.IsLeafList(), container: v.IsContainer(), empty: v.IsLeaf() && v.Type.Kind == yang.Yempty}
			if !is[k.kind] {
				t.Errorf("%s: is of another kind", way(k))
				continue
			}
			if k.ordered && k.kind == list && !v.ListAttr.OrderedByUser || k.kind == list && !k.ordered && v.ListAttr.OrderedByUser {
				t.Errorf("%s: is ordered otherwise", way(k))
			}
			if k.kind == leaf || k.kind == leafList {
				words, most := names(v.Type)
				if _, to, ok := strings.Cut(k.takes, ".."); ok {
					if n, err := strconv.ParseUint(to, 10, 64); err != nil || n > most {
						t.Errorf("%s: takes more than %d", way(k), most)
					}
				} else if strings.Contains(k.takes, "|") {
					for w := range strings.SplitSeq(k.takes, "|") {
						if !slices.Contains(words, w) {
							t.Errorf("%s: %s is no value", way(k), w)
						}
					}
				}
			}
			walk(k, v)
		}
	}
	for area, e := range vendor(t) {
		walk(root.kid(area), e)
	}
	if checked < 140 {
		t.Errorf("%d statements were looked at", checked)
	}
}

// way is the path of a statement.
func way(s *schema) string {
	if s.parent == nil {
		return ""
	}
	return way(s.parent) + "/" + s.json
}
