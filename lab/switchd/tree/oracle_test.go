package tree_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"github.com/openconfig/ygot/ytypes"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/lab/switchd/tree"
	"github.com/ixagent/ixagent/models/oc"
	"github.com/ixagent/ixagent/models/oc/octest"
)

// values are what a mutation puts in the place of a leaf: right or wrong,
// depending on the leaf.
var values = []any{
	"eth1", "ae1", "ae9", "lan", "f", "p", "", "ae1.10", "SLOW", "LACP", "LEAF", "100", "-1", "02:00:00:00:00:02",
	json.Number("0"), json.Number("1"), json.Number("9"), json.Number("10"), json.Number("4095"), json.Number("70000"),
	true, false, nil,
	[]any{},
	map[string]any{},
	"iana-if-type:ethernetCsmacd", "iana-if-type:ieee8023adLag", "openconfig-vlan-types:TPID_0X9100",
	"openconfig-network-instance-types:L2P2P", "openconfig-network-instance-types:L3VRF", "openconfig-network-instance-types:LOCAL",
	"ACL_IPV4", "openconfig-acl:ACL_MIXED", "ACL_L2",
}

// slot is one member of an object or element of an array.
type slot struct {
	set    func(any)
	remove func()
	scalar bool
}

func slots(v any, out *[]slot, replace func(any)) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			*out = append(*out, slot{func(x any) { v[k] = x }, func() { delete(v, k) }, scalar(v[k])})
			slots(v[k], out, func(x any) { v[k] = x })
		}
	case []any:
		for i := range v {
			*out = append(*out, slot{func(x any) { v[i] = x }, func() { replace(slices.Delete(slices.Clone(v), i, i+1)) }, scalar(v[i])})
			slots(v[i], out, func(x any) { v[i] = x })
		}
	}
}

func scalar(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return false
	}
	return true
}

// mutant draws the small tree with up to three changes.
func mutant(t *rapid.T) string {
	var doc any
	if err := json.Unmarshal([]byte(small), &doc); err != nil {
		t.Fatal(err)
	}
	for range rapid.IntRange(0, 3).Draw(t, "changes") {
		var all []slot
		slots(doc, &all, func(any) {})
		s := rapid.SampledFrom(all).Draw(t, "slot")
		if s.scalar && rapid.IntRange(0, 3).Draw(t, "kind") > 0 {
			s.set(rapid.SampledFrom(values).Draw(t, "value"))
		} else {
			s.remove()
		}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The schema check and yanglint give the same verdict on every tree, and ygot
// accepts what we accept.
func TestVerdictsAreThoseOfTheJudges(t *testing.T) {
	s := schema(t)
	gen := rapid.Custom(mutant)
	accepted := 0
	const seeds = 25
	for seed := range seeds {
		text := gen.Example(seed)
		tr, _, err := load(s, text)
		judge := octest.Complaint(t, []byte(text), "config")
		if (err == nil) != (judge == "") {
			t.Errorf("seed %d: we say %v, yanglint says %q\n%s", seed, err, judge, text)
		}
		if err != nil {
			continue
		}
		accepted++
		var d oc.Device
		if err := oc.Unmarshal([]byte(jsonOf(t, tr)), &d); err != nil {
			t.Errorf("seed %d: ygot cannot read it: %v\n%s", seed, err, text)
		} else if err := d.Validate(&ytypes.LeafrefOptions{}); err != nil {
			t.Errorf("seed %d: ygot does not accept it: %v\n%s", seed, err, text)
		}
	}
	t.Logf("accepted %d of %d", accepted, seeds)
}

// However a tree was reached, it is the tree its text says, and the references
// kept along the way are those of a fresh load.
func TestStepsLeadToTheSameTree(t *testing.T) {
	s := schema(t)
	paths := []string{
		"/interfaces/interface[name=ae1]/config/mtu", "/interfaces/interface[name=ae1]/subinterfaces/subinterface[index=9]",
		"/interfaces/interface[name=ae1]", "/interfaces/interface[name=eth1]/ethernet", "/acl/interfaces", "/acl/acl-sets/acl-set[name=f][type=ACL_L2]",
		"/acl", "/qos/interfaces/interface[interface-id=ae1.10]/input", "/qos", "/network-instances/network-instance[name=lan]/connection-points",
		"/network-instances", "/lacp/interfaces/interface[name=*]", "/",
	}
	rapid.Check(t, func(rt *rapid.T) {
		at, refs, err := load(s, small)
		if err != nil {
			rt.Fatal(err)
		}
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			e := at.Edit()
			if rapid.Bool().Draw(rt, "delete") {
				err = e.Delete(path(t, rapid.SampledFrom(paths).Draw(rt, "path")))
			} else {
				err = e.Update(&gpb.Path{}, ietf(mutant(rt)))
			}
			if err != nil {
				continue
			}
			next := e.Tree()
			before := jsonOf(t, at)
			if _, err := refs.Move(at, next); err != nil {
				if _, _, alone := load(s, jsonOf(t, next)); alone == nil {
					rt.Fatalf("refused as a step (%v), accepted as a whole: %s", err, jsonOf(t, next))
				}
				if jsonOf(t, at) != before {
					rt.Fatal("a refused step changed the tree")
				}
				continue
			}
			if _, _, err := load(s, jsonOf(t, next)); err != nil {
				rt.Fatalf("accepted as a step, refused as a whole: %v", err)
			}
			at = next
		}
		fresh, again, err := load(s, jsonOf(t, at))
		if err != nil {
			rt.Fatal(err)
		}
		if jsonOf(t, fresh) != jsonOf(t, at) {
			rt.Fatal("the tree is not what its text says")
		}
		if !refs.Equal(again) {
			rt.Fatal("the references are not those of the tree")
		}
	})
}

// FuzzParse: no document panics, and an accepted one reads back as itself.
func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	f.Add([]byte(exchange(3)))
	f.Add([]byte(`{"openconfig-interfaces:interfaces":{"interface":[{"name":"a"}]}}`))
	f.Add([]byte(`[1e400,"\ud800"]`))
	s, err := tree.OpenConfig()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		tr, _, err := load(s, string(text))
		if err != nil {
			if strings.Contains(err.Error(), "is not JSON") && json.Valid(text) {
				t.Fatalf("JSON that is: %v", err)
			}
			return
		}
		if !json.Valid(text) {
			t.Fatal("JSON that is not was accepted")
		}
		again, _, err := load(s, jsonOf(t, tr))
		if err != nil {
			t.Fatalf("what was rendered is refused: %v", err)
		}
		if jsonOf(t, again) != jsonOf(t, tr) {
			t.Fatal("the second rendering differs")
		}
	})
}
