package ssh

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/secret"
)

// keepalive is how often a resting connection is asked whether it is alive, and how long it may take to say so.
const keepalive = 15 * time.Second

// connection is one SSH connection, and the one to the jump host that carries it.
type connection struct {
	client *gossh.Client
	jump   *gossh.Client // nil without one

	once  sync.Once
	cause error         // why it ended; set before ended is closed
	ended chan struct{} // closed by end
	wg    sync.WaitGroup
}

// hop is one host to log in to.
type hop struct {
	address  string
	username string
	password secret.Text
	ssh      *drivers.SSH
}

// denied is an error of credentials, or of a host that is not the one that was meant.
type denied struct{ error }

// Unwrap returns the cause.
func (d denied) Unwrap() error { return d.error }

// connect opens a connection to d, and keeps it alive.
func connect(ctx context.Context, d drivers.Device, log *slog.Logger) (*connection, error) {
	if d.SSH == nil {
		return nil, denied{errNoHostKey}
	}
	c := &connection{ended: make(chan struct{})}
	if j := d.SSH.Jump; j != nil {
		var err error
		if c.jump, err = dial(ctx, hop{j.Address, j.Username, j.Password, &j.SSH}, nil, log); err != nil {
			return nil, fmt.Errorf("jump host: %w", err)
		}
	}
	var err error
	if c.client, err = dial(ctx, hop{d.Address, d.Username, d.Password, d.SSH}, c.jump, log); err != nil {
		if c.jump != nil {
			_ = c.jump.Close() // err says more
			_ = c.jump.Wait()
		}
		return nil, err
	}
	c.start()
	return c, nil
}

// start keeps the connection alive, and sees when the far end ends it.
func (c *connection) start() {
	c.wg.Go(c.keep)
	c.wg.Go(func() {
		_ = c.client.Wait() // EOF, or what the far end did wrong; to a session it is the same
		c.end(errEnded)
	})
}

// end closes the connection for the reason. Only the first reason counts.
func (c *connection) end(cause error) {
	c.once.Do(func() {
		c.cause = cause
		close(c.ended)
		// From the outside in: what is closed in a tunnel says so through it.
		if c.jump != nil {
			_ = c.jump.Close() // it may have ended by itself
		}
		_ = c.client.Close()
	})
}

// wait returns when nothing of an ended connection is left.
func (c *connection) wait() {
	if c.jump != nil {
		_ = c.jump.Wait()
	}
	c.wg.Wait()
}

// answers reports whether the far end still does.
func (c *connection) answers() bool {
	_, _, err := c.client.SendRequest("keepalive@openssh.com", true, nil) // whatever the answer, it is one
	return err == nil
}

// keep asks the far end whether it is alive (OpenSSH, PROTOCOL 2.1) until the connection ends.
func (c *connection) keep() {
	tick := time.NewTicker(keepalive)
	defer tick.Stop()
	for {
		select {
		case <-c.ended:
			return
		case <-tick.C:
		}
		late := time.AfterFunc(keepalive, func() { c.end(errors.New("the device does not answer keepalives")) })
		c.answers()
		late.Stop()
	}
}

// dial logs in to h, through a jump host if there is one. A device that is known by fingerprints is asked for one key
// after the other.
func dial(ctx context.Context, h hop, through *gossh.Client, log *slog.Logger) (*gossh.Client, error) {
	v, err := newVerifier(h.ssh, log)
	if err != nil {
		return nil, denied{err}
	}
	var key gossh.Signer
	if !h.ssh.Key.Empty() {
		if key, err = parseKey(h.ssh.Key, h.ssh.Passphrase); err != nil {
			return nil, denied{fmt.Errorf("private key: %w", err)}
		}
	}
	algorithms := v.algorithms(h.address)
	for first := error(nil); ; {
		client, err := handshake(ctx, h, key, through, v, algorithms)
		switch {
		case v.why == nil && err != nil && first != nil && ctx.Err() == nil:
			return nil, denied{first} // it has no other key
		case v.why == nil:
			return client, err
		case first == nil:
			first = v.why
		}
		if v.final {
			return nil, denied{v.why}
		}
		if algorithms = v.others(algorithms); len(algorithms) == 0 {
			return nil, denied{first}
		}
	}
}

