package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/term"

	"github.com/ixagent/ixagent/models/plan"
)

// width is that of a page in characters where it is not a terminal's.
const width = 120

// page is what a person reads. Headings are bold on a terminal, and say the same where they are not.
type page struct {
	w     io.Writer
	bold  bool
	width int
	begun bool
	err   error // of the first write that failed
}

func newPage(w io.Writer) *page {
	p := &page{w: w, width: width}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bold = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		if n, _, err := term.GetSize(int(f.Fd())); err == nil {
			p.width = max(n, 60)
		}
	}
	return p
}

func (p *page) heading(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if p.bold {
		text = "\x1b[1m" + text + "\x1b[0m"
	}
	if p.begun {
		text = "\n" + text
	}
	p.begun = true
	p.write(text)
}

// line writes one line, cut to the width of the page.
func (p *page) line(format string, args ...any) {
	p.write(cut("  "+fmt.Sprintf(format, args...), p.width))
}

// json writes a JSON text, over as many lines as it takes, with a mark before the first.
func (p *page) json(mark string, text []byte) {
	line, room := "", max(p.width-8, 20)
	indent := "  " + mark + " "
	flush := func() {
		p.write("  " + indent + strings.TrimSpace(line))
		line, indent = "", strings.Repeat(" ", len(indent))
	}
	for part := range strings.SplitAfterSeq(string(text), ",") {
		if line != "" && utf8.RuneCountInString(line)+utf8.RuneCountInString(part) > room {
			flush()
		}
		line += cut(part, room)
	}
	flush()
}

func (p *page) write(text string) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w, text)
	}
}

// changes writes what a plan does, two lines a change.
func (p *page) changes(changes []plan.Change) {
	for _, c := range changes {
		_, text, _ := strings.Cut(string(plan.Plan{Changes: []plan.Change{c}}.AppendText(nil)), "\n") // after its summary
		head, lines, _ := strings.Cut(text, "\n")
		p.line("  %s", strings.TrimSpace(head))
		p.line("      %s", attributes(strings.Split(strings.TrimSpace(lines), "\n")))
	}
}

// attributes joins the lines of an object: its members in one word, and without its description, which says what the
// plan says of the cause.
func attributes(lines []string) string {
	var out []string
	members := -1
	for _, l := range lines {
		l = strings.TrimSpace(l)
		member, isMember := strings.CutPrefix(l, "member ")
		switch {
		case strings.HasPrefix(l, "description "):
		case isMember && members >= 0:
			out[members] += " " + member
		case isMember:
			members, out = len(out), append(out, "members "+member)
		default:
			out = append(out, l)
		}
	}
	return strings.Join(out, ", ")
}

// cut shortens a line to n characters.
func cut(s string, n int) string {
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-3]) + "..."
}

// round makes a duration readable at a glance.
func round(d time.Duration) time.Duration {
	switch {
	case d < 10*time.Millisecond:
		return d.Round(100 * time.Microsecond)
	case d < time.Second:
		return d.Round(time.Millisecond)
	}
	return d.Round(10 * time.Millisecond)
}
