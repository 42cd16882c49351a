package ssh

import (
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/scrapli/scrapligo/transport"
	gossh "golang.org/x/crypto/ssh"
)

// The terminal that is asked for. Devices break lines that are wider.
const (
	terminalWidth  = 32767
	terminalHeight = 24
)

// readDelay is scrapligo's pause between two reads. As a read of this transport waits for data, there is no need for
// one.
const readDelay = time.Microsecond

// shell is a command line on a connection, as a transport of scrapligo. Its streams are those of a terminal without
// control functions; see noise.
type shell struct {
	conn    *connection
	session *gossh.Session
	stdin   io.WriteCloser
	stdout  io.Reader
	buf     []byte
	noise   noise
	log     *ring
	most    int64 // octets that may wait for a reader

	waiting atomic.Int64  // octets that scrapligo has and the session has not
	arrived chan struct{} // of size 1: scrapligo has put away what it was given
}

// Open implements [transport.Implementation]. The connection is there already; what blocks here ends with it.
func (t *shell) Open(a *transport.Args) error {
	var err error
	if t.session, err = t.conn.client.NewSession(); err != nil {
		return err
	}
	if t.stdin, err = t.session.StdinPipe(); err != nil {
		return err
	}
	if t.stdout, err = t.session.StdoutPipe(); err != nil {
		return err
	}
	modes := gossh.TerminalModes{gossh.ECHO: 1, gossh.TTY_OP_ISPEED: 115200, gossh.TTY_OP_OSPEED: 115200}
	if err := t.session.RequestPty("vt100", a.TermHeight, a.TermWidth, modes); err != nil {
		return err
	}
	return t.session.Shell()
}

// Close implements [transport.Implementation].
func (t *shell) Close() error {
	t.conn.end(errClosed)
	return nil
}

// IsAlive implements [transport.Implementation].
func (t *shell) IsAlive() bool {
	select {
	case <-t.conn.ended:
		return false
	default:
		return true
	}
}

// Read implements [transport.Implementation]. It waits for data. The end of the stream ends the connection.
func (t *shell) Read(int) ([]byte, error) {
	t.signal()
	for {
		n, err := t.stdout.Read(t.buf)
		if clean := t.noise.filter(nil, t.buf[:n]); len(clean) > 0 {
			t.log.write(clean)
			if t.waiting.Add(int64(len(clean))) > t.most {
				t.conn.end(errTooMuch)
				return nil, io.EOF
			}
			return clean, nil
		}
		if err != nil {
			t.conn.end(errEnded)
			return nil, io.EOF
		}
	}
}

// Write implements [transport.Implementation].
func (t *shell) Write(b []byte) error {
	_, err := t.stdin.Write(b)
	return err
}

func (t *shell) signal() {
	select {
	case t.arrived <- struct{}{}:
	default:
	}
}

// Why a connection has ended.
var (
	errClosed  = errors.New("the session is closed")
	errEnded   = errors.New("the device ended the session")
	errTooMuch = errors.New("the device sends more than is allowed")
)
