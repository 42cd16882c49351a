package topology

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// patience bounds what ends at once on a machine with nothing else to do.
const patience = 60 * time.Second

// program builds the nodes' program once. It is static, as a node has no libraries.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "ixlab-member")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "member")
	build := exec.Command("go", "build", "-o", path, "./testdata/member")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := program(); err == nil {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// need skips a test where namespaces cannot be made without more, and returns the nodes' program.
func need(t testing.TB) string {
	t.Helper()
	if !mayMakeNamespaces() {
		if os.Getenv("IXAGENT_REQUIRE") == "all" {
			t.Fatal("root is needed")
		}
		t.Skip("SKIPPED, it needs root, or unshare -Urnm")
	}
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func limited(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// named is a topology for this test process alone.
func named(t testing.TB, suffix, text string) *Topology {
	t.Helper()
	lab, err := Parse("f", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	lab.Name = fmt.Sprintf("test-%d-%s", os.Getpid(), suffix)
	return lab
}

func laid(t testing.TB, suffix, text string) *Lab {
	t.Helper()
	l, err := Up(limited(t), Options{Topology: named(t, suffix, text), Program: need(t), Attached: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Down(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return l
}

// eventually waits until something holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(patience); !holds(); {
		select {
		case <-deadline:
			t.Fatal(what)
		case <-ticker.C:
		}
	}
}

const pair = `name: pair
mgmt: {network: pair, ipv4-subnet: 172.31.9.0/24}
topology:
  defaults: {kind: linux, image: ixlab, privileged: false, cap-add: [NET_ADMIN], cmd: wait}
  nodes:
    sw1: {cmd: 'show "a b"', env: {SECRET: x}, sysctls: {net.ipv6.conf.default.disable_ipv6: 1}}
    m1: {network-mode: none}
  links:
    - endpoints: ["sw1:eth1", "m1:eth1"]
    - {type: veth, endpoints: [{node: sw1, interface: core1}, {node: m1, interface: eth2}], mtu: 1600}
`

// seen is what testdata/member tells.
type seen struct {
	PID        int
	Host       string
	Args, Env  []string
	Interfaces map[string]int
	Root, Dev  []string
	Status     map[string]string
	IPv6       map[string]string
	Writable   bool
}

func shown(t *testing.T, l *Lab, node string) seen {
	t.Helper()
	var s seen
	eventually(t, node+" has told nothing", func() bool {
		text, err := l.Logs(limited(t), node)
		if err != nil {
			t.Fatal(err)
		}
		return json.Unmarshal(text, &s) == nil
	})
	return s
}

func TestNodeIsLikeAContainer(t *testing.T) {
	l := laid(t, "like", pair)
	s := shown(t, l, "sw1")
	if s.PID != 1 || s.Host != "sw1" {
		t.Errorf("process %d of %s", s.PID, s.Host)
	}
	if want := []string{"/ixlab", "show", "a b"}; !slices.Equal(s.Args, want) {
		t.Errorf("arguments %q", s.Args)
	}
	if want := []string{"HOME=/", "HOSTNAME=sw1", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "SECRET=x"}; !slices.Equal(s.Env, want) {
		t.Errorf("environment %q", s.Env)
	}
	if want := []string{"dev", "ixlab", "proc", "tmp"}; !slices.Equal(s.Root, want) {
		t.Errorf("root %q", s.Root)
	}
	// A container's usual capabilities and NET_ADMIN.
	if got := s.Status["CapEff"]; got != "00000000a80435fb" || s.Status["CapBnd"] != got {
		t.Errorf("capabilities %v", s.Status)
	}
	if s.IPv6["all"] != "0" || s.IPv6["default"] != "1" || s.Writable {
		t.Errorf("sysctls %v, writable %v", s.IPv6, s.Writable)
	}
	// Links come after the program has started, so it may have seen them, but never without eth0.
	if s.Interfaces["eth0"] != 1500 || s.Interfaces["lo"] == 0 {
		t.Errorf("interfaces %v", s.Interfaces)
	}
}

func TestLinksAreThereWhenTheLabIsUp(t *testing.T) {
	l := laid(t, "links", pair)
	for node, want := range map[string]map[string]string{
		"sw1": {"eth0": "1500", "eth1": "9500", "core1": "1600"},
		"m1":  {"eth1": "9500", "eth2": "1600"},
	} {
		pid, err := l.PID(limited(t), node)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/dev", pid))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"eth0", "eth1", "eth2", "core1"} {
			if _, ok := want[name]; ok != strings.Contains(string(text), name+":") {
				t.Errorf("%s, %s:\n%s", node, name, text)
			}
		}
		ns, err := l.Namespace(limited(t), node)
		if err != nil {
			t.Fatal(err)
		}
		err = ns.Do(func() error {
			out, err := exec.Command("ip", "-o", "link", "show", "up").CombinedOutput()
			for name, mtu := range want {
				if !strings.Contains(string(out), ": "+name+"@") || !strings.Contains(string(out), "mtu "+mtu) {
					t.Errorf("%s has no %s of MTU %s:\n%s", node, name, mtu, out)
				}
			}
			return err
		})
		if err != nil && !errors.Is(err, exec.ErrNotFound) {
			t.Error(err)
		}
		ns.Close()
	}
}

// inNamespaces returns the processes in one of these network namespaces.
func inNamespaces(t *testing.T, ns []string) []string {
	t.Helper()
	links, err := filepath.Glob("/proc/[0-9]*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, link := range links {
		if to, err := os.Readlink(link); err == nil && slices.Contains(ns, to) {
			all = append(all, link)
		}
	}
	return all
}

func namespaces(t *testing.T, l *Lab) []string {
	t.Helper()
	nodes, err := l.Nodes(limited(t))
	if err != nil {
		t.Fatal(err)
	}
	pids := []int{l.pid}
	for _, n := range nodes {
		pids = append(pids, n.PID)
	}
	var all []string
	for _, pid := range pids {
		to, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, to)
	}
	return all
}

func nothingLeft(t *testing.T, l *Lab, ns []string, mounts []byte) {
	t.Helper()
	if left := inNamespaces(t, ns); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	all, err := sockets()
	if err != nil {
		t.Fatal(err)
	}
	if slices.ContainsFunc(all, func(o Lab) bool { return o.Name == l.Name }) {
		t.Error("the control socket is left behind")
	}
	if after, _ := os.ReadFile("/proc/self/mountinfo"); string(after) != string(mounts) {
		t.Errorf("mounts before:\n%s\nafter:\n%s", mounts, after)
	}
}

func TestNothingIsLeftOfALabWhoseSupervisorIsKilled(t *testing.T) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	l := laid(t, "killed", pair)
	ns := namespaces(t, l)
	if len(inNamespaces(t, ns)) < 3 {
		t.Fatal("the lab is not there")
	}
	if err := unix.Kill(l.pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-l.reaped
	nothingLeft(t, l, ns, mounts)
}

func TestNothingIsLeftAfterDown(t *testing.T) {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	l := laid(t, "down", pair)
	ns := namespaces(t, l)
	// As another process finds it.
	found, err := Find(limited(t), l.Name)
	if err != nil {
		t.Fatal(err)
	}
	if err := found.Down(limited(t)); err != nil {
		t.Fatal(err)
	}
	nothingLeft(t, l, ns, mounts)
	if _, err := Find(limited(t), l.Name); err == nil {
		t.Error("it is still found")
	}
}

func TestSecondLabOfTheSameNameIsRefused(t *testing.T) {
	l := laid(t, "twice", pair)
	_, err := Up(limited(t), Options{Topology: named(t, "twice", pair), Program: need(t)})
	if err == nil || !strings.Contains(err.Error(), "it is up already") {
		t.Error(err)
	}
	if _, err := l.Nodes(limited(t)); err != nil {
		t.Error(err)
	}
}

func TestProgramThatEndsAtOnceFailsTheLab(t *testing.T) {
	path := need(t)
	lab := named(t, "fails", strings.Replace(pair, "none}", "none, cmd: fail no such flag}", 1))
	_, err := Up(limited(t), Options{Topology: lab, Program: path})
	if err == nil || !strings.Contains(err.Error(), "node m1: its program has ended: exit status 3:\n  no such flag") {
		t.Error(err)
	}
	if _, err := Find(limited(t), lab.Name); err == nil {
		t.Error("something of the lab is left")
	}
}

func TestProgramThatNeedsLibrariesIsRefused(t *testing.T) {
	need(t)
	shell, err := exec.LookPath("sh") // no distribution that people use has a static one
	if err != nil {
		t.Fatal(err)
	}
	_, err = Up(limited(t), Options{Topology: named(t, "dynamic", pair), Program: shell})
	if err == nil || !strings.Contains(err.Error(), "needs libraries") {
		t.Error(err)
	}
}

func TestNodeThatEndsLaterIsShown(t *testing.T) {
	l := laid(t, "ends", pair)
	pid, err := l.PID(limited(t), "m1")
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end is not shown", func() bool {
		st, err := l.Status(limited(t))
		if err != nil {
			t.Fatal(err)
		}
		n, err := st.Node("m1")
		if err != nil {
			t.Fatal(err)
		}
		other, err := st.Node("sw1")
		if err != nil || other.State != Running {
			t.Fatalf("%+v, %v", other, err)
		}
		return n.State == Exited && n.Exit == "killed by signal killed"
	})
	if _, err := l.Exec(limited(t), "m1", []string{"true"}); err == nil {
		t.Error("a command runs in a node that does not")
	}
}

func TestExecPassesTheStatusOn(t *testing.T) {
	l := laid(t, "exec", pair)
	for command, want := range map[string]int{
		"exit 7":        7,
		"kill -TERM $$": 128 + int(syscall.SIGTERM),
		`[ "$(cat /proc/sys/kernel/hostname)" = sw1 ]`: 0,
		"grep -q eth1: /proc/net/dev":                  0,
	} {
		got, err := l.Exec(limited(t), "sw1", []string{"sh", "-c", command})
		if err != nil || got != want {
			t.Errorf("%s: %d, %v", command, got, err)
		}
	}
	if got, err := l.Exec(limited(t), HostNode, []string{"grep", "-q", "mgmt:", "/proc/net/dev"}); err != nil || got != 0 {
		t.Errorf("host: %d, %v", got, err)
	}
	if _, err := l.Exec(limited(t), "nobody", []string{"true"}); err == nil {
		t.Error("a command ran in no node")
	}
}

func TestCommandEndsWithTheLab(t *testing.T) {
	l := laid(t, "with", pair)
	ended := make(chan int, 1)
	go func() {
		status, err := l.Exec(context.Background(), "sw1", []string{"sleep", "600"})
		if err != nil {
			status = -1
		}
		ended <- status
	}()
	pid, err := l.PID(limited(t), "sw1")
	if err != nil {
		t.Fatal(err)
	}
	to, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the command does not start", func() bool { return len(inNamespaces(t, []string{to})) > 1 })
	if err := l.Down(limited(t)); err != nil {
		t.Fatal(err)
	}
	select {
	case status := <-ended:
		if status != 128+int(syscall.SIGKILL) {
			t.Errorf("status %d", status)
		}
	case <-time.After(patience):
		t.Error("the command survives the lab")
	}
}

// asNobody starts the nodes' program as a user who owns nothing.
func asNobody(t *testing.T, verb string) (*exec.Cmd, string) {
	t.Helper()
	path := need(t)
	dir := t.TempDir()
	// Every folder above must let the other user through.
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	name := fmt.Sprintf("test-%d-%s", os.Getpid(), verb)
	file := filepath.Join(dir, "pair.clab.yml")
	if err := os.WriteFile(file, []byte(strings.Replace(pair, "name: pair", "name: "+name, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, verb, file)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, Pdeathsig: syscall.SIGKILL}
	return cmd, name
}

func TestLabNeedsNoRoot(t *testing.T) {
	cmd, name := asNobody(t, "up")
	if out, err := cmd.Output(); err != nil || string(out) != "up\n" {
		t.Fatalf("%q, %v", out, err)
	}
	l, err := Find(limited(t), name)
	if err != nil {
		t.Fatal(err)
	}
	st, err := l.Status(limited(t))
	if err != nil {
		t.Fatal(err)
	}
	if !st.Rootless || st.Owner != 65534 || len(st.Nodes) != 2 {
		t.Errorf("%+v", st)
	}
	if s := shown(t, l, "sw1"); s.PID != 1 || s.Interfaces["eth0"] != 1500 || s.IPv6["default"] != "1" {
		t.Errorf("%+v", s)
	}
	if got, err := l.Exec(limited(t), "sw1", []string{"grep", "-q", "core1:", "/proc/net/dev"}); err != nil || got != 0 {
		t.Errorf("%d, %v", got, err)
	}
	if got, err := l.Exec(limited(t), "sw1", []string{"sh", "-c", "exit 9"}); err != nil || got != 9 {
		t.Errorf("%d, %v", got, err)
	}
	if err := l.Down(limited(t)); err != nil {
		t.Fatal(err)
	}
}

// A command that root runs in another user's lab ends with the process that ran it, also when that is killed.
func TestCommandEndsWithWhoeverRanIt(t *testing.T) {
	cmd, name := asNobody(t, "up")
	if out, err := cmd.Output(); err != nil || string(out) != "up\n" {
		t.Fatalf("%q, %v", out, err)
	}
	l, err := Find(limited(t), name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Down(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	}()
	ns := namespaces(t, l)[1:2]
	if len(inNamespaces(t, ns)) != 1 {
		t.Fatal("somebody else is in the node")
	}
	run := exec.Command(need(t), "exec", name, "sw1", "sleep", "600")
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the command does not start", func() bool {
		return slices.ContainsFunc(inNamespaces(t, ns), func(link string) bool {
			name, err := os.ReadFile(strings.TrimSuffix(link, "ns/net") + "comm")
			return err == nil && string(name) == "sleep\n"
		})
	})
	if err := run.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	run.Wait()
	eventually(t, "the command is still there", func() bool { return len(inNamespaces(t, ns)) == 1 })
}

func TestNobodyElseReachesALab(t *testing.T) {
	l := laid(t, "others", pair)
	cmd := exec.Command(need(t), "exec", l.Name, "sw1", "true")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "is not up") {
		t.Errorf("%s, %v", out, err)
	}
}

