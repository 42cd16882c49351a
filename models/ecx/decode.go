package ecx

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/ixagent/ixagent/models/rest"
)

// Collection names a list of the API; it is the last part of the path of its records.
type Collection string

// The collections that are read.
const (
	Ports            Collection = "ports"
	Networks         Collection = "networks"
	ServiceProfiles  Collection = "serviceProfiles"
	Connections      Collection = "connections"
	ExchangeServices Collection = "exchangeServices"
)

// Collections returns every collection that is read, referenced ones before those that refer to them.
func Collections() []Collection {
	return []Collection{Ports, Networks, ServiceProfiles, Connections, ExchangeServices}
}

// Lists holds the records of collections as they were received.
type Lists map[Collection][]json.RawMessage

// Records is everything read from an exchange, each collection in the order in which the exchange listed it.
type Records struct {
	Ports            []Port
	Networks         []Network
	ServiceProfiles  []ServiceProfile
	Connections      []Connection
	ExchangeServices []ExchangeService
}

// RecordFault is a fault of one record. Index is its place in the list, and UUID is empty where it has none.
type RecordFault struct {
	Collection Collection
	Index      int
	UUID       string
	Pointer    string // RFC 6901; empty for the record as a whole
	Err        error
}

func (f RecordFault) Error() string {
	name := fmt.Sprintf("%s[%d]", f.Collection, f.Index)
	if f.UUID != "" {
		name = fmt.Sprintf("%s %q", f.Collection, rest.Clip(f.UUID))
	}
	if f.Pointer != "" {
		name += " " + f.Pointer
	}
	return name + ": " + f.Err.Error()
}

// Unwrap returns what is wrong.
func (f RecordFault) Unwrap() error { return f.Err }

// What may be wrong with the uuid of a record.
var (
	ErrNoUUID        = errors.New("the record has no uuid")
	ErrDuplicateUUID = errors.New("two records have this uuid")
)

// Decode reads the records of lists. Those with a fault are there, as far as they could be read, and marked Faulty.
func Decode(lists Lists) (*Records, []RecordFault) {
	var (
		r      Records
		faults []RecordFault
	)
	r.Ports = decode(lists, Ports, &faults, func(p *Port) (*string, *bool) { return &p.UUID, &p.Faulty })
	r.Networks = decode(lists, Networks, &faults, func(n *Network) (*string, *bool) { return &n.UUID, &n.Faulty })
	r.ServiceProfiles = decode(lists, ServiceProfiles, &faults, func(p *ServiceProfile) (*string, *bool) { return &p.UUID, &p.Faulty })
	r.Connections = decode(lists, Connections, &faults, func(c *Connection) (*string, *bool) { return &c.UUID, &c.Faulty })
	r.ExchangeServices = decode(lists, ExchangeServices, &faults, func(s *ExchangeService) (*string, *bool) { return &s.UUID, &s.Faulty })
	return &r, faults
}

func decode[T any](lists Lists, c Collection, faults *[]RecordFault, identity func(*T) (*string, *bool)) []T {
	list := lists[c]
	records := make([]T, len(list))
	index := make(map[string]int, len(list))
	for i, text := range list {
		uuid, faulty := identity(&records[i])
		fault := func(pointer string, err error) {
			*faulty = true
			*faults = append(*faults, RecordFault{Collection: c, Index: i, UUID: *uuid, Pointer: pointer, Err: err})
		}
		if err := json.Unmarshal(text, &records[i]); err != nil {
			if *uuid == "" { // reading may have ended before it
				*uuid = identify(text)
			}
			fault(mismatch(err))
		}
		if first, twice := index[*uuid]; *uuid == "" {
			fault("/uuid", ErrNoUUID)
		} else if twice {
			fault("", fmt.Errorf("%w: those at %d and %d", ErrDuplicateUUID, first, i))
			_, other := identity(&records[first])
			*other = true
		} else {
			index[*uuid] = i
		}
	}
	return records
}

// identify returns the uuid of a record, as far as that is readable.
func identify(text json.RawMessage) string {
	var record struct{ UUID string }
	if json.Unmarshal(text, &record) != nil {
		return ""
	}
	return record.UUID
}

// mismatch says where a record has another shape than expected.
func mismatch(err error) (pointer string, _ error) {
	var wrong *json.UnmarshalTypeError
	if !errors.As(err, &wrong) {
		return "", err
	}
	if wrong.Field != "" {
		pointer = "/" + strings.ReplaceAll(wrong.Field, ".", "/")
	}
	return pointer, fmt.Errorf("it is of type %s, which does not belong there", rest.Clip(wrong.Value))
}
