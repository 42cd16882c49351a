// Package secret holds text that does not show itself: it prints, logs and marshals as "[redacted]".
package secret

import (
	"fmt"
	"log/slog"
)

const redacted = "[redacted]"

// Text is a password, key or token. Only Reveal gives it away. The zero Text is empty.
type Text struct {
	text *string // behind a pointer, so that it does not show as an unexported part of something printed either
}

// New returns s as a secret.
func New(s string) Text { return Text{&s} }

// Reveal returns the secret itself, for the one place that sends it.
func (t Text) Reveal() string {
	if t.text == nil {
		return ""
	}
	return *t.text
}

// Empty reports whether there is no secret.
func (t Text) Empty() bool { return t.Reveal() == "" }

// String returns "[redacted]", or nothing if there is no secret.
func (t Text) String() string {
	if t.Empty() {
		return ""
	}
	return redacted
}

// GoString returns what [Text.String] does.
func (t Text) GoString() string { return t.String() }

// Format writes what [Text.String] returns, whatever the verb.
func (t Text) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(t.String())) }

// LogValue returns what [Text.String] does.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText returns what [Text.String] does.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
