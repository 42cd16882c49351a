package topology

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEveryCommittedFileParses(t *testing.T) {
	files, err := filepath.Glob("*.clab.yml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lab, err := Parse(file, text)
		if err != nil {
			t.Error(err)
			continue
		}
		if want := strings.TrimSuffix(file, ".clab.yml"); lab.Name != want {
			t.Errorf("%s is called %s", file, lab.Name)
		}
		if len(lab.Nodes) < 2 || len(lab.Links) < 1 {
			t.Errorf("%s has %d nodes and %d links", file, len(lab.Nodes), len(lab.Links))
		}
	}
}

const small = `name: small
mgmt: {network: small, ipv4-subnet: 172.31.9.0/29}
topology:
  defaults: {kind: linux, image: ixlab, env: {A: 1, B: default}, cap-add: [NET_RAW]}
  kinds:
    linux: {privileged: false, restart-policy: "no", env: {B: kind, C: kind}, cap-add: [cap_net_admin], cmd: wait}
  nodes:
    sw1: {mgmt-ipv4: 172.31.9.2, cmd: 'switch --name "a b"', env: {C: node}}
    m1:
    m2: {network-mode: none, privileged: true, sysctls: {net.ipv6.conf.all.disable_ipv6: 1}}
  links:
    - endpoints: ["sw1:eth1", "m1:eth1"]
    - {type: veth, endpoints: [{node: sw1, interface: eth2}, {node: m2, interface: eth1}], mtu: 1600}
`

