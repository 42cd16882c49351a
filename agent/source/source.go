package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/ecx"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/ixpmanager"
)

// Snapshot is everything an exchange said at one time. It is immutable, and so are the records it points to;
// snapshots share the lists that did not change between them.
type Snapshot struct {
	Source  string
	Version string    // digest of the lists as they were received
	Read    time.Time // when these lists were first read
	Records *ixapi.Records
	Faults  []ixapi.RecordFault      // of single records, in the order of [ixapi.Collections]
	Counts  map[ixapi.Collection]int // records listed

	reread *reread // nil if the lists were read
}

// Options are what a source needs beside its configuration. The zero Options are good for a single read.
type Options struct {
	// Memory keeps the baseline over restarts. Without it the first read has nothing to be compared with.
	Memory Memory
	Logger *slog.Logger
	// Told is called at the end of each read with what [Source.Read] returns, unless its context is done; nil for
	// nobody.
	Told func(changed bool, err error)
	// VirtualInterfaces is what an inventory adds to the records of an ixpmanager source.
	VirtualInterfaces []*config.VirtualInterface
}

// Source reads one exchange. Its methods may be called concurrently.
type Source struct {
	name  string
	feed  feed
	poll  time.Duration
	guard guard
	log   *slog.Logger
	told  func(changed bool, err error)
	wake  chan struct{} // holds something if there was a nudge

	reading sync.Mutex // held during a read
	digests map[ixapi.Collection]digest
	faults  map[ixapi.Collection][]ixapi.RecordFault
	missing map[Ref]bool
	memos   map[ixapi.Collection]memo
	seed    maphash.Seed // of the memos
	refused *candidate   // the latest snapshot that was held back, while the exchange still says the same

	mu     sync.Mutex
	status Status
	allow  map[string]bool // losses an operator allowed, by digest
	nudged bool            // Run is to read
	named  map[Ref]bool    // and what, then; nil for everything
}

// Status is how a source fares.
type Status struct {
	Snapshot *Snapshot // latest accepted; nil before there is one
	Read     time.Time // end of the latest read that was accepted, whether or not it found something new
	Tried    time.Time // end of the latest read
	Err      error     // why the latest read was not accepted
}

// feed is where lists come from.
type feed interface {
	// lists reads every list whole. Lists of collections that decide nothing on a switch may be missing.
	lists(context.Context) (map[ixapi.Collection]body, error)
	// fault returns the error with the place of its lists.
	fault(error) error
	// watch calls changed whenever there may be something new, until ctx is done. It returns nil when the feed
	// cannot tell, and then lists are polled only.
	watch(ctx context.Context, changed func()) error
	close()
}

// candidate is what one read brought.
type candidate struct {
	snapshot *Snapshot
	digests  map[ixapi.Collection]digest
	faults   map[ixapi.Collection][]ixapi.RecordFault
	missing  map[Ref]bool // see dangling
	memos    map[ixapi.Collection]memo
}

// New returns the source that c describes. It has not read anything yet. The error is a [config.Fault] or one of
// the client.
func New(c *config.Source, o Options) (*Source, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	log := o.Logger.With("source", c.Name)
	var f feed
	switch c.Type {
	case config.SourceFile:
		f = &folder{path: c.Path.String(), limit: ixapi.DefaultMaxList, log: log}
	case config.SourceIXAPI:
		options, err := c.Client()
		if err != nil {
			return nil, err
		}
		options.Logger = log
		options.RetryFor = requestRetry
		client, err := ixapi.New(options)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", c.Name, err)
		}
		f = &api{client}
	case config.SourceECX:
		options, err := c.Fabric()
		if err != nil {
			return nil, err
		}
		options.Logger = log
		options.RetryFor = requestRetry
		client, err := ecx.New(options)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", c.Name, err)
		}
		f = &fabric{client: client, log: log}
	case config.SourceIXPManager:
		options, err := c.IXPManager()
		if err != nil {
			return nil, err
		}
		options.Logger, options.RetryFor = log, requestRetry
		client, err := ixpmanager.New(options)
		if err != nil {
			return nil, fmt.Errorf("source %s: %w", c.Name, err)
		}
		f = &manager{client: client, extras: extras(o.VirtualInterfaces), log: log}
	default:
		return nil, fmt.Errorf("source %s: unknown type %q", c.Name, c.Type)
	}
	limits := Limits{MaxShrink: c.MaxShrink, Allowance: c.ShrinkAllowance}
	s := newSource(c.Name, f, c.Poll, guard{source: c.Name, limits: limits, memory: o.Memory}, log)
	s.told = o.Told
	return s, nil
}

