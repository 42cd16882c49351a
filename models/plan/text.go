package plan

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

var signs = map[Verb]string{Create: "+", Update: "~", Replace: "±", Delete: "-"}

// Summary returns one line: "fra1-sw1: 3 to create, 1 to update, 0 to delete, 2 withheld".
func (p Plan) Summary() string {
	create, update, remove := p.Counts()
	if p.Empty() {
		return p.Device + ": nothing to do"
	}
	s := fmt.Sprintf("%s: %d to create, %d to update, %d to delete", p.Device, create, update, remove)
	if n := len(p.Withheld); n > 0 {
		s += fmt.Sprintf(", %d withheld", n)
	}
	return s
}

// AppendText appends the plan as a person reads it: a summary line, each change with the lines that differ,
// then what is withheld and why. The text is stable for equal plans and ends with a newline.
func (p Plan) AppendText(b []byte) []byte {
	w := bytes.NewBuffer(b)
	fmt.Fprintln(w, p.Summary())
	for _, c := range p.Changes {
		fmt.Fprintf(w, "  %s %s %s%s\n", signs[c.Verb], c.Verb, c.Key, c.note())
		for _, l := range c.lines() {
			fmt.Fprintf(w, "      %s\n", l)
		}
	}
	for _, x := range p.Withheld {
		fmt.Fprintf(w, "  ! withheld: %s %s%s\n      %s: %s\n", x.Verb, x.Key, by(x.Cause), x.Reason, x.Detail)
	}
	return w.Bytes()
}

func by(c Cause) string {
	var parts []string
	if c.Record != "" {
		parts = append(parts, c.Record)
	}
	if c.Account != "" {
		parts = append(parts, "account "+c.Account)
	}
	if len(parts) == 0 {
		return ""
	}
	return "  (" + strings.Join(parts, ", ") + ")"
}

func (c Change) note() string {
	s := by(c.Cause)
	if c.Disruption != DisruptsNone {
		s += "  disrupts " + c.Disruption.String()
		if len(c.Members) > 0 {
			s += " of " + strings.Join(c.Members, ", ")
		}
	}
	if c.Reason != "" {
		s += "  [" + c.Reason + "]"
	}
	return s
}

// lines returns all lines of an object that comes or goes, and the differing ones of one that changes.
func (c Change) lines() []string {
	var before, after []string
	if c.Before != nil {
		before = c.Before.Lines()
	}
	if c.After != nil {
		after = c.After.Lines()
	}
	if c.Before == nil || c.After == nil {
		return prefixed("", append(before, after...))
	}
	gone := slices.DeleteFunc(slices.Clone(before), func(l string) bool { return slices.Contains(after, l) })
	come := slices.DeleteFunc(slices.Clone(after), func(l string) bool { return slices.Contains(before, l) })
	return append(prefixed("- ", gone), prefixed("+ ", come)...)
}

func prefixed(p string, lines []string) []string {
	for i, l := range lines {
		lines[i] = p + l
	}
	return lines
}
