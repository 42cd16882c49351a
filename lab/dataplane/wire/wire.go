package wire

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ixagent/ixagent/lab/dataplane/frame"
)

const (
	// Headroom is the room in octets in front of a frame that was read, for tags.
	Headroom = 16
	// MaxFrame is the longest frame in octets.
	MaxFrame = 9600

	receiveBuffer = 8 << 20 // octets of a socket's queue, by the kernel's account
	maxBatch      = 64      // frames in one system call
)

// Frame is room for one frame, which is Buf[Start:End].
type Frame struct {
	Buf        []byte
	Start, End int
}

// Bytes returns the frame.
func (f *Frame) Bytes() []byte { return f.Buf[f.Start:f.End] }

// NewFrames returns room for n frames of up to [MaxFrame] octets.
func NewFrames(n int) []Frame {
	const size = Headroom + MaxFrame
	buf := make([]byte, n*size)
	fs := make([]Frame, n)
	for i := range fs {
		fs[i] = Frame{Buf: buf[i*size : (i+1)*size : (i+1)*size], Start: Headroom, End: Headroom}
	}
	return fs
}

// Wire is one interface. Read must be called by one goroutine at a time. Write may be called by several, beside it.
type Wire struct {
	name string
	mac  [6]byte
	file *os.File
	conn syscall.RawConn
	in   *messages
	out  *messages

	// Made once, because a function made for each call would be allocated.
	receive func(fd uintptr) bool
	send    func(fd uintptr)

	closed  atomic.Bool
	writing sync.Mutex
	down    atomic.Bool   // the interface was down when somebody looked last
	dropped atomic.Uint64 // by the kernel, because nobody read
	giants  atomic.Uint64
}

// messages are the arguments of recvmmsg(2) or sendmmsg(2), and what came of it.
type messages struct {
	want    int
	done    int
	down    bool
	err     error
	headers [maxBatch]header
	vectors [maxBatch]unix.Iovec
	control [maxBatch][controlSize]byte
}

// header is struct mmsghdr.
type header struct {
	unix.Msghdr
	length uint32
}

// auxdata is struct tpacket_auxdata.
type auxdata struct {
	status   uint32
	length   uint32
	snaplen  uint32
	mac, net uint16
	tci      uint16
	tpid     uint16
}

const (
	cmsgHeader  = unix.SizeofCmsghdr
	controlSize = cmsgHeader + (int(unsafe.Sizeof(auxdata{}))+7)&^7
)

// Open returns the wire of an interface of the calling thread's network namespace. It hears every frame that arrives,
// whoever it is for, and none that is sent. It needs CAP_NET_RAW.
func Open(name string) (*Wire, error) {
	w, err := open(name)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", name, err)
	}
	return w, nil
}

func open(name string) (*Wire, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return nil, err
	}
	// Without a protocol the socket hears nothing, of any interface, before it is bound to its own.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("packet socket: %w", err)
	}
	if err := prepare(fd, i.Index); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	w := &Wire{name: name, file: os.NewFile(uintptr(fd), name), in: new(messages), out: new(messages)}
	w.receive, w.send = w.recvmmsg, w.sendmmsg
	copy(w.mac[:], i.HardwareAddr)
	if w.conn, err = w.file.SyscallConn(); err != nil {
		return nil, errors.Join(err, w.file.Close())
	}
	return w, nil
}

func prepare(fd, index int) error {
	for _, o := range []struct {
		name  string
		level int
		opt   int
	}{
		{"PACKET_AUXDATA", unix.SOL_PACKET, unix.PACKET_AUXDATA},
		{"PACKET_IGNORE_OUTGOING", unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING},
	} {
		if err := unix.SetsockoptInt(fd, o.level, o.opt, 1); err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
	}
	if unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		// Only root may take more than the machine's limit.
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer); err != nil {
			return fmt.Errorf("SO_RCVBUF: %w", err)
		}
	}
	all := unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_PROMISC}
	if err := unix.SetsockoptPacketMreq(fd, unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &all); err != nil {
		return fmt.Errorf("PACKET_ADD_MEMBERSHIP: %w", err)
	}
	const everything = unix.ETH_P_ALL<<8&0xff00 | unix.ETH_P_ALL>>8 // in network byte order
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: everything, Ifindex: index}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

