package switchd

import (
	"errors"
	"io"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/ixagent/ixagent/lab/switchd/tree"
)

const (
	// maxUpdates bounds one notification.
	maxUpdates = 1000
	// minSample and defaultSample bound how often a subscription is sampled.
	minSample     = 100 * time.Millisecond
	defaultSample = 10 * time.Second
)

// Subscribe implements gNMI. A subscriber is served from snapshots: what it is
// told is the difference between the last tree it saw and the present one.
// Nothing is queued, a slow subscriber sees several changes as one, and one
// that takes no message for too long loses its stream.
func (s service) Subscribe(stream gpb.GNMI_SubscribeServer) error {
	req, err := stream.Recv()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	list := req.GetSubscribe()
	if list == nil {
		return status.Error(codes.InvalidArgument, "the first message must be a subscription list")
	}
	sub, err := s.newSubscriber(list)
	if err != nil {
		return err
	}

	// Receiving and sending block, so each has a goroutine. Both end when the
	// stream does, which is when this function returns; done waits for them.
	polls := make(chan error)
	out := make(chan *gpb.SubscribeResponse)
	sent := make(chan error)
	ctx := stream.Context()
	s.done.Go(func() {
		for {
			req, err := stream.Recv()
			if err == nil && req.GetPoll() == nil {
				err = status.Error(codes.InvalidArgument, "a subscription list can be sent once")
			}
			select {
			case polls <- err:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	})
	s.done.Go(func() {
		for {
			select {
			case m := <-out:
				select {
				case sent <- stream.Send(m):
				case <-ctx.Done():
					return
				}
			case <-ctx.Done():
				return
			}
		}
	})
	sub.send = func(m *gpb.SubscribeResponse) error {
		select {
		case out <- m:
		case <-ctx.Done():
			return ctx.Err()
		}
		limit := time.NewTimer(s.slow)
		defer limit.Stop()
		select {
		case err := <-sent:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-limit.C:
			return status.Errorf(codes.ResourceExhausted, "subscriber took no message for %s", s.slow)
		case <-s.closed:
			return status.Error(codes.Unavailable, "the switch is closing")
		}
	}
	switch list.GetMode() {
	case gpb.SubscriptionList_ONCE:
		return sub.all(true)
	case gpb.SubscriptionList_POLL:
		return sub.poll(polls, s.closed)
	}
	return sub.stream(polls, s.closed)
}

// subscriber is one Subscribe call.
type subscriber struct {
	store    *store
	list     *gpb.SubscriptionList
	onChange []*tree.Pattern
	samples  []*sample
	send     func(*gpb.SubscribeResponse) error
}

type sample struct {
	pattern   *tree.Pattern
	interval  time.Duration
	suppress  bool          // only what differs from the last sample
	heartbeat time.Duration // with suppress: send everything this often
	last      *tree.Tree
	next      time.Time
	beat      time.Time
}

func (s *Switch) newSubscriber(list *gpb.SubscriptionList) (*subscriber, error) {
	switch list.GetEncoding() {
	case gpb.Encoding_JSON, gpb.Encoding_JSON_IETF, gpb.Encoding_PROTO:
	default:
		return nil, status.Errorf(codes.Unimplemented, "encoding %s is not supported", list.GetEncoding())
	}
	if len(list.GetSubscription()) == 0 {
		return nil, status.Error(codes.InvalidArgument, "the subscription list is empty")
	}
	sub := &subscriber{store: s.store, list: list}
	for _, one := range list.GetSubscription() {
		full, err := join(list.GetPrefix(), one.GetPath())
		if err != nil {
			return nil, err
		}
		pattern, err := s.store.schema.Pattern(full)
		if err != nil {
			return nil, invalid(err)
		}
		if list.GetMode() != gpb.SubscriptionList_STREAM || one.GetMode() != gpb.SubscriptionMode_SAMPLE {
			sub.onChange = append(sub.onChange, pattern)
			continue
		}
		interval := time.Duration(min(one.GetSampleInterval(), uint64(24*time.Hour)))
		if interval == 0 {
			interval = defaultSample
		}
		sub.samples = append(sub.samples, &sample{
			pattern: pattern, interval: max(interval, minSample), suppress: one.GetSuppressRedundant(),
			heartbeat: time.Duration(min(one.GetHeartbeatInterval(), uint64(24*time.Hour))),
		})
	}
	return sub, nil
}

// patterns are those of all subscriptions.
func (s *subscriber) patterns() []*tree.Pattern {
	all := append([]*tree.Pattern(nil), s.onChange...)
	for _, m := range s.samples {
		all = append(all, m.pattern)
	}
	return all
}

// all sends everything subscribed, unless only updates are wanted, and says
// that it is complete.
func (s *subscriber) all(initial bool) error {
	now, err := s.store.live()
	if err != nil {
		return status.Errorf(codes.Internal, "state: %v", err)
	}
	if !initial || !s.list.GetUpdatesOnly() {
		if err := s.diff(tree.New(now.Schema()), now, s.patterns()); err != nil {
			return err
		}
	}
	return s.sync()
}

func (s *subscriber) sync() error {
	return s.send(&gpb.SubscribeResponse{Response: &gpb.SubscribeResponse_SyncResponse{SyncResponse: true}})
}

// diff sends what differs between two trees.
func (s *subscriber) diff(before, after *tree.Tree, patterns []*tree.Pattern) error {
	var err error
	var n *gpb.Notification
	flush := func() {
		if n != nil && err == nil {
			err = s.send(&gpb.SubscribeResponse{Response: &gpb.SubscribeResponse_Update{Update: n}})
		}
		n = nil
	}
	next := func() *gpb.Notification {
		if n != nil && len(n.Update)+len(n.Delete) >= maxUpdates {
			flush()
		}
		if n == nil {
			n = &gpb.Notification{Timestamp: time.Now().UnixNano()}
			if target := s.list.GetPrefix().GetTarget(); target != "" {
				n.Prefix = &gpb.Path{Target: target}
			}
		}
		return n
	}
	tree.Diff(before, after, patterns,
		func(p *gpb.Path) {
			n := next()
			n.Delete = append(n.Delete, p)
		},
		func(p *gpb.Path, leaf tree.Node) {
			n := next()
			n.Update = append(n.Update, &gpb.Update{Path: p, Val: leaf.TypedValue(s.list.GetEncoding())})
		})
	flush()
	return err
}

func (s *subscriber) poll(polls <-chan error, closed <-chan struct{}) error {
	if err := s.all(true); err != nil {
		return err
	}
	for {
		select {
		case err := <-polls:
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := s.all(false); err != nil {
				return err
			}
		case <-closed:
			return status.Error(codes.Unavailable, "the switch is closing")
		}
	}
}

func (s *subscriber) stream(polls <-chan error, closed <-chan struct{}) error {
	last, changed, err := s.store.view()
	if err != nil {
		return status.Errorf(codes.Internal, "state: %v", err)
	}
	if !s.list.GetUpdatesOnly() {
		if err := s.diff(tree.New(last.Schema()), last, s.patterns()); err != nil {
			return err
		}
	}
	if err := s.sync(); err != nil {
		return err
	}
	start := time.Now()
	for _, m := range s.samples {
		m.last, m.next, m.beat = last, start.Add(m.interval), start.Add(m.heartbeat)
	}
	timer := time.NewTimer(s.untilSample())
	defer timer.Stop()
	for {
		select {
		case <-changed:
			var now *tree.Tree
			if now, changed, err = s.store.view(); err != nil {
				return status.Errorf(codes.Internal, "state: %v", err)
			}
			if len(s.onChange) > 0 {
				if err := s.diff(last, now, s.onChange); err != nil {
					return err
				}
			}
			last = now
		case <-timer.C:
			if err := s.sample(); err != nil {
				return err
			}
			timer.Reset(s.untilSample())
		case err := <-polls:
			if errors.Is(err, io.EOF) {
				polls = nil // the client has no more to say, and still listens
				continue
			}
			if err == nil {
				err = status.Error(codes.InvalidArgument, "poll in a stream")
			}
			return err
		case <-closed:
			return status.Error(codes.Unavailable, "the switch is closing")
		}
	}
}

// untilSample is the time to the next sample; far away when there is none.
func (s *subscriber) untilSample() time.Duration {
	wait := 24 * time.Hour
	for _, m := range s.samples {
		wait = min(wait, time.Until(m.next))
	}
	return max(wait, 0)
}

func (s *subscriber) sample() error {
	view, err := s.store.live()
	if err != nil {
		return status.Errorf(codes.Internal, "state: %v", err)
	}
	now := time.Now()
	for _, m := range s.samples {
		if now.Before(m.next) {
			continue
		}
		for !m.next.After(now) {
			m.next = m.next.Add(m.interval)
		}
		base := tree.New(view.Schema())
		if m.suppress {
			base = m.last
			if m.heartbeat > 0 && !now.Before(m.beat) {
				base, m.beat = tree.New(view.Schema()), now.Add(m.heartbeat)
			}
		}
		if err := s.diff(base, view, []*tree.Pattern{m.pattern}); err != nil {
			return err
		}
		m.last = view
	}
	return nil
}
