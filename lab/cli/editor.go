package cli

import (
	"slices"
	"strings"
)

const (
	ctrlA     = 0x01
	ctrlB     = 0x02
	ctrlC     = 0x03
	ctrlE     = 0x05
	ctrlF     = 0x06
	backspace = 0x08
	ctrlK     = 0x0b
	ctrlL     = 0x0c
	ctrlU     = 0x15
	ctrlV     = 0x16
	ctrlW     = 0x17
	escape    = 0x1b
	rubout    = 0x7f
)

// editor reads one line as it is typed.
type editor struct {
	t      *Terminal
	prompt func() string
	key    func(line string, key byte) Reaction
	mute   bool // what is typed is not shown

	line   []byte
	at     int // where the cursor is
	column int // on the screen, of the line alone
}

// read returns the line that is entered. ^C is errAbort.
func (e *editor) read() (string, error) {
	t := e.t
	e.redraw()
	for t.err == nil {
		b, err := t.read()
		if err != nil {
			break
		}
		switch b {
		case '\r', '\n':
			t.show("\n")
			return string(e.line), t.err
		case Question, Tab, Space, CtrlZ:
			if e.special(b) {
				return string(e.line), t.err
			}
		case CtrlD:
			if len(e.line) == 0 && e.special(b) {
				return string(e.line), t.err
			}
			e.cutOut(e.at, e.at+1)
		case ctrlC:
			t.show("^C\n")
			return "", errAbort
		case backspace, rubout:
			e.cutOut(e.at-1, e.at)
		case ctrlU:
			e.cutOut(0, e.at)
		case ctrlK:
			e.cutOut(e.at, len(e.line))
		case ctrlW:
			head := strings.TrimRight(string(e.line[:e.at]), " ")
			e.cutOut(strings.LastIndexByte(head, ' ')+1, e.at)
		case ctrlA:
			e.move(0)
		case ctrlE:
			e.move(len(e.line))
		case ctrlB:
			e.move(e.at - 1)
		case ctrlF:
			e.move(e.at + 1)
		case ctrlL:
			e.redraw()
		case ctrlV:
			if b, err = t.read(); err == nil {
				e.insert(b)
			}
		case escape:
			e.sequence()
		default:
			if b < ' ' {
				e.echo("\a")
			} else {
				e.insert(b)
			}
		}
	}
	return "", t.err
}

// special does what a key of the NOS does and reports whether the line is entered.
func (e *editor) special(key byte) bool {
	r := e.key(string(e.line[:e.at]), key)
	tail := string(e.line[e.at:])
	if len(r.Line)+len(tail) > maxLine {
		e.echo("\a")
		return false
	}
	typed, appended := strings.CutPrefix(r.Line, string(e.line[:e.at]))
	e.line, e.at = []byte(r.Line+tail), len(r.Line)
	switch {
	case r.Enter:
		e.echo("\n")
	case r.Text != "":
		if key == Question {
			e.echo("?")
		}
		e.echo("\n" + strings.TrimSuffix(r.Text, "\n") + "\n")
		e.redraw()
	case appended && tail == "":
		e.put(typed)
	case !appended || typed != "":
		e.echo("\n")
		e.redraw()
	}
	return r.Enter
}

// sequence reads a control sequence of the terminal: arrows move the cursor, others do nothing.
func (e *editor) sequence() {
	b, err := e.t.read()
	if err != nil || b != '[' && b != 'O' {
		return
	}
	for {
		if b, err = e.t.read(); err != nil {
			return
		}
		if b < 0x40 || b > 0x7e {
			continue
		}
		switch b {
		case 'C':
			e.move(e.at + 1)
		case 'D':
			e.move(e.at - 1)
		}
		return
	}
}

func (e *editor) insert(b byte) {
	if len(e.line) >= maxLine {
		e.echo("\a")
		return
	}
	e.line = slices.Insert(e.line, e.at, b)
	e.at++
	e.put(string(e.line[e.at-1:]))
	e.back(len(e.line) - e.at)
}

func (e *editor) cutOut(from, to int) {
	from, to = max(from, 0), min(to, len(e.line))
	if from >= to {
		return
	}
	e.back(e.at - from)
	gone := to - from
	e.line = slices.Delete(e.line, from, to)
	e.at = from
	e.put(string(e.line[from:]) + strings.Repeat(" ", gone))
	e.back(len(e.line) - from + gone)
}

func (e *editor) move(to int) {
	to = min(max(to, 0), len(e.line))
	if to < e.at {
		e.back(e.at - to)
	} else {
		e.put(string(e.line[e.at:to]))
	}
	e.at = to
}

func (e *editor) back(n int) {
	e.column = max(e.column-n, 0)
	e.echo(strings.Repeat("\b", n))
}

// put shows typed characters. Where the terminal's last column is reached, a device moves the cursor on to the next
// row by a blank and a carriage return.
func (e *editor) put(text string) {
	width, _ := e.t.Size()
	var out strings.Builder
	for _, b := range []byte(text) {
		out.WriteByte(b)
		if e.column++; width > 0 && e.column%width == 0 {
			out.WriteString(" \r")
		}
	}
	e.echo(out.String())
}

func (e *editor) redraw() {
	prompt := e.prompt()
	if e.t.faults.current().ANSI {
		e.t.raw("\x1b[?7h" + prompt + "\x1b[K")
	} else {
		e.t.raw(prompt)
	}
	_, last, _ := cutLast(prompt, "\n")
	e.column = len(last)
	e.put(string(e.line))
	e.back(len(e.line) - e.at)
}

// cutLast is strings.Cut at the last separator; without one all of s is after.
func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+len(sep):], true
}

func (e *editor) echo(text string) {
	if !e.mute || text == "\n" {
		e.t.show(text)
	}
}
