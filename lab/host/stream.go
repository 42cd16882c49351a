package host

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/lab/dataplane/lacp"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
)

// A frame of a stream carries behind ethertype 0x88b5, in network order: eight octets that mark it, the stream, its
// number in the stream, when it was sent in nanoseconds since 1970, how many octets follow the ethertype, and the
// CRC-32 of all these octets but its own. What follows that length is padding.
const (
	magic = "ixlab\x00st"

	atStream = 8
	atNumber = 16
	atTime   = 24
	atLength = 32
	atSum    = 34
	// streamHeader is the least that follows the ethertype.
	streamHeader = 38

	// lastNumber is the highest number of a frame that is believed.
	lastNumber = 1 << 62
)

// Bounds of a [Send].
const (
	maxCount    = 10_000_000
	maxRate     = 1_000_000
	defaultSize = 64
)

// StreamID tells streams apart. Its text form is 16 hexadecimal digits.
type StreamID uint64

// String returns the text form of s.
func (s StreamID) String() string { return fmt.Sprintf("%016x", uint64(s)) }

// MarshalText returns the text form of s.
func (s StreamID) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads up to 16 hexadecimal digits.
func (s *StreamID) UnmarshalText(b []byte) error {
	n, err := strconv.ParseUint(string(b), 16, 64)
	if err != nil {
		return fmt.Errorf("stream %q is not up to 16 hexadecimal digits", b)
	}
	*s = StreamID(n)
	return nil
}

// FindStream returns the stream that a frame belongs to and the tags of the frame, and whether it is one of a stream.
// The frame may be cut after its first octets; its checksum is not looked at.
func FindStream(f []byte) (StreamID, Stack, bool) {
	p, depth, ok := streamPayload(f)
	if !ok || len(p) < atNumber {
		return 0, nil, false
	}
	return StreamID(binary.BigEndian.Uint64(p[atStream:])), stackOf(f[12:], depth), true
}

// stackOf reads a number of tags.
func stackOf(b []byte, depth int) Stack {
	tags := make(Stack, depth)
	for i := range tags {
		tags[i] = Tag{frame.Tag{TPID: binary.BigEndian.Uint16(b[4*i:]), TCI: binary.BigEndian.Uint16(b[4*i+2:])}}
	}
	return tags
}

// streamPayload returns what follows the ethertype of a stream's frame and how many tags precede it.
func streamPayload(f []byte) (payload []byte, depth int, ok bool) {
	for at := 12; depth <= MaxDepth && len(f) >= at+2+len(magic); at, depth = at+4, depth+1 {
		if binary.BigEndian.Uint16(f[at:]) == etherStream && string(f[at+2:at+2+len(magic)]) == magic {
			return f[at+2:], depth, true
		}
	}
	return nil, 0, false
}

// Kind says what frames to send.
type Kind string

// Kinds of frames.
const (
	Stream Kind = "stream" // numbered frames of a stream, which other hosts count
	Raw    Kind = "raw"    // frames as they are given
	LACP   Kind = "lacp"   // LACPDUs, as a port that should not send any
	BPDU   Kind = "bpdu"   // configuration BPDUs of a bridge that claims to be the root of the spanning tree
)

// Send says what frames to send, from where and how fast.
type Send struct {
	Kind   Kind       `json:"kind"`
	At     string     `json:"at,omitempty"`   // attachment whose MAC and tags the frames have, of a host with several
	Port   string     `json:"port,omitempty"` // send from this port, whatever LACP says; empty for the group
	To     netip.Addr `json:"to"`             // a neighbour, instead of Dst
	Dst    MAC        `json:"dst"`            // the zero address stands for broadcast
	Src    *MAC       `json:"src,omitempty"`  // instead of the attachment's
	Tags   *Stack     `json:"tags,omitempty"` // instead of the attachment's
	Size   int        `json:"size,omitempty"` // octets of a frame from its addresses to its end, 0 for the least
	Count  int        `json:"count"`          // 1 to 10 million
	Rate   float64    `json:"rate"`           // frames a second, up to a million
	Stream StreamID   `json:"stream"`         // 0 for one made up
	Frame  []byte     `json:"frame,omitempty"`
}

// Sent is what became of a [Send].
type Sent struct {
	Stream StreamID      `json:"stream"` // 0 if it was not a stream
	Sent   int           `json:"sent"`
	Failed int           `json:"failed"` // what no link or a full one did not take
	Size   int           `json:"size"`   // octets of a frame
	Took   time.Duration `json:"took_ns"`
}

