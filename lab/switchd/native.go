package switchd

import (
	"context"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"

	"github.com/ixagent/ixagent/lab/switchd/tree"
)

// Native returns what the running configuration was made from by its command
// line: the value of the last [Switch.Install], or of Options. It is swapped,
// and comes back, together with what runs.
func (s *Switch) Native() any { return s.store.snapshot().native }

// Install makes a whole configuration run, with the native value beside it,
// which must never change again. build writes it into the configuration of a
// switch whose ports are unused. Only what differs from what runs has a cost
// beyond build. The error says why it is refused; after [ErrCut] the caller
// cuts the connection, and answers nothing. While a commit waits for its
// confirmation it is [ErrPending].
func (s *Switch) Install(native any, build func(*tree.Edit) error) error {
	return s.typed("install", func() error { return s.store.set(s.whole(native, build)) })
}

// InstallConfirmed is Install of what goes back to what runs now, unless
// [Switch.Confirm] comes within d. The id must not be empty.
func (s *Switch) InstallConfirmed(id string, d time.Duration, native any, build func(*tree.Edit) error) error {
	return s.typed("install", func() error { return s.store.begin(id, d, s.whole(native, build)) })
}

// Check returns why Install would refuse a configuration, and changes nothing.
// It strikes no fault, and may be called while a commit waits.
func (s *Switch) Check(build func(*tree.Edit) error) error { return s.store.check(s.whole(nil, build)) }

// Confirm keeps the commit with an id that waits for it. Its errors are those
// of Install, [ErrNotPending] and [ErrWrongID].
func (s *Switch) Confirm(id string) error {
	return s.typed("confirm", func() error { return s.store.confirm(id) })
}

// Cancel takes back the commit with an id that waits for its confirmation. Its
// errors are those of Confirm.
func (s *Switch) Cancel(id string) error {
	return s.typed("cancel", func() error { return s.store.cancel(id) })
}

// whole is the rewrite that puts a configuration in the place of what runs.
func (s *Switch) whole(native any, build func(*tree.Edit) error) rewrite {
	return func(e *tree.Edit, _ any) (any, error) {
		if err := e.Delete(&gpb.Path{}); err != nil {
			return nil, err
		}
		if err := s.store.ensurePorts(e); err != nil {
			return nil, err
		}
		return native, build(e)
	}
}

// typed makes a change that a command line wants.
func (s *Switch) typed(op string, change func() error) error {
	start := time.Now()
	err := s.strike(context.Background(), change)
	if err != nil {
		s.log.Info(op+" refused", "device", s.name, "err", err, "duration", time.Since(start))
	} else {
		s.log.Info(op+" done", "device", s.name, "duration", time.Since(start))
	}
	return err
}
