package clitext

import (
	"errors"
	"fmt"
	"strings"
)

// Parse reads the text of a whole configuration. What a device does not print is an error that names its line: tabs
// and other control characters, indentation that fits no block, a quote or brace that does not end, text after the
// end. So is text without the end marker of the dialect, which is not whole.
func Parse(d *Dialect, text []byte) (*Tree, error) {
	g := newGrammar(d)
	r := reader{rest: string(text)}
	size := strings.Count(r.rest, "\n") + 1
	if g.Style == Flat {
		size = r.words()
	}
	t := newTree(g, size)
	r.t = t
	var err error
	switch g.Style {
	case Indented:
		err = r.indented()
	case Braced:
		err = r.braced()
	case Flat:
		err = r.flat()
	}
	t.path = nil
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", r.line, err)
	}
	return t, nil
}

// reader reads text into a tree.
type reader struct {
	t    *Tree
	rest string
	line int

	last string        // the last statement of style Flat
	ends [maxDepth]int // where its words end
}

// next returns the next line without its end.
func (r *reader) next() (string, bool) {
	if r.rest == "" {
		return "", false
	}
	r.line++
	line, rest, _ := strings.Cut(r.rest, "\n")
	r.rest = rest
	return line, true
}

// end reads what is behind the end marker.
func (r *reader) end() error {
	for line, ok := r.next(); ok; line, ok = r.next() {
		if strings.Trim(line, " ") != "" {
			return fmt.Errorf("text after %q", r.t.g.End)
		}
	}
	return nil
}

func (r *reader) incomplete() error {
	return fmt.Errorf("the text ends without %q: it is not whole", r.t.g.End)
}

func (r *reader) indented() error {
	t, g := r.t, r.t.g
	var indents [maxDepth]int // of the blocks around
	var blocks [maxDepth + 1]int32
	depth := 0
	last, lastIndent := int32(0), 0 // the line before
	for raw, ok := r.next(); ok; raw, ok = r.next() {
		text := strings.TrimRight(raw, " ")
		indent := 0
		for indent < len(text) && text[indent] == ' ' {
			indent++
		}
		text = text[indent:]
		for i := range len(text) {
			if control(text[i]) {
				return errControl
			}
		}
		remark := g.Remark != "" && strings.HasPrefix(text, g.Remark)
		switch {
		case text == "" || text[0] == '!' && !remark:
			continue
		case g.End != "" && indent == 0 && text == g.End:
			return r.end()
		case indent > lastIndent:
			if depth == maxDepth-1 {
				return errDepth
			}
			if last == 0 {
				return errors.New("indented under nothing that can hold it")
			}
			indents[depth] = lastIndent
			depth++
			blocks[depth] = last
		default:
			for lastIndent != indent {
				if depth == 0 || indents[depth-1] < indent {
					return errors.New("the indentation fits no block")
				}
				depth--
				lastIndent = indents[depth]
			}
		}
		lastIndent = indent
		parent := blocks[depth]
		if remark {
			r.remark(parent, text)
			last = 0
			continue
		}
		last = t.put(parent, text, r.line)
		if rule := g.text(t, last, depth); rule != nil {
			body, err := r.until(rule, indent)
			if err != nil {
				return err
			}
			if t.nodes[last].size == 0 {
				t.drop(last)
			}
			t.put(parent, text+"\n"+body, r.line-strings.Count(body, "\n")-1)
			last = 0
		}
	}
	if g.End != "" {
		return r.incomplete()
	}
	return nil
}

// remark adds a line to the remark of a block.
func (r *reader) remark(parent int32, text string) {
	t := r.t
	for c := t.nodes[parent].first; c != 0; c = t.nodes[c].next {
		if strings.HasPrefix(t.nodes[c].text, t.g.Remark) {
			text = t.nodes[c].text + "\n" + text
			t.drop(c)
			break
		}
	}
	t.put(parent, text, r.line)
}

// text returns the rule of a line that is followed by text.
func (g *grammar) text(t *Tree, n int32, depth int) *rule {
	for _, r := range g.texts {
		if len(r.path) == depth+1 {
			if _, ok := r.last().match(t.nodes[n].text, g.words, nil); ok && t.rule(n, g) == r {
				return r
			}
		}
	}
	return nil
}

