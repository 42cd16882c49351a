package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/ixagent/ixagent/models/switchcfg"
)

// Verb is what a change does to an object.
type Verb string

// The verbs. Replace takes the object away and puts the new one in its place.
const (
	Create  Verb = "create"
	Update  Verb = "update"
	Replace Verb = "replace"
	Delete  Verb = "delete"
)

// Disruption is the widest harm a change does to traffic that flows now.
type Disruption uint8

// The classes of disruption, least first: nobody, one circuit, all circuits of a member's port, of a LAG,
// of every member on a service of the switch.
const (
	DisruptsNone Disruption = iota
	DisruptsCircuit
	DisruptsMember
	DisruptsLAG
	DisruptsSwitch
)

var disruptions = [...]string{"none", "circuit", "member", "lag", "switch"}

// String returns the lower-case word for d.
func (d Disruption) String() string { return disruptions[min(int(d), len(disruptions)-1)] }

// MarshalText returns the form of [Disruption.String].
func (d Disruption) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the form of [Disruption.String].
func (d *Disruption) UnmarshalText(b []byte) error {
	i := slices.Index(disruptions[:], string(b))
	if i < 0 {
		return fmt.Errorf("%q is no class of disruption", b)
	}
	*d = Disruption(i)
	return nil
}

// Cause is the exchange record behind an object.
type Cause struct {
	Record  string `json:"record,omitempty"`  // kind and id, "nsc:1042", as in [switchcfg.Tag]
	Account string `json:"account,omitempty"` // id of the consuming account
}

// Change is one step of a plan.
type Change struct {
	Verb       Verb             `json:"verb"`
	Key        switchcfg.Key    `json:"key"`
	Before     switchcfg.Object `json:"-"` // nil on create
	After      switchcfg.Object `json:"-"` // nil on delete
	Cause      Cause            `json:"cause,omitzero"`
	Disruption Disruption       `json:"disruption"`
	Members    []string         `json:"members,omitempty"` // accounts whose traffic the disruption touches
	Reason     string           `json:"reason,omitempty"`  // why a step exists that is no difference by itself

	// Span is the service that crosses to other switches and that the change is a part of: the service itself, or the
	// line whose end it is. What several switches change of it they change together.
	Span string `json:"span,omitempty"`
}

type changeJSON struct {
	plainChange
	Before *switchcfg.Any `json:"before,omitempty"`
	After  *switchcfg.Any `json:"after,omitempty"`
}

type plainChange Change

// MarshalJSON implements [json.Marshaler].
func (c Change) MarshalJSON() ([]byte, error) {
	j := changeJSON{plainChange: plainChange(c)}
	if c.Before != nil {
		j.Before = &switchcfg.Any{Object: c.Before}
	}
	if c.After != nil {
		j.After = &switchcfg.Any{Object: c.After}
	}
	return json.Marshal(j)
}

// UnmarshalJSON implements [json.Unmarshaler]. It refuses a change whose objects do not suit its verb and key.
func (c *Change) UnmarshalJSON(b []byte) error {
	var j changeJSON
	if err := json.Unmarshal(b, &j); err != nil {
		return err
	}
	*c = Change(j.plainChange)
	if j.Before != nil {
		c.Before = j.Before.Object
	}
	if j.After != nil {
		c.After = j.After.Object
	}
	before, after := c.Verb != Create, c.Verb != Delete
	switch {
	case c.Verb != Create && c.Verb != Update && c.Verb != Replace && c.Verb != Delete:
		return fmt.Errorf("change of %s: unknown verb %q", c.Key, c.Verb)
	case (c.Before != nil) != before || (c.After != nil) != after:
		return fmt.Errorf("%s %s: the objects before and after do not suit the verb", c.Verb, c.Key)
	case c.Before != nil && c.Before.Key() != c.Key || c.After != nil && c.After.Key() != c.Key:
		return fmt.Errorf("%s %s: an object has another key", c.Verb, c.Key)
	}
	return nil
}

// Reason says why a change is withheld.
type Reason string

// The reasons.
const (
	Unowned  Reason = "unowned"  // outside the inventory, or made by somebody else
	Conflict Reason = "conflict" // something that is not changed stands in the way
	Frozen   Reason = "frozen"   // its record is in a state in which nothing may change
	Limited  Reason = "limit"    // the pass would exceed a limit
	Illegal  Reason = "illegal"  // the switch would be left in an illegal state
	Depends  Reason = "depends"  // something else that is withheld must happen first
	Spans    Reason = "span"     // another switch must change with it, and does not now
	NoPort   Reason = "no_port"  // the switch has no such port

	Held      Reason = "held"      // a person froze it
	Window    Reason = "window"    // it waits for a maintenance window
	Protected Reason = "protected" // it concerns a member for whom a person decides
	Drift     Reason = "drift"     // somebody changed the switch by hand, and that is not undone
	Approval  Reason = "approval"  // a person has to approve what is new
	Unlisted  Reason = "unlisted"  // the exchange does not list its record any more, which may mean nothing
)

