package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/openconfig"
	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/namespace"
	"github.com/ixagent/ixagent/lab/sandbox"
	"github.com/ixagent/ixagent/lab/switchd"
	"github.com/ixagent/ixagent/lab/topology"
	"github.com/ixagent/ixagent/models/secret"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// docker runs the engine's client, and returns what it answers.
func docker(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=0") // the image has nothing that needs more
	var warnings strings.Builder
	cmd.Stderr = &warnings
	said, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("docker %s: %w\n%s%s", strings.Join(args, " "), err, said, warnings.String())
	}
	return strings.TrimSpace(string(said)), err
}

func mustDocker(t *testing.T, args ...string) string {
	t.Helper()
	said, err := docker(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return said
}

// withoutContainers ends a test that a machine cannot run.
func withoutContainers(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("IXAGENT_REQUIRE") == "all" {
		t.Fatal(err)
	}
	t.Skipf("SKIPPED, it needs root and a container engine: %v", err)
}

// container is a node of a topology that runs in a container, and not in what the runner makes.
type container struct {
	t    *testing.T
	name string // of the node
	id   string // of the container
	ns   *namespace.Namespace
}

// contain starts the program of a node as containerlab does, but for the management network.
func contain(t *testing.T, image string, n *topology.Node) *container {
	t.Helper()
	if n.Privileged {
		t.Fatalf("%s is privileged", n.Name)
	}
	args := []string{
		"run", "--detach", "--network", "none", "--restart", "no", "--hostname", n.Name,
		"--sysctl", "net.ipv6.conf.all.disable_ipv6=0", // set before or after those of the file, as it happens
	}
	for _, c := range n.CapAdd {
		args = append(args, "--cap-add", c)
	}
	for flag, pairs := range map[string]map[string]string{"--env": n.Env, "--sysctl": n.Sysctls} {
		for _, k := range slices.Sorted(maps.Keys(pairs)) {
			args = append(args, flag, k+"="+pairs[k])
		}
	}
	c := &container{t: t, name: n.Name, id: mustDocker(t, slices.Concat(args, []string{image}, n.Args)...)}
	t.Cleanup(func() {
		if t.Failed() {
			said, err := exec.Command("docker", "logs", c.id).CombinedOutput()
			t.Logf("%s: %s%v", n.Name, said, err)
		}
		if _, err := docker(context.WithoutCancel(t.Context()), "rm", "--force", c.id); err != nil {
			t.Error(err)
		}
	})
	pid, err := strconv.Atoi(mustDocker(t, "inspect", "--format", "{{.State.Pid}}", c.id))
	if err != nil {
		t.Fatal(err)
	}
	if c.ns, err = namespace.Of(pid); errors.Is(err, fs.ErrPermission) {
		withoutContainers(t, err)
	} else if err != nil {
		t.Fatalf("%s: %v", n.Name, err)
	}
	t.Cleanup(func() { c.ns.Close() })
	return c
}

// exec runs ixlab in the container, beside the node's own.
func (c *container) exec(args ...string) (string, error) {
	return docker(c.t.Context(), append([]string{"exec", c.id, "/ixlab"}, args...)...)
}

// quiet makes sure that the kernel would give an interface no address of its own, and so says nothing there.
func (c *container) quiet(ifname string) {
	c.t.Helper()
	if err := c.ns.Do(func() error {
		mode, err := os.ReadFile("/proc/sys/net/ipv6/conf/" + ifname + "/addr_gen_mode")
		if err == nil && strings.TrimSpace(string(mode)) != "1" { // IN6_ADDR_GEN_MODE_NONE
			c.t.Errorf("%s %s makes itself an address", c.name, ifname)
		}
		if errors.Is(err, fs.ErrNotExist) { // without IPv6
			return nil
		}
		return err
	}); err != nil {
		c.t.Error(err)
	}
}

// end stops the node's program, which must end well.
func (c *container) end() {
	c.t.Helper()
	mustDocker(c.t, "stop", "-t", "60", c.id)
	if status := mustDocker(c.t, "inspect", "--format", "{{.State.ExitCode}}", c.id); status != "0" {
		c.t.Errorf("%s ended with status %s", c.name, status)
	}
}

// entrance returns an address outside of the container by which clients come to one inside.
func (c *container) entrance(inside string) string {
	c.t.Helper()
	lis, err := net.Listen("tcp", sandbox.Loopback+":0")
	if err != nil {
		c.t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			client, err := lis.Accept()
			if err != nil {
				return
			}
			var server net.Conn
			if err := c.ns.Do(func() (err error) {
				server, err = net.Dial("tcp", inside)
				return err
			}); err != nil {
				client.Close()
				continue
			}
			pass := func(to, from net.Conn) {
				_, _ = io.Copy(to, from) // it ends when either closes
				to.Close()
				from.Close()
			}
			all.Go(func() { pass(server, client) })
			all.Go(func() { pass(client, server) })
		}
	})
	c.t.Cleanup(func() {
		lis.Close()
		all.Wait()
	})
	return lis.Addr().String()
}