// Send sends frames at the rate asked for until all are sent or ctx is done, and tells what was sent. An error means
// that the order makes no sense, or that a neighbour does not answer.
func (h *Host) Send(ctx context.Context, s Send) (Sent, error) {
	switch {
	case s.Count < 1 || s.Count > maxCount:
		return Sent{}, fmt.Errorf("%d frames: want 1 to %d", s.Count, maxCount)
	case !(s.Rate > 0 && s.Rate <= maxRate):
		return Sent{}, fmt.Errorf("%v frames a second: want more than 0 and at most %d", s.Rate, maxRate)
	}
	if s.To.IsValid() {
		var err error
		if s.At == "" {
			if s.At, err = h.towards(s.To); err != nil {
				return Sent{}, err
			}
		}
		if s.Dst, err = h.Resolve(ctx, s.At, s.To); err != nil {
			return Sent{}, err
		}
	}
	f, err := h.compose(&s)
	if err != nil {
		return Sent{}, err
	}
	return h.pace(ctx, s, f)
}

// compose builds the first of the frames to send.
func (h *Host) compose(s *Send) ([]byte, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	src, tags := h.system, Stack(nil)
	if p := h.port(s.Port); s.Port != "" {
		if p == nil {
			return nil, fmt.Errorf("there is no port %s", s.Port)
		}
		src = p.mac
	}
	switch {
	case s.At != "":
		a := h.attachment(s.At)
		if a == nil {
			return nil, fmt.Errorf("there is no attachment %s", s.At)
		}
		src, tags = a.MAC, a.Tags
	case s.Kind == Stream && s.Port == "" && len(h.attachments) == 1:
		src, tags = h.attachments[0].MAC, h.attachments[0].Tags
	case s.Kind == Stream && s.Port == "" && s.Tags == nil:
		return nil, fmt.Errorf("the host has %d attachments: name the one to send from, or a port", len(h.attachments))
	}
	if s.Src != nil {
		src = *s.Src
	}
	if s.Tags != nil {
		tags = *s.Tags
	}
	if len(tags) > MaxDepth {
		return nil, fmt.Errorf("%d tags, at most %d go on a frame", len(tags), MaxDepth)
	}
	dst := s.Dst
	if dst == (MAC{}) {
		dst = Broadcast()
	}
	var f []byte
	switch s.Kind {
	case Raw:
		f = s.Frame
	case LACP:
		actor := lacp.Info{
			System: lacp.System{Priority: 0x8000, ID: src}, Key: 1, PortPriority: 0x8000, Port: 1,
			State: lacp.Activity | lacp.Aggregation | lacp.Synchronization | lacp.Collecting | lacp.Distributing,
		}
		f = tags.appendHeader(nil, lacp.Address(), src, lacp.EtherType)
		f = lacp.LACPDU{Actor: actor}.Append(f)
	case BPDU:
		f = appendBPDU(nil, tags, src)
	case Stream:
		for s.Stream == 0 {
			s.Stream = StreamID(rand.Uint64())
		}
		f = tags.appendHeader(nil, dst, src, etherStream)
		least := len(f) + streamHeader
		if s.Size == 0 {
			s.Size = max(defaultSize, least)
		}
		if s.Size < least || s.Size > wire.MaxFrame {
			return nil, fmt.Errorf("%d octets: want %d to %d with these tags", s.Size, least, wire.MaxFrame)
		}
		f = append(f, magic...)
		f = binary.BigEndian.AppendUint64(f, uint64(s.Stream))
		f = append(f, make([]byte, s.Size-len(f))...)
		payload := f[least-streamHeader:]
		binary.BigEndian.PutUint16(payload[atLength:], uint16(len(payload)))
		for i := streamHeader; i < len(payload); i++ {
			payload[i] = byte(i)
		}
	default:
		return nil, fmt.Errorf("%q is no kind of frames: want stream, raw, lacp or bpdu", s.Kind)
	}
	if len(f) < frame.HeaderSize || len(f) > wire.MaxFrame {
		return nil, fmt.Errorf("a frame of %d octets: want %d to %d", len(f), frame.HeaderSize, wire.MaxFrame)
	}
	return f, nil
}

// appendBPDU appends a configuration BPDU of a root bridge with the best priority (IEEE 802.1D-2004 9.3.1), behind its
// LLC header.
func appendBPDU(b []byte, tags Stack, src MAC) []byte {
	id := append([]byte{0, 0}, src[:]...)
	b = tags.appendHeader(b, MAC{0x01, 0x80, 0xc2, 0, 0, 0}, src, 3+35)
	b = append(b, 0x42, 0x42, 3, 0, 0, 0, 0, 0)
	b = append(append(b, id...), 0, 0, 0, 0) // the root and the cost to it
	b = append(append(b, id...), 0x80, 1)    // the bridge and the port
	b = append(b, 0, 0, 20, 0, 2, 0, 15, 0)  // message age, maximum age, hello time, forward delay
	return frame.Pad(b)
}

