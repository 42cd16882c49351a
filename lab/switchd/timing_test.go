package switchd

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ixagent/ixagent/lab/switchd/tree"
)

func newTestStore(t *testing.T) *store {
	t.Helper()
	s, err := newStore([]string{"eth1"}, nil, cabled{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	return s
}

func setMTU(text string) rewrite {
	return edit(func(e *tree.Edit) error {
		return e.Update(&gpb.Path{Elem: []*gpb.PathElem{
			{Name: "interfaces"}, {Name: "interface", Key: map[string]string{"name": "eth1"}}, {Name: "config"}, {Name: "mtu"},
		}}, tree.JSONValue([]byte(text), gpb.Encoding_JSON_IETF))
	})
}

func (s *store) waits() bool {
	_, _, ok := s.unconfirmed()
	return ok
}

func (s *store) mtu() string {
	t, _, _ := s.current()
	return t.At("interfaces", "interface").Entry("eth1").Text("config", "mtu")
}

func TestUnconfirmedCommitRevertsAtItsTimeAndNotBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestStore(t)
		if err := s.begin("a", defaultRollback, setMTU("9000")); err != nil {
			t.Fatal(err)
		}
		if err := s.begin("b", time.Hour, setMTU("1")); !errors.Is(err, ErrPending) {
			t.Errorf("second commit: %v", err)
		}
		if err := s.set(setMTU("1")); !errors.Is(err, ErrPending) {
			t.Errorf("plain Set in the window: %v", err)
		}
		time.Sleep(10*time.Minute - time.Nanosecond)
		synctest.Wait()
		if s.mtu() != "9000" || !s.waits() {
			t.Error("reverted early")
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if s.mtu() != "" || s.waits() {
			t.Error("not reverted")
		}
		if err := s.confirm("a"); !errors.Is(err, ErrNotPending) {
			t.Errorf("confirm after the revert: %v", err)
		}
		if err := s.set(setMTU("1500")); err != nil {
			t.Errorf("Set after the revert: %v", err)
		}
	})
}

func TestRollbackDurationCanBeMoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestStore(t)
		if err := s.begin("a", time.Minute, setMTU("9000")); err != nil {
			t.Fatal(err)
		}
		if err := s.setRollback("x", time.Hour); !errors.Is(err, ErrWrongID) {
			t.Errorf("wrong id: %v", err)
		}
		if err := s.setRollback("a", time.Hour); err != nil {
			t.Fatal(err)
		}
		time.Sleep(59 * time.Minute)
		synctest.Wait()
		if s.mtu() != "9000" {
			t.Error("the old duration still runs")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if s.mtu() != "" {
			t.Error("the new duration does not run")
		}
	})
}

func TestConfirmKeepsAndCancelReverts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newTestStore(t)
		if err := s.begin("a", time.Minute, setMTU("9000")); err != nil {
			t.Fatal(err)
		}
		if err := s.confirm("b"); !errors.Is(err, ErrWrongID) {
			t.Errorf("wrong id: %v", err)
		}
		if err := s.confirm("a"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if s.mtu() != "9000" {
			t.Error("a confirmed commit was reverted")
		}
		if err := s.begin("b", time.Minute, setMTU("1500")); err != nil {
			t.Fatal(err)
		}
		if err := s.cancel("b"); err != nil {
			t.Fatal(err)
		}
		if s.mtu() != "9000" {
			t.Error("cancel did not revert")
		}
	})
}

// deafStream is a subscriber that subscribes and then takes nothing.
type deafStream struct {
	grpc.ServerStream
	ctx  context.Context
	list *gpb.SubscriptionList
}

func (d *deafStream) Context() context.Context { return d.ctx }

func (d *deafStream) Recv() (*gpb.SubscribeRequest, error) {
	if d.list == nil {
		<-d.ctx.Done()
		return nil, d.ctx.Err()
	}
	req := &gpb.SubscribeRequest{Request: &gpb.SubscribeRequest_Subscribe{Subscribe: d.list}}
	d.list = nil
	return req, nil
}

func (d *deafStream) Send(*gpb.SubscribeResponse) error {
	<-d.ctx.Done()
	return d.ctx.Err()
}

func TestSubscriberThatTakesNothingLosesItsStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		sw := &Switch{store: newTestStore(t), slow: slowSubscriber, closed: make(chan struct{})}
		start := time.Now()
		err := service{Switch: sw}.Subscribe(&deafStream{ctx: ctx, list: &gpb.SubscriptionList{
			Subscription: []*gpb.Subscription{{Path: &gpb.Path{}}},
		}})
		if status.Code(err) != codes.ResourceExhausted || time.Since(start) != slowSubscriber {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		cancel() // as gRPC does when the handler returns
		sw.done.Wait()
	})
}
