package junos

import "encoding/json"

// appendJSON appends n as `display json` prints it, in the containers that it is in.
func appendJSON(b []byte, n *node, path []step) []byte {
	top := n
	for i := len(path) - 1; i >= 0; i-- {
		// A copy of the way to n, with nothing but n at its end.
		above := &node{kids: []*node{top}}
		if i > 0 {
			above.schema, above.text = path[i-1].schema, path[i-1].text
		} else {
			above.schema = path[0].schema.parent
		}
		top = above
	}
	var w jsonWriter
	w.b = b
	w.open('{')
	w.name("configuration")
	w.object(top)
	w.close('}')
	return append(w.b, '\n')
}

// jsonWriter writes indented JSON in the order it is told.
type jsonWriter struct {
	b     []byte
	depth int
	first bool
}

func (w *jsonWriter) open(c byte) {
	w.b = append(w.b, c)
	w.depth++
	w.first = true
}

func (w *jsonWriter) close(c byte) {
	w.depth--
	w.line()
	w.b = append(w.b, c)
	w.first = false
}

func (w *jsonWriter) line() {
	w.b = append(w.b, '\n')
	for range w.depth {
		w.b = append(w.b, indent...)
	}
}

// item begins another item of an array or object.
func (w *jsonWriter) item() {
	if !w.first {
		w.b = append(w.b, ',')
	}
	w.first = false
	w.line()
}

func (w *jsonWriter) name(name string) {
	w.item()
	w.text(name)
	w.b = append(w.b, " : "...)
}

func (w *jsonWriter) text(s string) {
	text, err := json.Marshal(s)
	if err != nil {
		text = []byte(`""`) // a string can always be written
	}
	w.b = append(w.b, text...)
}

func (w *jsonWriter) value(n *node) {
	if n.schema.number() {
		w.b = append(w.b, n.text...)
		return
	}
	w.text(n.text)
}

// object writes what is below n, with its key if it has one.
func (w *jsonWriter) object(n *node) {
	w.open('{')
	if n.inactive {
		w.attributes("@")
	}
	if n.schema.kind == list {
		w.name("name")
		w.value(n)
	}
	for i := 0; i < len(n.kids); {
		s := n.kids[i].schema
		group := n.of(s)
		w.statement(s, group)
		i += len(group)
	}
	w.close('}')
}

func (w *jsonWriter) attributes(name string) {
	w.name(name)
	w.open('{')
	w.name("inactive")
	w.b = append(w.b, "true"...)
	w.close('}')
}

func (w *jsonWriter) statement(s *schema, group []*node) {
	if group[0].inactive && s.kind != list && len(group[0].kids) == 0 {
		w.attributes("@" + s.json)
	}
	w.name(s.json)
	switch {
	case s.kind == list:
		w.open('[')
		for _, n := range group {
			w.item()
			w.object(n)
		}
		w.close(']')
	case s.kind == leafList:
		w.open('[')
		for _, n := range group {
			w.item()
			w.value(n)
		}
		w.close(']')
	case s.kind == leaf:
		w.value(group[0])
	case len(group[0].kids) == 0:
		w.b = append(w.b, "[null]"...)
	default:
		w.object(group[0])
	}
}
