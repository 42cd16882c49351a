package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"
)

var (
	errUnreachable = errors.New("unreachable")
	errClosed      = errors.New("the host has been closed")
)

// Bounds of a [Ping].
const (
	maxPings    = 100_000
	maxPingSize = 9000
	maxSessions = 1024

	pingHeader = 16 // what a request carries of ours: which ping it is of, and which of its requests it is
)

// Ping says whom to ask for an echo and how.
type Ping struct {
	Addr     netip.Addr    `json:"addr"`
	At       string        `json:"at,omitempty"` // an attachment; empty for the first that has the address in a prefix
	Count    int           `json:"count"`        // 1 to 100000
	Interval time.Duration `json:"interval_ns"`  // between requests, at least 10 microseconds
	Size     int           `json:"size"`         // octets after the ICMP header, 16 to 9000
	Timeout  time.Duration `json:"timeout_ns"`   // how long to wait for answers after the last request
}

// Pinged is what became of a [Ping].
type Pinged struct {
	Addr       netip.Addr    `json:"addr"`
	At         string        `json:"at"`
	MAC        MAC           `json:"mac"`  // of the neighbour, zero if it was not found
	Sent       int           `json:"sent"` // requests
	Received   int           `json:"received"`
	Duplicated int           `json:"duplicated"`
	Min        time.Duration `json:"min_ns"`
	Avg        time.Duration `json:"avg_ns"`
	Max        time.Duration `json:"max_ns"`
	Trouble    string        `json:"trouble,omitempty"` // why nothing could be sent
}

// session is a ping under way.
type session struct {
	a        *attachment
	ip       netip.Addr
	nonce    uint64
	at       []time.Time // when each request was sent, zero once it is answered
	answered chan struct{}
	total    time.Duration
	Pinged
}

func (p *Ping) validate() error {
	switch {
	case !p.Addr.IsValid() || p.Addr.Is4In6() || p.Addr.IsUnspecified() || p.Addr.IsMulticast():
		return fmt.Errorf("%s is no address of a station", p.Addr)
	case p.Count < 1 || p.Count > maxPings:
		return fmt.Errorf("%d requests: want 1 to %d", p.Count, maxPings)
	case p.Interval < 10*time.Microsecond:
		return fmt.Errorf("an interval of %v: want at least 10µs", p.Interval)
	case p.Size < pingHeader || p.Size > maxPingSize:
		return fmt.Errorf("%d octets: want %d to %d", p.Size, pingHeader, maxPingSize)
	case p.Timeout < 0:
		return fmt.Errorf("a timeout of %v", p.Timeout)
	}
	return nil
}

// Ping asks a neighbour for echoes and counts them, until all came or the time is over. An error means that the
// question makes no sense; a neighbour that is not there is an answer.
func (h *Host) Ping(ctx context.Context, p Ping) (Pinged, error) {
	if err := p.validate(); err != nil {
		return Pinged{}, err
	}
	p.Addr = p.Addr.WithZone("")
	if p.At == "" {
		var err error
		if p.At, err = h.towards(p.Addr); err != nil {
			return Pinged{}, err
		}
	}
	mac, err := h.Resolve(ctx, p.At, p.Addr)
	switch {
	case errors.Is(err, errUnreachable):
		return Pinged{Addr: p.Addr, At: p.At, Trouble: err.Error()}, nil
	case err != nil:
		return Pinged{}, err
	}
	s := &session{ip: p.Addr, nonce: rand.Uint64(), answered: make(chan struct{}, 1), Pinged: Pinged{Addr: p.Addr, At: p.At, MAC: mac}}
	id, err := h.open(s)
	if err != nil {
		return Pinged{}, err
	}
	h.request(ctx, s, id, p)

	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.pings, id)
	if s.Received > 0 {
		s.Avg = s.total / time.Duration(s.Received)
	} else {
		delete(s.a.neighbours, s.ip) // it may be somebody else by now: ask again next time
	}
	return s.Pinged, ctx.Err()
}

