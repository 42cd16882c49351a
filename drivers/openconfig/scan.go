package openconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// maxDepth bounds the nesting of an answer; the models need under 20 levels.
const maxDepth = 64

// scanner reads JSON (RFC 8259) in one pass over a whole answer. The first fault sticks, after which every method
// returns zero values and no callback is called. It refuses what encoding/json refuses, and members that are
// there twice where it is asked for them.
type scanner struct {
	b     []byte
	i     int
	depth int
	err   error
}

func (s *scanner) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf("at byte %d: %w", s.i, fmt.Errorf(format, args...))
	}
}

var errCut = errors.New("the text ends in the middle")

// peek returns the first byte of the next token, 0 at a fault.
func (s *scanner) peek() byte {
	for s.err == nil {
		if s.i >= len(s.b) {
			s.fail("%w", errCut)
			break
		}
		c := s.b[s.i]
		if c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			return c
		}
		s.i++
	}
	return 0
}

// take reports whether the next token begins with c, and if so goes past it.
func (s *scanner) take(c byte) bool {
	if s.peek() != c || c == 0 {
		return false
	}
	s.i++
	return true
}

func (s *scanner) enter(c byte) bool {
	if !s.take(c) {
		s.fail("want %q, found %q", c, s.peek())
		return false
	}
	if s.depth++; s.depth > maxDepth {
		s.fail("nested more than %d deep", maxDepth)
	}
	return s.err == nil
}

// object calls member for each member of the object that comes next. The name is without the prefix of an
// OpenConfig module; member must read the value.
func (s *scanner) object(member func(name []byte)) {
	if !s.enter('{') {
		return
	}
	defer func() { s.depth-- }()
	if s.take('}') {
		return
	}
	for s.err == nil {
		name := s.text()
		if !s.take(':') {
			s.fail("want %q after a member's name", ':')
			return
		}
		member(local(name))
		if s.take(',') {
			continue
		}
		if !s.take('}') {
			s.fail("an object does not end")
		}
		return
	}
}

// local strips the module that RFC 7951 puts before a name where it is one whose nodes are read here. Names of
// other modules, such as a vendor's augmentation, stay as they are and match nothing.
func local(name []byte) []byte {
	if i := bytes.IndexByte(name, ':'); i > 0 && (bytes.HasPrefix(name, []byte("openconfig-")) || string(name[:i]) == "ixagent-openconfig-ext") {
		return name[i+1:]
	}
	return name
}

// array calls element for each element of the array that comes next; element must read it.
func (s *scanner) array(element func()) {
	if !s.enter('[') {
		return
	}
	defer func() { s.depth-- }()
	if s.take(']') {
		return
	}
	for s.err == nil {
		element()
		if s.take(',') {
			continue
		}
		if !s.take(']') {
			s.fail("an array does not end")
		}
		return
	}
}

// text returns the string that comes next. It may share memory with the answer.
func (s *scanner) text() []byte {
	if !s.take('"') {
		s.fail("want a string, found %q", s.peek())
		return nil
	}
	start, plain := s.i, true
	for ; s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; {
		case c == '"':
			t := s.b[start:s.i]
			s.i++
			if plain {
				return t
			}
			var out string
			if err := json.Unmarshal(s.b[start-1:s.i], &out); err != nil {
				s.fail("%w", err)
				return nil
			}
			return []byte(out)
		case c == '\\':
			plain = false
			s.i++
		case c >= utf8.RuneSelf:
			plain = false
		case c < ' ':
			s.fail("a control character in a string")
			return nil
		}
	}
	s.i = len(s.b)
	s.fail("%w", errCut)
	return nil
}

func (s *scanner) str() string { return string(s.text()) }

// name returns the string that comes next without the module before it: the form of identities.
func (s *scanner) name() string {
	t := s.text()
	return string(t[bytes.LastIndexByte(t, ':')+1:])
}

// uint returns the number that comes next, which RFC 7951 6.1 writes as a string where it has 64 bits.
func (s *scanner) uint(bits int) uint64 {
	var digits []byte
	if s.peek() == '"' {
		digits = s.text()
	} else {
		start := s.i
		for s.i < len(s.b) && s.b[s.i] >= '0' && s.b[s.i] <= '9' {
			s.i++
		}
		digits = s.b[start:s.i]
		if s.i < len(s.b) && bytes.IndexByte([]byte(".eE"), s.b[s.i]) >= 0 || len(digits) > 1 && digits[0] == '0' {
			s.fail("want a whole number")
		}
	}
	if s.err != nil {
		return 0
	}
	n, err := strconv.ParseUint(string(digits), 10, bits)
	if err != nil {
		s.fail("want a number of %d bits, found %q", bits, digits[:min(len(digits), 30)])
		return 0
	}
	return n
}

// bool returns the boolean that comes next.
func (s *scanner) bool() bool {
	switch w := s.word(); w {
	case "true":
		return true
	case "false":
		return false
	default:
		s.fail("want true or false")
		return false
	}
}

// word goes past a literal or number and returns it.
func (s *scanner) word() string {
	s.peek()
	start := s.i
	for s.err == nil && s.i < len(s.b) {
		c := s.b[s.i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && c != '-' && c != '+' && c != '.' && c != 'E' {
			break
		}
		s.i++
	}
	return string(s.b[start:s.i])
}

// skip goes past the value that comes next.
func (s *scanner) skip() { s.substance() }

// substance goes past the value that comes next and reports whether there is a leaf in it that is not state.
func (s *scanner) substance() bool {
	found := false
	switch s.peek() {
	case '{':
		s.object(func(name []byte) {
			is := string(name) == "state"
			if s.substance() && !is {
				found = true
			}
		})
	case '[':
		s.array(func() {
			if s.substance() {
				found = true
			}
		})
	case '"':
		s.text()
		found = true
	default:
		if w := s.word(); !json.Valid([]byte(w)) {
			s.fail("want a JSON value")
		} else {
			found = w != "null"
		}
	}
	return found && s.err == nil
}

// end fails unless everything was read.
func (s *scanner) end() {
	for s.err == nil && s.i < len(s.b) {
		if c := s.b[s.i]; c != ' ' && c != '\n' && c != '\r' && c != '\t' {
			s.fail("text after the value")
		}
		s.i++
	}
}