// handshake opens one SSH connection within ctx.
func handshake(ctx context.Context, h hop, key gossh.Signer, through *gossh.Client, v *verifier, algorithms []string) (*gossh.Client, error) {
	v.refused, v.why = nil, nil
	auth, done, err := authentication(ctx, h, key)
	if err != nil {
		return nil, err
	}
	defer done()
	var raw net.Conn
	if through != nil {
		raw, err = through.DialContext(ctx, "tcp", h.address)
	} else {
		raw, err = new(net.Dialer).DialContext(ctx, "tcp", h.address)
	}
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	config := &gossh.ClientConfig{
		User:              h.username,
		Auth:              auth,
		HostKeyCallback:   v.verify,
		HostKeyAlgorithms: algorithms,
		ClientVersion:     "SSH-2.0-ixagent",
	}
	conn, channels, requests, err := gossh.NewClientConn(raw, h.address, config)
	if err != nil {
		_ = raw.Close() // err says more
		switch {
		case ctx.Err() != nil:
			return nil, fmt.Errorf("no handshake in time: %w", ctx.Err())
		case v.why != nil:
			return nil, v.why
		case refusal(err):
			return nil, denied{err}
		}
		return nil, err
	}
	if !stop() { // raw is closed or about to be
		_ = conn.Close()
		return nil, fmt.Errorf("no handshake in time: %w", ctx.Err())
	}
	return gossh.NewClient(conn, channels, requests), nil
}

// refusal reports whether the far end has refused our credentials. The library has no type for that.
func refusal(err error) bool {
	if errors.As(err, new(denied)) {
		return true
	}
	for _, words := range []string{"unable to authenticate", "too many authentication", "Too many authentication", "disconnect, reason 14"} {
		if strings.Contains(err.Error(), words) {
			return true
		}
	}
	return false
}

// authentication returns how the agent proves itself to h, with its key if it has one, and what ends that.
func authentication(ctx context.Context, h hop, key gossh.Signer) ([]gossh.AuthMethod, func(), error) {
	var methods []gossh.AuthMethod
	done := func() {}
	var own []gossh.Signer
	if key != nil {
		own = append(own, key)
	}
	signers := func() ([]gossh.Signer, error) { return own, nil }
	if h.ssh.Agent != "" {
		socket, err := new(net.Dialer).DialContext(ctx, "unix", h.ssh.Agent)
		if err != nil {
			return nil, nil, fmt.Errorf("SSH agent: %w", err)
		}
		stop := context.AfterFunc(ctx, func() { _ = socket.Close() })
		done = func() {
			stop()
			_ = socket.Close() // nothing is lost with it
		}
		signers = func() ([]gossh.Signer, error) {
			theirs, err := agent.NewClient(socket).Signers()
			if err != nil {
				return nil, fmt.Errorf("SSH agent: %w", err)
			}
			return append(own, theirs...), nil
		}
	}
	if len(own) > 0 || h.ssh.Agent != "" {
		methods = append(methods, gossh.PublicKeysCallback(signers))
	}
	if !h.password.Empty() {
		methods = append(methods, gossh.PasswordCallback(func() (string, error) { return h.password.Reveal(), nil }),
			gossh.KeyboardInteractive(func(_, _ string, questions []string, echos []bool) ([]string, error) {
				if len(questions) == 0 {
					return nil, nil
				}
				if len(questions) > 1 || echos[0] {
					return nil, denied{fmt.Errorf("the device asks for more than a password: %s", printable(strings.Join(questions, " ")))}
				}
				return []string{h.password.Reveal()}, nil
			}))
	}
	return methods, done, nil
}

// parseKey reads a private key in PEM or OpenSSH's form.
func parseKey(key, passphrase secret.Text) (gossh.Signer, error) {
	if passphrase.Empty() {
		return gossh.ParsePrivateKey([]byte(key.Reveal()))
	}
	return gossh.ParsePrivateKeyWithPassphrase([]byte(key.Reveal()), []byte(passphrase.Reveal()))
}
