// Package secret holds text that does not show itself: it prints, logs and marshals as "[redacted]".
package secret

import "log/slog"

const redacted = "[redacted]"

// Text is a password, key or token. Only Reveal gives it away.
type Text struct{ s string }

// New returns s as a secret.
func New(s string) Text { return Text{s} }

// Reveal returns the secret itself, for the one place that sends it.
func (t Text) Reveal() string { return t.s }

// Empty reports whether there is no secret.
func (t Text) Empty() bool { return t.s == "" }

// String returns a placeholder, or nothing if there is no secret.
func (t Text) String() string {
	if t.s == "" {
		return ""
	}
	return redacted
}

// GoString returns the placeholder of [Text.String].
func (t Text) GoString() string { return t.String() }

// LogValue returns the placeholder of [Text.String].
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalText returns the placeholder of [Text.String].
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }
