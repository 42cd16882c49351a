package namespace_test

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ixagent/ixagent/lab/namespace"
	"github.com/ixagent/ixagent/lab/namespace/namespacetest"
)

// inode identifies the namespace of the calling thread.
func inode(t *testing.T) uint64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat("/proc/thread-self/ns/net", &st); err != nil {
		t.Fatal(err)
	}
	return st.Ino
}

func TestFunctionRunsInsideAndItsCallerStaysOutside(t *testing.T) {
	n := namespacetest.New(t)
	outside := inode(t)
	inside := uint64(0)
	if err := n.Do(func() error {
		inside = inode(t)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if inside == outside || inode(t) != outside {
		t.Errorf("outside %d, inside %d, and then %d", outside, inside, inode(t))
	}
}

func TestErrorAndEndOfTheFunctionArePassedOn(t *testing.T) {
	n := namespacetest.New(t)
	want := errors.New("an error")
	if err := n.Do(func() error { return want }); !errors.Is(err, want) {
		t.Errorf("%v", err)
	}
	if err := n.Do(func() error { runtime.Goexit(); return nil }); err == nil {
		t.Error("a function that did not return has succeeded")
	}
}

func TestChildBelongsToTheNamespace(t *testing.T) {
	n := namespacetest.New(t)
	cat := exec.Command("cat")
	in, err := cat.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Do(cat.Start); err != nil {
		t.Fatal(err)
	}
	its, err := namespace.Of(cat.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	defer its.Close()
	for _, in := range []*namespace.Namespace{n, its} {
		if err := in.Do(func() error {
			all, err := net.Interfaces()
			if err == nil && (len(all) == 0 || all[0].Name != "lo" || all[0].Flags&net.FlagUp == 0) {
				t.Errorf("interfaces %v", all)
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	}
	if a, b := link(t, n.Path()), link(t, its.Path()); a != b {
		t.Errorf("%s is %s and that of its child is %s", n.Path(), a, b)
	}
	if err := errors.Join(in.Close(), cat.Wait()); err != nil {
		t.Error(err)
	}
}

func link(t *testing.T, path string) string {
	t.Helper()
	to, err := os.Readlink(path)
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func TestVethIsAsContainersHaveIt(t *testing.T) {
	a, b := namespacetest.New(t), namespacetest.New(t)
	if err := namespace.Veth(a, "eth1", b, "eth2", 0); err != nil {
		t.Fatal(err)
	}
	if err := namespace.Veth(a, "eth2", b, "eth3", 1600); err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct {
		in   *namespace.Namespace
		name string
		mtu  int
	}{{a, "eth1", 9500}, {b, "eth2", 9500}, {a, "eth2", 1600}, {b, "eth3", 1600}} {
		if err := want.in.Do(func() error {
			l, err := netlink.LinkByName(want.name)
			if err != nil {
				return err
			}
			at := l.Attrs()
			if at.MTU != want.mtu || !strings.HasPrefix(at.HardwareAddr.String(), "aa:c1:ab:") || at.RawFlags&unix.IFF_LOWER_UP == 0 {
				t.Errorf("%s: %+v", want.name, at)
			}
			v6, err := os.ReadFile("/proc/sys/net/ipv6/conf/" + want.name + "/disable_ipv6")
			if err == nil && strings.TrimSpace(string(v6)) != "1" {
				t.Errorf("%s speaks IPv6", want.name)
			}
			return nil
		}); err != nil {
			t.Error(err)
		}
	}
	if err := namespace.Veth(a, "eth9", b, "eth3", 0); err == nil {
		t.Error("a second eth3")
	}
	if err := a.Do(func() error {
		_, err := netlink.LinkByName("eth9")
		return err
	}); err == nil {
		t.Error("half a link is left")
	}
}
