// Package plan computes what must change on one switch: the ordered difference between what it carries and
// what it should carry.
//
// [Build] is pure. It leaves alone what the agent does not own, withholds what is frozen, in conflict or
// refused by a guard together with everything that depends on it, orders the rest so that every state the
// switch passes through is legal, and breaks the cycles that no order can satisfy. A [Plan] is data: it can
// be printed, saved, approved and applied later; [Prove] shows, independently of how it was made, that a
// plan is safe on a given state, and a plan whose Basis is not the digest of the switch's state is stale.
package plan