// pace writes copies of f, several at once where the rate is higher than the clock is fine.
func (h *Host) pace(ctx context.Context, s Send, f []byte) (Sent, error) {
	size := len(f)
	frames := make([][]byte, min(batch, s.Count))
	payload := -1
	if s.Kind == Stream {
		p, _, _ := streamPayload(f)
		payload = len(f) - len(p)
	}
	copies := make([]byte, size*len(frames))
	for i := range frames {
		frames[i] = copies[i*size : (i+1)*size]
		copy(frames[i], f)
	}
	result := Sent{Stream: s.Stream, Size: size}
	if s.Kind != Stream {
		result.Stream = 0
	}
	start := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for number := 0; number < s.Count; {
		select {
		case <-timer.C:
		case <-ctx.Done():
			result.Took = time.Since(start)
			return result, ctx.Err()
		case <-h.done:
			result.Took = time.Since(start)
			return result, errClosed
		}
		now := time.Now()
		due := min(s.Count, 1+int(now.Sub(start).Seconds()*s.Rate))
		for number < due {
			n := min(due-number, len(frames))
			if payload >= 0 {
				for i, f := range frames[:n] {
					stamp(f[payload:], uint64(number+i), now)
				}
			}
			sent, err := h.emit(s.Port, frames[:n])
			if err != nil {
				return result, err
			}
			result.Sent += sent
			result.Failed += n - sent
			number += n
		}
		// Not before the next frame is due, and no more often than is worth a wake-up.
		next := time.Duration(float64(number) / s.Rate * float64(time.Second))
		timer.Reset(max(next-time.Since(start), 500*time.Microsecond))
	}
	result.Took = time.Since(start)
	return result, nil
}

// stamp numbers a frame of a stream and seals it.
func stamp(payload []byte, number uint64, now time.Time) {
	binary.BigEndian.PutUint64(payload[atNumber:], number)
	binary.BigEndian.PutUint64(payload[atTime:], uint64(now.UnixNano()))
	binary.BigEndian.PutUint32(payload[atSum:], seal(payload))
}

func seal(payload []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(payload[:atSum]), crc32.IEEETable, payload[streamHeader:])
}

// emit writes frames of one conversation and returns how many were sent.
func (h *Host) emit(name string, frames [][]byte) (int, error) {
	h.mu.Lock()
	p := h.member(frames[0])
	if name != "" {
		if p = h.port(name); p == nil {
			h.mu.Unlock()
			return 0, fmt.Errorf("there is no port %s", name)
		}
	}
	if p == nil || p.wire == nil {
		h.noMember += uint64(len(frames))
		h.mu.Unlock()
		return 0, nil
	}
	w := p.wire
	h.mu.Unlock()
	return p.write(w, frames), nil
}

// Bounds of what is kept of streams.
const (
	maxStreams  = 256     // the one that was silent for longest gives way to a new one
	maxVariants = 16      // of a stream
	window      = 1 << 16 // so far back a number is known to be new or a duplicate
)

// Received is what arrived of a stream.
type Received struct {
	Stream     StreamID      `json:"stream"`
	Received   uint64        `json:"received"`   // each number once
	Lost       uint64        `json:"lost"`       // numbers below the highest received that are missing
	Duplicated uint64        `json:"duplicated"` // numbers received again
	Reordered  uint64        `json:"reordered"`  // numbers received after a higher one
	Late       uint64        `json:"late"`       // so far behind that nobody knows whether they are duplicates
	Damaged    uint64        `json:"damaged"`    // cut short or with a wrong checksum
	First      time.Time     `json:"first"`
	Last       time.Time     `json:"last"`
	MinDelay   time.Duration `json:"min_delay_ns"` // by the clock of the sender and that of the receiver
	MaxDelay   time.Duration `json:"max_delay_ns"`
	Variants   []Variant     `json:"variants"` // how the frames looked; from the seventeenth on they are not told apart
	Others     uint64        `json:"others"`   // frames that looked otherwise
}

// Variant is what frames of a stream looked like when they arrived.
type Variant struct {
	Dst    MAC    `json:"dst"`
	Src    MAC    `json:"src"`
	Tags   Stack  `json:"tags"`
	Frames uint64 `json:"frames"`
}

// receiver counts streams in bounded memory.
type receiver struct {
	streams map[StreamID]*stream
}

type stream struct {
	Received
	tracker
	variants []variant
}

type variant struct {
	header [12 + 4*MaxDepth]byte // addresses and tags
	depth  int
	frames uint64
}

