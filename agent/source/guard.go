package source

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/ixapi"
)

// Limits bound what one snapshot may lose against the one before it. A loss is refused when it is greater than
// Allowance records and greater than MaxShrink of all.
type Limits struct {
	MaxShrink config.Percent
	Allowance int
}

// Memory keeps what the snapshot accepted last listed, so that a restart is no way around the limits. It is
// implemented by the journal.
type Memory interface {
	// Baseline returns what was stored for a source; nil when there is nothing.
	Baseline(source string) (*Baseline, error)
	StoreBaseline(source string, b *Baseline) error
}

// Baseline is what a later snapshot is held against: the ids, by hash, of the decisive records of a snapshot.
type Baseline struct {
	Version string                      `json:"version"` // of the snapshot
	Read    time.Time                   `json:"read"`
	Lists   map[ixapi.Collection]Census `json:"lists"`
}

// Census counts the records of one collection. Live ones are those whose loss may take something off a switch:
// all that are not decommissioned, archived or cancelled. Redacted are those of them that do not say what they
// are for: their state, or another field that decides, is missing or unreadable.
type Census struct {
	Live     Hashes `json:"live"`
	Redacted Hashes `json:"redacted,omitempty"`

	listed Hashes // whatever their state
}

func newBaseline(s *Snapshot) *Baseline {
	b := &Baseline{Version: s.Version, Read: s.Read, Lists: make(map[ixapi.Collection]Census)}
	for _, k := range kinds() {
		if census, ok := k.census(s.Records); ok {
			b.Lists[k.collection()] = census
		}
	}
	return b
}

// ShrinkError says that a snapshot was not accepted because too much is lost with it. Digest names the loss:
// [Source.Accept] with this digest allows it, however else the records change until then.
type ShrinkError struct {
	Version string // of the snapshot that was not accepted
	Digest  string
	Losses  []Loss
}

// Loss is what one collection lost: Lost of its Before live records, where Limit were allowed. They are gone from
// the list, or, if Redacted, listed without what matters of them.
type Loss struct {
	Collection          ixapi.Collection
	Redacted            bool
	Before, Lost, Limit int
	Examples            []ixapi.ID // some that are gone, as far as they are known by more than their hash
}

func (e *ShrinkError) Error() string {
	var b strings.Builder
	b.WriteString("snapshot is not accepted: ")
	for i, l := range e.Losses {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(l.String())
	}
	fmt.Fprintf(&b, "; digest of the loss %s", e.Digest)
	return b.String()
}

// Hint says what an operator can do.
func (e *ShrinkError) Hint() string {
	return "if this is what happened at the exchange, accept it: ixagent plan --accept-loss " + e.Digest
}

// String returns one clause, "connections: 30 of 40 are gone, at most 4 may be".
func (l Loss) String() string {
	what := "gone"
	if l.Redacted {
		what = "redacted"
	}
	text := fmt.Sprintf("%s: %d of %d are %s, at most %d may be", l.Collection, l.Lost, l.Before, what, l.Limit)
	for i, id := range l.Examples {
		sep := ", "
		if i == 0 {
			sep = " (such as "
		}
		text += fmt.Sprintf("%s%q", sep, id)
	}
	if len(l.Examples) > 0 {
		text += ")"
	}
	return text
}

// guard compares a snapshot with the one accepted before it.
type guard struct {
	source string
	limits Limits
	memory Memory
	last   *Baseline
}

// check remembers s as the latest snapshot, or says why it may not become that. The accepted snapshot before it
// is nil when there was none since the start. Allowed are digests of losses.
func (g *guard) check(s, before *Snapshot, allowed map[string]bool) error {
	next := newBaseline(s)
	if g.last == nil {
		if err := g.recall(); err != nil {
			return err
		}
	}
	refusal := g.losses(next, s, before)
	if refusal != nil && !allowed[refusal.Digest] {
		// The loss may have been accepted by another process.
		if err := g.recall(); err != nil {
			return errors.Join(refusal, err)
		}
		if refusal = g.losses(next, s, before); refusal != nil && !allowed[refusal.Digest] {
			return refusal
		}
	}
	if g.memory != nil && (g.last == nil || g.last.Version != next.Version) {
		if err := g.memory.StoreBaseline(g.source, next); err != nil {
			return fmt.Errorf("snapshot is not accepted: %w", err)
		}
	}
	g.last = next
	return nil
}

