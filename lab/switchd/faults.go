package switchd

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Faults makes a lab switch misbehave. What is said of Sets holds for the changes of
// a command line too, confirmations included. The zero value is a healthy switch; all
// methods may be called while it runs.
type Faults struct {
	mu       sync.Mutex
	refuse   int
	code     codes.Code
	stall    chan struct{} // open while Sets stall
	stallFor time.Duration
	before   int
	after    int
	truncate int
	undo     int
	ignore   bool
}

// RefuseSets answers the next n Sets with a code.
func (f *Faults) RefuseSets(n int, code codes.Code) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refuse, f.code = n, code
}

// StallSets holds every Set back for d before it is looked at, or until
// Release when d is zero.
func (f *Faults) StallSets(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unstall()
	f.stall, f.stallFor = make(chan struct{}), d
}

// Release ends StallSets and lets go of the Sets that it holds.
func (f *Faults) Release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.unstall()
}

func (f *Faults) unstall() {
	if f.stall != nil {
		close(f.stall)
		f.stall = nil
	}
}

// DropBeforeCommit cuts the connection of the next n Sets before anything has
// changed.
func (f *Faults) DropBeforeCommit(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = n
}

// DropAfterCommit cuts the connection of the next n Sets after the change, so
// that the client does not know whether it happened.
func (f *Faults) DropAfterCommit(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.after = n
}

// TruncateGets cuts the JSON of the next n Gets in the middle.
func (f *Faults) TruncateGets(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.truncate = n
}

// UndoSets accepts the next n Sets that change something and silently undoes
// them before the answer.
func (f *Faults) UndoSets(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.undo = n
}

// IgnoreCommitExtension makes the switch one that does not know the
// commit-confirmed extension: a Set is committed at once, whatever it says.
func (f *Faults) IgnoreCommitExtension(on bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ignore = on
}

// take counts a fault down and reports whether it strikes.
func (f *Faults) take(n *int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if *n <= 0 {
		return false
	}
	*n--
	return true
}

func (f *Faults) refused() (codes.Code, bool) {
	if !f.take(&f.refuse) {
		return codes.OK, false
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.code, true
}

func (f *Faults) ignoresCommit() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.ignore
}

// wait holds a Set back as StallSets says.
func (f *Faults) wait(ctx context.Context) error {
	f.mu.Lock()
	stall, d := f.stall, f.stallFor
	f.mu.Unlock()
	if stall == nil {
		return nil
	}
	var expired <-chan time.Time
	if d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		expired = t.C
	}
	select {
	case <-stall:
	case <-expired:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// ErrCut is why a change of a command line has no answer: the fault wants its connection cut without a word.
var ErrCut = errors.New("connection cut by a fault of the lab")

// refusal is the answer that [Faults.RefuseSets] gives.
type refusal struct{ code codes.Code }

func (refusal) Error() string { return "refused by a fault of the lab" }

// GRPCStatus is the refusal in gRPC's form.
func (r refusal) GRPCStatus() *status.Status { return status.New(r.code, r.Error()) }

// strike makes one change as the faults have it, whoever asked for it. The caller cuts the connection after [ErrCut].
func (s *Switch) strike(ctx context.Context, change func() error) error {
	f := s.faults
	if err := f.wait(ctx); err != nil {
		return err
	}
	if code, ok := f.refused(); ok {
		return refusal{code}
	}
	if f.take(&f.before) {
		return fmt.Errorf("%w, nothing was changed", ErrCut)
	}
	before := s.store.snapshot()
	if err := change(); err != nil {
		return err
	}
	if s.Running() != before.tree && f.take(&f.undo) {
		s.store.undo(before)
	}
	if f.take(&f.after) {
		return fmt.Errorf("%w, the change was made", ErrCut)
	}
	return nil
}
