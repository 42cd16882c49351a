package topology

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	maxFile  = 1 << 20 // octets of a file
	maxDepth = 24      // of nesting; the format has no need of more than 8
)

// reader turns one file into values, and gathers what is wrong with it.
type reader struct {
	file   string
	faults Faults
}

// value is a node of the file and the keys that lead to it.
type value struct {
	*reader
	node ast.Node
	path string
}

func (r *reader) at(t *token.Token, path, hint, format string, args ...any) {
	f := Fault{File: r.file, Path: path, Message: fmt.Sprintf(format, args...), Hint: hint}
	if t != nil && t.Position != nil {
		f.Line, f.Column = t.Position.Line, t.Position.Column
	}
	r.faults = append(r.faults, f)
}

func (v value) fault(hint, format string, args ...any) {
	v.at(first(v.node), v.path, hint, format, args...)
}

// first returns the token that a node begins with.
func first(n ast.Node) *token.Token {
	switch n := n.(type) {
	case nil:
		return nil
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return first(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return first(n.Key)
	}
	return n.GetToken()
}

// document reads the one YAML document of a file. The error has been reported when it returns false.
func (r *reader) document(text []byte) (value, bool) {
	text = bytes.TrimPrefix(text, []byte("\uFEFF"))
	switch {
	case len(text) > maxFile:
		r.at(nil, "", "", "the file is larger than %d octets", maxFile)
		return value{}, false
	case !utf8.Valid(text):
		r.at(nil, "", "", "the file is not UTF-8")
		return value{}, false
	case bytes.ContainsFunc(text, func(c rune) bool { return c < ' ' && !strings.ContainsRune("\t\r\n", c) || c == 0x7f }):
		r.at(nil, "", "", "the file holds control characters")
		return value{}, false
	}
	tokens := lexer.Tokenize(string(text))
	if t := tooDeep(tokens); t != nil {
		r.at(t, "", "", "nested deeper than %d levels", maxDepth)
		return value{}, false
	}
	tree, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		var e yaml.Error
		if errors.As(err, &e) {
			r.at(e.GetToken(), "", "", "not YAML: %s", e.GetMessage())
		} else {
			r.at(nil, "", "", "not YAML")
		}
		return value{}, false
	}
	var root ast.Node
	for _, d := range tree.Docs {
		switch {
		case d.Body == nil:
		case root == nil:
			root = d.Body
		default:
			r.at(first(d.Body), "", "remove the line ---", "a second document begins here")
		}
	}
	if root == nil {
		r.at(nil, "", "", "the file is empty")
		return value{}, false
	}
	return value{r, root, ""}, true
}

// tooDeep returns the token at which nesting passes maxDepth, before a parser that calls itself follows it there.
func tooDeep(tokens token.Tokens) *token.Token {
	var flow, line, run int
	for _, t := range tokens {
		if t.Position.Line != line {
			line, run = t.Position.Line, 0
		}
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow = max(0, flow-1)
		case token.SequenceEntryType, token.MappingKeyType, token.MappingValueType, token.TagType, token.AnchorType:
			run++
		}
		if flow > maxDepth || flow == 0 && (run > maxDepth || t.Position.IndentNum > 16*maxDepth) {
			return t
		}
	}
	return nil
}

// plain refuses what makes a value depend on another place of the file.
func (v value) plain() bool {
	switch v.node.(type) {
	case *ast.AnchorNode, *ast.AliasNode:
		v.fault("write the value out; defaults and kinds hold what several nodes share", "anchors and aliases are not supported")
		return false
	case *ast.TagNode:
		v.fault("", "YAML tags are not supported")
		return false
	}
	return true
}

func (v value) null() bool {
	_, null := v.node.(*ast.NullNode)
	return null
}

// entry is a key of a mapping with its value.
type entry struct {
	value
	key   string
	token *token.Token // of the key
}

// unknown reports the key itself.
func (e entry) unknown(hint, format string, args ...any) {
	e.at(e.token, e.path, hint, format, args...)
}

// entries returns the keys of a mapping in the order of the file. Nothing is an empty mapping.
func (v value) entries() []entry {
	if !v.plain() || v.null() {
		return nil
	}
	m, ok := v.node.(ast.MapNode)
	if !ok {
		v.fault("write key: value", "a mapping is expected")
		return nil
	}
	var all []entry
	seen := make(map[string]bool)
	for it := m.MapRange(); it.Next(); {
		k := it.Key()
		if k.IsMergeKey() {
			v.at(k.GetToken(), v.path, "", "merge keys are not supported")
			continue
		}
		key, ok := value{v.reader, k, v.path}.text()
		if !ok {
			continue
		}
		path := key
		if v.path != "" {
			path = v.path + "." + key
		}
		e := entry{value{v.reader, it.Value(), path}, key, k.GetToken()}
		if seen[key] {
			e.unknown("", "is set twice")
			continue
		}
		seen[key] = true
		all = append(all, e)
	}
	return all
}

// items returns the values of a list.
func (v value) items() []value {
	if !v.plain() {
		return nil
	}
	s, ok := v.node.(*ast.SequenceNode)
	if !ok {
		v.fault("begin every item with -", "a list is expected")
		return nil
	}
	all := make([]value, len(s.Values))
	for i, n := range s.Values {
		all[i] = value{v.reader, n, fmt.Sprintf("%s[%d]", v.path, i)}
	}
	return all
}

// text returns a scalar as it is written, so that 0123 stays 0123.
func (v value) text() (string, bool) {
	if !v.plain() {
		return "", false
	}
	var text string
	switch n := v.node.(type) {
	case *ast.StringNode:
		text = n.Value
	case *ast.LiteralNode:
		text = n.Value.Value
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		text = n.GetToken().Value
	case *ast.NullNode:
		v.fault("remove the key or give it a value", "has no value")
		return "", false
	case *ast.MappingKeyNode:
		return value{v.reader, n.Value, v.path}.text()
	default:
		v.fault("", "a single value is expected")
		return "", false
	}
	if strings.Contains(text, "$") {
		v.fault("containerlab puts an environment variable there, before it reads the file", "$ is not supported")
		return "", false
	}
	return text, true
}
