package switchd

import (
	"fmt"
	"strings"
	"testing"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"github.com/openconfig/ygot/ygot"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/lab/switchd/tree"
	"github.com/ixagent/ixagent/models/oc"
)

func (s *store) json() string {
	t, _, _ := s.current()
	b, _ := t.Root().AppendJSON(nil, tree.Config)
	return string(b)
}

func replaceAll(text string) func(*tree.Edit) error {
	return func(e *tree.Edit) error {
		return e.Replace(&gpb.Path{}, tree.JSONValue([]byte(text), gpb.Encoding_JSON_IETF))
	}
}

// all is configuration and state.
func (s *store) all(t testing.TB) string {
	t.Helper()
	v, _, err := s.view()
	if err != nil {
		t.Fatal(err)
	}
	b, _ := v.Root().AppendJSON(nil, tree.All)
	return string(b)
}

// whole says what a fresh switch thinks of a complete configuration, and shows
// it with its state.
func whole(t testing.TB, ports []string, text string) (string, error) {
	t.Helper()
	s, err := newStore(ports, nil, cabled{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.stop()
	if err := s.set(edit(replaceAll(text))); err != nil {
		return "", err
	}
	return s.all(t), nil
}

// A switch checks what a Set changes. That must come to the same as checking
// everything: a step is accepted exactly when its result is. The same holds for
// state, which is computed from the last one.
func TestStepIsAcceptedWhenItsResultIs(t *testing.T) {
	ports := []string{"eth1", "eth2", "eth3"}
	var refused, accepted int
	rapid.Check(t, func(rt *rapid.T) {
		s, err := newStore(ports, nil, cabled{}, nil)
		if err != nil {
			rt.Fatal(err)
		}
		defer s.stop()
		name := rapid.SampledFrom([]string{"eth1", "eth2", "eth3", "ae1", "ae2"})
		index := rapid.IntRange(0, 3)
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			op := drawOperation(rt, name, index)
			running, _, _ := s.current()
			e := running.Edit()
			if err := op(e); err != nil {
				rt.Fatalf("the step itself: %v", err)
			}
			if err := s.ensurePorts(e); err != nil {
				rt.Fatal(err)
			}
			b, _ := e.Peek().AppendJSON(nil, tree.Config)
			step := s.set(edit(op))
			want, all := whole(t, ports, string(b))
			if (step == nil) != (all == nil) {
				rt.Fatalf("as a step: %v\nas a whole: %v\n%s\nfrom %s", step, all, b, s.json())
			}
			if step == nil {
				if got := s.all(t); got != want {
					rt.Fatalf("state after steps: %s\nof the whole: %s", got, want)
				}
				accepted++
			} else {
				refused++
			}
		}
	})
	t.Logf("%d steps accepted, %d refused", accepted, refused)
}

// drawOperation draws one change of the kinds an agent makes.
func drawOperation(rt *rapid.T, names *rapid.Generator[string], indexes *rapid.Generator[int]) func(*tree.Edit) error {
	name, index := names.Draw(rt, "name"), indexes.Draw(rt, "index")
	at := "/interfaces/interface[name=" + name + "]"
	sub := fmt.Sprintf("%s/subinterfaces/subinterface[index=%d]", at, index)
	id := fmt.Sprintf("%s.%d", name, index)
	instance := fmt.Sprintf("/network-instances/network-instance[name=s%d]", indexes.Draw(rt, "instance"))
	ref := fmt.Sprintf(`"interface-ref":{"config":{"interface":%q,"subinterface":%d}}`, name, index)
	write := func(path, format string, args ...any) func(*tree.Edit) error {
		return func(e *tree.Edit) error {
			p, err := ygot.StringToStructuredPath(path)
			if err != nil {
				return err
			}
			return e.Update(p, tree.JSONValue(fmt.Appendf(nil, format, args...), gpb.Encoding_JSON_IETF))
		}
	}
	remove := func(path string) func(*tree.Edit) error {
		return func(e *tree.Edit) error {
			p, err := ygot.StringToStructuredPath(path)
			if err != nil {
				return err
			}
			return e.Delete(p)
		}
	}
	vid := rapid.IntRange(1, 2).Draw(rt, "vid")
	switch rapid.IntRange(0, 13).Draw(rt, "kind") {
	case 0, 1:
		return write(at, `{"config":{"name":%q,"type":"iana-if-type:ieee8023adLag"}}`, name)
	case 2:
		return write(at+"/ethernet/config/aggregate-id", `%q`, names.Draw(rt, "lag"))
	case 3:
		return write(sub, `{"config":{"index":%d}}`, index)
	case 4, 5:
		return write(sub, `{"config":{"index":%d},"openconfig-vlan:vlan":{"match":{"single-tagged":{"config":{"vlan-id":%d}}}}}`, index, vid)
	case 6:
		return write(sub, `{"config":{"index":%d},"openconfig-vlan:vlan":{"match":{"double-tagged":{"config":{"outer-vlan-id":%d,"inner-vlan-id":5}}}}}`, index, vid)
	case 7, 8:
		kind := rapid.SampledFrom([]string{"L2VSI", "L2P2P", "L3VRF"}).Draw(rt, "type")
		return write(instance, `{"config":{"name":%q,"type":"openconfig-network-instance-types:%s"},"connection-points":{"connection-point":[
			{"connection-point-id":%[3]q,"config":{"connection-point-id":%[3]q},"endpoints":{"endpoint":[{"endpoint-id":%[3]q,
			"config":{"endpoint-id":%[3]q,"type":"openconfig-network-instance-types:LOCAL"},"local":{"config":{"interface":%[4]q,"subinterface":%[5]d}}}]}}]}}`,
			strings.TrimSuffix(strings.TrimPrefix(instance, "/network-instances/network-instance[name="), "]"), kind, id, name, index)
	case 9:
		return write("/acl", `{"acl-sets":{"acl-set":[{"name":"f%d","type":"ACL_L2","config":{"name":"f%[1]d","type":"ACL_L2"}}]},"interfaces":{"interface":[{"id":%[2]q,"config":{"id":%[2]q},%[3]s,
			"ingress-acl-sets":{"ingress-acl-set":[{"set-name":"f%[1]d","type":"ACL_L2","config":{"set-name":"f%[1]d","type":"ACL_L2"}}]}}]}}`, vid, id, ref)
	case 10:
		return write("/lacp/interfaces/interface[name="+name+"]", `{"config":{"name":%q}}`, name)
	case 11:
		return remove(rapid.SampledFrom([]string{at, sub, instance, sub + "/vlan", at + "/subinterfaces"}).Draw(rt, "remove"))
	case 12:
		return remove(rapid.SampledFrom([]string{"/lacp", "/acl", "/acl/interfaces", "/acl/acl-sets", "/network-instances"}).Draw(rt, "remove"))
	}
	return remove(at + "/ethernet")
}

// FuzzSet: no payload panics; one that is refused changes nothing, one that is
// accepted leaves a configuration that a fresh switch and ygot accept.
func FuzzSet(f *testing.F) {
	f.Add([]byte(`{"openconfig-interfaces:interfaces":{"interface":[{"name":"ae1","config":{"name":"ae1","type":"iana-if-type:ieee8023adLag"},"subinterfaces":{"subinterface":[{"index":1,"config":{"index":1}}]}}]}}`))
	f.Add([]byte(`{"openconfig-interfaces:interfaces":{"interface":[{"name":"eth1","config":{"name":"eth1","type":"iana-if-type:ethernetCsmacd","mtu":9000}}]},"openconfig-acl:acl":{"acl-sets":{"acl-set":[{"name":"f","type":"ACL_L2","config":{"name":"f","type":"ACL_L2"}}]}}}`))
	f.Add([]byte(`{"openconfig-network-instance:network-instances":{"network-instance":[{"name":"a","config":{"name":"a","type":"openconfig-network-instance-types:L2VSI"}}]}}`))
	f.Add([]byte(`{"openconfig-qos:qos":{"scheduler-policies":{"scheduler-policy":[{"name":"p","config":{"name":"p"}}]}}}`))
	ports := []string{"eth1"}
	f.Fuzz(func(t *testing.T, payload []byte) {
		s, err := newStore(ports, nil, cabled{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer s.stop()
		before := s.json()
		err = s.set(edit(func(e *tree.Edit) error {
			return e.Update(&gpb.Path{}, tree.JSONValue(payload, gpb.Encoding_JSON_IETF))
		}))
		after := s.json()
		if err != nil {
			if after != before {
				t.Fatal("a refused Set changed something")
			}
			return
		}
		want, err := whole(t, ports, after)
		if err != nil {
			t.Fatalf("a fresh switch refuses it: %v", err)
		}
		if got := s.all(t); got != want {
			t.Fatalf("state: %s\nof a fresh switch: %s", got, want)
		}
		var d oc.Device
		if err := oc.Unmarshal([]byte(after), &d); err != nil {
			t.Fatalf("ygot: %v", err)
		}
	})
}
