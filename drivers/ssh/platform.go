package ssh

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Platform is what a session must know of a network operating system. It is data: a NOS package has one.
type Platform struct {
	Name string // "eos"

	// Comment begins a line that the device reads over, in every mode, and answers with nothing but its prompt: "!".
	Comment string

	Modes     []Mode     // first the one that sessions begin in
	Setup     []string   // commands after the login; one that is refused ends the session
	Errors    []string   // regular expressions of refusals; each is matched at the beginning of a line
	Questions []Question // what is answered; any other question ends the operation
	Secrets   []string   // regular expressions of what stands before a secret on its line, besides the usual words
	Forbidden string     // characters that are never sent, besides all that is not printable ASCII: "?"
}

// Mode is one state of a command line, known by its prompt.
type Mode struct {
	Name    string
	Prompt  string // regular expression of the whole prompt, in which {host} and {user} stand for the device's and the login's name
	Command string // of the first mode: what leads to it from where a login may land, "enable"
}

// Question is what a device may ask in the middle of a command.
type Question struct {
	Pattern  string // regular expression of the whole line that the device waits in
	Answer   string
	Password bool // the answer is the device's password, once for each command
	Bare     bool // the answer is a key, such as that of a pager; no Enter follows it, and the question is no part of the output
}

// usualSecrets are the words before a secret in the configurations of most vendors.
const usualSecrets = `(?i)\b(password|passphrase|secret|community|key|(authentication|privacy|pre-shared|encrypted|plain-text)-[a-z-]+|sha512|md5)\b`

// aHost stands for {host} as long as the device's name is not known.
const aHost = `(?P<host>[A-Za-z0-9][A-Za-z0-9._-]{0,62})`

// mode is a Mode with the names in place.
type mode struct {
	Mode
	pattern string
	ends    *regexp.Regexp // matches a prompt behind which nothing stands, and the newline before it
	whole   *regexp.Regexp // matches a prompt and nothing else
}

type question struct {
	Question
	whole *regexp.Regexp
}

// grammar is a Platform ready for use with one device.
type grammar struct {
	*Platform
	modes     []mode
	refusal   *regexp.Regexp // nil without Errors
	questions []question
	secrets   *regexp.Regexp
}

// with puts the names in the place of {host}, an expression, and {user}, a text.
func (p *Platform) with(host, user string) (*grammar, error) {
	if p.Comment == "" || len(p.Modes) == 0 {
		return nil, errors.New("a platform has comments and modes")
	}
	g := &grammar{Platform: p}
	var faults []error
	compile := func(pattern string) *regexp.Regexp {
		re, err := regexp.Compile(pattern)
		faults = append(faults, err)
		return re
	}
	for _, m := range p.Modes {
		pattern := strings.NewReplacer("{host}", host, "{user}", regexp.QuoteMeta(user)).Replace(m.Prompt)
		g.modes = append(g.modes, mode{m, pattern, compile(`(?:\A|\n)(?:` + pattern + `)\z`), compile(`\A(?:` + pattern + `)\z`)})
	}
	for _, q := range p.Questions {
		g.questions = append(g.questions, question{q, compile(`\A(?:` + q.Pattern + `)\z`)})
	}
	if len(p.Errors) > 0 {
		g.refusal = compile(`(?m)^(?:` + strings.Join(p.Errors, "|") + `)`)
	}
	g.secrets = compile(strings.Join(append([]string{usualSecrets}, p.Secrets...), "|"))
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("platform %s: %w", p.Name, err)
	}
	return g, nil
}

// definition returns the grammar's modes as a platform definition of scrapligo. JSON is YAML.
func (g *grammar) definition() ([]byte, error) {
	type level struct {
		Name     string `json:"name"`
		Pattern  string `json:"pattern"`
		Previous string `json:"previous-priv"`
	}
	type option struct {
		Option string `json:"option"`
		Value  any    `json:"value"`
	}
	levels := make(map[string]level, len(g.modes))
	for i, m := range g.modes {
		l := level{Name: m.Name, Pattern: m.ends.String()}
		if i > 0 {
			l.Previous = g.modes[0].Name
		}
		levels[m.Name] = l
	}
	return json.Marshal(map[string]any{
		"platform-type": g.Name,
		"default": map[string]any{
			"driver-type":                     "network",
			"privilege-levels":                levels,
			"default-desired-privilege-level": g.modes[0].Name,
			"options": []option{
				{"transport-pty-width", terminalWidth},
				{"transport-pty-height", terminalHeight},
				{"read-delay", readDelay.Seconds()},
			},
		},
	})
}

// prompt returns where the prompt at the end of text begins, with the newline before it, and its mode, or -1.
func (g *grammar) prompt(text []byte) (int, string) {
	const longest = 1 << 10
	from := 0
	if len(text) > longest {
		from = len(text) - longest
		for from < len(text) && text[from] != '\n' {
			from++
		}
	}
	for i := range g.modes {
		if at := g.modes[i].ends.FindIndex(text[from:]); at != nil {
			return from + at[0], g.modes[i].Name
		}
	}
	return -1, ""
}

// sendable says why line must not be sent, or nil.
func (g *grammar) sendable(line string) error {
	if err := printableASCII(line); err != nil {
		return err
	}
	if i := strings.IndexAny(line, g.Forbidden); i >= 0 {
		return fmt.Errorf("%q in a line for the device", line[i])
	}
	return nil
}

func printableASCII(line string) error {
	for i := range len(line) {
		if line[i] < ' ' || line[i] > '~' {
			return fmt.Errorf("octet 0x%02x in a line for the device", line[i])
		}
	}
	return nil
}
