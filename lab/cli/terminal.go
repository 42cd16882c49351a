package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

const (
	defaultLength = 24
	defaultWidth  = 80
	maxLine       = 16 << 10 // octets of a line that is typed
	maxText       = 16 << 20 // octets of a text that is typed
)

var (
	errGone  = errors.New("the session is over")
	errAbort = errors.New("interrupted by the user")
)

// Terminal is what the commands of a session read from and write to.
type Terminal struct {
	ctx    context.Context
	user   string
	style  Style
	faults *Faults
	cut    func() // ends the connection without a farewell
	in     *bufio.Reader
	out    *bufio.Writer // sent when input is waited for, at the latest
	echo   bool          // the client has a terminal

	mu            sync.Mutex
	window        [2]int // width and height of the client's window, 0 where unknown
	width, length int    // as commands have set them, -1 where none has

	err    error // why there is no more output
	strike *strike
	rows   int  // shown since the last page began
	quit   bool // the rest of a command's output is not wanted
}

// Context is done when the connection is.
func (t *Terminal) Context() context.Context { return t.ctx }

// User is who has logged in.
func (t *Terminal) User() string { return t.user }

// SetLength sets how many lines a page has; 0 for no pager.
func (t *Terminal) SetLength(lines int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.length = lines
}

// SetWidth sets how many columns the terminal has; 0 for any number.
func (t *Terminal) SetWidth(columns int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.width = columns
}

// Size returns columns and lines, each 0 if it is not bounded.
func (t *Terminal) Size() (width, length int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	width, length = t.width, t.length
	if width < 0 {
		width = t.window[0]
		if width == 0 {
			width = defaultWidth
		}
	}
	if length < 0 {
		length = t.window[1]
		if length == 0 {
			length = t.style.Length
		}
		if length == 0 {
			length = defaultLength
		}
	}
	return width, length
}

func (t *Terminal) resize(width, height int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.window = [2]int{max(width, 0), max(height, 0)}
}

// Write shows output of a command, page by page. What the user does not want to see any more is thrown away. It fails
// only when the session is over.
func (t *Terminal) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		line := rest
		if i := bytes.IndexByte(rest, '\n'); i >= 0 {
			line = rest[:i+1]
		}
		rest = rest[len(line):]
		if err := t.line(string(line)); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// line shows one line of output, or a part of one.
func (t *Terminal) line(line string) error {
	line, now := t.strike.pass(line)
	if !t.quit && t.err == nil && line != "" {
		if err := t.page(); err != nil {
			return err
		}
	}
	if !t.quit && line != "" {
		if t.faults.current().ANSI && strings.HasSuffix(line, "\n") {
			line = line[:len(line)-1] + "\x1b[K\n"
		}
		t.raw(line)
		t.rows += strings.Count(line, "\n")
	}
	if now && t.err == nil {
		t.flush()
		switch t.strike.Kind {
		case Stop:
			<-t.ctx.Done()
		case Cut:
			t.cut()
		}
		t.err = errGone
	}
	return t.err
}

// page waits for a key when a page is full.
func (t *Terminal) page() error {
	_, length := t.Size()
	if !t.echo || length == 0 || t.rows < length-1 {
		return nil
	}
	t.raw(t.style.More)
	defer t.raw("\r" + strings.Repeat(" ", len(t.style.More)) + "\r")
	for {
		key, err := t.read()
		if err != nil {
			return err
		}
		switch key {
		case ' ':
			t.rows = 0
			return nil
		case '\r', '\n':
			t.rows--
			return nil
		case 'q', 'Q', ctrlC:
			t.quit = true
			return nil
		}
	}
}

// raw sends text as the device's noise has it.
func (t *Terminal) raw(text string) {
	noise := t.faults.current()
	for text != "" && t.err == nil {
		n := len(text)
		if noise.Chunk > 0 {
			n = min(n, 1+rand.IntN(noise.Chunk))
		}
		if _, err := t.out.WriteString(text[:n]); err != nil {
			t.err = errGone
			return
		}
		text = text[n:]
		if noise.Chunk > 0 {
			t.flush()
		}
		if noise.Pause > 0 && text != "" {
			select {
			case <-time.After(rand.N(noise.Pause)):
			case <-t.ctx.Done():
				t.err = errGone
			}
		}
	}
}

// flush sends what is still held back.
func (t *Terminal) flush() {
	if err := t.out.Flush(); err != nil && t.err == nil {
		t.err = errGone
	}
}

// read returns the next octet that is typed.
func (t *Terminal) read() (byte, error) {
	if t.in.Buffered() == 0 {
		t.flush()
	}
	b, err := t.in.ReadByte()
	if err != nil {
		t.err = errGone
	}
	return b, t.err
}

// begin starts the output of a command.
func (t *Terminal) begin(k *strike) { t.strike, t.rows, t.quit = k, 0, false }

// Ask shows a question and returns the line that is typed. Without echo it is not shown, as a password is not. An
// error means that there is no answer: the session is over or the user has pressed ^C.
func (t *Terminal) Ask(question string, echo bool) (string, error) {
	e := editor{t: t, prompt: func() string { return question }, key: plainKey, mute: !echo}
	return e.read()
}

// plainKey is what keys do where no command is typed.
func plainKey(line string, key byte) Reaction {
	if key == CtrlD || key == CtrlZ {
		return Reaction{Line: line, Enter: true}
	}
	return Reaction{Line: line + string(key)}
}

// ReadText returns what is typed up to a ^D, with line ends as "\n". An error is as of [Terminal.Ask].
func (t *Terminal) ReadText() (string, error) {
	var text strings.Builder
	for text.Len() < maxText {
		b, err := t.read()
		switch {
		case err != nil:
			return "", err
		case b == CtrlD:
			t.show("\n")
			return text.String(), t.err
		case b == ctrlC:
			t.show("^C\n")
			return "", errAbort
		case b == '\r':
			b = '\n'
		}
		text.WriteByte(b)
		t.show(string(rune(b)))
	}
	return "", errors.New("the text is too long")
}

// show echoes what is typed.
func (t *Terminal) show(text string) {
	if t.echo {
		t.raw(text)
	}
}
