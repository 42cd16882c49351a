package tree

import (
	"encoding/json"
	"errors"
	"strings"
)

// lexer splits JSON text (RFC 8259) into tokens. It exists because reading a
// whole switch token by token is twice as expensive with encoding/json.
type lexer struct {
	text string
	at   int
}

type token struct {
	kind byte // one of the punctuators, or a kind below
	text string
}

const (
	kindEnd    byte = 0
	kindString byte = '"' // text is the decoded string
	kindNumber byte = '0' // text is as written
	kindBool   byte = 't' // text is "true" or "false"
	kindNull   byte = 'n'
)

var errSyntax = errors.New("is not JSON")

func (l *lexer) next() (token, error) {
	for l.at < len(l.text) && strings.IndexByte(" \t\r\n", l.text[l.at]) >= 0 {
		l.at++
	}
	if l.at == len(l.text) {
		return token{}, nil
	}
	start := l.at
	switch c := l.text[start]; c {
	case '{', '}', '[', ']', ',', ':':
		l.at++
		return token{kind: c}, nil
	case '"':
		return l.string()
	}
	for l.at < len(l.text) && strings.IndexByte("{}[],:\" \t\r\n", l.text[l.at]) < 0 {
		l.at++
	}
	word := l.text[start:l.at]
	switch word {
	case "true":
		return token{kindBool, "true"}, nil // not the word, which would keep the whole text in memory
	case "false":
		return token{kindBool, "false"}, nil
	case "null":
		return token{kind: kindNull}, nil
	}
	if !json.Valid([]byte(word)) {
		return token{}, errSyntax
	}
	return token{kindNumber, word}, nil
}

func (l *lexer) string() (token, error) {
	start, escaped := l.at, false
	for l.at++; l.at < len(l.text); l.at++ {
		switch c := l.text[l.at]; {
		case c == '\\':
			escaped = true
			l.at++
		case c < 0x20:
			return token{}, errSyntax
		case c == '"':
			l.at++
			if !escaped {
				return token{kindString, l.text[start+1 : l.at-1]}, nil
			}
			var s string
			if err := json.Unmarshal([]byte(l.text[start:l.at]), &s); err != nil {
				return token{}, errSyntax
			}
			return token{kindString, s}, nil
		}
	}
	return token{}, errSyntax
}
