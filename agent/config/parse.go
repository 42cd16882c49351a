package config

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

// maxDepth bounds how deep a file is nested.
const maxDepth = 64

// document is one parsed file.
type document struct {
	file    string
	root    ast.Node
	anchors map[string]*ast.AnchorNode
}

// parse returns the one YAML document in text, or nil after reporting why there is none.
func (l *loader) parse(file string, text []byte) *document {
	text = bytes.TrimPrefix(text, []byte("\uFEFF"))
	if f, bad := unreadable(text); bad {
		f.File = file
		l.fault(f)
		return nil
	}
	tokens := lexer.Tokenize(string(text))
	if t := tooDeep(tokens); t != nil {
		l.fault(Fault{Position: position(file, t), Message: fmt.Sprintf("nested deeper than %d levels", maxDepth)})
		return nil
	}
	tree, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		l.fault(syntaxFault(file, text, err))
		return nil
	}
	d := &document{file: file, anchors: make(map[string]*ast.AnchorNode)}
	for _, doc := range tree.Docs {
		switch {
		case doc.Body == nil:
		case d.root == nil:
			d.root = doc.Body
		default:
			l.fault(Fault{Position: position(file, start(doc.Body)), Message: "a second document begins here", Hint: "remove the line ---"})
		}
	}
	if d.root == nil {
		l.fault(Fault{Position: Position{File: file}, Message: "the file is empty"})
		return nil
	}
	ast.Walk(collector{l, d}, d.root)
	return d
}

// unreadable reports what makes text no YAML before it is looked at.
func unreadable(text []byte) (Fault, bool) {
	if len(text) > maxFile {
		return Fault{Message: fmt.Sprintf("the file is larger than %d MiB", maxFile>>20), Hint: "list several files under inventory"}, true
	}
	if bytes.HasPrefix(text, []byte{0xff, 0xfe}) || bytes.HasPrefix(text, []byte{0xfe, 0xff}) {
		return Fault{Message: "the file is UTF-16", Hint: "save it as UTF-8"}, true
	}
	line, column := 1, 1
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		at := Position{Line: line, Column: column}
		switch {
		case r == utf8.RuneError && n == 1:
			return Fault{Position: at, Message: fmt.Sprintf("byte 0x%02x is not UTF-8", text[i]), Hint: "save the file as UTF-8"}, true
		case r == '\n':
			line, column = line+1, 0
		case r < ' ' && r != '\t' && r != '\r' || r == 0x7f:
			return Fault{Position: at, Message: fmt.Sprintf("control character 0x%02x", r)}, true
		}
		i, column = i+n, column+1
	}
	return Fault{}, false
}

// tooDeep returns the token at which the nesting passes maxDepth, before a recursive parser follows it there.
func tooDeep(tokens token.Tokens) *token.Token {
	var flow, line, run int
	for _, t := range tokens {
		switch t.Type {
		case token.MappingStartType, token.SequenceStartType:
			flow++
		case token.MappingEndType, token.SequenceEndType:
			flow = max(0, flow-1)
		}
		if t.Position.Line != line {
			line, run = t.Position.Line, 0
		}
		switch t.Type {
		case token.SequenceEntryType, token.MappingKeyType, token.MappingValueType, token.TagType, token.AnchorType:
			if flow == 0 {
				run++
			}
		}
		if flow+run > maxDepth || flow == 0 && t.Position.IndentNum > 16*maxDepth {
			return t
		}
	}
	return nil
}

func syntaxFault(file string, text []byte, err error) Fault {
	f := Fault{Position: Position{File: file}, Message: "not YAML"}
	var e yaml.Error
	if !errors.As(err, &e) {
		return f
	}
	f.Message += ": " + e.GetMessage()
	t := e.GetToken()
	if t == nil || t.Position == nil {
		return f
	}
	f.Position = position(file, t)
	lines := bytes.Split(text, []byte("\n"))
	if t.Position.Line <= len(lines) && t.Position.Line > 0 {
		line := string(lines[t.Position.Line-1])
		if indent := line[:len(line)-len(strings.TrimLeft(line, " \t"))]; strings.Contains(indent, "\t") {
			f.Hint = "indent with spaces, not tabs"
		}
	}
	return f
}

func position(file string, t *token.Token) Position {
	if t == nil || t.Position == nil {
		return Position{File: file}
	}
	return Position{file, t.Position.Line, t.Position.Column}
}

// start returns the first token of n.
func start(n ast.Node) *token.Token {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return start(n.Values[0].Key)
		}
	case *ast.MappingValueNode:
		return start(n.Key)
	case *ast.AnchorNode:
		return n.Start
	case *ast.AliasNode:
		return n.Start
	}
	return n.GetToken()
}

// collector gathers the anchors of a document.
type collector struct {
	l *loader
	d *document
}

// Visit implements [ast.Visitor].
func (c collector) Visit(n ast.Node) ast.Visitor {
	if a, ok := n.(*ast.AnchorNode); ok {
		name := a.Name.GetToken().Value
		if first, again := c.d.anchors[name]; again {
			c.l.fault(Fault{
				Position: position(c.d.file, a.Start),
				Message:  fmt.Sprintf("anchor %q is already defined at %s", name, position(c.d.file, first.Start)),
			})
		} else {
			c.d.anchors[name] = a
		}
	}
	return c
}
