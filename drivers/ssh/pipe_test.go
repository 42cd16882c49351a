package ssh

import (
	"bytes"
	"net"
	"sync"
)

// buffered is an end of a pipe that takes what is written before it is read, as a network does: both sides of SSH
// begin by writing.
type buffered struct {
	net.Conn
	out  chan []byte
	done chan struct{} // closed with it
	once sync.Once
}

// pipe returns the two ends of one.
func pipe() (*buffered, *buffered) {
	one, other := net.Pipe()
	return newBuffered(one), newBuffered(other)
}

func newBuffered(c net.Conn) *buffered {
	b := &buffered{Conn: c, out: make(chan []byte, 1000), done: make(chan struct{})}
	go func() {
		for {
			select {
			case p := <-b.out:
				if _, err := c.Write(p); err != nil {
					_ = b.Close()
					return
				}
			case <-b.done:
				return
			}
		}
	}()
	return b
}

// Write implements [net.Conn].
func (b *buffered) Write(p []byte) (int, error) {
	select {
	case b.out <- bytes.Clone(p):
		return len(p), nil
	case <-b.done:
		return 0, net.ErrClosed
	}
}

// Close implements [net.Conn].
func (b *buffered) Close() error {
	b.once.Do(func() { close(b.done) })
	return b.Conn.Close()
}

// RemoteAddr implements [net.Conn].
func (b *buffered) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv6loopback, Port: 22} }

// LocalAddr implements [net.Conn].
func (b *buffered) LocalAddr() net.Addr { return b.RemoteAddr() }
