package ixpmanager

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/ixagent/ixagent/models/rest"
)

// Answers are the records of an exchange as they were received: of each switch, by its name, what it has.
type Answers struct {
	Switches   []json.RawMessage
	VLANs      map[string][]json.RawMessage
	Interfaces map[string][]json.RawMessage
}

// Records is everything read from an exchange, in the order in which it was listed. VLANs and Interfaces are by the name
// of their switch.
type Records struct {
	Switches   []Switch
	VLANs      map[string][]VLAN
	Interfaces map[string][]Interface
}

// RecordFault is something wrong with one record, which is marked Faulty. Switch is empty for a record of the list of
// switches.
type RecordFault struct {
	Kind   string // switch, vlan or interface
	Switch string
	Index  int // in its list
	Name   string
	Err    error
}

func (f RecordFault) Error() string {
	name := fmt.Sprintf("%s %d", f.Kind, f.Index)
	if f.Name != "" {
		name = fmt.Sprintf("%s %q", f.Kind, rest.Clip(f.Name))
	}
	if f.Switch != "" {
		name += " of " + rest.Clip(f.Switch)
	}
	return name + ": " + f.Err.Error()
}

// key says what tells records of the kind apart.
func (f RecordFault) key() string {
	if f.Kind == "vlan" {
		return "tag"
	}
	return "name"
}

// Unwrap returns what is wrong.
func (f RecordFault) Unwrap() error { return f.Err }

// ErrTwice says that two records name the same thing.
var ErrTwice = errors.New("it is listed twice")

// Decode reads records. Those with a fault are there as far as they could be read, and marked Faulty.
func Decode(a Answers) (*Records, []RecordFault) {
	var faults []RecordFault
	switches := decode(a.Switches, &faults, RecordFault{Kind: "switch"}, func(s *Switch) (string, string, *bool) {
		return s.Name, s.Name, &s.Faulty
	})
	r, more := decodeOf(switches, a)
	return r, append(faults, more...)
}

// decodeOf reads what switches have.
func decodeOf(switches []Switch, a Answers) (*Records, []RecordFault) {
	var faults []RecordFault
	r := &Records{Switches: switches, VLANs: make(map[string][]VLAN), Interfaces: make(map[string][]Interface)}
	for i := range r.Switches {
		name := r.Switches[i].Name
		if _, done := r.VLANs[name]; done {
			continue // it is listed twice
		}
		r.VLANs[name] = decode(a.VLANs[name], &faults, RecordFault{Kind: "vlan", Switch: name}, func(v *VLAN) (string, string, *bool) {
			return v.Name, v.key(), &v.Faulty
		})
		r.Interfaces[name] = decode(a.Interfaces[name], &faults, RecordFault{Kind: "interface", Switch: name}, func(i *Interface) (string, string, *bool) {
			return i.Name, i.Name, &i.Faulty
		})
	}
	return r, faults
}

// decode reads a list. What identify returns of a record is its name, what no two may share, and its mark.
func decode[T any](list []json.RawMessage, faults *[]RecordFault, where RecordFault, identify func(*T) (name, key string, faulty *bool)) []T {
	records := make([]T, len(list))
	index := make(map[string]int, len(list))
	for i, text := range list {
		err := read(text, &records[i])
		name, key, faulty := identify(&records[i])
		fault := func(err error) {
			*faulty = true
			f := where
			f.Index, f.Name, f.Err = i, name, err
			*faults = append(*faults, f)
		}
		if err != nil {
			fault(err)
		}
		switch first, twice := index[key]; {
		case key == "":
			fault(errors.New("it has no " + where.key()))
		case twice:
			fault(fmt.Errorf("%w: at %d and %d", ErrTwice, first, i))
			_, _, other := identify(&records[first])
			*other = true
		default:
			index[key] = i
		}
	}
	return records
}

// key returns the tag, if it is one (IEEE 802.1Q-2022 9.6).
func (v *VLAN) key() string {
	if v.Tag < 1 || v.Tag > 4094 {
		return ""
	}
	return strconv.Itoa(int(v.Tag))
}

// read reads a record, field by field if something is wrong with it, so that one field does not hide the others.
func read[T any](text json.RawMessage, into *T) error {
	if json.Unmarshal(text, into) == nil {
		return nil
	}
	*into = *new(T)
	var fields map[string]json.RawMessage
	if json.Unmarshal(text, &fields) != nil {
		return errors.New("it is not an object")
	}
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		one, err := json.Marshal(map[string]json.RawMessage{name: fields[name]})
		if err != nil {
			return err
		}
		if err := json.Unmarshal(one, into); err != nil {
			wrong = append(wrong, fmt.Sprintf("%s: %v", rest.Clip(name), err))
		}
	}
	return errors.New(strings.Join(wrong, "; "))
}
