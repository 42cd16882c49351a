package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	gossh "golang.org/x/crypto/ssh"

	"github.com/ixagent/ixagent/drivers"
)

// Output is what a command left behind.
type Output struct {
	Stdout []byte
	Stderr []byte
	Status int
}

// Exec runs the command in an exec channel (RFC 4254 6.5) beside the command line, with stdin, lines of printable
// ASCII, as its input. Any exit status is a result; an end without one is an error of fault [drivers.Incomplete].
func (s *Session) Exec(ctx context.Context, op, command string, stdin []byte) (Output, error) {
	return s.exec(ctx, op, reads, command, stdin)
}

// ExecCommit is Exec for a command that changes the device: one whose end is not seen has fault [drivers.Unknown].
func (s *Session) ExecCommit(ctx context.Context, op, command string, stdin []byte) (Output, error) {
	return s.exec(ctx, op, commits, command, stdin)
}

func (s *Session) exec(ctx context.Context, op string, e effect, command string, stdin []byte) (Output, error) {
	o, err := s.begin(ctx, op, e, 1)
	if err != nil {
		return Output{}, err
	}
	defer o.done()
	if err := printableASCII(command); err != nil {
		return Output{}, s.Fail(op, drivers.Rejected, err)
	}
	for line := range bytes.SplitSeq(stdin, []byte("\n")) {
		if err := printableASCII(string(line)); err != nil {
			return Output{}, s.Fail(op, drivers.Rejected, err)
		}
	}
	session, err := s.conn.client.NewSession()
	if err != nil {
		return Output{}, o.broken(drivers.Transient, err)
	}
	defer session.Close()
	room := room{over: func() { s.conn.end(errTooMuch) }}
	room.left.Store(int64(s.most))
	stdout, stderr := bounded{room: &room}, bounded{room: &room}
	session.Stdin, session.Stdout, session.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	o.sent = true
	err = session.Run(command)
	out := Output{Stdout: stdout.Bytes(), Stderr: stderr.Bytes()}
	var exit *gossh.ExitError
	var missing *gossh.ExitMissingError
	switch {
	case room.left.Load() < 0:
		return Output{}, o.broken(drivers.Incomplete, errTooMuch)
	case ctx.Err() != nil || o.ctx.Err() != nil:
		return Output{}, o.broken(drivers.Transient, err)
	case err == nil:
		return out, nil
	case errors.As(err, &exit) && exit.Signal() == "":
		out.Status = exit.ExitStatus()
		return out, nil
	case errors.As(err, &exit):
		return Output{}, s.Fail(op, e.fault(drivers.Incomplete, true), fmt.Errorf("the command was ended by signal %s: %s", printable(exit.Signal()), printable(stderr.String())))
	case errors.As(err, &missing) && s.alive():
		return Output{}, s.Fail(op, e.fault(drivers.Incomplete, true), errors.New("the command ended without a status"))
	}
	return Output{}, o.broken(drivers.Transient, err)
}

// room is what several streams share.
type room struct {
	left atomic.Int64 // less than 0 once there is no more
	over func()
}

// bounded is a buffer that takes no more than there is room for.
type bounded struct {
	bytes.Buffer
	room *room
}

// Write implements [io.Writer].
func (b *bounded) Write(p []byte) (int, error) {
	if b.room.left.Add(-int64(len(p))) < 0 {
		b.room.over()
		return 0, errTooMuch
	}
	return b.Buffer.Write(p)
}
