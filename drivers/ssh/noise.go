package ssh

import "bytes"

// The marks that stand for control functions between noise and screen. They are no octets that a device's text has, as
// noise takes those out.
const (
	home  = 0x01 // the cursor goes to the beginning of the line
	erase = 0x02 // the line is erased from the cursor on
	back  = '\b' // the cursor goes one to the left
)

// noise takes control functions (ECMA-48) out of a stream, however it is cut, and leaves marks for those that change
// the line. What it lets pass has neither CR nor ESC: scrapligo, which looks for both in each piece, changes nothing.
type noise struct {
	state  byte // what it is in: 0, ESC, '[' for a control sequence, ']' for a string, 'e' for an ESC in a string, ' ' for an ESC with intermediates
	cr     bool // a CR is due unless a LF follows
	params []byte
}

// maxParams bounds a control sequence. A longer one is text.
const maxParams = 64

// filter appends to dst what is left of b.
func (n *noise) filter(dst, b []byte) []byte {
	for len(b) > 0 {
		if n.state == 0 && !n.cr {
			i := bytes.IndexFunc(b, func(r rune) bool { return r < ' ' && r != '\n' && r != '\t' || r == 0x7f })
			if i < 0 {
				return append(dst, b...)
			}
			dst, b = append(dst, b[:i]...), b[i:]
		}
		dst = n.one(dst, b[0])
		b = b[1:]
	}
	return dst
}

func (n *noise) one(dst []byte, c byte) []byte {
	switch n.state {
	case 0x1b:
		switch {
		case c == '[':
			n.state, n.params = '[', n.params[:0]
		case c == ']' || c == 'P' || c == '_' || c == '^' || c == 'X':
			n.state = ']'
		case c >= ' ' && c <= '/':
			n.state = ' '
		case c == 0x1b:
		default:
			n.state = 0
		}
		return dst
	case ' ':
		if c < ' ' || c > '/' {
			n.state = 0
		}
		return dst
	case ']':
		switch c {
		case 0x07, 0x18, '\n': // a string has no newline: one that has lacks its end
			n.state = 0
		case 0x1b:
			n.state = 'e'
		}
		if c == '\n' {
			return n.text(dst, c)
		}
		return dst
	case 'e':
		n.state = ']'
		if c == '\\' {
			n.state = 0
		}
		return dst
	case '[':
		switch {
		case c >= '@' && c <= '~':
			n.state = 0
			return n.sequence(dst, c)
		case c < ' ' || c > '~' || len(n.params) >= maxParams: // no sequence after all
			n.state = 0
			return n.text(dst, c)
		}
		n.params = append(n.params, c)
		return dst
	}
	return n.text(dst, c)
}

// text takes an octet outside of control sequences.
func (n *noise) text(dst []byte, c byte) []byte {
	if c == '\r' {
		n.cr = true
		return dst
	}
	if c == 0x1b {
		n.state = c
		return dst
	}
	if n.cr && c != '\n' {
		dst = append(dst, home)
	}
	n.cr = false
	if c >= ' ' && c != 0x7f || c == '\n' || c == '\t' || c == back {
		dst = append(dst, c)
	}
	return dst
}

// sequence takes the end of a control sequence.
func (n *noise) sequence(dst []byte, final byte) []byte {
	if n.cr && bytes.IndexByte([]byte("KJDG"), final) >= 0 {
		dst, n.cr = append(dst, home), false
	}
	switch final {
	case 'K', 'J': // erase in line, in display
		if len(n.params) > 0 && n.params[0] != '0' {
			dst = append(dst, home)
		}
		dst = append(dst, erase)
	case 'D': // cursor left
		count := 0
		for _, c := range n.params {
			if c < '0' || c > '9' {
				break
			}
			count = min(count*10+int(c-'0'), terminalWidth)
		}
		dst = append(dst, bytes.Repeat([]byte{back}, max(count, 1))...)
	case 'G': // cursor to column
		if len(n.params) == 0 || string(n.params) == "1" {
			dst = append(dst, home)
		}
	}
	return dst
}

// screen is what a terminal would show of a stream, as lines that only grow. A device that writes over what it has
// written has damaged its output.
type screen struct {
	out     []byte
	line    int  // where the last line begins
	col     int  // where in it the next character goes
	damaged bool // text was written over or erased that was not a question
	taken   int  // octets so far

	asked, asks int  // the part of the last line that is a question, and may go
	key         bool // it was answered by a key, and is no output
	gone        bool // the device has written over it or erased it
}

func (s *screen) reset() { *s = screen{out: s.out[:0], taken: s.taken} }

// text returns everything up to the cursor, if nothing stands behind it.
func (s *screen) text() []byte {
	if rest := s.out[s.line+s.col:]; len(bytes.TrimLeft(rest, " ")) > 0 {
		return s.out
	}
	return s.out[:s.line+s.col]
}

// partial returns the last line.
func (s *screen) partial() []byte { return s.text()[s.line:] }

// answered says that the last line is a question that has been answered.
func (s *screen) answered(byKey bool) {
	s.asked, s.asks, s.key, s.gone = s.line, len(s.text()), byKey, false
}

func (s *screen) write(b []byte) {
	s.taken += len(b)
	for len(b) > 0 {
		if s.line+s.col == len(s.out) {
			i := bytes.IndexAny(b, "\x01\x02\b\n")
			if i < 0 {
				i = len(b)
			}
			s.out = append(s.out, b[:i]...)
			s.col += i
			if b = b[i:]; len(b) == 0 {
				return
			}
		}
		s.one(b[0])
		b = b[1:]
	}
}

func (s *screen) one(c byte) {
	at := s.line + s.col
	switch c {
	case '\n':
		s.newline()
	case home:
		s.col = 0
	case back:
		s.col = max(s.col-1, 0)
	case erase:
		s.lose(s.out[at:], at)
		s.out = s.out[:at]
	default:
		if at < len(s.out) {
			if s.out[at] != c || at < s.asks {
				s.lose(s.out[at:at+1], at)
			}
			s.out[at] = c
		} else {
			s.out = append(s.out, c)
		}
		s.col++
	}
}

// lose takes note of text that is about to be gone from position at.
func (s *screen) lose(text []byte, at int) {
	for i, c := range text {
		if at+i >= s.asked && at+i < s.asks {
			s.gone = true
		} else if c != ' ' {
			s.damaged = true
		}
	}
}

func (s *screen) newline() {
	if s.asks > s.asked && s.gone {
		s.out = append(s.out[:s.line], bytes.TrimRight(s.out[s.line:], " ")...)
	} else if s.asks > s.asked && s.key {
		s.out = append(s.out[:s.asked], s.out[s.asks:]...)
	}
	s.asked, s.asks = 0, 0
	s.out = append(s.out, '\n')
	s.line, s.col = len(s.out), 0
}