// Name returns the name of the interface when it was opened.
func (w *Wire) Name() string { return w.name }

// MAC returns the address of the interface when it was opened.
func (w *Wire) MAC() [6]byte { return w.mac }

// Giants returns how many frames were longer than [MaxFrame] and not delivered.
func (w *Wire) Giants() uint64 { return w.giants.Load() }

// Drops returns how many frames the kernel has dropped because they were not read in time.
func (w *Wire) Drops() (uint64, error) {
	var stats *unix.TpacketStats
	var err error
	if e := w.conn.Control(func(fd uintptr) {
		stats, err = unix.GetsockoptTpacketStats(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS) // which begins anew then
	}); e != nil {
		return w.dropped.Load(), e
	}
	if err != nil {
		return w.dropped.Load(), fmt.Errorf("interface %s: PACKET_STATISTICS: %w", w.name, err)
	}
	return w.dropped.Add(uint64(stats.Drops)), nil
}

// Close ends the wire, and a Read that waits.
func (w *Wire) Close() error {
	w.closed.Store(true)
	return w.file.Close()
}

// fail names the interface in an error of a read or write.
func (w *Wire) fail(err error) error {
	if w.closed.Load() {
		err = net.ErrClosed
	}
	return fmt.Errorf("interface %s: %w", w.name, err)
}

// Read waits for frames and fills fs, which are as [NewFrames] made them but for Start and End, with those that are
// there, at least one and 64 at most. An interface that is set down is waited for. The error is [net.ErrClosed] after
// Close, and another one if the interface is gone.
func (w *Wire) Read(fs []Frame) (int, error) {
	m := w.in
	m.want = min(len(fs), maxBatch)
	for m.want > 0 {
		for i := range m.want {
			m.vectors[i].Base = &fs[i].Buf[Headroom]
			m.vectors[i].SetLen(len(fs[i].Buf) - Headroom)
			m.headers[i].Iov, m.headers[i].Iovlen = &m.vectors[i], 1
			m.headers[i].Control, m.headers[i].Flags = &m.control[i][0], 0
			m.headers[i].SetControllen(controlSize)
		}
		if err := w.await(); err != nil {
			return 0, w.fail(err)
		}
		if kept := w.restore(fs, m.done); kept > 0 {
			return kept, nil
		}
	}
	return 0, nil
}

// patience is how often a wire whose interface is down looks whether it is still there: the kernel says once that it
// went down, to whoever asks first, and never that it has gone after that.
const patience = 100 * time.Millisecond

// await receives at least one frame.
func (w *Wire) await() error {
	m := w.in
	for {
		err := w.conn.Read(w.receive)
		if err == nil {
			err = m.err
		}
		switch {
		case err == nil:
			if w.down.Load() && w.down.Swap(false) {
				return w.file.SetReadDeadline(time.Time{})
			}
			return nil
		case errors.Is(err, unix.ENETDOWN):
			w.down.Store(true)
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return err
		}
		if w.gone() {
			return errGone
		}
		if err := w.file.SetReadDeadline(time.Now().Add(patience)); err != nil {
			return err
		}
	}
}

var errGone = errors.New("it does not exist any more")

// gone reports whether the interface does not exist any more: the kernel then unbinds the socket.
func (w *Wire) gone() bool {
	var sa unix.Sockaddr
	var err error
	if w.conn.Control(func(fd uintptr) { sa, err = unix.Getsockname(int(fd)) }) != nil {
		return false // closed
	}
	ll, ok := sa.(*unix.SockaddrLinklayer)
	return err != nil || !ok || ll.Ifindex <= 0
}

