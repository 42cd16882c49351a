package junos

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed grammar.txt
var grammar string

type kind uint8

const (
	container kind = iota
	list           // its nodes are the entries, with their key as text
	leaf           // a value
	leafList       // its nodes are the values
	empty          // neither
)

// schema describes a statement. It is immutable.
type schema struct {
	name    string // as written; what is bare has one too
	json    string // in JSON
	kind    kind
	typ     valueType // of the value or key
	parent  *schema
	kids    []*schema
	index   int    // among its siblings
	choice  string // siblings with the same one exclude each other; empty for none
	bare    bool   // the name is not written
	ordered bool   // list: the order is its writer's
	present bool   // exists without kids
	takes   string // what the grammar says of the value or key
	oneLine bool
	prefix  bool // the name is written before each kid
	block   bool
}

// parseSchema reads the text of a grammar.
func parseSchema(text string) (*schema, error) {
	root := &schema{name: "configuration", present: true}
	path := []*schema{root}
	number := 0
	for line := range strings.Lines(text) {
		number++
		words := strings.Fields(line)
		if len(words) == 0 || words[0] == "#" {
			continue
		}
		depth := (len(line) - len(strings.TrimLeft(line, " "))) / 2
		if depth >= len(path) {
			return nil, fmt.Errorf("grammar line %d: indented too far", number)
		}
		parent := path[depth]
		s, err := parseStatement(words)
		if err != nil {
			return nil, fmt.Errorf("grammar line %d: %w", number, err)
		}
		s.parent, s.index = parent, len(parent.kids)
		parent.kids = append(parent.kids, s)
		path = append(path[:depth+1], s)
	}
	return root, nil
}

func parseStatement(words []string) (*schema, error) {
	s := new(schema)
	s.name, s.bare = strings.CutPrefix(words[0], "~")
	name, json, ok := strings.Cut(s.name, "=")
	if s.name, s.json = name, json; !ok {
		s.json = name
	}
	for _, w := range words[1:] {
		typ := w
		switch {
		case w == "!":
			s.present = true
			continue
		case w == "-":
			s.oneLine = true
			continue
		case w == "/":
			s.prefix = true
			continue
		case w == "{}":
			s.block = true
			continue
		case w[0] == '?':
			s.choice = w[1:]
			continue
		case w == "flag":
			s.kind, s.present = empty, true
			continue
		case w[0] == '*':
			s.kind, s.present, typ = list, true, w[1:]
		case w[0] == '+':
			s.kind, s.present, s.ordered, typ = list, true, true, w[1:]
		case w[0] == '[':
			s.kind, s.present, s.ordered, typ = leafList, true, true, strings.Trim(w, "[]")
		default:
			s.kind, s.present = leaf, true
		}
		s.takes = typ
		var err error
		if s.typ, err = parseType(typ); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// keyed reports whether there may be several nodes of the statement, told apart by their text.
func (s *schema) keyed() bool { return s.kind == list || s.kind == leafList }

// bareKid returns the kid whose name is not written.
func (s *schema) bareKid() *schema {
	for _, k := range s.kids {
		if k.bare {
			return k
		}
	}
	return nil
}

// number reports whether the value or key is one.
func (s *schema) number() bool { return strings.Contains(s.takes, "..") }

// kid returns the kid with a name, for code that knows the grammar.
func (s *schema) kid(name string) *schema {
	for _, k := range s.kids {
		if k.name == name {
			return k
		}
	}
	return nil
}