// until reads the text behind a line, with the line that ends it. Only if the line is indented the end may be.
func (r *reader) until(rule *rule, indent int) (string, error) {
	from, size := r.rest, 0
	for raw, ok := r.next(); ok; raw, ok = r.next() {
		size += len(raw)
		line := strings.TrimRight(raw, " ")
		if line == rule.Until || indent > 0 && strings.TrimLeft(line, " ") == rule.Until {
			return from[:size], nil
		}
		size++
	}
	return "", fmt.Errorf("the text ends without %q", rule.Until)
}

// checkLine reports why a line, or a remark of several, cannot be one of an indented configuration.
func (g *grammar) checkLine(text string, depth int) error {
	if first, rest, more := strings.Cut(text, "\n"); more && g.Remark != "" && strings.HasPrefix(first, g.Remark) && strings.HasPrefix(rest, g.Remark) {
		return errors.Join(g.checkLine(first, depth), g.checkLine(rest, depth))
	}
	for i := range len(text) {
		if control(text[i]) {
			return errControl
		}
	}
	switch {
	case text == "":
		return errEmpty
	case text[0] == ' ' || text[len(text)-1] == ' ':
		return errors.New("a space at the begin or end")
	case text[0] == '!' && (g.Remark == "" || !strings.HasPrefix(text, g.Remark)):
		return errors.New("a comment")
	case text == exit || depth == 0 && text == g.End:
		return errors.New("a line that ends a block")
	}
	return nil
}

func (r *reader) flat() error {
	for raw, ok := r.next(); ok; raw, ok = r.next() {
		text := strings.TrimRight(raw, " ")
		if text == "" || text[0] == '#' {
			continue
		}
		if r.t.g.End != "" && text == r.t.g.End {
			return r.end()
		}
		if err := r.statement(text); err != nil {
			return err
		}
	}
	if r.t.g.End != "" {
		return r.incomplete()
	}
	return nil
}

func (r *reader) statement(text string) error {
	t := r.t
	verb, rest, _ := strings.Cut(text, " ")
	switch verb {
	case "set":
		return r.set(rest)
	case "deactivate":
		r.last = ""
		size := len(t.nodes)
		if err := t.enter([]string{rest}, r.line); err != nil {
			return err
		}
		if len(t.nodes) > size {
			return errors.New("nothing to deactivate")
		}
		t.nodes[t.path[len(t.path)-1]].inactive = true
		return nil
	}
	return fmt.Errorf("neither set nor deactivate: %.40q", text)
}

// set adds a statement. The words with which the last one began too are not looked at again.
func (r *reader) set(text string) error {
	t := r.t
	depth, parent, rest := 0, int32(0), text
	for same := common(text, r.last); depth < len(t.path) && r.ends[depth] < same; depth++ {
		parent, rest = t.path[depth], text[r.ends[depth]:]
	}
	t.path = t.path[:depth]
	for more := true; more; more = rest != "" {
		word, left, err := nextWord(rest)
		switch {
		case err != nil:
			return err
		case depth == maxDepth:
			return errDepth
		}
		rest = left
		parent = t.put(parent, word, r.line)
		t.path = append(t.path, parent)
		r.ends[depth] = len(strings.TrimRight(text[:len(text)-len(rest)], " "))
		depth++
	}
	r.last = text
	return nil
}

// common returns how much two texts have in common at their begin.
func common(a, b string) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}

// words returns about how many nodes the text will have: the words with which a line goes on where it is no longer
// like the line before.
func (r *reader) words() int {
	n, last := 1, ""
	for line := range strings.Lines(r.rest) {
		n += 1 + strings.Count(line[common(line, last):], " ")
		last = line
	}
	return n
}

func (r *reader) braced() error {
	b := bracedReader{reader: r, text: r.rest}
	r.line = 1
	return b.read()
}

// bracedReader reads text with braces.
type bracedReader struct {
	*reader
	text  string
	at    int
	words []string // of the statement that is read
}