// recvmmsg receives what is there, and reports false if that is nothing.
func (w *Wire) recvmmsg(fd uintptr) bool {
	m := w.in
	for {
		n, _, no := unix.Syscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&m.headers[0])), uintptr(m.want), unix.MSG_DONTWAIT, 0, 0)
		switch no {
		case 0:
			m.done, m.err = int(n), nil
			return true
		case unix.EAGAIN:
			return false
		case unix.EINTR:
		default:
			m.done, m.err = 0, no
			return true
		}
	}
}

// restore puts the tags back that the kernel took off, moves the frames that can be delivered to the front and returns
// their number.
func (w *Wire) restore(fs []Frame, got int) int {
	kept := 0
	for i := range got {
		h := &w.in.headers[i]
		if h.Flags&unix.MSG_TRUNC != 0 {
			w.giants.Add(1)
			continue
		}
		f := &fs[i]
		f.Start, f.End = Headroom, Headroom+int(h.length)
		if tag, stripped := tagOf(w.in.control[i][:h.Controllen]); stripped {
			start, err := frame.Push(f.Buf[:f.End], f.Start, tag)
			if err != nil {
				continue // shorter than its header
			}
			f.Start = start
		}
		if f.End-f.Start > MaxFrame {
			w.giants.Add(1)
			continue
		}
		fs[kept], fs[i] = fs[i], fs[kept]
		kept++
	}
	return kept
}

// tagOf reads the control message of a frame.
func tagOf(control []byte) (frame.Tag, bool) {
	if len(control) < cmsgHeader+int(unsafe.Sizeof(auxdata{})) {
		return frame.Tag{}, false
	}
	h := (*unix.Cmsghdr)(unsafe.Pointer(&control[0]))
	if h.Level != unix.SOL_PACKET || h.Type != unix.PACKET_AUXDATA {
		return frame.Tag{}, false
	}
	a := (*auxdata)(unsafe.Pointer(&control[cmsgHeader]))
	return frame.Stripped(a.status, a.tci, a.tpid)
}

// Write sends frames, each with its tags in band, and returns how many were sent. A frame that the interface does not
// take is lost, as on any link: because its queue is full, because it is down, because the frame is too long for it.
// The error is [net.ErrClosed] after Close.
func (w *Wire) Write(fs [][]byte) (int, error) {
	w.writing.Lock()
	defer w.writing.Unlock()
	sent := 0
	for len(fs) > 0 {
		n := min(len(fs), maxBatch)
		w.out.put(fs[:n])
		err := w.conn.Control(w.send)
		if err == nil {
			err = w.out.err
		}
		sent += w.out.done
		if w.out.down && !w.down.Swap(true) {
			err = errors.Join(err, w.file.SetReadDeadline(time.Now())) // Read may not have been told
		}
		if err != nil {
			return sent, w.fail(err)
		}
		fs = fs[n:]
	}
	return sent, nil
}

func (m *messages) put(fs [][]byte) {
	m.want = 0
	for _, f := range fs {
		if len(f) == 0 {
			continue
		}
		i := m.want
		m.vectors[i].Base = &f[0]
		m.vectors[i].SetLen(len(f))
		m.headers[i].Iov, m.headers[i].Iovlen = &m.vectors[i], 1
		m.want++
	}
}

func (w *Wire) sendmmsg(fd uintptr) {
	m := w.out
	m.done, m.err, m.down = 0, nil, false
	for at := 0; at < m.want; {
		n, _, no := unix.Syscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&m.headers[at])), uintptr(m.want-at), unix.MSG_DONTWAIT, 0, 0)
		switch no {
		case 0:
			m.done += int(n)
			at += int(n)
		case unix.EINTR:
		case unix.ENETDOWN:
			if m.down {
				at++
			}
			m.down = true // the first time it may be said of what is over
		case unix.EAGAIN, unix.ENOBUFS, unix.EMSGSIZE, unix.ENXIO, unix.EINVAL:
			at++ // the first of them is lost
		default:
			m.err = no
			return
		}
	}
}
