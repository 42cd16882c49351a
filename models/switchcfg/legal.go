package switchcfg

import (
	"cmp"
	"fmt"
	"slices"
)

// Rule names what makes a state illegal.
type Rule string

// The rules of a legal state.
const (
	RuleValue     Rule = "value"             // an attribute is outside its range
	RuleReference Rule = "dangling"          // something referred to is missing
	RuleExclusive Rule = "taken twice"       // an encapsulation, VLAN, VNI or port serves two objects
	RuleSelfLoop  Rule = "bridged to itself" // both ends of a line are on one port
	RuleLineEnds  Rule = "too many ends"     // a line has more than two
	RuleTPID      Rule = "other ethertype"   // a circuit's ethertype is not its parent's
	RuleMember    Rule = "port in use"       // a LAG member carries circuits or belongs to another LAG, or a circuit has the whole port
	RuleRole      Rule = "role"              // a circuit's role does not suit its service
)

// Violation is one way in which a state is illegal.
type Violation struct {
	Key   Key    // the object at fault
	Other Key    // the object it is at odds with, if any
	Rule  Rule   //
	Text  string // one sentence for an operator
}

// Error implements error.
func (v Violation) Error() string { return v.Key.String() + ": " + v.Text }

// Claim is something an object holds while it is on the switch. Two objects are at odds if both hold equal
// claims and one of them exclusively. A claim [Claim.OfLine] counts only if its service is a line; of those on
// a line's ends there are two.
type Claim struct {
	Space ClaimSpace
	A, B  string
	N     uint64
}

// ClaimSpace is the sort of a [Claim].
type ClaimSpace uint8

// The sorts of claims.
const (
	ClaimMatch ClaimSpace = iota + 1 // A parent, N encapsulation
	ClaimTPID                        // A parent, N ethertype
	ClaimJoin                        // A line service, B parent
	ClaimPort                        // A interface
	ClaimVLAN                        // N VLAN
	ClaimVNI                         // N VNI
	ClaimEnd                         // A line service; counted
)

func (c Claim) rule() Rule {
	switch c.Space {
	case ClaimJoin:
		return RuleSelfLoop
	case ClaimTPID:
		return RuleTPID
	case ClaimPort:
		return RuleMember
	case ClaimEnd:
		return RuleLineEnds
	}
	return RuleExclusive
}

func (c Claim) against(other Key) string {
	switch c.Space {
	case ClaimMatch:
		return "its encapsulation is already used by " + other.String()
	case ClaimTPID:
		return "its outer ethertype differs from that of " + other.String() + ", and the port knows one"
	case ClaimJoin:
		return "the other end of line " + c.A + " is on the same port, " + other.String()
	case ClaimPort:
		return "port " + c.A + " is in use by " + other.String()
	case ClaimVLAN:
		return fmt.Sprintf("VLAN %d is already used by %s", c.N, other)
	case ClaimVNI:
		return fmt.Sprintf("VNI %d is already used by %s", c.N, other)
	default:
		return "line " + c.A + " has two ends already, one of them " + other.String()
	}
}

// Against says in a sentence why the claim cannot be held beside other, and by which rule.
func (c Claim) Against(other Key) (Rule, string) { return c.rule(), c.against(other) }

// OfLine reports whether c means something only if service c.A is a line.
func (c Claim) OfLine() bool { return c.Space == ClaimJoin || c.Space == ClaimEnd }

// LineEnds is the number of ends of a line service.
const LineEnds = 2

// Encapsulation returns the N of the [ClaimMatch] that every circuit with this outer tag holds.
func (m Match) Encapsulation() uint64 { return uint64(m.TPID)<<32 | uint64(m.Outer)<<16 }

