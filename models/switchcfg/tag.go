package switchcfg

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"unicode/utf8"
)

// MaxDescription is the length in bytes that every network OS accepts for a description.
const MaxDescription = 63

// Tag is the mark the agent leaves in the description of what it made: the exchange record the object
// stands for and the account that uses it. Customer text never enters a description, only identifiers.
type Tag struct {
	Record  string // kind and id, "nsc:1042"
	Account string // id of the consuming account, may be empty
}

const mark = "ixagent "

// maxID is the length in bytes up to which a tag holds an id whole.
const maxID = 21

// NewTag returns the tag of a record. Ids are reduced to the characters that are safe in every command
// line; one that is longer than 21 bytes or is changed by that keeps its beginning and gains a hash.
func NewTag(kind, id, account string) Tag {
	return Tag{Record: kind + ":" + Slug(id, maxID), Account: Slug(account, maxID)}
}

// AppendDescription appends the text of [NewTag]'s tag to b.
func AppendDescription(b []byte, kind, id, account string) []byte {
	b = append(append(append(append(b, mark...), kind...), ':'), Slug(id, maxID)...)
	if account != "" {
		b = append(append(b, " acct:"...), Slug(account, maxID)...)
	}
	return b
}

// TagHolds reports whether a tag holds an id whole.
func TagHolds(id string) bool { return safe(id, maxID) }

// Slug returns id unchanged if it is at most limit bytes of letters, digits and "._:/@+-" and does not end
// in a colon, and otherwise a safe beginning of it with a hash of the whole. Different ids have different slugs.
func Slug(id string, limit int) string {
	if safe(id, limit) {
		return id
	}
	slug := strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && safeByte(byte(r)) {
			return r
		}
		return '-'
	}, id)
	h := sha256.Sum256([]byte(id))
	return cut(slug, limit-9) + "=" + hex.EncodeToString(h[:4])
}

func safe(id string, limit int) bool {
	if len(id) > limit || strings.HasSuffix(id, ":") {
		return false
	}
	for i := range len(id) {
		if !safeByte(id[i]) {
			return false
		}
	}
	return true
}

func safeByte(c byte) bool {
	return c >= '-' && c <= ':' || c >= '@' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_' || c == '+'
}

// String returns the description, "ixagent nsc:1042 acct:17", at most [MaxDescription] bytes.
func (t Tag) String() string {
	if t.Account == "" {
		return mark + t.Record
	}
	return mark + t.Record + " acct:" + t.Account
}

// ParseTag returns the tag in a description, if the agent made it.
func ParseTag(description string) (Tag, bool) {
	rest, ok := strings.CutPrefix(description, mark)
	if !ok {
		return Tag{}, false
	}
	record, account, _ := strings.Cut(rest, " acct:")
	if record == "" || strings.ContainsAny(record+account, " \t\r\n") {
		return Tag{}, false
	}
	return Tag{record, account}, true
}

// Description returns the description of o, or "".
func Description(o Object) string {
	switch o := o.(type) {
	case *Interface:
		return o.Description
	case *LAG:
		return o.Description
	case *Circuit:
		return o.Description
	case *Service:
		return o.Description
	}
	return ""
}

// Made reports whether the agent made o: whether its description holds a [Tag], or its name begins with
// [Prefix] where it has no description.
func Made(o Object) bool {
	switch o := o.(type) {
	case *Filter:
		return strings.HasPrefix(o.Name, Prefix)
	case *Policer:
		return true
	}
	_, ok := ParseTag(Description(o))
	return ok
}