// Withheld is a change that is needed and not made.
type Withheld struct {
	Verb    Verb          `json:"verb"`
	Key     switchcfg.Key `json:"key"`
	Reason  Reason        `json:"reason"`
	Detail  string        `json:"detail"` // one sentence for an operator
	Cause   Cause         `json:"cause,omitzero"`
	Members []string      `json:"members,omitempty"`
	Span    string        `json:"span,omitempty"` // as in [Change]
}

// Plan is the ordered difference for one switch. Its JSON form is stable: fields are only added.
type Plan struct {
	Device   string     `json:"device"`
	Basis    string     `json:"basis,omitempty"`  // digest of the state it starts from, where something differs
	Target   string     `json:"target,omitempty"` // digest of the state it leads to
	Atomic   bool       `json:"atomic,omitempty"` // all changes take effect at once
	Changes  []Change   `json:"changes"`
	Withheld []Withheld `json:"withheld,omitempty"`
}

// Empty reports whether there is nothing to do and nothing withheld.
func (p Plan) Empty() bool { return len(p.Changes) == 0 && len(p.Withheld) == 0 }

// Digest identifies the plan: what would be done, on which state, to which switch.
func (p Plan) Digest() (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q\n", p.Device, p.Basis)
	for _, c := range p.Changes { // one by one: a plan may be large
		b, err := json.Marshal(c)
		if err != nil {
			return "", err
		}
		h.Write(append(b, '\n'))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// Counts returns how many objects are created, updated (or replaced) and deleted. An object taken down and
// put back within the plan counts as updated.
func (p Plan) Counts() (create, update, remove int) {
	down := make(map[switchcfg.Key]bool)
	for _, c := range p.Changes {
		switch c.Verb {
		case Create:
			if down[c.Key] {
				remove, update = remove-1, update+1
			} else {
				create++
			}
		case Delete:
			down[c.Key] = true
			remove++
		default:
			update++
		}
	}
	return create, update, remove
}

// ErrStale is the fault of a plan whose basis is not the state of the switch.
var ErrStale = errors.New("the switch is no longer in the state the plan was made for")

// Apply returns the state that the changes lead to, leaving s as it is. A change whose Before is not what s
// holds is an error that wraps [ErrStale].
func Apply(s switchcfg.State, changes []Change) (switchcfg.State, error) {
	out := make(switchcfg.State, len(s)+len(changes))
	for k, o := range s {
		out[k] = o
	}
	for _, c := range changes {
		now, exists := out[c.Key]
		if exists != (c.Before != nil) || exists && !switchcfg.Equal(now, c.Before) {
			return nil, fmt.Errorf("%s %s: %w", c.Verb, c.Key, ErrStale)
		}
		if c.After == nil {
			delete(out, c.Key)
		} else {
			out[c.Key] = c.After
		}
	}
	return out, nil
}

// Diff returns the differences between two states in the order of [switchcfg.Key.Compare], without regard
// to ownership, order of application or cause. Large states are compared on all processors: nearly all of the
// time is waiting for memory.
func Diff(observed, desired switchcfg.State) []Change {
	const large = 4096
	workers := 1
	if len(desired) >= large {
		workers = runtime.GOMAXPROCS(0)
	}
	parts, common := make([][]Change, workers), make([]int, workers)
	var wg sync.WaitGroup
	for w := range workers - 1 {
		wg.Go(func() { parts[w], common[w] = diffPart(observed, desired, w, workers) })
	}
	last := workers - 1
	parts[last], common[last] = diffPart(observed, desired, last, workers)
	wg.Wait()

	out, known := parts[0], common[0]
	for w := 1; w < workers; w++ {
		out, known = append(out, parts[w]...), known+common[w]
	}
	if known < len(observed) {
		for k, have := range observed {
			if _, ok := desired[k]; !ok {
				out = append(out, Change{Verb: Delete, Key: k, Before: have})
			}
		}
	}
	slices.SortFunc(out, func(a, b Change) int { return cmp.Or(a.Key.Compare(b.Key), cmp.Compare(a.Verb, b.Verb)) })
	return out
}

// diffPart compares every nth object of the desired state, n being parts, with what is observed at its key. It
// returns how many of them there are in both.
func diffPart(observed, desired switchcfg.State, part, parts int) (out []Change, common int) {
	for k, want := range desired {
		if parts > 1 && share(k)%parts != part {
			continue
		}
		have, ok := observed[k]
		switch {
		case !ok:
			out = append(out, Change{Verb: Create, Key: k, After: want})
			continue
		case !switchcfg.Equal(have, want):
			out = append(out, Change{Verb: Update, Key: k, Before: have, After: want})
		}
		common++
	}
	return out, common
}

// share spreads keys evenly and without looking at more of them than it must.
func share(k switchcfg.Key) int {
	if k.Kind == switchcfg.KindCircuit || k.Name == "" {
		return int(k.Unit)
	}
	return int(k.Name[len(k.Name)-1])
}
