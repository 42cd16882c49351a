package junos

import (
	"slices"
	"strings"

	"github.com/ixagent/ixagent/lab/cli"
)

// Key implements [cli.Shell]: a question mark shows what may follow, a tab or space completes a word of which the
// beginning is enough.
func (s *session) Key(line string, key byte) cli.Reaction {
	typed := cli.Reaction{Line: line + string(key)}
	if strings.Count(line, `"`)%2 == 1 {
		return typed
	}
	switch key {
	case cli.CtrlZ:
		return cli.Reaction{Line: line}
	case cli.CtrlD:
		return cli.Reaction{Line: line}
	}
	partial := line[strings.LastIndexAny(line, " \t")+1:]
	names := s.completions(strings.TrimSuffix(line, partial))
	fits := names[:0:0]
	for _, n := range names {
		if strings.HasPrefix(n, partial) {
			fits = append(fits, n)
		}
	}
	switch {
	case key == cli.Question:
		text := "Possible completions:\n"
		for _, n := range fits {
			text += "  " + n + "\n"
		}
		if len(fits) == 0 {
			text = "No valid completions\n"
		}
		return cli.Reaction{Text: text, Line: line}
	case key == cli.Space && (s.noSpace || partial == ""):
		return typed
	case slices.Contains(fits, partial) || len(fits) != 1:
		if key == cli.Tab {
			return cli.Reaction{Line: line}
		}
		return typed
	}
	return cli.Reaction{Line: strings.TrimSuffix(line, partial) + fits[0] + " "}
}

// completions returns the words that may come after a line.
func (s *session) completions(line string) []string {
	words, f := split(line)
	if f != nil {
		return nil
	}
	if i := slices.IndexFunc(words, func(w word) bool { return w.is("|") }); i >= 0 {
		return []string{"compare", "count", "display", "except", "find", "last", "match", "no-more"}
	}
	commands := operationalCommands()
	if s.mode != operational {
		commands = configurationCommands()
	}
	if len(words) > 1 && (words[0].is("top") || words[0].is("run")) {
		if words[0].is("run") {
			commands = operationalCommands()
		}
		words = words[1:]
	}
	var names []string
	for _, c := range commands {
		fields := strings.Fields(c.words)
		if len(fields) > len(words) {
			if begins(words, fields) {
				names = append(names, fields[len(words)])
			}
			continue
		}
		if _, ok := editVerb(c.words); begins(words[:len(fields)], fields) && (ok || c.words == "edit" || c.words == "show" || c.words == "show configuration") {
			at := s.path
			if c.words == "show configuration" {
				at = nil
			}
			names = append(names, s.below(words[len(fields):], at)...)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func begins(words []word, fields []string) bool {
	for i, w := range words {
		if !strings.HasPrefix(fields[i], w.text) {
			return false
		}
	}
	return true
}

// below returns the names of the statements that may come after the words of one.
func (s *session) below(words []word, at []step) []string {
	p := parser{root: s.nos.schema, words: words}
	k := p.schemaOf(at)
	for !p.done() {
		kid, f := p.kid(k)
		if f != nil {
			return nil
		}
		if kid.kind == leaf || kid.kind == list || kid.kind == leafList {
			if p.done() {
				return nil
			}
			p.next()
		}
		if kid.kind == container || kid.kind == list {
			k = kid
		}
	}
	var names []string
	for _, kid := range k.kids {
		if !kid.bare {
			names = append(names, kid.name)
		}
	}
	return names
}