// towards returns the first attachment with a prefix that holds ip.
func (h *Host) towards(ip netip.Addr) (string, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range h.attachments {
		if _, ok := a.source(ip); ok {
			return a.Name, nil
		}
	}
	return "", fmt.Errorf("no attachment has %s in a prefix of its addresses", ip)
}

// open gives a session an identifier of its own.
func (h *Host) open(s *session) (uint16, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.a = h.attachment(s.At); s.a == nil {
		return 0, fmt.Errorf("there is no attachment %s", s.At)
	}
	if len(h.pings) >= maxSessions {
		return 0, fmt.Errorf("%d pings are under way, and no more fit", maxSessions)
	}
	for h.lastPing++; h.pings[h.lastPing] != nil; h.lastPing++ {
	}
	h.pings[h.lastPing] = s
	return h.lastPing, nil
}

// request sends the requests and waits for the answers.
func (h *Host) request(ctx context.Context, s *session, id uint16, p Ping) {
	tick := time.NewTicker(p.Interval)
	defer tick.Stop()
	for i := 0; ; i++ {
		h.do(func() { h.ping(s, id, p.Size) })
		if i == p.Count-1 {
			break
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		case <-h.done:
			return
		}
	}
	timeout := time.NewTimer(p.Timeout)
	defer timeout.Stop()
	for {
		h.mu.Lock()
		all := s.Received == s.Sent
		h.mu.Unlock()
		if all {
			return
		}
		select {
		case <-s.answered:
		case <-timeout.C:
			return
		case <-ctx.Done():
			return
		case <-h.done:
			return
		}
	}
}

// ping sends one request.
func (h *Host) ping(s *session, id uint16, size int) {
	src, ok := s.a.source(s.ip)
	if !ok {
		return
	}
	now := time.Now()
	if n := s.a.neighbours[s.ip]; n != nil && n.mac != (MAC{}) {
		s.MAC = n.mac
		if now.Sub(n.at) >= reachableTime {
			h.solicit(s.a, src, s.ip)
		}
	}
	number := len(s.at)
	s.at = append(s.at, now)
	s.Sent++
	data := make([]byte, size)
	binary.BigEndian.PutUint64(data, s.nonce)
	binary.BigEndian.PutUint64(data[8:], uint64(number))
	for i := pingHeader; i < size; i++ {
		data[i] = byte(i)
	}
	word := [4]byte{byte(id >> 8), byte(id), byte(number >> 8), byte(number)}
	kind, etherType := byte(icmpEchoRequest), etherIPv4
	if s.ip.Is6() {
		kind, etherType = icmp6EchoRequest, etherIPv6
	}
	h.put(s.a, s.MAC, etherType, appendICMP(nil, src, s.ip, 64, kind, word, data))
}

// pong takes an echo. It reports whether it was of a request of ours.
func (h *Host) pong(now time.Time, a *attachment, p packet) bool {
	s := h.pings[binary.BigEndian.Uint16(p.message[4:])]
	data := p.message[icmpSize:]
	if s == nil || s.a != a || s.ip != p.src || len(data) < pingHeader || binary.BigEndian.Uint64(data) != s.nonce {
		return false
	}
	number := binary.BigEndian.Uint64(data[8:])
	if number >= uint64(len(s.at)) {
		return false
	}
	if s.at[number].IsZero() {
		s.Duplicated++
		return true
	}
	took := now.Sub(s.at[number])
	s.at[number] = time.Time{}
	if s.Received == 0 || took < s.Min {
		s.Min = took
	}
	s.Max = max(s.Max, took)
	s.total += took
	s.Received++
	if n := a.neighbours[s.ip]; n != nil && !n.at.IsZero() {
		n.at = now // an echo proves the neighbour reachable (RFC 4861 7.3.1)
	}
	select {
	case s.answered <- struct{}{}:
	default:
	}
	return true
}