func newSource(name string, f feed, poll time.Duration, g guard, log *slog.Logger) *Source {
	return &Source{
		name: name, feed: f, poll: poll, guard: g, log: log,
		wake:  make(chan struct{}, 1),
		allow: make(map[string]bool),
		seed:  maphash.MakeSeed(),
	}
}

// Name returns the configured name.
func (s *Source) Name() string { return s.name }

// Close ends idle connections. It must not be called before Run has returned.
func (s *Source) Close() { s.feed.close() }

// Status returns how the source fares. It does not wait for a read under way.
func (s *Source) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Nudge lets Run read at once: the named records, if there are any and they are few, or everything. Nudges that come
// while a read is due or under way amount to one more read, of all that they name.
func (s *Source) Nudge(named ...Ref) {
	s.mu.Lock()
	_, pick := s.feed.(picker)
	switch {
	case len(named) == 0 || !pick:
		s.named = nil
	case !s.nudged || s.named != nil:
		if !s.nudged {
			s.named = make(map[Ref]bool, len(named))
		}
		for _, r := range named {
			s.named[r] = true
		}
		if len(s.named) > maxNamed {
			s.named = nil
		}
	}
	s.nudged = true
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// pending reports whether there was a nudge that was not taken.
func (s *Source) pending() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nudged
}

// take takes the nudges, and returns what they name.
func (s *Source) take() []Ref {
	s.mu.Lock()
	defer s.mu.Unlock()
	named := slices.Collect(maps.Keys(s.named))
	s.nudged, s.named = false, nil
	return named
}

// Accept allows the loss that a [ShrinkError] with this digest tells of, and no other, and nudges.
func (s *Source) Accept(digest string) {
	s.mu.Lock()
	s.allow[digest] = true
	s.mu.Unlock()
	s.Nudge()
}