func (g *guard) recall() error {
	if g.memory == nil {
		return nil
	}
	b, err := g.memory.Baseline(g.source)
	if err != nil {
		return fmt.Errorf("what was read before is not known: %w", err)
	}
	if b != nil {
		g.last = b
	}
	return nil
}

// losses returns nil when next is within the limits.
func (g *guard) losses(next *Baseline, s, before *Snapshot) *ShrinkError {
	if g.last == nil {
		return nil
	}
	e := &ShrinkError{Version: s.Version}
	h := sha256.New()
	for _, k := range kinds() {
		c := k.collection()
		was, is := g.last.Lists[c], next.Lists[c]
		limit := max(g.limits.Allowance, len(was.Live)*int(g.limits.MaxShrink)/100)
		gone := was.Live.without(is.listed)
		if len(gone) > limit {
			l := Loss{Collection: c, Before: len(was.Live), Lost: len(gone), Limit: limit}
			if before != nil {
				l.Examples = k.lost(before.Records, is.listed, 3)
			}
			e.add(h, l, gone)
		}
		faded := is.Redacted.without(was.Redacted).within(was.Live)
		if len(faded) > limit {
			e.add(h, Loss{Collection: c, Redacted: true, Before: len(was.Live), Lost: len(faded), Limit: limit}, faded)
		}
	}
	if len(e.Losses) == 0 {
		return nil
	}
	e.Digest = hex.EncodeToString(h.Sum(nil)[:8])
	return e
}

func (e *ShrinkError) add(h io.Writer, l Loss, ids Hashes) {
	e.Losses = append(e.Losses, l)
	text, _ := ids.MarshalJSON()
	fmt.Fprintf(h, "%s %t %s\n", l.Collection, l.Redacted, text)
}

// Hashes is a set of ids, each as its 64-bit FNV-1a hash, in ascending order. It is encoded as base64 of eight
// bytes each.
type Hashes []uint64

// hash is FNV-1a, which is the same in every process.
func hash(id ixapi.ID) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(id) {
		h = (h ^ uint64(id[i])) * 1099511628211
	}
	return h
}

// set returns the hashes in s, each once.
func (s Hashes) set() Hashes {
	slices.Sort(s)
	return slices.Compact(s)
}

// without returns what of s is not in other.
func (s Hashes) without(other Hashes) Hashes { return s.filter(other, false) }

// within returns what of s is in other, too.
func (s Hashes) within(other Hashes) Hashes { return s.filter(other, true) }

func (s Hashes) filter(other Hashes, in bool) Hashes {
	var out Hashes
	for _, id := range s {
		for len(other) > 0 && other[0] < id {
			other = other[1:]
		}
		if (len(other) > 0 && other[0] == id) == in {
			out = append(out, id)
		}
	}
	return out
}

// MarshalJSON returns the hashes as one string.
func (s Hashes) MarshalJSON() ([]byte, error) {
	text := make([]byte, 0, 8*len(s))
	for _, id := range s {
		text = binary.BigEndian.AppendUint64(text, id)
	}
	return json.Marshal(text)
}

// UnmarshalJSON reads the form of MarshalJSON.
func (s *Hashes) UnmarshalJSON(text []byte) error {
	var b []byte
	if err := json.Unmarshal(text, &b); err != nil {
		return err
	}
	if len(b)%8 != 0 {
		return errors.New("not a set of hashes")
	}
	*s = make(Hashes, 0, len(b)/8)
	for ; len(b) > 0; b = b[8:] {
		*s = append(*s, binary.BigEndian.Uint64(b))
	}
	if !slices.IsSorted(*s) {
		return errors.New("hashes are out of order")
	}
	return nil
}