func TestNodeGetsWhatDefaultsKindAndItselfSay(t *testing.T) {
	got, err := Parse("small.clab.yml", []byte(small))
	if err != nil {
		t.Fatal(err)
	}
	caps := []string{"NET_ADMIN", "NET_RAW"}
	want := &Topology{
		Name: "small",
		Mgmt: Mgmt{"small", netip.MustParsePrefix("172.31.9.0/29")},
		Nodes: []Node{{
			Name: "sw1", Image: "ixlab", Args: []string{"switch", "--name", "a b"}, CapAdd: caps,
			Env: map[string]string{"A": "1", "B": "kind", "C": "node"}, MgmtIPv4: netip.MustParseAddr("172.31.9.2"),
		}, {
			Name: "m1", Image: "ixlab", Args: []string{"wait"}, CapAdd: caps,
			Env: map[string]string{"A": "1", "B": "kind", "C": "kind"}, MgmtIPv4: netip.MustParseAddr("172.31.9.3"),
		}, {
			Name: "m2", Image: "ixlab", Args: []string{"wait"}, CapAdd: caps, Privileged: true, NetworkMode: "none",
			Env:     map[string]string{"A": "1", "B": "kind", "C": "kind"},
			Sysctls: map[string]string{"net.ipv6.conf.all.disable_ipv6": "1"},
		}},
		Links: []Link{
			{Endpoint{"sw1", "eth1"}, Endpoint{"m1", "eth1"}, 9500},
			{Endpoint{"sw1", "eth2"}, Endpoint{"m2", "eth1"}, 1600},
		},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func TestWhatCannotBeKeptIsRefusedByItsName(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"name: small", "name: small\nsettings: {}", "f:2:1: settings: this key is not supported"},
		{"network: small,", "network: small, bridge: br0,", "f:2:24: mgmt.bridge: this key is not supported"},
		{"  defaults:", "  groups: {}\n  defaults:", "f:4:3: topology.groups: this key is not supported"},
		{"m1:\n", "m1: {binds: [a]}\n", "f:9:10: topology.nodes.m1.binds: this key is not supported"},
		{"m1:\n", "m1: {kind: bridge}\n", "f:9:16: topology.nodes.m1.kind: kind bridge is not supported (only containerlab"},
		{"    linux:", "    srl: {}\n    linux:", "f:6:5: topology.kinds.srl: kind srl is not supported (only containerlab"},
		{"m1:\n", "m1: {image: alpine}\n", "image alpine is not supported: a node's program is ixlab itself (only containerlab"},
		{"m1:\n", "m1: {restart-policy: always}\n", "restart-policy always is not supported"},
		{"m1:\n", "m1: {image-pull-policy: always}\n", "image-pull-policy always is not supported"},
		{"m1:\n", "m1: {network-mode: host}\n", "network-mode host is not supported (only containerlab"},
		{"m1:\n", "m1: {mgmt-ipv4: 172.31.9.2}\n", "f:9:21: topology.nodes.m1.mgmt-ipv4: 172.31.9.2 is the address of sw1"},
		{"m1:\n", "m1: {mgmt-ipv4: 172.31.9.1}\n", "172.31.9.1 is the address of the host"},
		{"m1:\n", "m1: {mgmt-ipv4: 172.31.9.9}\n", "172.31.9.9 is no address of the management subnet"},
		{"m1:\n", "m1: {mgmt-ipv4: 172.31.9.7}\n", "172.31.9.7 is no address of the management subnet"},
		{"m1:\n", "m1: {mgmt-ipv4: 172.31.9.3, network-mode: none}\n", "m1 has network-mode none and so no address"},
		{"m1:\n", "m1: {cmd: 'a \"b'}\n", "a quote \" is not closed"},
		{"m1:\n", "m1: {cmd: $HOME}\n", "$ is not supported"},
		{"m1:\n", "m1: {env: {A-B: 1}}\n", "this is no name of an environment variable"},
		{"m1:\n", "m1: {sysctls: {kernel.panic: 1}}\n", "this sysctl is not the node's own"},
		{"m1:\n", "m1: {cap-add: [FLY]}\n", `"FLY" is no capability`},
		{"m1:\n", "m1:\n    m1:\n", "f:10:5: topology.nodes.m1: is set twice"},
		{"m1:\n", "m1:\n    host:\n", "host is a name that is taken"},
		{"m1:\n", "m1: {<<: {cmd: a}}\n", "merge keys are not supported"},
		{"m1:\n", "m1: &a {cmd: a}\n", "anchors and aliases are not supported"},
		{"m1:\n", "m1: !!map {cmd: a}\n", "YAML tags are not supported"},
		{"172.31.9.0/29", "172.31.9.1/29", "the subnet of 172.31.9.1/29 is 172.31.9.0/29"},
		{"172.31.9.0/29", "auto", `"auto" is no IPv4 subnet`},
		{"kind: linux, ", "", "kind is missing"},
		{`"m1:eth1"]`, `"m9:eth1"]`, "f:12:31: topology.links[0].endpoints[1]: there is no node m9"},
		{`"m1:eth1"]`, `"sw1:eth1"]`, "sw1:eth1 is already in a link"},
		{`"m1:eth1"]`, `"m1:eth0"]`, "eth0 is not for links"},
		{`"m1:eth1"]`, `"m1:Ethernet1/1"]`, `"Ethernet1/1" is no name of an interface`},
		{`"m1:eth1"]`, `"m1:abcdefghijklmnop"]`, `"abcdefghijklmnop" is no name of an interface`},
		{`"m1:eth1"]`, `"host:eth1"]`, "a link to host is not supported (only containerlab"},
		{`"m1:eth1"]`, `"m1"]`, `"m1" is no endpoint`},
		{`, "m1:eth1"]`, `]`, "a link has two endpoints, not 1"},
		{"type: veth", "type: vxlan", "a link of type vxlan is not supported (only containerlab"},
		{"mtu: 1600", "mtu: 10", `"10" is no MTU`},
		{"mtu: 1600", "labels: {}", "topology.links[1].labels: this key is not supported"},
	} {
		text := strings.Replace(small, c.old, c.new, 1)
		if text == small {
			t.Fatalf("%q is not in the file", c.old)
		}
		_, err := Parse("f", []byte(text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s:\n got %v\nwant %s", c.new, err, c.want)
		}
	}
}

func TestAllFaultsAreToldAtOnce(t *testing.T) {
	_, err := Parse("f", []byte("nam: a\ntopology: {nodes: {a: {image: x, ports: []}}, links: [{endpoints: [\"b:eth1\"]}]}\n"))
	faults, ok := err.(Faults)
	if !ok || len(faults) < 6 {
		t.Error(err)
	}
}

func TestSubnetThatIsFullIsRefused(t *testing.T) {
	text := strings.Replace(small, "    m1:\n", "    m1:\n    m3:\n    m4:\n    m5:\n    m6:\n", 1)
	_, err := Parse("f", []byte(text))
	if err == nil || !strings.Contains(err.Error(), "no address left for m6") {
		t.Error(err)
	}
}

func TestWordsAreSplitAsAShellDoes(t *testing.T) {
	for line, want := range map[string][]string{
		"":                     nil,
		" a  b\tc\n":           {"a", "b", "c"},
		`a 'b c' "d e" f\ g`:   {"a", "b c", "d e", "f g"},
		`a"b"'c' "" ''`:        {"abc", "", ""},
		`'\' "\"" "\\" \' a#b`: {`\`, `"`, `\`, `'`, "a#b"},
	} {
		got, err := words(line)
		if err != nil || !cmp.Equal(got, want) {
			t.Errorf("%q: %q, %v", line, got, err)
		}
	}
	for _, line := range []string{`'`, `"a`, `a\`, `# a`, `a #b`, `"\a"`, "a\\\nb"} {
		if got, err := words(line); err == nil {
			t.Errorf("%q: %q", line, got)
		}
	}
}

// FuzzParse checks that no text makes the reader panic, and that what it accepts can be laid out: names are unique and
// links join interfaces of nodes that exist.
func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	for _, name := range []string{"two.clab.yml", "metro.clab.yml"} {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		lab, err := Parse("f", text)
		if err != nil {
			if _, ok := err.(Faults); !ok {
				t.Errorf("%T: %v", err, err)
			}
			return
		}
		if CheckName(lab.Name) != nil || !lab.Mgmt.IPv4.Contains(lab.Mgmt.Gateway()) {
			t.Errorf("%+v", lab)
		}
		names, addrs := make(map[string]bool), map[netip.Addr]bool{lab.Mgmt.Gateway(): true}
		for _, n := range lab.Nodes {
			if names[n.Name] || n.Name == HostNode || len(n.Args) == 0 || n.MgmtIPv4.IsValid() == (n.NetworkMode == "none") {
				t.Errorf("%+v", n)
			}
			if n.MgmtIPv4.IsValid() && (addrs[n.MgmtIPv4] || !lab.Mgmt.IPv4.Contains(n.MgmtIPv4)) {
				t.Errorf("%+v", n)
			}
			names[n.Name], addrs[n.MgmtIPv4] = true, true
		}
		used := make(map[Endpoint]bool)
		for _, l := range lab.Links {
			for _, e := range []Endpoint{l.A, l.B} {
				if !names[e.Node] || used[e] || e.Interface == "eth0" || len(e.Interface) > 15 {
					t.Errorf("%+v", l)
				}
				used[e] = true
			}
		}
	})
}