// Claims calls yield for each claim of o until it returns false.
func Claims(o Object, yield func(c Claim, exclusive bool) bool) {
	switch o := o.(type) {
	case *Circuit:
		m := o.Match
		ok := yield(Claim{Space: ClaimPort, A: o.Parent}, m.Form == Whole) &&
			yield(Claim{Space: ClaimMatch, A: o.Parent, N: m.Encapsulation()}, m.Form != Double) &&
			(m.Form != Double || yield(Claim{Space: ClaimMatch, A: o.Parent, N: m.Encapsulation() | uint64(m.Inner)}, true)) &&
			(!m.Tagged() || yield(Claim{Space: ClaimTPID, A: o.Parent, N: uint64(m.TPID)}, false))
		if ok && o.Service != "" && yield(Claim{Space: ClaimJoin, A: o.Service, B: o.Parent}, true) {
			yield(Claim{Space: ClaimEnd, A: o.Service}, false)
		}
	case *Interface:
		claimTPID(o.Name, o.TPID, yield)
	case *LAG:
		for _, m := range o.Members {
			if !yield(Claim{Space: ClaimPort, A: m}, true) {
				return
			}
		}
		claimTPID(o.Name, o.TPID, yield)
	case *Service:
		if o.VLAN != 0 && !yield(Claim{Space: ClaimVLAN, N: uint64(o.VLAN)}, true) ||
			o.VNI != 0 && !yield(Claim{Space: ClaimVNI, N: uint64(o.VNI)}, true) {
			return
		}
		if o.Type == ServiceLine && len(o.Peers) > 0 {
			yield(Claim{Space: ClaimEnd, A: o.Name}, false)
		}
	}
}

// claimTPID excludes every circuit of another ethertype. The claims of a parent on the ethertypes it does
// not know are exclusive, those of circuits on their own are shared.
func claimTPID(parent string, t TPID, yield func(Claim, bool) bool) {
	if t == 0 {
		return
	}
	for _, other := range TPIDs() {
		if other != t && !yield(Claim{Space: ClaimTPID, A: parent, N: uint64(other)}, true) {
			return
		}
	}
}

// Refs calls yield for each key o refers to until it returns false. A circuit refers to its parent as a
// LAG; [State.Parent] finds the interface that may stand in its place.
func Refs(o Object, yield func(Key) bool) {
	switch o := o.(type) {
	case *LAG:
		for _, m := range o.Members {
			if !yield(Key{Kind: KindInterface, Name: m}) {
				return
			}
		}
	case *Circuit:
		_ = yield(Key{Kind: KindLAG, Name: o.Parent}) &&
			yield(Key{Kind: KindService, Name: o.Service}) &&
			(o.Filter == "" || yield(Key{Kind: KindFilter, Name: o.Filter})) &&
			(o.RateIn == 0 || yield((&Policer{o.RateIn}).Key())) &&
			(o.RateOut == 0 || o.RateOut == o.RateIn || yield((&Policer{o.RateOut}).Key()))
	}
}

// Resolves reports whether a reference of [Refs] is met in s.
func (s State) Resolves(ref Key) bool {
	if ref.Kind == KindLAG {
		_, ok := s.Parent(ref.Name)
		return ok
	}
	_, ok := s[ref]
	return ok
}

// Validate returns what is wrong with o alone, whatever else is on the switch.
func Validate(o Object) error {
	bad := func(format string, args ...any) error {
		return Violation{Key: o.Key(), Rule: RuleValue, Text: fmt.Sprintf(format, args...)}
	}
	if o.Key().Name == "" {
		return bad("it has no name")
	}
	if len(Description(o)) > 255 {
		return bad("its description is longer than 255 bytes")
	}
	switch o := o.(type) {
	case *Circuit:
		m := o.Match
		switch {
		case m.Form > Whole:
			return bad("its form of match is unknown")
		case !m.Tagged() && m != Match{Form: m.Form}:
			return bad("a match of frames by no tag has no tag values")
		case m.Tagged() && !m.TPID.Valid():
			return bad("its outer ethertype is none of 0x8100, 0x88a8, 0x9100")
		case m.Tagged() && !m.Outer.Valid():
			return bad("outer VLAN %d is not in 1..4094", m.Outer)
		case m.Form == Double && !m.Inner.Valid():
			return bad("inner VLAN %d is not in 1..4094", m.Inner)
		case m.Form != Double && m.Inner != 0:
			return bad("a match by one tag has no inner VLAN")
		case o.Service == "":
			return bad("it joins no service")
		}
	case *LAG:
		switch {
		case len(o.Members) < max(1, int(o.MinLinks)):
			return bad("it has %d members, its minimum is %d", len(o.Members), max(1, o.MinLinks))
		case len(slices.Compact(slices.Clone(o.Members))) != len(o.Members):
			return bad("a member is listed twice")
		case o.Mode == ModeLACP && o.Rate != RateSlow && o.Rate != RateFast:
			return bad("its LACP rate is %q, not slow or fast", o.Rate)
		case o.Mode == ModeStatic && (o.Rate != "" || o.Passive || o.SystemID != MAC{}):
			return bad("a static LAG has no LACP attributes")
		case o.Mode != ModeLACP && o.Mode != ModeStatic:
			return bad("its mode is %q, not lacp or static", o.Mode)
		}
	case *Service:
		switch {
		case o.Type != ServiceLAN && o.Type != ServiceLine && o.Type != ServiceTree:
			return bad("its type is %q, not lan, line or tree", o.Type)
		case o.VLAN != 0 && !o.VLAN.Valid():
			return bad("VLAN %d is not in 1..4094", o.VLAN)
		case o.VNI >= 1<<24:
			return bad("VNI %d is not in 1..16777215", o.VNI)
		case o.VNI == 0 && len(o.Peers) > 0:
			return bad("it has tunnel peers and no VNI")
		}
	case *Filter:
		if o.AnySource && len(o.Sources) > 0 {
			return bad("it permits any source and lists some")
		}
		for _, m := range o.Sources {
			if !m.Unicast() {
				return bad("source %s is not a unicast address", m)
			}
		}
	case *Policer:
		if o.Rate == 0 {
			return bad("its rate is 0")
		}
	}
	return nil
}

