package clitext

import "strings"

// AppendText appends the canonical text of the configuration.
func (t *Tree) AppendText(b []byte) []byte {
	switch t.g.Style {
	case Indented:
		for c := t.nodes[0].first; c != 0; c = t.nodes[c].next {
			b = t.appendIndented(b, c, 0)
			if t.nodes[c].first != 0 {
				b = append(b, "!\n"...)
			}
		}
	case Braced:
		for c := t.nodes[0].first; c != 0; c = t.nodes[c].next {
			b = t.appendBraced(b, c, 0)
		}
	case Flat:
		b = t.appendFlat(b, 0)
	}
	if t.g.End != "" {
		b = append(append(b, t.g.End...), '\n')
	}
	return b
}

func appendSpaces(b []byte, n int) []byte {
	for range n {
		b = append(b, ' ')
	}
	return b
}

func (t *Tree) appendIndented(b []byte, n int32, indent int) []byte {
	text := t.nodes[n].text
	b = appendSpaces(b, indent)
	if t.g.Remark != "" && strings.HasPrefix(text, t.g.Remark) {
		for first, rest, more := strings.Cut(text, "\n"); more; first, rest, more = strings.Cut(text, "\n") {
			b = appendSpaces(append(append(b, first...), '\n'), indent)
			text = rest
		}
	}
	b = append(append(b, text...), '\n')
	for c := t.nodes[n].first; c != 0; c = t.nodes[c].next {
		b = t.appendIndented(b, c, indent+t.g.Indent)
	}
	return b
}

func (t *Tree) appendBraced(b []byte, n int32, indent int) []byte {
	b = appendSpaces(b, indent)
	if t.nodes[n].inactive {
		b = append(b, "inactive: "...)
	}
	b = append(b, t.nodes[n].text...)
	if t.nodes[n].first == 0 {
		return append(b, ";\n"...)
	}
	b = append(b, " {\n"...)
	for c := t.nodes[n].first; c != 0; c = t.nodes[c].next {
		b = t.appendBraced(b, c, indent+4)
	}
	return append(appendSpaces(b, indent), "}\n"...)
}

func (t *Tree) appendFlat(b []byte, n int32) []byte {
	if n != 0 && t.nodes[n].first == 0 {
		b = append(t.appendPath(append(b, "set "...), n), '\n')
	}
	for c := t.nodes[n].first; c != 0; c = t.nodes[c].next {
		b = t.appendFlat(b, c)
	}
	if t.nodes[n].inactive {
		b = append(t.appendPath(append(b, "deactivate "...), n), '\n')
	}
	return b
}

// appendPath appends the texts from the root down to a node, with a space between each.
func (t *Tree) appendPath(b []byte, n int32) []byte {
	if p := t.nodes[n].parent; p != 0 {
		b = append(t.appendPath(b, p), ' ')
	}
	return append(b, t.nodes[n].text...)
}
