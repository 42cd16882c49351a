package wire_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
	"github.com/ixagent/ixagent/lab/namespace"
	"github.com/ixagent/ixagent/lab/namespace/namespacetest"
)

// patience is how long a test waits for what must come.
const patience = 10 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair returns the wires at the two ends of a veth.
func pair(t testing.TB) (a, b *wire.Wire) {
	t.Helper()
	left, right := namespacetest.New(t), namespacetest.New(t)
	if err := namespace.Veth(left, "a", right, "b", 0); err != nil {
		t.Fatal(err)
	}
	return open(t, left, "a"), open(t, right, "b")
}

func open(t testing.TB, n *namespace.Namespace, name string) (w *wire.Wire) {
	t.Helper()
	if err := n.Do(func() (err error) {
		w, err = wire.Open(name)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close() })
	return w
}

// untagged returns a frame of n octets without a tag.
func untagged(n int) []byte {
	f := make([]byte, n)
	copy(f, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5})
	return f
}

// tagged puts tags on a frame, outermost first.
func tagged(f []byte, tags ...frame.Tag) []byte {
	out, _ := frame.Append(nil, f, 0, tags...)
	return out
}

// crosses sends f from a and expects it at b as it was.
func crosses(t interface {
	Fatalf(string, ...any)
}, a, b *wire.Wire, f []byte,
) {
	in := wire.NewFrames(1)
	if n, err := a.Write([][]byte{f}); n != 1 || err != nil {
		t.Fatalf("sent %d, %v", n, err)
	}
	defer time.AfterFunc(patience, func() { _ = b.Close() }).Stop() // a frame that is lost must not be waited for
	for {
		n, err := b.Read(in)
		if n != 1 || err != nil {
			t.Fatalf("received %d, %v", n, err)
		}
		if got := in[0].Bytes(); bytes.Equal(got, f) {
			return
		} else if binary.BigEndian.Uint16(got[12:]) != 0x86dd { // the kernel's own, where it cannot be kept from it
			t.Fatalf("sent %x\nreceived %x", f, got)
		}
	}
}

func TestTagsArriveAsTheyWereSent(t *testing.T) {
	a, b := pair(t)
	for _, tags := range [][]frame.Tag{
		nil,
		{{TPID: frame.CTag, TCI: 10}},
		{{TPID: frame.CTag, TCI: 5 << 13}}, // a priority and no VLAN
		{{TPID: frame.STag, TCI: 3<<13 | 1<<12 | 100}},
		{{TPID: frame.QTag, TCI: 100}},
		{{TPID: frame.CTag, TCI: 7<<13 | 100}, {TPID: frame.CTag, TCI: 1<<13 | 7}},
		{{TPID: frame.STag, TCI: 100}, {TPID: frame.CTag, TCI: 7}},
		{{TPID: frame.QTag, TCI: 100}, {TPID: frame.CTag, TCI: 7}},
		{{TPID: frame.STag, TCI: 100}, {TPID: frame.STag, TCI: 7}},
		{{TPID: frame.QTag, TCI: 100}, {TPID: frame.QTag, TCI: 7}},
		{{TPID: frame.STag, TCI: 100}, {TPID: frame.STag, TCI: 101}, {TPID: frame.CTag, TCI: 7}},
	} {
		for _, size := range []int{60, 64, 1514, 9000, 9514 - 4*len(tags)} {
			crosses(t, a, b, tagged(untagged(size), tags...))
		}
	}
}

func TestWhatIsSentIsReceived(t *testing.T) {
	a, b := pair(t)
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.SliceOfN(rapid.Byte(), 60, 300).Draw(t, "frame")
		f[6] &^= 1
		crosses(t, a, b, f)
		crosses(t, b, a, f)
	})
}

func TestWireDoesNotHearItself(t *testing.T) {
	a, b := pair(t)
	for range 10 {
		if n, err := a.Write([][]byte{untagged(60)}); n != 1 || err != nil {
			t.Fatal(n, err)
		}
	}
	crosses(t, b, a, untagged(61)) // the first that a hears
}

