package topology

import (
	"bytes"
	"sync"
)

const (
	maxOutput = 64 << 10 // octets that are kept of what a node's program printed
	lastLines = 10       // of an ended program that are shown
)

// output keeps the end of what a program printed.
type output struct {
	mu   sync.Mutex
	text []byte
}

// Write implements [io.Writer] and does not fail.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text = append(o.text, p...)
	// Cutting only at twice the size moves each octet at most once.
	if len(o.text) > 2*maxOutput {
		o.text = append(o.text[:0], o.text[len(o.text)-maxOutput:]...)
	}
	return len(p), nil
}

// tail returns what is kept.
func (o *output) tail() []byte {
	o.mu.Lock()
	defer o.mu.Unlock()
	return bytes.Clone(o.text[max(0, len(o.text)-maxOutput):])
}

// lines returns up to n lines at the end.
func (o *output) lines(n int) []string {
	text := bytes.TrimRight(o.tail(), "\n")
	if len(text) == 0 {
		return nil
	}
	var all []string
	for _, line := range bytes.Split(text, []byte("\n")) {
		all = append(all, string(line))
	}
	return all[max(0, len(all)-n):]
}
