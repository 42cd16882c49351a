package source

import (
	"hash/maphash"

	"github.com/ixagent/ixagent/models/ixapi"
)

// memo finds the records of a list by the hash of their text: the value is the place in the list. Records with
// faults are not in it.
type memo map[uint64]int

// written is a list as the texts of its records, and their hashes.
type written struct {
	texts  [][]byte
	hashes []uint64
}

// remember makes the memo of a list that was decoded to records with these faults.
func remember(k kind, w written, records *ixapi.Records, faults []ixapi.RecordFault) memo {
	if len(w.texts) != k.count(records) {
		return nil
	}
	faulty := make(map[ixapi.ID]bool)
	for _, f := range faults {
		faulty[f.ID] = true
	}
	m := make(memo, len(w.texts))
	i := 0
	k.each(records, func(id ixapi.ID) {
		if len(faulty) == 0 || !faulty[id] {
			m[w.hashes[i]] = i
		}
		i++
	})
	return m
}

// patch puts the list w into records, decoding only the records that are not written in then as they are here. It
// reports false, and leaves records alone, when the list has to be decoded as a whole: because that is no dearer,
// because there is no memo of then, or because something is wrong with the list that a part of it cannot tell.
func (l list[T]) patch(w written, m memo, then, records *ixapi.Records) ([]ixapi.RecordFault, bool) {
	if w.texts == nil || m == nil {
		return nil, false
	}
	old := *l.of(then)
	now := make([]T, len(w.texts))
	body := []byte{'['}
	var places []int // of the records in body
	for i, text := range w.texts {
		if at, known := m[w.hashes[i]]; known {
			now[i] = old[at]
			continue
		}
		if len(places) > 0 {
			body = append(body, ',')
		}
		body = append(body, text...)
		places = append(places, i)
	}
	if len(places) > len(w.texts)/2 {
		return nil, false
	}
	part, faults, err := ixapi.Decode(map[ixapi.Collection]ixapi.Raw{l.name: {append(body, ']')}})
	if err != nil {
		return nil, false
	}
	for i, r := range *l.of(part) {
		now[places[i]] = r
	}
	for i := range faults {
		faults[i].Index = places[faults[i].Index]
	}
	ids := make(map[ixapi.ID]bool, len(now))
	for i := range now {
		id := l.id(&now[i])
		if ids[id] {
			return nil, false
		}
		ids[id] = true
	}
	*l.of(records) = now
	return faults, true
}

// readTexts returns the texts of the objects in a list; none when the list is something else, or no JSON at all. But
// whether each text is JSON is left to who decodes it.
func readTexts(raw ixapi.Raw, seed maphash.Seed) written {
	texts, ok := split(raw)
	if !ok {
		return written{}
	}
	hashes := make([]uint64, len(texts))
	for i, text := range texts {
		hashes[i] = maphash.Bytes(seed, text)
	}
	return written{texts, hashes}
}

func split(raw ixapi.Raw) (texts [][]byte, ok bool) {
	for _, page := range raw {
		i := space(page, 0)
		if i == len(page) || page[i] != '[' {
			return nil, false
		}
		i = space(page, i+1)
		if empty := i < len(page) && page[i] == ']'; !empty {
			for {
				end := object(page, i)
				if end < 0 {
					return nil, false
				}
				texts = append(texts, page[i:end])
				if i = space(page, end); i == len(page) || page[i] != ',' {
					break
				}
				i = space(page, i+1)
			}
		}
		if i == len(page) || page[i] != ']' || space(page, i+1) != len(page) {
			return nil, false
		}
	}
	return texts, true
}

// space returns the index of the first byte from i that is not white space.
func space(text []byte, i int) int {
	for i < len(text) && (text[i] == ' ' || text[i] == '\n' || text[i] == '\r' || text[i] == '\t') {
		i++
	}
	return i
}

// object returns the end of the object that begins at i, -1 if none does.
func object(text []byte, i int) int {
	if i == len(text) || text[i] != '{' {
		return -1
	}
	depth, quoted := 0, false
	for ; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}
