package exchange

import (
	"math"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limits bound what is asked of a server.
type limits struct {
	rate  rate.Limit
	burst int
	slots chan struct{} // one for each request that is being answered; nil without a bound

	mu    sync.Mutex
	asked map[string]*rate.Limiter // by the key of a credential
}

func newLimits(o Options) *limits {
	l := &limits{rate: rate.Limit(o.RequestRate), burst: orDefault(o.RequestBurst, 10), asked: map[string]*rate.Limiter{}}
	if o.MaxRequests > 0 {
		l.slots = make(chan struct{}, o.MaxRequests)
	}
	return l
}

// enter reports whether one more request can be answered now; leave must follow then.
func (l *limits) enter() bool {
	if l.slots == nil {
		return true
	}
	select {
	case l.slots <- struct{}{}:
		return true
	default:
		return false
	}
}

func (l *limits) leave() {
	if l.slots != nil {
		<-l.slots
	}
}

// take counts a request of a credential, and returns the problem that it has made too many, or nil.
func (l *limits) take(key string, now time.Time) *problem {
	if l.rate == 0 {
		return nil
	}
	l.mu.Lock()
	asked := l.asked[key]
	if asked == nil {
		asked = rate.NewLimiter(l.rate, l.burst)
		l.asked[key] = asked
	}
	l.mu.Unlock()
	if asked.AllowN(now, 1) {
		return nil
	}
	r := asked.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	r.CancelAt(now)
	return new(tooMany("the credential has made too many requests", wait))
}

// tooMany asks a client to come again later (RFC 6585 4).
func tooMany(detail string, wait time.Duration) problem {
	p := generic(http.StatusTooManyRequests, detail)
	p.retryAfter = max(1, int(math.Ceil(wait.Seconds())))
	return p
}