func TestFrameTooLongIsCountedAndNotDelivered(t *testing.T) {
	left, right := namespacetest.New(t), namespacetest.New(t)
	if err := namespace.Veth(left, "a", right, "b", 20000); err != nil {
		t.Fatal(err)
	}
	a, b := open(t, left, "a"), open(t, right, "b")
	if n, err := a.Write([][]byte{untagged(wire.MaxFrame + 1)}); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	crosses(t, a, b, untagged(wire.MaxFrame))
	if n := b.Giants(); n != 1 {
		t.Errorf("%d frames were too long", n)
	}
}

func TestFrameThatALinkCannotTakeIsLostAndNoOther(t *testing.T) {
	a, b := pair(t)
	n, err := a.Write([][]byte{untagged(60), untagged(9600), {}, untagged(61)})
	if n != 2 || err != nil {
		t.Fatalf("sent %d, %v", n, err)
	}
	defer time.AfterFunc(patience, func() { _ = b.Close() }).Stop()
	in, sizes := wire.NewFrames(4), map[int]bool{}
	for len(sizes) < 2 {
		n, err := b.Read(in)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range in[:n] {
			sizes[len(f.Bytes())] = true
		}
	}
	if !sizes[60] || !sizes[61] {
		t.Errorf("received frames of %v octets", sizes)
	}
}

func TestCloseEndsRead(t *testing.T) {
	a, _ := pair(t)
	ended := make(chan error, 1)
	go func() {
		_, err := a.Read(wire.NewFrames(1))
		ended <- err
	}()
	time.AfterFunc(10*time.Millisecond, func() { _ = a.Close() })
	if err := within(t, ended); !errors.Is(err, net.ErrClosed) {
		t.Errorf("it ended with %v", err)
	}
	if _, err := a.Write([][]byte{untagged(60)}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("writing to it: %v", err)
	}
}

func within[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatalf("nothing within %v", patience)
		panic("unreachable")
	}
}

func TestInterfaceThatGoesEndsRead(t *testing.T) {
	left, right := namespacetest.New(t), namespacetest.New(t)
	if err := namespace.Veth(left, "a", right, "b", 0); err != nil {
		t.Fatal(err)
	}
	a := open(t, left, "a")
	ended := make(chan error, 1)
	go func() {
		_, err := a.Read(wire.NewFrames(1))
		ended <- err
	}()
	if err := right.Do(func() error {
		b, err := netlink.LinkByName("b")
		if err != nil {
			return err
		}
		return netlink.LinkDel(b)
	}); err != nil {
		t.Fatal(err)
	}
	if err := within(t, ended); err == nil || errors.Is(err, net.ErrClosed) {
		t.Errorf("it ended with %v", err)
	}
}

func TestWireOutlivesAnInterfaceThatIsDownForAWhile(t *testing.T) {
	left, right := namespacetest.New(t), namespacetest.New(t)
	if err := namespace.Veth(left, "a", right, "b", 0); err != nil {
		t.Fatal(err)
	}
	a, b := open(t, left, "a"), open(t, right, "b")
	links := watch(t, right)
	set := func(up bool) {
		t.Helper()
		if err := left.Do(func() error { return wire.SetUp("a", up) }); err != nil {
			t.Fatal(err)
		}
		links.until(t, wire.Link{Name: "b", Present: true, Up: up})
	}
	links.until(t, wire.Link{Name: "b", Present: true, Up: true})
	for range 3 {
		crosses(t, a, b, untagged(60))
		set(false)
		if n, err := a.Write([][]byte{untagged(60)}); n != 0 || err != nil {
			t.Errorf("sent %d through an interface that is down, %v", n, err)
		}
		set(true)
		crosses(t, a, b, untagged(60))
		crosses(t, b, a, untagged(60))
	}
}

// watcher remembers what Watch tells.
type watcher chan wire.Link

func watch(t *testing.T, n *namespace.Namespace) watcher {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	links, ended := make(watcher, 1000), make(chan error)
	go func() {
		ended <- n.Do(func() error { return wire.Watch(ctx, func(l wire.Link) { links <- l }) })
	}()
	t.Cleanup(func() {
		cancel()
		if err := within(t, ended); err != nil {
			t.Error(err)
		}
	})
	return links
}

