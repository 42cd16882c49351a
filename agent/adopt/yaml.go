package adopt

import (
	"bytes"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ixagent/ixagent/agent/config"
)

// yaml is a text in the making. What others chose gets into it by [quote] and in comments only.
type yaml struct {
	b    bytes.Buffer
	keys []key // that have no value yet
}

// key begins a list or mapping.
type key struct {
	depth int
	text  string
}

// key begins a list or mapping, which is left out if it turns out to be empty.
func (y *yaml) key(depth int, name string) {
	y.drop(depth)
	y.keys = append(y.keys, key{depth, name})
}

// drop forgets keys without a value, as a line of this depth follows.
func (y *yaml) drop(depth int) {
	for n := len(y.keys); n > 0 && y.keys[n-1].depth >= depth; n-- {
		y.keys = y.keys[:n-1]
	}
}

func (y *yaml) line(depth int, format string, args ...any) { y.said(depth, "", format, args...) }

// said is a line with its evidence.
func (y *yaml) said(depth int, why, format string, args ...any) {
	y.drop(depth)
	for _, k := range y.keys {
		y.put(k.depth, k.text+":")
	}
	y.keys = nil
	y.tell(depth, why, fmt.Sprintf(format, args...))
}

// tell writes a text with its evidence, which is no value if the text is a comment.
func (y *yaml) tell(depth int, why, text string) {
	if why != "" {
		text = fmt.Sprintf("%-*s # %s", max(0, 64-2*depth), text, comment(why))
	}
	y.put(depth, text)
}

func (y *yaml) put(depth int, text string) {
	y.b.WriteString(strings.Repeat("  ", depth) + text + "\n")
}

// note is a comment on a line of its own.
func (y *yaml) note(depth int, format string, args ...any) {
	y.put(depth, "# "+comment(fmt.Sprintf(format, args...)))
}

func (y *yaml) bytes() []byte { return y.b.Bytes() }

// comment returns a text as it can stand in a comment: on one line, without a character that does not show.
func comment(s string) string {
	return strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
}

// writable reports whether an id can stand in a configuration.
func writable(id string) bool {
	return id != "" && utf8.ValidString(id) && !strings.ContainsFunc(id, func(r rune) bool { return r < ' ' || r == 0x7f })
}

// quote returns a text as a YAML scalar that means it and nothing else.
func quote(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r >= ' ' && r < 0x7f:
			b.WriteRune(r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04X`, r)
		default:
			fmt.Fprintf(&b, `\U%08X`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// plain reports whether a text needs no quotes: words that begin with a letter and mean nothing in YAML.
func plain(s string) bool {
	switch strings.ToLower(s) {
	case "", "true", "false", "null", "yes", "no", "on", "off", "y", "n", "inf", "nan":
		return false
	}
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || !(c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.' || c == '/')) {
			return false
		}
	}
	return true
}

func handoverKey(h uint16) string {
	if h == 0 {
		return ""
	}
	return fmt.Sprintf("handover: %d, ", h)
}

// override writes what an operator says of a device's capabilities.
func (y *yaml) override(depth int, o config.Override) {
	v := reflect.ValueOf(o)
	y.key(depth, "capabilities")
	for i := range v.NumField() {
		f := v.Field(i)
		if f.IsZero() {
			continue
		}
		key := v.Type().Field(i).Tag.Get("yaml")
		if f.Kind() == reflect.Slice {
			var items []string
			for j := range f.Len() {
				items = append(items, quote(fmt.Sprint(f.Index(j).Interface())))
			}
			y.line(depth+1, "%s: [%s]", key, strings.Join(items, ", "))
			continue
		}
		y.line(depth+1, "%s: %s", key, scalarOf(f))
	}
}

// scalarOf returns what a field is, or points to, as YAML.
func scalarOf(f reflect.Value) string {
	if f.Kind() == reflect.Pointer {
		f = f.Elem()
	}
	if f.Kind() == reflect.String {
		return quote(f.String())
	}
	return fmt.Sprint(f.Interface())
}
