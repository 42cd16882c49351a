package junos

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// filter is what stands behind a bar. It changes a result.
type filter func(*result) error

// filters reads what stands behind the bars of a line.
func (c *call) filters(parts []parser) ([]filter, *fault) {
	var all []filter
	for _, p := range parts {
		one, f := c.filter(&p)
		if f != nil {
			return nil, f
		}
		if !p.done() {
			return nil, &fault{p.words[0].at, errSyntax}
		}
		all = append(all, one)
	}
	return all, nil
}

func (c *call) filter(p *parser) (filter, *fault) {
	w := p.next()
	switch {
	case w.is("no-more"):
		return func(*result) error { return nil }, nil
	case w.is("count"):
		return func(r *result) error {
			r.text = fmt.Appendf(nil, "Count: %d lines\n", bytes.Count(r.render(), []byte("\n")))
			return nil
		}, nil
	case w.is("match"), w.is("except"), w.is("find"):
		if p.done() {
			return nil, p.missing()
		}
		pattern := p.next()
		x, err := regexp.Compile("(?i)" + pattern.text)
		if err != nil {
			return nil, &fault{pattern.at, errors.New("error: regcomp failed: " + err.Error())}
		}
		return lines(w.text, x), nil
	case w.is("last"):
		n := 1
		if !p.done() {
			w := p.next()
			var err error
			if n, err = strconv.Atoi(w.text); err != nil || n < 1 {
				return nil, &fault{w.at, errSyntax}
			}
		}
		return func(r *result) error {
			all := strings.SplitAfter(string(r.render()), "\n")
			all = all[:len(all)-1]
			r.text = []byte(strings.Join(all[max(0, len(all)-n):], ""))
			return nil
		}, nil
	case w.is("display"):
		return c.display(p)
	case w.is("compare"):
		return c.compare(p)
	}
	return nil, &fault{w.at, errSyntax}
}

// lines keeps the lines that match, those that do not, or those from the first that does.
func lines(what string, x *regexp.Regexp) filter {
	return func(r *result) error {
		var out []byte
		found := false
		for line := range bytes.Lines(r.render()) {
			match := x.Match(bytes.TrimRight(line, "\n"))
			found = found || match
			if what == "match" && match || what == "except" && !match || what == "find" && found {
				out = append(out, line...)
			}
		}
		r.text = out
		return nil
	}
}

func (c *call) display(p *parser) (filter, *fault) {
	if p.done() {
		return nil, p.missing()
	}
	w := p.next()
	relative := false
	if w.is("set") && !p.done() && p.words[0].is("relative") {
		p.next()
		relative = true
	}
	if !w.is("set") && !w.is("json") {
		return nil, &fault{w.at, errSyntax}
	}
	return func(r *result) error {
		switch {
		case w.text == "json" && r.data != nil:
			r.text, r.data = r.data.json(), nil
		case r.node == nil && len(r.text) == 0 && r.data == nil:
			// There is nothing to be said.
		case r.node == nil:
			return &fault{w.at, errSyntax}
		case w.text == "json":
			r.text = appendJSON(nil, r.node, r.path)
		default:
			var words []string
			if !relative {
				for _, s := range r.path {
					words = s.words(words)
				}
			}
			r.text = appendSet(nil, r.node, words)
		}
		r.node = nil
		return nil
	}, nil
}

// compare reads `compare` and `compare rollback N`.
func (c *call) compare(p *parser) (filter, *fault) {
	number := 0
	if !p.done() {
		if w := p.next(); !w.is("rollback") {
			return nil, &fault{w.at, errSyntax}
		}
		if p.done() {
			return nil, p.missing()
		}
		w := p.next()
		n, err := strconv.Atoi(w.text)
		if err != nil || n < 0 || n >= maxHistory {
			return nil, &fault{w.at, errSyntax}
		}
		number = n
	}
	return func(r *result) error {
		n := c.nos
		n.mu.Lock()
		defer n.mu.Unlock()
		before, path := n.running(), c.path
		if number >= len(n.history) {
			return errNoRollback
		}
		if number > 0 {
			before = n.history[number].root
		}
		after := before
		if c.mode != operational {
			after = c.work().root
		} else if number > 0 {
			after, path = n.running(), nil
		}
		r.node = nil
		r.text = compareBelow(before, after, path)
		return nil
	}, nil
}

const errNoRollback = errSaid("no such rollback file")

// compareBelow compares what is at a path.
func compareBelow(before, after *node, path []step) []byte {
	was, is := before.follow(path), after.follow(path)
	var words []string
	for _, s := range path {
		words = s.words(words)
	}
	if len(path) > 0 {
		nothing := &node{schema: path[len(path)-1].schema}
		if was == nil {
			was = nothing
		}
		if is == nil {
			is = nothing
		}
	}
	return compare(was, is, words)
}