func (b *bracedReader) read() error {
	t := b.t
	var blocks [maxDepth + 1]int32
	depth := 0
	for {
		s, end, err := b.statement()
		switch {
		case err != nil:
			return err
		case end == 0 || end == '}':
			if len(s.words) > 0 {
				return errors.New("a statement that does not end")
			}
			if end == 0 {
				if depth > 0 {
					return errors.New("the text ends within a block: it is not whole")
				}
				return nil
			}
			if depth--; depth < 0 {
				return errors.New("a closing brace too many")
			}
			continue
		case len(s.words) == 0:
			return errEmpty
		case depth == maxDepth-1:
			return errDepth
		case s.list && end == '{':
			return errors.New("a list that holds a block")
		}
		if !s.list {
			n := t.put(blocks[depth], s.text(b.text, len(s.words)), s.line)
			t.nodes[n].inactive = t.nodes[n].inactive || s.inactive
			if end == '{' {
				depth++
				blocks[depth] = n
			}
			continue
		}
		head := s.text(b.text, s.head)
		for _, w := range s.words[s.head:] {
			n := t.put(blocks[depth], strings.TrimPrefix(head+" "+w, " "), s.line)
			t.nodes[n].inactive = t.nodes[n].inactive || s.inactive
		}
	}
}

// statement is the words up to a semicolon or brace.
type statement struct {
	words    []string
	from, to int  // where it stands
	same     bool // the words are as they stand, with one space between each
	list     bool // the words from head are a list in brackets
	head     int
	line     int
	inactive bool
}

func (s *statement) text(source string, n int) string {
	if s.same && !s.list {
		return source[s.from:s.to]
	}
	return strings.Join(s.words[:n], " ")
}

// statement reads up to the character that ends a statement, which it returns; 0 is the end of the text.
func (b *bracedReader) statement() (s statement, end byte, err error) {
	s.words, s.same = b.words[:0], true
	inList := false
	for {
		if err := b.space(); err != nil {
			return s, 0, err
		}
		if b.at == len(b.text) {
			if inList {
				return s, 0, errors.New("a list that does not end")
			}
			return s, 0, nil
		}
		switch c := b.text[b.at]; c {
		case ';', '{', '}':
			if inList {
				return s, 0, errors.New("a list that does not end")
			}
			b.at++
			return s, c, nil
		case '[':
			if s.list {
				return s, 0, errors.New("a list within another")
			}
			s.list, s.head, inList = true, len(s.words), true
			b.at++
			continue
		case ']':
			if !inList || len(s.words) == s.head {
				return s, 0, errors.New("a bracket that closes nothing")
			}
			inList = false
			b.at++
			continue
		}
		if s.list && !inList {
			return s, 0, errors.New("something behind a list")
		}
		from := b.at
		if b.text[from] == '"' {
			b.at += len(quotedPart(b.text[from:]))
		} else {
			for b.at < len(b.text) && !strings.ContainsRune(" \n;{}[]\"", rune(b.text[b.at])) {
				b.at++
			}
		}
		raw := b.text[from:b.at]
		if raw == "inactive:" && len(s.words) == 0 && !s.inactive {
			s.inactive = true
			continue
		}
		w, rest, err := nextWord(raw)
		switch {
		case err != nil:
			return s, 0, err
		case rest != "" || b.at < len(b.text) && b.text[b.at] == '"':
			return s, 0, errors.New("a quote within a word")
		}
		if len(s.words) == 0 {
			s.from, s.line = from, b.line
		} else {
			s.same = s.same && from == s.to+1 && b.text[s.to] == ' '
		}
		s.same = s.same && w == raw
		s.to = b.at
		s.words = append(s.words, w)
		b.words = s.words
	}
}

// space skips what is between words, comments too.
func (b *bracedReader) space() error {
	for b.at < len(b.text) {
		switch rest := b.text[b.at:]; {
		case rest[0] == '\n':
			b.line++
			b.at++
		case rest[0] == ' ':
			b.at++
		case rest[0] == '#':
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				end = len(rest)
			}
			b.at += end
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest, "*/")
			if end < 2 {
				return errors.New("a comment that does not end")
			}
			b.line += strings.Count(rest[:end], "\n")
			b.at += end + 2
		case control(rest[0]):
			return errControl
		default:
			return nil
		}
	}
	return nil
}
