package plan

import "slices"

// Inverse returns the changes that undo changes: the same steps backwards. It leads through the same states in the
// opposite order, so it is legal where they are.
func Inverse(changes []Change) []Change {
	out := slices.Clone(changes)
	slices.Reverse(out)
	for i := range out {
		c := &out[i]
		c.Before, c.After = c.After, c.Before
		switch c.Verb {
		case Create:
			c.Verb = Delete
		case Delete:
			c.Verb = Create
		}
		c.Disruption, c.Members, c.Reason = disruption(*c), nil, "taken back"
	}
	return out
}
