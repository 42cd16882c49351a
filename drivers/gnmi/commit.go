package gnmi

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"github.com/openconfig/gnmi/proto/gnmi_ext"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/ixagent/ixagent/drivers"
)

// support is what is known of the device's commit-confirmed extension.
type support struct {
	mu    sync.Mutex
	known bool
	yes   bool
}

func commitExt(c *gnmi_ext.Commit) *gnmi_ext.Extension {
	return &gnmi_ext.Extension{Ext: &gnmi_ext.Extension_Commit{Commit: c}}
}

// pending asks whether a commit is pending, by confirming one that cannot exist: a device that has the
// extension answers that there is none, or that the id is wrong (gNMI commit-confirmed 0.1.0). A device
// that accepts it ignores the extension, and supported is false.
func (s *Session) pending(ctx context.Context) (supported, pending bool, err error) {
	err = s.Set(ctx, "apply", &gpb.SetRequest{Extension: []*gnmi_ext.Extension{commitExt(&gnmi_ext.Commit{
		Id: "ixagent-probe-" + rand.Text(), Action: &gnmi_ext.Commit_Confirm{Confirm: &gnmi_ext.CommitConfirm{}},
	})}})
	switch {
	case err == nil, drivers.FaultOf(err) == drivers.Unsupported:
		return false, false, nil
	case refused(err, codes.FailedPrecondition):
		return true, false, nil
	case refused(err, codes.InvalidArgument):
		return true, true, nil
	}
	return false, false, err
}

// SetConfirmed sends the request with the commit-confirmed extension, so that the device takes it back after
// window unless the commit is confirmed. Whether the device keeps that promise is found out by how it behaves:
// before, by a request that changes nothing, and after, by asking whether a commit is pending.
func (s *Session) SetConfirmed(ctx context.Context, id string, window time.Duration, req *gpb.SetRequest) error {
	s.commits.mu.Lock()
	defer s.commits.mu.Unlock()
	if !s.commits.known {
		supported, pending, err := s.pending(ctx)
		switch {
		case drivers.FaultOf(err) == drivers.Unknown:
			return s.fail("apply", drivers.Transient, cause(err)) // the probe changes nothing
		case err != nil:
			return err
		case pending:
			return s.fail("apply", drivers.Rejected, errors.New("another commit is pending on the device, or it cannot tell"))
		}
		s.commits.known, s.commits.yes = true, supported
	}
	if !s.commits.yes {
		return s.fail("apply", drivers.Unsupported, errors.New("the device ignores the commit-confirmed extension"))
	}
	ext := commitExt(&gnmi_ext.Commit{Id: id, Action: &gnmi_ext.Commit_Commit{
		Commit: &gnmi_ext.CommitRequest{RollbackDuration: durationpb.New(window)},
	}})
	req = &gpb.SetRequest{Delete: req.GetDelete(), Replace: req.GetReplace(), Update: req.GetUpdate(), Extension: []*gnmi_ext.Extension{ext}}
	if err := s.Set(ctx, "apply", req); err != nil {
		return err
	}
	if _, pending, err := s.pending(ctx); err != nil {
		return s.fail("apply", drivers.Unknown, fmt.Errorf("whether the commit is pending is not known: %w", cause(err)))
	} else if !pending {
		s.commits.yes = false
		return s.fail("apply", drivers.Unknown, errors.New("the device took the changes, and no commit is pending"))
	}
	return nil
}

// cause returns err without the names of device and operation, which its new wrapping has.
func cause(err error) error {
	if e := (*drivers.Error)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}

// Confirm makes the pending commit permanent.
func (s *Session) Confirm(ctx context.Context, id string) error {
	return s.Set(ctx, "confirm", &gpb.SetRequest{Extension: []*gnmi_ext.Extension{commitExt(&gnmi_ext.Commit{
		Id: id, Action: &gnmi_ext.Commit_Confirm{Confirm: &gnmi_ext.CommitConfirm{}},
	})}})
}

// Cancel takes the pending commit back.
func (s *Session) Cancel(ctx context.Context, id string) error {
	return s.Set(ctx, "revert", &gpb.SetRequest{Extension: []*gnmi_ext.Extension{commitExt(&gnmi_ext.Commit{
		Id: id, Action: &gnmi_ext.Commit_Cancel{Cancel: &gnmi_ext.CommitCancel{}},
	})}})
}
