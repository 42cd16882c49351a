package clitext

import (
	"errors"
	"strings"
)

var (
	errEmpty   = errors.New("a line without words")
	errControl = errors.New("a control character")
	errQuote   = errors.New("a quote that does not end")
)

// bare reports whether a character may stand in a word that is not quoted. Everything else is quoted, so that it has
// no meaning to a command line.
func bare(c byte) bool {
	switch c {
	case '.', '_', ':', '/', '@', '+', ',', '-', '*':
		return true
	}
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z'
}

func allBare(s string) bool {
	for i := range len(s) {
		if !bare(s[i]) {
			return false
		}
	}
	return s != ""
}

func control(c byte) bool { return c < ' ' || c == 0x7f }

// Quote returns a value as one word of a statement of style Braced or Flat.
func Quote(s string) string {
	if allBare(s) {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// Unquote returns the value of a word of style Braced or Flat.
func Unquote(word string) string {
	if len(word) < 2 || word[0] != '"' {
		return word
	}
	word = word[1 : len(word)-1]
	if strings.IndexByte(word, '\\') < 0 {
		return word
	}
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(word)
}

// quotedPart returns what of s is the quoted word at its begin, all of it if the quote does not end.
func quotedPart(s string) string {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return s[:i+1]
		}
	}
	return s
}

// nextWord cuts the first word off a statement and gives it its canonical form.
func nextWord(s string) (word, rest string, err error) {
	s = strings.TrimLeft(s, " ")
	if strings.HasPrefix(s, `"`) {
		word = quotedPart(s)
		rest = s[len(word):]
		switch {
		case len(word) < 2 || word[len(word)-1] != '"' || !closed(word):
			return "", "", errQuote
		case rest != "" && rest[0] != ' ':
			return "", "", errors.New("something right behind a quote")
		}
		for i := range len(word) {
			if control(word[i]) {
				return "", "", errControl
			}
		}
		if inner := word[1 : len(word)-1]; allBare(inner) {
			word = inner
		}
		return word, strings.TrimLeft(rest, " "), nil
	}
	i, plain := 0, true
	for ; i < len(s) && s[i] != ' '; i++ {
		switch {
		case control(s[i]):
			return "", "", errControl
		case s[i] == '"':
			return "", "", errors.New("a quote within a word")
		case !bare(s[i]):
			plain = false
		}
	}
	if i == 0 {
		return "", "", errEmpty
	}
	word, rest = s[:i], strings.TrimLeft(s[i:], " ")
	if !plain {
		word = Quote(word)
	}
	return word, rest, nil
}

// closed reports whether the last quote of a quoted word is not an escaped one.
func closed(word string) bool {
	n := 0
	for i := len(word) - 2; i > 0 && word[i] == '\\'; i-- {
		n++
	}
	return n%2 == 0
}

// canonical gives a statement of several words its canonical form.
func canonical(s string) (string, error) {
	var words []string
	same := true
	for rest := s; rest != ""; {
		var w string
		var err error
		before := rest
		if w, rest, err = nextWord(rest); err != nil {
			return "", err
		}
		same = same && len(before) == len(w)+len(rest)+min(1, len(rest)) && strings.HasPrefix(before, w)
		words = append(words, w)
	}
	switch {
	case len(words) == 0:
		return "", errEmpty
	case same:
		return s, nil
	}
	return strings.Join(words, " "), nil
}
