package wire_test

import (
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ixagent/ixagent/lab/dataplane/wire"
	"github.com/ixagent/ixagent/lab/namespace"
	"github.com/ixagent/ixagent/lab/namespace/namespacetest"
)

// BenchmarkWire moves frames through one veth: batches of 64, and as baseline one system call a frame.
func BenchmarkWire(b *testing.B) {
	for _, size := range []int{64, 1500} {
		f := make([]byte, size)
		copy(f, []byte{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xa8, 0, 100, 0x81, 0, 0, 7, 0x88, 0xb5})
		b.Run(fmt.Sprintf("batches/%d", size), func(b *testing.B) {
			from, to := pair(b)
			out := make([][]byte, 64)
			for i := range out {
				out[i] = f
			}
			in := wire.NewFrames(64)
			// A frame that is lost must not be waited for.
			late := time.AfterFunc(patience, func() { _ = to.Close() })
			defer late.Stop()
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; {
				late.Reset(patience)
				sent, err := from.Write(out)
				if err != nil || sent == 0 {
					b.Fatal(sent, err)
				}
				for n += sent; sent > 0; {
					got, err := to.Read(in)
					if err != nil {
						b.Fatal(err)
					}
					sent -= got
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "frames/s")
		})
		b.Run(fmt.Sprintf("baseline, one at a time/%d", size), func(b *testing.B) {
			from, to := plain(b)
			in, control := make([]byte, 9600), make([]byte, 64)
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				if _, err := unix.Write(from, f); err != nil {
					b.Fatal(err)
				}
				if _, _, _, _, err := unix.Recvmsg(to, in, control, 0); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "frames/s")
		})
	}
}

// plain returns packet sockets at the two ends of a veth.
func plain(b *testing.B) (from, to int) {
	b.Helper()
	left, right := namespacetest.New(b), namespacetest.New(b)
	if err := namespace.Veth(left, "a", right, "b", 0); err != nil {
		b.Fatal(err)
	}
	socket := func(n *namespace.Namespace, name string) (fd int) {
		if err := n.Do(func() (err error) {
			if fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0); err != nil {
				return err
			}
			i, err := net.InterfaceByName(name)
			if err != nil {
				return err
			}
			if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_AUXDATA, 1); err != nil {
				return err
			}
			limit := unix.NsecToTimeval(patience.Nanoseconds())
			if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
				return err
			}
			return unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: unix.ETH_P_ALL << 8 & 0xffff, Ifindex: i.Index})
		}); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { unix.Close(fd) })
		return fd
	}
	return socket(left, "a"), socket(right, "b")
}
