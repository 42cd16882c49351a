package junos

import (
	"errors"
	"strings"
)

// verb is a command that changes a candidate.
type verb func(e *edit, p *parser, at []step) error

// editVerb finds one by its name.
func editVerb(name string) (verb, bool) {
	switch name {
	case "set":
		return set, true
	case "delete":
		return remove, true
	case "deactivate":
		return marking(true), true
	case "activate":
		return marking(false), true
	case "insert":
		return insert, true
	case "rename":
		return renaming(false), true
	case "copy":
		return renaming(true), true
	}
	return nil, false
}

func set(e *edit, p *parser, at []step) error {
	paths, f := p.statements(at)
	if f != nil {
		return f
	}
	for _, path := range paths {
		e.set(path)
	}
	return nil
}

func remove(e *edit, p *parser, at []step) error {
	path, f := p.target(at)
	if f != nil {
		return f
	}
	return e.remove(path)
}

func marking(inactive bool) verb {
	return func(e *edit, p *parser, at []step) error {
		if p.done() {
			return p.missing()
		}
		path, f := p.target(at)
		if f != nil {
			return f
		}
		last := path[len(path)-1]
		if last.schema.kind == leafList || last.schema.bare {
			return &fault{p.end, errSyntax}
		}
		if last.any && last.schema.kind == leaf {
			n := e.root.follow(path)
			if n == nil {
				return errNotFound
			}
			path[len(path)-1].text = n.text
		}
		return e.mark(path, inactive)
	}
}

// until splits the words of a command at the first that is one of some, and returns which.
func (p *parser) until(words ...string) (before *parser, found string) {
	for i, w := range p.words {
		for _, want := range words {
			if w.is(want) {
				before = &parser{root: p.root, words: p.words[:i], end: w.at}
				p.words = p.words[i+1:]
				return before, want
			}
		}
	}
	return p, ""
}

// entry reads the path of an entry of a list.
func (p *parser) entry(at []step) ([]step, *fault) {
	path, f := p.target(at)
	switch {
	case f != nil:
		return nil, f
	case len(path) == len(at):
		return nil, p.missing()
	case path[len(path)-1].schema.kind != list:
		return nil, &fault{p.end, errSyntax}
	}
	return path, nil
}

// key reads the rest of a command, which names an entry of the list of a path: with the list's name, if it has one.
func (p *parser) key(s *schema) (string, *fault) {
	if p.done() {
		return "", p.missing()
	}
	if !s.bare {
		if w := p.next(); w.quoted || w.text == "" || !strings.HasPrefix(s.name, w.text) {
			return "", &fault{w.at, errSyntax}
		}
	}
	key, f := p.value(s)
	if f == nil && !p.done() {
		f = &fault{p.words[0].at, errSyntax}
	}
	return key, f
}

func insert(e *edit, p *parser, at []step) error {
	before, where := p.until("before", "after")
	if where == "" {
		return p.missing()
	}
	path, f := before.entry(at)
	if f != nil {
		return f
	}
	last := path[len(path)-1].schema
	if !last.ordered {
		return errSaid("statement '" + written(path[len(path)-1:]) + "' is not in an ordered list")
	}
	other, f := p.key(last)
	if f != nil {
		return f
	}
	return e.move(path, where == "before", other)
}

func renaming(copied bool) verb {
	return func(e *edit, p *parser, at []step) error {
		before, where := p.until("to")
		if where == "" {
			return p.missing()
		}
		path, f := before.entry(at)
		if f != nil {
			return f
		}
		key, f := p.key(path[len(path)-1].schema)
		if f != nil {
			return f
		}
		err := e.rename(path, key, copied)
		if err != nil && !errors.Is(err, errNotFound) {
			return errSaid(err.Error())
		}
		return err
	}
}
