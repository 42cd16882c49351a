package dataplane

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ixagent/ixagent/lab/dataplane/frame"
)

// AgeingTime is how long a station stays known that sends nothing (IEEE 802.1Q-2022 table 8-6).
const AgeingTime = 300 * time.Second

// maxStations bounds the stations of a service that has no limit of its own. Further ones are not learned, and
// frames to them are flooded.
const maxStations = 1 << 16

// place is where a station is: behind a circuit, or behind a tunnel.
type place struct {
	circuit *circuitState
	remote  netip.Addr
}

// station is an address that frames came from.
type station struct {
	at   place
	seen atomic.Int64 // when the last frame came, as of stations.since
}

// stations are the addresses that a service has learned.
type stations struct {
	epoch time.Time

	mu     sync.RWMutex
	known  map[frame.MAC]*station
	number map[*circuitState]int // of stations behind a circuit
	check  int64                 // no station is too old before
}

func newStations() *stations {
	return &stations{epoch: time.Now(), known: map[frame.MAC]*station{}, number: map[*circuitState]int{}}
}

func (s *stations) since(now time.Time) int64 { return int64(now.Sub(s.epoch)) }

func (s *station) old(now int64) bool { return now-s.seen.Load() >= int64(AgeingTime) }

// find returns where a station is, if it is known.
func (s *stations) find(a frame.MAC, now time.Time) (place, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st := s.known[a]
	if st == nil || st.old(s.since(now)) {
		return place{}, false
	}
	return st.at, true
}

// learn notes that a station is at a place. It reports false if that would be one more than a limit allows, the
// one for the circuit or the one for the service, of which 0 is none.
func (s *stations) learn(a frame.MAC, at place, now time.Time, ofCircuit, ofService int) bool {
	t := s.since(now)
	s.mu.RLock()
	st := s.known[a]
	same := st != nil && st.at == at && !st.old(t)
	if same {
		st.seen.Store(t)
	}
	s.mu.RUnlock()
	if same {
		return true
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	s.age(t)
	st = s.known[a]
	switch {
	case st == nil && ofService > 0 && len(s.known) >= ofService:
		return false
	case (st == nil || st.at != at) && ofCircuit > 0 && s.number[at.circuit] >= ofCircuit:
		return false
	case st == nil && len(s.known) >= maxStations:
		return true
	}
	if st != nil {
		s.remove(a, st)
	}
	st = &station{at: at}
	st.seen.Store(t)
	s.known[a] = st
	if at.circuit != nil {
		s.number[at.circuit]++
	}
	return true
}

func (s *stations) remove(a frame.MAC, st *station) {
	delete(s.known, a)
	if c := st.at.circuit; c != nil {
		if s.number[c]--; s.number[c] == 0 {
			delete(s.number, c)
		}
	}
}

// age removes the stations that are too old. It looks through all of them only when there may be one.
func (s *stations) age(t int64) {
	if t < s.check {
		return
	}
	s.check = t + int64(AgeingTime)
	for a, st := range s.known {
		if st.old(t) {
			s.remove(a, st)
		} else {
			s.check = min(s.check, st.seen.Load()+int64(AgeingTime))
		}
	}
}

// prune removes the stations at places that are not kept.
func (s *stations) prune(keep func(place) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for a, st := range s.known {
		if !keep(st.at) {
			s.remove(a, st)
		}
	}
}

// each calls f with the stations that are known. It must not use s.
func (s *stations) each(now time.Time, f func(frame.MAC, place)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	t := s.since(now)
	for a, st := range s.known {
		if !st.old(t) {
			f(a, st.at)
		}
	}
}

// behind returns the number of stations behind a circuit, those included that are to be forgotten at the next
// frame from a new one.
func (s *stations) behind(c *circuitState) int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.number[c]
}