// tracker tells numbers that are missing, that come again and that come late apart.
type tracker struct {
	next uint64 // one more than the highest seen
	seen [window / 64]uint64
}

// receive counts f if it is a frame of a stream, and reports whether it is.
func (r *receiver) receive(now time.Time, f []byte) bool {
	payload, depth, ok := streamPayload(f)
	if !ok {
		return false
	}
	if len(payload) < streamHeader {
		return true
	}
	s := r.stream(now, StreamID(binary.BigEndian.Uint64(payload[atStream:])))
	s.Last = now
	s.look(f, depth)
	length := int(binary.BigEndian.Uint16(payload[atLength:]))
	if length < streamHeader || length > len(payload) || binary.BigEndian.Uint32(payload[atSum:]) != seal(payload[:length]) {
		s.Damaged++
		return true
	}
	number := binary.BigEndian.Uint64(payload[atNumber:])
	if number > lastNumber {
		s.Damaged++
		return true
	}
	delay := time.Duration(now.UnixNano() - int64(binary.BigEndian.Uint64(payload[atTime:])))
	if s.Received.Received == 0 || delay < s.MinDelay {
		s.MinDelay = delay
	}
	if s.Received.Received == 0 || delay > s.MaxDelay {
		s.MaxDelay = delay
	}
	s.count(number)
	return true
}

func (r *receiver) stream(now time.Time, id StreamID) *stream {
	if s := r.streams[id]; s != nil {
		return s
	}
	if len(r.streams) >= maxStreams {
		var oldest *stream
		for _, s := range r.streams {
			if oldest == nil || s.Last.Before(oldest.Last) {
				oldest = s
			}
		}
		delete(r.streams, oldest.Stream)
	}
	if r.streams == nil {
		r.streams = make(map[StreamID]*stream)
	}
	s := &stream{Received: Received{Stream: id, First: now}}
	r.streams[id] = s
	return s
}

// look counts what a frame looks like.
func (s *stream) look(f []byte, depth int) {
	v := variant{depth: depth}
	copy(v.header[:], f[:12+4*depth])
	for i := range s.variants {
		if w := &s.variants[i]; w.depth == v.depth && w.header == v.header {
			w.frames++
			return
		}
	}
	if len(s.variants) == maxVariants {
		s.Others++
		return
	}
	v.frames = 1
	s.variants = append(s.variants, v)
}

func (s *stream) count(number uint64) {
	bit := func(n uint64) (*uint64, uint64) { return &s.seen[n%window/64], 1 << (n % 64) }
	late := number < s.next
	switch {
	case !late:
		if number-s.next >= window {
			s.seen = [window / 64]uint64{}
		} else {
			for n := s.next; n < number; n++ {
				word, mask := bit(n)
				*word &^= mask
			}
		}
		s.next = number + 1
	case s.next-number > window:
		s.Late++
		return
	}
	word, mask := bit(number)
	if late {
		if *word&mask != 0 {
			s.Duplicated++
			return
		}
		s.Reordered++
	}
	*word |= mask
	s.Received.Received++
}

// report returns what is known of s, for others to keep.
func (s *stream) report() Received {
	r := s.Received
	r.Lost = s.next - r.Received
	for _, v := range s.variants {
		r.Variants = append(r.Variants, Variant{MAC(v.header[0:6]), MAC(v.header[6:12]), stackOf(v.header[12:], v.depth), v.frames})
	}
	return r
}

// Streams returns what arrived of each stream, the one that began first before the others.
func (h *Host) Streams() []Received {
	h.mu.Lock()
	defer h.mu.Unlock()
	all := []Received{}
	for _, s := range h.streams.streams {
		all = append(all, s.report())
	}
	slices.SortFunc(all, func(a, b Received) int { return cmp.Or(a.First.Compare(b.First), cmp.Compare(a.Stream, b.Stream)) })
	return all
}

// Received returns what arrived of a stream.
func (h *Host) Received(id StreamID) Received {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s := h.streams.streams[id]; s != nil {
		return s.report()
	}
	return Received{Stream: id}
}

// Forget drops what is known of all streams.
func (h *Host) Forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.streams.streams)
}

// ParseFrame reads a frame given in hexadecimal digits, between which blanks and colons may stand.
func ParseFrame(text string) ([]byte, error) {
	digits := make([]byte, 0, len(text))
	for _, c := range []byte(text) {
		if c != ' ' && c != ':' && c != '\n' && c != '\t' {
			digits = append(digits, c)
		}
	}
	f, err := hex.DecodeString(string(digits))
	if err != nil {
		return nil, fmt.Errorf("a frame is hexadecimal digits: %w", err)
	}
	return f, nil
}