// until waits for a link in a state.
func (w watcher) until(t *testing.T, want wire.Link) {
	t.Helper()
	for {
		if l := within(t, w); l.Name == want.Name && l.Present == want.Present && l.Up == want.Up {
			return
		}
	}
}

func TestLateLinkIsSeenComingAndGoing(t *testing.T) {
	left, right := namespacetest.New(t), namespacetest.New(t)
	links := watch(t, left)
	links.until(t, wire.Link{Name: "lo", Present: true, Up: true})
	if err := namespace.Veth(left, "eth1", right, "b", 0); err != nil {
		t.Fatal(err)
	}
	links.until(t, wire.Link{Name: "eth1", Present: true, Up: true})
	if err := left.Do(func() error {
		l, err := netlink.LinkByName("eth1")
		if err != nil {
			return err
		}
		return errors.Join(netlink.LinkSetDown(l), netlink.LinkSetName(l, "eth2"), netlink.LinkSetUp(l))
	}); err != nil {
		t.Fatal(err)
	}
	links.until(t, wire.Link{Name: "eth1"})
	links.until(t, wire.Link{Name: "eth2", Present: true, Up: true})
	if err := right.Do(func() error {
		l, err := netlink.LinkByName("b")
		if err != nil {
			return err
		}
		return netlink.LinkDel(l)
	}); err != nil {
		t.Fatal(err)
	}
	links.until(t, wire.Link{Name: "eth2"})
}

func TestTwoMayWriteAtOnce(t *testing.T) {
	a, b := pair(t)
	const each, size = 50, 20 // 2,000 frames, which any queue holds
	var writers sync.WaitGroup
	for who := range 2 {
		writers.Go(func() {
			for i := range each {
				var out [][]byte
				for j := range size {
					f := untagged(60 + who)
					binary.BigEndian.PutUint16(f[14:], uint16(i*size+j))
					out = append(out, f)
				}
				if n, err := a.Write(out); n != size || err != nil {
					t.Errorf("sent %d of %d, %v", n, size, err)
				}
			}
		})
	}
	defer writers.Wait()
	defer time.AfterFunc(patience, func() { _ = b.Close() }).Stop()
	next := map[int]uint16{60: 0, 61: 0} // by writer, who is known by the length
	for in := wire.NewFrames(64); next[60] < each*size || next[61] < each*size; {
		n, err := b.Read(in)
		if err != nil {
			t.Fatalf("%d and %d frames were received: %v", next[60], next[61], err)
		}
		for _, f := range in[:n] {
			got := f.Bytes()
			want := untagged(len(got))
			binary.BigEndian.PutUint16(want[14:], next[len(got)])
			if !bytes.Equal(got, want) {
				t.Fatalf("received %x, want %x", got, want)
			}
			next[len(got)]++
		}
	}
}

// A second of 20,000 frames is lost by nobody, if the kernel lets the socket have the queue that it asks for.
func TestNoFrameIsLostAtTwentyThousandInASecond(t *testing.T) {
	if os.Getuid() != 0 {
		if os.Getenv("IXAGENT_REQUIRE") == "all" {
			t.Fatal("needs root")
		}
		t.Skip("SKIPPED, it needs root for a long queue")
	}
	a, b := pair(t)
	const each, rounds = 100, 200
	received := make(chan int, 1)
	go func() {
		in, n := wire.NewFrames(64), 0
		for n < each*rounds {
			got, err := b.Read(in)
			if err != nil {
				break
			}
			n += got
		}
		received <- n
	}()
	out := make([][]byte, each)
	for i := range out {
		out[i] = untagged(64)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	sent := 0
	for range rounds {
		<-tick.C
		n, err := a.Write(out)
		if err != nil {
			t.Fatal(err)
		}
		sent += n
	}
	if sent != each*rounds {
		t.Fatalf("%d of %d were sent", sent, each*rounds)
	}
	if n := within(t, received); n != sent {
		t.Errorf("%d of %d were received", n, sent)
	}
	if n, err := b.Drops(); n != 0 || err != nil {
		t.Errorf("the kernel dropped %d, %v", n, err)
	}
}