// Suits returns what is wrong with circuit c as a part of service s.
func Suits(c *Circuit, s *Service) error {
	switch {
	case s.Type == ServiceTree && c.Role != RoleRoot && c.Role != RoleLeaf:
		return Violation{Key: c.Key(), Other: s.Key(), Rule: RuleRole, Text: fmt.Sprintf("its role in tree %s is %q, not root or leaf", s.Name, c.Role)}
	case s.Type != ServiceTree && c.Role != "":
		return Violation{Key: c.Key(), Other: s.Key(), Rule: RuleRole, Text: fmt.Sprintf("it has role %s in %s, which is no tree", c.Role, s.Name)}
	}
	return nil
}

// Check returns every violation of s in the order of [Key.Compare]; a legal state has none. It takes time
// proportional to the size of s.
func Check(s State) []Violation {
	type holder struct {
		key       Key
		exclusive bool
		n         int
	}
	held := make(map[Claim]holder)
	var out []Violation
	for _, k := range s.Keys() {
		o := s[k]
		if err := Validate(o); err != nil {
			out = append(out, err.(Violation))
		}
		Refs(o, func(ref Key) bool {
			if !s.Resolves(ref) {
				out = append(out, Violation{k, ref, RuleReference, "it refers to " + refName(ref) + ", which does not exist"})
			}
			return true
		})
		if c, ok := o.(*Circuit); ok {
			if svc, ok := s[Key{Kind: KindService, Name: c.Service}].(*Service); ok {
				if err := Suits(c, svc); err != nil {
					out = append(out, err.(Violation))
				}
			}
		}
		Claims(o, func(c Claim, exclusive bool) bool {
			if c.OfLine() && !s.line(c.A) {
				return true
			}
			h, taken := held[c]
			if c.Space == ClaimEnd {
				if h.n++; h.n > LineEnds {
					out = append(out, Violation{k, h.key, c.rule(), c.against(h.key)})
				}
				if !taken {
					h.key = k
				}
				held[c] = h
				return true
			}
			if taken && h.key != k && (exclusive || h.exclusive) {
				out = append(out, Violation{k, h.key, c.rule(), c.against(h.key)})
			}
			if !taken || exclusive && !h.exclusive {
				held[c] = holder{key: k, exclusive: exclusive}
			}
			return true
		})
	}
	slices.SortStableFunc(out, func(a, b Violation) int { return cmp.Or(a.Key.Compare(b.Key), cmp.Compare(a.Rule, b.Rule)) })
	return out
}

func refName(ref Key) string {
	if ref.Kind == KindLAG {
		return "port or LAG " + ref.Name
	}
	return ref.String()
}

func (s State) line(service string) bool {
	svc, ok := s[Key{Kind: KindService, Name: service}].(*Service)
	return ok && svc.Type == ServiceLine
}
