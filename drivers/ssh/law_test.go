package ssh

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// pieces are how a stream is cut: sizes of chunks, pauses in milliseconds before each, and whether it stalls behind
// what looks like a prompt.
type pieces struct {
	mu     sync.Mutex
	sizes  []int
	pauses []int
	stalls []bool
	at     int
}

func (p *pieces) write(w io.Writer, b []byte) {
	for len(b) > 0 {
		n, pause, stall := len(b), 0, time.Duration(0)
		p.mu.Lock()
		if len(p.sizes) > 0 {
			n = min(n, p.sizes[p.at%len(p.sizes)])
			pause = p.pauses[p.at%len(p.pauses)]
			if i := bytes.IndexAny(b[:n], "#>"); i >= 0 && len(p.stalls) > 0 && p.stalls[p.at%len(p.stalls)] {
				n = i + 1
				stall = 45 * time.Millisecond
			}
			p.at++
		}
		p.mu.Unlock()
		<-time.After(time.Duration(pause) * time.Millisecond)
		if _, err := w.Write(b[:n]); err != nil {
			return
		}
		<-time.After(stall)
		b = b[n:]
	}
}

func (p *pieces) set(sizes, pauses []int, stalls []bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sizes, p.pauses, p.stalls, p.at = sizes, pauses, stalls, 0
}

// hostileConfig draws lines that look like the end of an output.
func hostileConfig(t *rapid.T, more ...string) string {
	prompts := rapid.SampledFrom(append([]string{"sw1#", "sw1(config)#", "sw1>", "sw1#end", "sw1# ", "sw1#\nsw1#", "sw1#\n\nsw1#", "sw1#! ixagent-0123456789abcdef", "Password: ", "Proceed? [y/n]"}, more...))
	text := rapid.StringMatching(`[A-Za-z0-9 ._-]{0,20}[#>%$:\]]`)
	line := rapid.OneOf(
		prompts,
		rapid.Map(prompts, func(s string) string { return "   description " + s }),
		rapid.Map(prompts, func(s string) string { return "   description " + s + " and more" }),
		rapid.Map(text, func(s string) string { return "   description " + s }),
		rapid.Just("!"),
		rapid.Just(""),
		rapid.Just("interface Ethernet1"),
	)
	return strings.Join(rapid.SliceOfN(line, 1, 25).Draw(t, "lines"), "\n") + "\nend\n"
}

// draw draws another way to cut.
func (p *pieces) draw(t *rapid.T) {
	p.set(
		rapid.SliceOfN(rapid.OneOf(rapid.IntRange(1, 20), rapid.IntRange(1, 200)), 1, 20).Draw(t, "sizes"),
		rapid.SliceOfN(rapid.SampledFrom(append(make([]int, 60), 1, 5, 40, 70, 900)), 20, 41).Draw(t, "pauses"),
		rapid.SliceOfN(rapid.SampledFrom([]bool{true, false, false, false, false}), 5, 17).Draw(t, "stalls"),
	)
}

// timeless is a test without a deadline, which a test with a time of its own must not be asked for.
type timeless struct{ rapid.TB }

// A device that echoes what it reads when it reads it: the whole output comes, whatever it looks like.
func TestReadIsCompleteWhateverItLooksLikeAndHoweverItIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cut := new(pieces)
		d := &device{write: cut.write, answers: map[string]string{}}
		s := open(t, d)
		rapid.Check(timeless{t}, func(t *rapid.T) {
			config := hostileConfig(t)
			d.answer("show running-config", config)
			cut.draw(t)
			defer cut.set(nil, nil, nil)
			if out, err := s.Run(t.Context(), "observe", "show running-config"); err != nil || out != config {
				t.Fatalf("read %q, %v, of %q", out, err, config)
			}
		})
	})
}

// A device whose terminal echoes what is typed at once, in the middle of its output: the whole output comes, or none.
func TestReadFromATerminalThatEchoesAheadIsCompleteOrFails(t *testing.T) {
	t.Run("once", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { readAhead(t, &device{eager: true}) }) })
	t.Run("and again", func(t *testing.T) { synctest.Test(t, func(t *testing.T) { readAhead(t, &device{again: true}) }) })
}

func readAhead(outer *testing.T, d *device) {
	cut := new(pieces)
	d.write, d.answers = cut.write, map[string]string{}
	s, done := d.attach(outer, time.Minute)
	defer func() { done() }()
	whole := 0
	rapid.Check(timeless{outer}, func(t *rapid.T) {
		config := hostileConfig(t, "--More--")
		d.answer("show running-config", config)
		if !s.alive() {
			done()
			s, done = d.attach(outer, time.Minute)
		}
		cut.draw(t)
		defer cut.set(nil, nil, nil)
		out, err := s.Run(t.Context(), "observe", "show running-config")
		if err != nil {
			return
		}
		whole++
		if !strings.Contains(out, config) {
			t.Fatalf("read %q of %q", out, config)
		}
	})
	if whole == 0 {
		outer.Error("no read came whole")
	}
}
