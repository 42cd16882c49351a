package junos

// item is a piece of what an operational command says, for machines.
type item struct {
	name string
	text string // of one whose kids are nil
	flag bool   // without a text
	kids []*item
}

func tell(name string, kids ...*item) *item {
	return &item{name: name, kids: append([]*item{}, kids...)}
}

func fact(name, text string) *item { return &item{name: name, text: text} }

func mark(name string) *item { return &item{name: name, flag: true} }

func (i *item) add(kids ...*item) { i.kids = append(i.kids, kids...) }

// json writes what is said as `display json` does: everything may be there several times.
func (i *item) json() []byte {
	var w jsonWriter
	w.open('{')
	w.name(i.name)
	w.items([]*item{i})
	w.close('}')
	return append(w.b, '\n')
}

func (w *jsonWriter) items(all []*item) {
	w.open('[')
	for _, i := range all {
		w.item()
		w.open('{')
		switch {
		case i.flag:
			w.name("data")
			w.b = append(w.b, "[null]"...)
		case i.kids == nil:
			w.name("data")
			w.text(i.text)
		default:
			w.members(i.kids)
		}
		w.close('}')
	}
	w.close(']')
}

// members writes items by name, in the order in which the names first come.
func (w *jsonWriter) members(all []*item) {
	by := make(map[string][]*item)
	var names []string
	for _, i := range all {
		if by[i.name] == nil {
			names = append(names, i.name)
		}
		by[i.name] = append(by[i.name], i)
	}
	for _, name := range names {
		w.name(name)
		w.items(by[name])
	}
}
