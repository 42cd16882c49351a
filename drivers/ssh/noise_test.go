package ssh

import (
	"bytes"
	"strings"
	"testing"
)

func testGrammar(t testing.TB) *grammar {
	t.Helper()
	p := &Platform{Name: "test", Comment: "!", Modes: []Mode{{Name: "exec", Prompt: `({edit}\n)?{host}#`}, {Name: "config", Prompt: `{host}\(config\)#`}}}
	g, err := p.with("sw1", "agent")
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// shown returns what a screen shows of stream, cut into pieces of the given sizes, and calls after behind each.
func shown(stream []byte, sizes []byte, after func(*screen)) *screen {
	var n noise
	s := new(screen)
	for i := 0; len(stream) > 0; i++ {
		size := len(stream)
		if len(sizes) > 0 {
			size = min(size, int(sizes[i%len(sizes)])+1)
		}
		s.write(n.filter(nil, stream[:size]))
		stream = stream[size:]
		if after != nil {
			after(s)
		}
	}
	return s
}

func TestScreenShowsWhatATerminalWould(t *testing.T) {
	for stream, want := range map[string]string{
		"a\r\nb\r\r\nc\n\rd":                    "a\nb\nc\nd",
		"\x1b[1;31mred\x1b[m":                   "red",
		"\x1b]0;title\x07a\x1b]0;t\x1b\\b":      "ab",
		"\x1b]0;no end\nb":                      "\nb",
		"\x1b(Ba\x1b=b\x1b[?25hc":               "abc",
		"abc\b\b\b   \b\b\bd":                   "d",
		"   \rabc":                              "abc",
		"abc\x1b[3D\x1b[Kx":                     "x",
		"abc\x1b[2K\rx":                         "x",
		"sh\x00o\x07w\x7f":                      "show",
		"caf\xc3\xa9 \x9b1m":                    "caf\xc3\xa9 \x9b1m",
		"\x1b[" + strings.Repeat("1", 99) + "m": strings.Repeat("1", 99-maxParams) + "m",
	} {
		for size := range byte(5) {
			if got := shown([]byte(stream), []byte{size}, nil).text(); string(got) != want {
				t.Errorf("%q in pieces of %d: %q, want %q", stream, size+1, got, want)
			}
		}
	}
}

func FuzzOutputIsCompleteOrAnError(f *testing.F) {
	f.Add([]byte("interface Ethernet1\r\n   description sw1#\r\nsw1#\r\nsw1#! ixagent-\r\nend"), []byte{3, 0, 7})
	f.Add([]byte("\x1b[1mban\x1b[0mner\r\nsw1#\r\n{edit}\r\nsw1#"), []byte{0})
	f.Add([]byte("--More--\r        \rtext\b\bxx\x1b[K"), []byte{200, 1})
	f.Add([]byte("a\r\n\r\nsw1(config)#"), []byte{})
	f.Fuzz(func(t *testing.T, config, sizes []byte) {
		g := testGrammar(t)
		const nonce = "! ixagent-unforeseeable"
		// What a device prints of a configuration is text; the last of it does not run on into the prompt.
		config = append(bytes.TrimRight(config, "\x1b"), "\r\nend\r\n"...)
		if bytes.Contains(config, []byte(nonce)) {
			return
		}
		want := shown(config, nil, nil)
		stream := append([]byte("show running-config\r\n"), config...)
		stream = append(stream, "sw1#"+nonce+"\r\nsw1#"...)
		proved, echoed := false, false
		var complete []byte
		end := shown(stream, sizes, func(s *screen) {
			if !bytes.HasPrefix(s.out, complete) && s.damaged == 0 {
				t.Errorf("%q was shown, and became %q", complete, s.out)
			}
			if !echoed {
				_, echoed = s.cutEcho("show running-config")
			}
			complete = bytes.Clone(s.out[:s.line])
			out, mode, ok := g.proved(s.text(), nonce, map[string]int{"exec": 1})
			if !ok || s.damaged > 0 {
				return
			}
			if proved = true; mode != "exec" || strings.TrimRight(string(out), "\n") != strings.TrimRight(string(want.text()), "\n") {
				t.Errorf("read %q, mode %s, of %q", out, mode, want.text())
			}
		})
		if !proved && end.damaged == 0 {
			t.Errorf("nothing is wrong with %q, and it is not read", stream)
		}
		if whole := shown(stream, nil, nil); !bytes.HasSuffix(whole.text(), end.text()) || (whole.damaged > 0) != (end.damaged > 0) {
			t.Errorf("in pieces %q, in one %q", end.text(), whole.text())
		}
	})
}

func BenchmarkNoiseAndScreen(b *testing.B) {
	stream := []byte(strings.Repeat("   description member of many\r\n", 1000))
	b.SetBytes(int64(len(stream)))
	for b.Loop() {
		shown(stream, []byte{255}, nil)
	}
}