// The image of make lab-image runs a switch and two hosts as containers, with what the file says of them and no more. The
// links come after the programs have started, as under containerlab, and the agent's driver configures the switch.
func TestContainersForwardAsOrdered(t *testing.T) {
	if _, err := docker(t.Context(), "info"); err != nil {
		withoutContainers(t, err)
	}
	text, err := fs.ReadFile(topologies(), "two.clab.yml")
	if err != nil {
		t.Fatal(err)
	}
	two, err := topology.Parse("two.clab.yml", text)
	if err != nil {
		t.Fatal(err)
	}
	image := fmt.Sprintf("ixlab-test:%d", os.Getpid())
	mustDocker(t, "build", "--quiet", "--tag", image, "--file", "../../lab/topology/Dockerfile", static(t))
	t.Cleanup(func() {
		if _, err := docker(context.WithoutCancel(t.Context()), "rmi", image); err != nil {
			t.Error(err)
		}
	})
	nodes := make(map[string]*container)
	for _, name := range []string{"sw1", "m1", "m2"} {
		nodes[name] = contain(t, image, two.Node(name))
	}
	sw, m1, m2 := nodes["sw1"], nodes["m1"], nodes["m2"]
	eventually(t, "the switch answers", func() bool {
		return strings.Contains(mustDocker(t, "logs", sw.id), "sw1 serves gNMI at ")
	})
	for _, m := range []*container{m1, m2} {
		eventually(t, "the host "+m.name+" answers", func() bool {
			_, err := m.exec("host", "show")
			return err == nil
		})
	}
	for _, l := range two.Links {
		a, b := nodes[l.A.Node], nodes[l.B.Node]
		if a == nil || b == nil {
			continue
		}
		if err := namespace.Veth(a.ns, l.A.Interface, b.ns, l.B.Interface, l.MTU); err != nil {
			t.Fatal(err)
		}
		a.quiet(l.A.Interface)
		b.quiet(l.B.Interface)
	}

	lab := switchd.Secret(two.Node("sw1").Env[switchd.SecretVariable])
	ca, err := lab.Authority()
	if err != nil {
		t.Fatal(err)
	}
	client, err := ca.Issue("ixagent")
	if err != nil {
		t.Fatal(err)
	}
	spec := openconfig.Spec()
	profile, _ := spec.Profile("ixlab")
	if err := furnish(t.Context(), spec, drivers.Device{
		Name: "sw1", Address: sw.entrance(sandbox.Loopback + ":9339"), Username: switchd.SecretUser, Password: secret.New(lab.Password()),
		TLS:          &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{client}},
		Capabilities: profile.Capabilities, Timeout: deadline,
	}, []switchcfg.Object{
		&switchcfg.Service{Name: "ix-peering", Type: switchcfg.ServiceLAN},
		&switchcfg.Filter{Name: "ix-members", Sources: []switchcfg.MAC{{2, 0x1a, 0, 0, 0, 1}, {2, 0x1a, 0, 0, 0, 2}}},
		&switchcfg.Interface{Name: "Ethernet1", Description: "m1"},
		&switchcfg.Interface{Name: "Ethernet2", Description: "m2", TPID: switchcfg.TPIDCustomer},
		&switchcfg.Circuit{Parent: "Ethernet1", Match: switchcfg.MatchUntagged(), Service: "ix-peering", Filter: "ix-members"},
		&switchcfg.Circuit{
			Parent: "Ethernet2", Unit: 101, Match: switchcfg.MatchSingle(switchcfg.TPIDCustomer, 101),
			Service: "ix-peering", Filter: "ix-members",
		},
	}); err != nil {
		t.Fatal(err)
	}

	pass := func() {
		t.Helper()
		eventually(t, "a ping passes", func() bool {
			_, err := m2.exec("host", "ping", "198.51.100.1", "-c", "1")
			return err == nil
		})
		for _, p := range []struct {
			from *container
			to   string
		}{{m1, "198.51.100.2"}, {m1, "2001:db8:100::2"}, {m2, "198.51.100.1"}, {m2, "2001:db8:100::1"}} {
			if said, err := p.from.exec("host", "ping", p.to, "--timeout", deadline.String()); err != nil || !strings.Contains(said, "5 sent, 5 received") {
				t.Errorf("%s: %s %v", p.from.name, said, err)
			}
		}
	}
	args := two.Node("m2").Args
	ordered := args[len(args)-1]
	at := func(change ...string) {
		t.Helper()
		attachment := strings.NewReplacer(change...).Replace(ordered)
		if len(change) > 0 && attachment == ordered {
			t.Fatalf("%s: nothing of %v", ordered, change)
		}
		if _, err := m2.exec("host", "at", attachment); err != nil {
			t.Fatal(err)
		}
	}
	pass()
	for _, wrong := range []struct {
		change []string
		why    dataplane.Reason
	}{
		{[]string{"0x8100:101", "0x8100:102"}, dataplane.OuterVLAN},
		{[]string{"02:1a:00:00:00:02", "02:1a:00:00:00:09"}, dataplane.Filtered},
	} {
		at(wrong.change...)
		if said, err := m2.exec("host", "ping", "198.51.100.1"); err == nil {
			t.Errorf("%v: %s", wrong.change, said)
		}
		if said, err := m1.exec("host", "ping", "198.51.100.2"); err == nil {
			t.Errorf("%v, the other way: %s", wrong.change, said)
		}
		if said, err := sw.exec("switch", "show", "--drops"); err != nil || !strings.Contains(said, " "+wrong.why.String()+" ") {
			t.Errorf("%v: want a drop for %q: %s %v", wrong.change, wrong.why, said, err)
		}
		at()
		pass()
	}
	for _, c := range nodes {
		c.end()
	}
}
