package topology

import (
	"errors"
	"fmt"
	"strings"
)

// words splits a command line at white space as a shell does, without expanding anything. Single and double quotes
// hold a word together and a backslash takes the next character as it is. Refused is what shells and the splitters of
// other programs do not all read alike: a comment, and inside double quotes a backslash before anything but a
// double quote or another backslash.
func words(line string) ([]string, error) {
	var all []string
	var word strings.Builder
	var quote rune   // that is open
	begun := false   // a word may be empty, ""
	escaped := false // the rune before was a backslash
	for _, r := range line {
		switch {
		case escaped:
			if quote == '"' && r != '"' && r != '\\' {
				return nil, fmt.Errorf(`\%c in double quotes means different things to different programs`, r)
			}
			if r == '\n' {
				return nil, errors.New("a line ends with a backslash; fold lines with >- instead")
			}
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, begun = true, true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '\'' || r == '"':
			quote, begun = r, true
		case r == ' ' || r == '\t' || r == '\n' || r == '\r':
			if begun {
				all = append(all, word.String())
				word.Reset()
				begun = false
			}
		case r == '#' && !begun:
			return nil, errors.New("a word that begins with # is a comment to some programs; put it in quotes")
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	switch {
	case escaped:
		return nil, errors.New("ends with a backslash")
	case quote != 0:
		return nil, fmt.Errorf("a quote %c is not closed", quote)
	case begun:
		all = append(all, word.String())
	}
	return all, nil
}
