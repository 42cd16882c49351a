package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Position is a place in a file. Lines and columns begin at 1; 0 is the file as a whole.
type Position struct {
	File         string
	Line, Column int
}

// String returns "file:line:column".
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

func (p Position) compare(o Position) int {
	return cmp.Or(cmp.Compare(p.File, o.File), cmp.Compare(p.Line, o.Line), cmp.Compare(p.Column, o.Column))
}

// Fault is one thing wrong with a configuration.
type Fault struct {
	Position
	Path    string // of keys in the file, "inventory.devices[2].driver"; may be empty
	Message string // one sentence without a full stop
	Hint    string // what to do about it; may be empty
}

// Error returns the fault on one line, without its hint.
func (f Fault) Error() string {
	if f.Path == "" {
		return f.Position.String() + ": " + f.Message
	}
	return f.Position.String() + ": " + f.Path + ": " + f.Message
}

// Faults is everything wrong with a configuration, by file, line and column.
type Faults []Fault

// Error returns the faults, one a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, x := range f {
		lines[i] = x.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns each fault as an error.
func (f Faults) Unwrap() []error {
	errs := make([]error, len(f))
	for i, x := range f {
		errs[i] = x
	}
	return errs
}

// err returns the faults in order and without repetition, or nil if there are none.
func (f Faults) err() error {
	if len(f) == 0 {
		return nil
	}
	slices.SortStableFunc(f, func(a, b Fault) int {
		return cmp.Or(a.compare(b.Position), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(f)
}

// add appends a Fault or Faults.
func (f *Faults) add(err error) {
	var one Fault
	var all Faults
	switch {
	case errors.As(err, &all):
		*f = append(*f, all...)
	case errors.As(err, &one):
		*f = append(*f, one)
	}
}