// Read reads the exchange once. Changed reports whether it said something new; otherwise the snapshot is the one
// returned before. When the read is not accepted there is an error and no snapshot, and the snapshot accepted
// last remains in Status.
func (s *Source) Read(ctx context.Context) (snapshot *Snapshot, changed bool, err error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	before := s.Status().Snapshot
	snapshot, err = s.read(ctx)
	now := time.Now()
	if s.told != nil && ctx.Err() == nil {
		defer func() { s.told(changed, err) }()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Tried, s.status.Err = now, err
	if err != nil {
		return nil, false, fmt.Errorf("source %s: %w", s.name, err)
	}
	s.status.Read, s.status.Snapshot = now, snapshot
	return snapshot, snapshot != before, nil
}

// maxReads bounds how often an exchange that changes under way is read before the attempt is given up.
const maxReads = 3

// ErrUnsettled says that an exchange kept changing while it was read, so that no two lists fit together.
var ErrUnsettled = errors.New("records kept changing while they were read")

// read reads until what was read is of one moment: until no record refers to one that is not listed, or a second
// read says the very same, so that the reference is broken at the exchange.
func (s *Source) read(ctx context.Context) (*Snapshot, error) {
	last := s.Status().Snapshot
	var earlier *candidate
	for n := range maxReads {
		lists, err := s.feed.lists(ctx)
		if errors.Is(err, ErrUnsettled) && n < maxReads-1 {
			continue
		}
		if err != nil {
			return nil, err
		}
		digests := make(map[ixapi.Collection]digest, len(lists))
		for c, b := range lists {
			digests[c] = b.digest
		}
		switch {
		case last != nil && maps.Equal(digests, s.digests):
			s.refused = nil
			return last, nil
		case earlier != nil && maps.Equal(digests, earlier.digests):
			return s.accept(earlier)
		case s.refused != nil && maps.Equal(digests, s.refused.digests):
			return s.accept(s.refused)
		}
		s.refused = nil
		c, err := s.decode(lists, digests, last)
		if err != nil {
			return nil, err
		}
		if subset(c.missing, s.missing) {
			return s.accept(c)
		}
		earlier = c
	}
	return nil, ErrUnsettled
}

// decode decodes what is not in the latest snapshot.
func (s *Source) decode(lists map[ixapi.Collection]body, digests map[ixapi.Collection]digest, last *Snapshot) (*candidate, error) {
	var records ixapi.Records
	faults := make(map[ixapi.Collection][]ixapi.RecordFault)
	memos := make(map[ixapi.Collection]memo)
	if last != nil {
		records = *last.Records
		maps.Copy(faults, s.faults)
		maps.Copy(memos, s.memos)
	}
	whole := make(map[ixapi.Collection]ixapi.Raw) // lists to decode from the first record to the last
	texts := make(map[ixapi.Collection]written)
	var fresh []kind
	for _, k := range kinds() {
		c := k.collection()
		b, read := lists[c]
		if last != nil && b.digest == s.digests[c] {
			continue
		}
		fresh = append(fresh, k)
		texts[c] = readTexts(b.raw, s.seed)
		if last != nil && read {
			if found, ok := k.patch(texts[c], s.memos[c], last.Records, &records); ok {
				faults[c] = found
				continue
			}
		}
		k.take(&records, &ixapi.Records{})
		delete(faults, c)
		if read {
			whole[c] = b.raw
		}
	}
	decoded, found, err := ixapi.Decode(whole)
	if err != nil {
		return nil, s.feed.fault(err)
	}
	for _, f := range found {
		faults[f.Collection] = append(faults[f.Collection], f)
	}
	for _, k := range fresh {
		c := k.collection()
		if _, ok := whole[c]; ok {
			k.take(&records, decoded)
		}
		memos[c] = remember(k, texts[c], &records, faults[c])
	}
	var nameless []error
	for _, k := range fresh {
		for i, f := range faults[k.collection()] {
			first := i == 0 || faults[f.Collection][i-1].Index != f.Index
			if f.ID == "" && first && decisive(f.Collection) {
				nameless = append(nameless, f)
			}
		}
	}
	if len(nameless) > 0 {
		return nil, fmt.Errorf("%d records cannot be told from missing ones: %w", len(nameless), errors.Join(nameless[:min(len(nameless), 5)]...))
	}
	snapshot := &Snapshot{
		Source:  s.name,
		Version: version(digests),
		Read:    time.Now(),
		Records: &records,
		Counts:  make(map[ixapi.Collection]int),
	}
	for _, k := range kinds() {
		snapshot.Counts[k.collection()] = k.count(&records)
		snapshot.Faults = append(snapshot.Faults, faults[k.collection()]...)
	}
	return &candidate{snapshot, digests, faults, dangling(&records), memos}, nil
}

// accept makes c the latest snapshot unless too much is lost with it.
func (s *Source) accept(c *candidate) (*Snapshot, error) {
	s.mu.Lock()
	allowed, last := maps.Clone(s.allow), s.status.Snapshot
	s.mu.Unlock()
	if err := s.guard.check(c.snapshot, last, allowed); err != nil {
		s.refused = c
		return nil, err
	}
	s.mu.Lock()
	clear(s.allow)
	s.mu.Unlock()
	s.digests, s.faults, s.missing, s.memos = c.digests, c.faults, c.missing, c.memos
	s.refused = nil
	return c.snapshot, nil
}

func subset(a, b map[Ref]bool) bool {
	for r := range a {
		if !b[r] {
			return false
		}
	}
	return true
}

// body is a list as it was received.
type body struct {
	raw    ixapi.Raw
	digest digest
}

// digest stands for a list; the zero digest for none.
type digest [sha256.Size]byte

func newBody(raw ixapi.Raw) body {
	h := sha256.New()
	for _, page := range raw {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(page))))
		h.Write(page)
	}
	return body{raw, digest(h.Sum(nil))}
}

// version returns a digest of all lists together.
func version(digests map[ixapi.Collection]digest) string {
	var b bytes.Buffer
	for _, c := range slices.Sorted(maps.Keys(digests)) {
		d := digests[c]
		b.WriteString(string(c))
		b.WriteByte(0)
		b.Write(d[:])
	}
	sum := sha256.Sum256(b.Bytes())
	return hex.EncodeToString(sum[:16])
}
