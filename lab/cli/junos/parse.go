package junos

import (
	"errors"
	"fmt"
	"strings"
)

// word is a part of a line, and where it begins.
type word struct {
	text   string
	at     int
	quoted bool
}

// fault is why a line is refused, and where the caret points.
type fault struct {
	at  int
	err error
}

func (f *fault) Error() string { return f.err.Error() }

// What the command line says of a line that it does not understand.
var (
	errSyntax   = errors.New("syntax error.")
	errUnknown  = errors.New("unknown command.")
	errMissing  = errors.New("missing argument.")
	errOddQuote = errors.New("missing closing quote.")
)

// split cuts a line into words. A word in quotation marks may hold anything but a line's end; a backslash takes the
// character after it as it is. Brackets and the bar are words of their own.
func split(line string) ([]word, *fault) {
	var words []word
	for i := 0; i < len(line); {
		c := line[i]
		switch {
		case c == ' ' || c == '\t':
			i++
		case c == '"':
			w, end := word{at: i, quoted: true}, -1
			var b strings.Builder
			for j := i + 1; j < len(line); j++ {
				if line[j] == '\\' && j+1 < len(line) {
					j++
				} else if line[j] == '"' {
					end = j + 1
					break
				}
				b.WriteByte(line[j])
			}
			if end < 0 {
				return nil, &fault{len(line), errOddQuote}
			}
			if end < len(line) && line[end] != ' ' && line[end] != '\t' && line[end] != ']' {
				return nil, &fault{end, errSyntax}
			}
			w.text = b.String()
			words = append(words, w)
			i = end
		case strings.IndexByte("[]|", c) >= 0:
			words = append(words, word{text: string(c), at: i})
			i++
		default:
			j := i
			for j < len(line) && strings.IndexByte(" \t[]|\"", line[j]) < 0 {
				j++
			}
			w := word{text: line[i:j], at: i}
			if k := strings.IndexAny(w.text, ";{}<>&\\`#"); k >= 0 || j < len(line) && line[j] == '"' {
				return nil, &fault{i + max(k, 0), errSyntax}
			}
			words = append(words, w)
			i = j
		}
	}
	for _, w := range words {
		if !printable(w.text) {
			return nil, &fault{w.at, errSyntax}
		}
	}
	return words, nil
}

func (w word) is(text string) bool { return !w.quoted && w.text == text }

// parser reads the words of statements.
type parser struct {
	root  *schema
	words []word
	end   int // of the line
}

func (p *parser) done() bool { return len(p.words) == 0 }

func (p *parser) next() word {
	w := p.words[0]
	p.words = p.words[1:]
	return w
}

func (p *parser) missing() *fault { return &fault{p.end, errMissing} }

// keyword finds a kid by its name, or by the beginning of one.
func (p *parser) keyword(s *schema, w word) (*schema, *fault) {
	var found []*schema
	if !w.quoted {
		for _, k := range s.kids {
			switch {
			case k.bare:
			case k.name == w.text:
				return k, nil
			case strings.HasPrefix(k.name, w.text) && w.text != "":
				found = append(found, k)
			}
		}
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return found[0], nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "'%s' is ambiguous.\nPossible completions:", w.text)
	for _, k := range found {
		b.WriteString("\n  " + k.name)
	}
	return nil, &fault{w.at, errors.New(b.String())}
}

// kid reads the name of a statement below s. A statement whose name is not written takes no word.
func (p *parser) kid(s *schema) (*schema, *fault) {
	k, f := p.keyword(s, p.words[0])
	switch {
	case f != nil:
		return nil, f
	case k != nil:
		p.next()
		return k, nil
	}
	if k = s.bareKid(); k == nil || p.words[0].is("[") || p.words[0].is("]") {
		return nil, &fault{p.words[0].at, errSyntax}
	}
	return k, nil
}

// value reads the value or key of a statement.
func (p *parser) value(s *schema) (string, *fault) {
	if p.done() {
		return "", p.missing()
	}
	w := p.next()
	if !w.quoted && strings.ContainsAny(w.text, "[]|") {
		return "", &fault{w.at, errSyntax}
	}
	text, err := s.typ(w.text)
	if err != nil {
		return "", &fault{w.at, err}
	}
	return text, nil
}

// values reads one value, or several in brackets.
func (p *parser) values(s *schema) ([]string, *fault) {
	if p.done() || !p.words[0].is("[") {
		text, f := p.value(s)
		return []string{text}, f
	}
	var all []string
	for p.next(); ; {
		if p.done() {
			return nil, p.missing()
		}
		if p.words[0].is("]") {
			if p.next(); len(all) == 0 {
				return nil, p.missing()
			}
			return all, nil
		}
		text, f := p.value(s)
		if f != nil {
			return nil, f
		}
		all = append(all, text)
	}
}

// statements reads what is to be set: one path, or several that begin alike and of which all but the last end in a value.
func (p *parser) statements(at []step) ([][]step, *fault) {
	if p.done() {
		return nil, p.missing()
	}
	var paths [][]step
	path := append([]step(nil), at...)
	for s := p.schemaOf(at); !p.done(); {
		k, f := p.kid(s)
		if f != nil {
			return nil, f
		}
		texts := []string{""}
		switch {
		case k.kind == leafList:
			texts, f = p.values(k)
		case k.kind == leaf, k.kind == list:
			texts[0], f = p.value(k)
		}
		if f != nil {
			return nil, f
		}
		for _, text := range texts {
			one := append(append([]step(nil), path...), step{schema: k, text: text})
			if k.kind == container || k.kind == list {
				path, s = one, k
				if p.done() {
					if !k.present {
						return nil, p.missing()
					}
					paths = append(paths, one)
				}
				continue
			}
			paths = append(paths, one)
		}
	}
	return paths, nil
}

// target reads what is there already: the last step need not have a value. There is at least one.
func (p *parser) target(at []step) ([]step, *fault) {
	path := append([]step(nil), at...)
	for s := p.schemaOf(at); !p.done(); {
		if len(s.kids) == 0 {
			return nil, &fault{p.words[0].at, errSyntax}
		}
		k, f := p.kid(s)
		if f != nil {
			return nil, f
		}
		one := step{schema: k}
		switch {
		case k.kind == container || k.kind == empty:
		case p.done() && k.kind == list:
			return nil, p.missing()
		case p.done():
			one.any = true
		default:
			if one.text, f = p.value(k); f != nil {
				return nil, f
			}
		}
		path, s = append(path, one), k
	}
	return path, nil
}

// schemaOf returns the schema of the end of a path.
func (p *parser) schemaOf(path []step) *schema {
	if len(path) > 0 {
		return path[len(path)-1].schema
	}
	return p.root
}
