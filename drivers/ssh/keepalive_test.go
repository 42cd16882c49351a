package ssh

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	gossh "golang.org/x/crypto/ssh"
)

// buffered is an end of a pipe that takes what is written before it is read: both sides of SSH begin by writing.
type buffered struct {
	net.Conn
	out chan []byte
}

func newBuffered(c net.Conn) *buffered {
	b := &buffered{c, make(chan []byte, 1000)}
	go func() {
		for p := range b.out {
			if _, err := c.Write(p); err != nil {
				return
			}
		}
	}()
	return b
}

// Write implements [net.Conn].
func (b *buffered) Write(p []byte) (int, error) {
	b.out <- bytes.Clone(p)
	return len(p), nil
}

// pair returns a connection, and the requests that reach its far end.
func pair(t *testing.T) (*connection, <-chan *gossh.Request, func()) {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := gossh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	one, other := net.Pipe()
	near, far := newBuffered(one), newBuffered(other)
	server := &gossh.ServerConfig{NoClientAuth: true}
	server.AddHostKey(signer)
	var requests <-chan *gossh.Request
	var wg sync.WaitGroup
	wg.Go(func() { _, _, requests, err = gossh.NewServerConn(far, server) })
	conn, channels, theirs, clientErr := gossh.NewClientConn(near, "switch1:22", &gossh.ClientConfig{HostKeyCallback: gossh.FixedHostKey(signer.PublicKey())})
	wg.Wait()
	if err != nil || clientErr != nil {
		t.Fatal(err, clientErr)
	}
	c := &connection{client: gossh.NewClient(conn, channels, theirs), ended: make(chan struct{})}
	c.start()
	return c, requests, func() {
		c.end(errClosed)
		c.wait()
		_ = far.Close()
		close(near.out)
		close(far.out)
	}
}

func TestRestingConnectionIsKeptAliveWhileItAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, requests, done := pair(t)
		defer done()
		for range 3 {
			before := time.Now()
			r := <-requests
			if took := time.Since(before); r.Type != "keepalive@openssh.com" || !r.WantReply || took != keepalive {
				t.Errorf("%s after %s", r.Type, took)
			}
			_ = r.Reply(false, nil)
		}
		synctest.Wait()
		select {
		case <-c.ended:
			t.Error("ended: ", c.cause)
		default:
		}
	})
}

func TestConnectionThatDoesNotAnswerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, requests, done := pair(t)
		defer done()
		begin := time.Now()
		<-requests
		<-c.ended
		if took := time.Since(begin); took != 2*keepalive || !strings.Contains(c.cause.Error(), "keepalive") {
			t.Errorf("ended after %s: %v", took, c.cause)
		}
	})
}
