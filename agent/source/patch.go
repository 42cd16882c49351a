package source

import (
	"hash/maphash"

	"github.com/ixagent/ixagent/models/ixapi"
)

// memo finds the records of a list by the hash of their text: the value is the place in the list. Records with
// faults are not in it.
type memo map[uint64]int

// remember makes the memo of a list that was decoded to records with these faults.
func remember(k kind, raw ixapi.Raw, seed maphash.Seed, records *ixapi.Records, faults []ixapi.RecordFault) memo {
	texts, ok := split(raw)
	if !ok || len(texts) != k.count(records) {
		return nil
	}
	faulty := make(map[ixapi.ID]bool)
	for _, f := range faults {
		faulty[f.ID] = true
	}
	m := make(memo, len(texts))
	i := 0
	k.each(records, func(id ixapi.ID) {
		if !faulty[id] {
			m[maphash.Bytes(seed, texts[i])] = i
		}
		i++
	})
	return m
}

// patch puts the list of raw into records, decoding only the records that are not written in then as they are
// here. It reports false, and leaves records alone, when the list has to be decoded as a whole: because that is
// no dearer, because there is no memo of then, or because something is wrong with the list that a part of it
// cannot tell.
func (l list[T]) patch(raw ixapi.Raw, m memo, seed maphash.Seed, then, records *ixapi.Records) ([]ixapi.RecordFault, bool) {
	texts, ok := split(raw)
	if !ok || m == nil {
		return nil, false
	}
	old := *l.of(then)
	now := make([]T, len(texts))
	body := []byte{'['}
	var places []int // of the records in body
	for i, text := range texts {
		if at, known := m[maphash.Bytes(seed, text)]; known {
			now[i] = old[at]
			continue
		}
		if len(places) > 0 {
			body = append(body, ',')
		}
		body = append(body, text...)
		places = append(places, i)
	}
	if len(places) > len(texts)/2 {
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

// split returns the texts of the objects in a list. It reports false when the list is something else, or no
// JSON at all; but whether each text is JSON is left to who decodes it.
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