func TestAttachedLabEndsWithWhoeverBroughtItUp(t *testing.T) {
	cmd, name := asNobody(t, "attach")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "up\n" {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := Find(limited(t), name); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	eventually(t, "the lab is still there", func() bool {
		_, err := Find(limited(t), name)
		return err != nil
	})
}

// BenchmarkUp brings up and takes down four switches in a full mesh, and twelve hosts.
func BenchmarkUp(b *testing.B) {
	var text strings.Builder
	text.WriteString("name: bench\ntopology:\n  defaults: {kind: linux, image: ixlab, privileged: false, cap-add: [NET_ADMIN, NET_RAW], cmd: wait}\n  nodes:\n")
	for s := 1; s <= 4; s++ {
		fmt.Fprintf(&text, "    sw%d:\n", s)
	}
	for m := 1; m <= 12; m++ {
		fmt.Fprintf(&text, "    m%d: {network-mode: none}\n", m)
	}
	text.WriteString("  links:\n")
	for s := 1; s <= 4; s++ {
		for o := s + 1; o <= 4; o++ {
			fmt.Fprintf(&text, "    - endpoints: [\"sw%d:core%d\", \"sw%d:core%d\"]\n", s, o, o, s)
		}
	}
	for m := 1; m <= 12; m++ {
		fmt.Fprintf(&text, "    - endpoints: [\"sw%d:eth%d\", \"m%d:eth1\"]\n", 1+m%4, m, m)
	}
	path, lab := need(b), named(b, "bench", text.String())
	b.ReportAllocs()
	var down time.Duration
	for b.Loop() {
		l, err := Up(b.Context(), Options{Topology: lab, Program: path})
		if err != nil {
			b.Fatal(err)
		}
		begin := time.Now()
		if err := l.Down(b.Context()); err != nil {
			b.Fatal(err)
		}
		down += time.Since(begin)
	}
	b.ReportMetric(float64(down.Milliseconds())/float64(b.N), "ms-down/op")
}
