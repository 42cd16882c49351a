package ssh

import (
	"bytes"
	"regexp"
	"sync"
	"unicode"
)

// logSize is how much of what a device has said is kept, in octets.
const logSize = 16 << 10

// ring keeps the end of what is written to it.
type ring struct {
	mu   sync.Mutex
	kept []byte
	cut  bool // the beginning is gone
}

func (r *ring) write(b []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = append(r.kept, b...)
	if over := len(r.kept) - logSize; over > 0 {
		r.kept, r.cut = append(r.kept[:0], r.kept[over:]...), true
	}
}

// text returns whole lines of what is kept, without what the words and what follows secrets on their line.
func (r *ring) text(secrets *regexp.Regexp, words []string) []byte {
	r.mu.Lock()
	b := bytes.Clone(r.kept)
	cut := r.cut
	r.mu.Unlock()
	if cut {
		_, b, _ = bytes.Cut(b, []byte("\n"))
	}
	for _, w := range words {
		if w != "" {
			b = bytes.ReplaceAll(b, []byte(w), []byte(redacted))
		}
	}
	lines := bytes.Split(b, []byte("\n"))
	for i, line := range lines {
		if at := secrets.FindIndex(line); at != nil && len(bytes.TrimSpace(line[at[1]:])) > 0 {
			line = append(line[:at[1]:at[1]], " "+redacted...)
		}
		lines[i] = []byte(printable(string(line)))
	}
	return bytes.Join(lines, []byte("\n"))
}

const redacted = "[redacted]"

// printable returns the words of a device without control characters, of bounded length.
func printable(s string) string {
	const most = 2000
	b := bytes.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, []byte(s))
	if len(b) > most {
		b = append(bytes.ToValidUTF8(b[:most], nil), " ..."...)
	}
	return string(bytes.TrimSpace(b))
}
