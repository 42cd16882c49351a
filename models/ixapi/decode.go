package ixapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/ixagent/ixagent/models/rest"
)

// Collection names a list of the API; it is the list's path.
type Collection string

// The collections that are read.
const (
	Accounts              Collection = "accounts"
	Facilities            Collection = "facilities"
	PoPs                  Collection = "pops"
	Devices               Collection = "devices"
	Ports                 Collection = "ports"
	Connections           Collection = "connections"
	NetworkServices       Collection = "network-services"
	NetworkServiceConfigs Collection = "network-service-configs"
	MACs                  Collection = "macs"
	IPs                   Collection = "ips"
	ProductOfferings      Collection = "product-offerings"
	NetworkFeatures       Collection = "network-features"
	NetworkFeatureConfigs Collection = "network-feature-configs"
	MemberJoiningRules    Collection = "member-joining-rules"
)

// Collections returns every collection that is read, referenced ones before
// those that refer to them.
func Collections() []Collection {
	return []Collection{
		Accounts, Facilities, PoPs, Devices, ProductOfferings, NetworkServices,
		MemberJoiningRules, NetworkFeatures, Ports, Connections, MACs, IPs,
		NetworkServiceConfigs, NetworkFeatureConfigs,
	}
}

// Raw is a list as received: the bodies of its pages in order, each a JSON
// array. A list that was not paginated, or comes from a file, is one page.
type Raw [][]byte

// Equal reports whether both lists have the same bytes in the same pages.
func (r Raw) Equal(other Raw) bool {
	if len(r) != len(other) {
		return false
	}
	for i := range r {
		if !bytes.Equal(r[i], other[i]) {
			return false
		}
	}
	return true
}

// Size returns the number of bytes over all pages.
func (r Raw) Size() int {
	n := 0
	for _, page := range r {
		n += len(page)
	}
	return n
}

// Records is everything read from an exchange, each collection in the order in
// which the exchange listed it.
type Records struct {
	Accounts              []Account
	Facilities            []Facility
	PoPs                  []PointOfPresence
	Devices               []Device
	Ports                 []Port
	Connections           []Connection
	NetworkServices       []NetworkService
	NetworkServiceConfigs []NetworkServiceConfig
	MACs                  []MAC
	IPs                   []IP
	ProductOfferings      []ProductOffering
	NetworkFeatures       []NetworkFeature
	NetworkFeatureConfigs []NetworkFeatureConfig
	MemberJoiningRules    []MemberJoiningRule
}

var (
	// ErrUnknownValue says that an enumeration has a value this package does not
	// know. The record keeps it verbatim and is not Faulty.
	ErrUnknownValue = errors.New("unknown value")

	// ErrDuplicateID says that two records of a collection have the same id.
	ErrDuplicateID = errors.New("duplicate id")

	errNoID = errors.New("id is missing")
	errCut  = errors.New("the list is cut short")
)

// RecordFault is something wrong with one record of a list. Unless Err is
// ErrUnknownValue the record is marked Faulty.
//
// A fault without an ID concerns a record that nobody can tell from a missing
// one: a list with such a fault must not lead to a removal.
type RecordFault struct {
	Collection Collection
	Index      int    // position in the whole list, from 0
	ID         ID     // empty when it could not be read
	Pointer    string // JSON pointer into the record (RFC 6901), empty for the whole
	Err        error
}

func (f RecordFault) Error() string {
	name := fmt.Sprintf("%s[%d]", f.Collection, f.Index)
	if f.ID != "" {
		name = fmt.Sprintf("%s %q", f.Collection, rest.Clip(f.ID))
	}
	if f.Pointer != "" {
		name += " " + f.Pointer
	}
	return name + ": " + f.Err.Error()
}

func (f RecordFault) Unwrap() error { return f.Err }

// ListError says where a list stops being one. Line and Column count from 1,
// Column in bytes.
type ListError struct {
	Collection   Collection
	Page         int   // from 1
	Offset       int64 // bytes into the page
	Line, Column int
	Err          error
}

func (e *ListError) Error() string {
	return fmt.Sprintf("%s: page %d, line %d, column %d (byte %d): %v",
		e.Collection, e.Page, e.Line, e.Column, e.Offset, e.Err)
}

func (e *ListError) Unwrap() error { return e.Err }

// listError says where dec stopped in body.
func listError(c Collection, page int, body []byte, dec *json.Decoder, err error) *ListError {
	offset := dec.InputOffset()
	var syntax *json.SyntaxError
	switch {
	case cutShort(err):
		offset, err = int64(len(body)), errCut
	case errors.As(err, &syntax):
		// A Decoder does not count what separates the elements it decodes.
		if errors.As(json.Unmarshal(body, new(json.RawMessage)), &syntax) {
			offset, err = syntax.Offset, syntax
		}
	}
	before := body[:min(max(offset, 0), int64(len(body)))]
	return &ListError{
		Collection: c,
		Page:       page + 1,
		Offset:     offset,
		Line:       1 + bytes.Count(before, []byte{'\n'}),
		Column:     len(before) - bytes.LastIndexByte(before, '\n'),
		Err:        err,
	}
}

const (
	// maxFaults ends the decoding of a list that is something else.
	maxFaults = 10_000

	// sample is the number of records from whose size that of the rest is
	// estimated, so that a large list is neither copied nor oversized in memory.
	sample = 256
)

// Decode reads the given lists. The faults are those of single records, in the
// order of Collections; the error joins a *ListError for each list that is not
// whole, and then there are no Records. Collections that are not given stay
// empty: which must be there is for the caller to know.
func Decode(lists map[Collection]Raw) (*Records, []RecordFault, error) {
	var (
		r    Records
		v    = reviewer{pool: make(map[string]string)}
		errs []error
		left = len(lists)
	)
	for _, c := range Collections() {
		raw, ok := lists[c]
		if !ok {
			continue
		}
		left--
		var err error
		switch c {
		case Accounts:
			r.Accounts, err = decodeList[Account](&v, c, raw)
		case Facilities:
			r.Facilities, err = decodeList[Facility](&v, c, raw)
		case PoPs:
			r.PoPs, err = decodeList[PointOfPresence](&v, c, raw)
		case Devices:
			r.Devices, err = decodeList[Device](&v, c, raw)
		case Ports:
			r.Ports, err = decodeList[Port](&v, c, raw)
		case Connections:
			r.Connections, err = decodeList[Connection](&v, c, raw)
		case NetworkServices:
			r.NetworkServices, err = decodeList[NetworkService](&v, c, raw)
		case NetworkServiceConfigs:
			r.NetworkServiceConfigs, err = decodeList[NetworkServiceConfig](&v, c, raw)
		case MACs:
			r.MACs, err = decodeList[MAC](&v, c, raw)
		case IPs:
			r.IPs, err = decodeList[IP](&v, c, raw)
		case ProductOfferings:
			r.ProductOfferings, err = decodeList[ProductOffering](&v, c, raw)
		case NetworkFeatures:
			r.NetworkFeatures, err = decodeList[NetworkFeature](&v, c, raw)
		case NetworkFeatureConfigs:
			r.NetworkFeatureConfigs, err = decodeList[NetworkFeatureConfig](&v, c, raw)
		case MemberJoiningRules:
			r.MemberJoiningRules, err = decodeList[MemberJoiningRule](&v, c, raw)
		}
		errs = append(errs, err)
	}
	if left != 0 {
		errs = append(errs, fmt.Errorf("%d of %d lists are of collections unknown to IX-API", left, len(lists)))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, v.faults, err
	}
	return &r, v.faults, nil
}

// DecodeList reads one list, as Decode does.
func DecodeList[T any, P record[T]](c Collection, raw Raw) ([]T, []RecordFault, error) {
	v := reviewer{pool: make(map[string]string)}
	records, err := decodeList[T, P](&v, c, raw)
	return records, v.faults, err
}

func decodeList[T any, P record[T]](v *reviewer, c Collection, raw Raw) ([]T, error) {
	if len(raw) == 0 {
		return nil, &ListError{Collection: c, Page: 1, Line: 1, Column: 1, Err: errCut}
	}
	var (
		records = []T{}
		before  = len(v.faults)
		size    = 0 // of the pages before
		// An index entry holds the position of the record with that id.
		index = make(map[ID]int)
	)
	v.collection = c
	for page, body := range raw {
		dec := json.NewDecoder(bytes.NewReader(body))
		fail := func(err error) ([]T, error) { return nil, listError(c, page, body, dec, err) }
		if err := openList(dec); err != nil {
			return fail(err)
		}
		for dec.More() {
			records = append(records, *new(T))
			r := P(&records[len(records)-1])
			err := decodeRecord(dec, r)
			if err != nil && !wrongType(err) {
				return fail(err)
			}
			id, faulty := r.identity()
			v.index, v.id, v.broken = len(records)-1, *id, false
			if err != nil {
				v.mismatch(err)
			}
			r.review(v)
			if first, twice := index[*id]; *id == "" {
				v.fault("/id", errNoID)
			} else if twice {
				v.fault("", fmt.Errorf("%w: the records at %d and %d", ErrDuplicateID, first, v.index))
				_, alsoFaulty := P(&records[first]).identity()
				*alsoFaulty = true
			} else {
				index[*id] = v.index
			}
			*faulty = v.broken
			if len(v.faults)-before > maxFaults {
				return fail(fmt.Errorf("more than %d faults", maxFaults))
			}
			if len(records) == sample {
				each := (size + int(dec.InputOffset())) / sample
				records = slices.Grow(records, raw.Size()/each)
			}
		}
		if err := closeList(dec); err != nil {
			return fail(err)
		}
		size += len(body)
	}
	return records, nil
}

func openList(dec *json.Decoder) error {
	token, err := dec.Token()
	if err == nil && token != json.Delim('[') {
		err = errors.New("not a JSON array")
	}
	return err
}

func closeList(dec *json.Decoder) error {
	if _, err := dec.Token(); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("text after the end of the list")
	}
	return nil
}

func decodeRecord(dec *json.Decoder, r any) error {
	if r, ok := r.(interface{ decode(*json.Decoder) error }); ok {
		return r.decode(dec)
	}
	return dec.Decode(r)
}

// wrongType reports whether err says that well-formed JSON does not fit.
func wrongType(err error) bool {
	var syntax *json.SyntaxError
	return err != nil && !errors.As(err, &syntax) && !cutShort(err)
}

func cutShort(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// fieldError is a fault at a place within a record.
type fieldError struct {
	pointer string
	err     error
}

func (e *fieldError) Error() string { return e.pointer + ": " + e.err.Error() }
func (e *fieldError) Unwrap() error { return e.err }

// record is a type of records of a list.
type record[T any] interface {
	*T
	// identity gives access to the id and the mark of a faulty record.
	identity() (*ID, *bool)
	// review interns the strings that many records share and reports values
	// that are unknown or out of range.
	review(*reviewer)
}

// reviewer collects the faults of the record at index.
type reviewer struct {
	pool       map[string]string
	faults     []RecordFault
	collection Collection
	index      int
	id         ID
	broken     bool
}

func (v *reviewer) report(pointer string, err error) {
	v.faults = append(v.faults, RecordFault{
		Collection: v.collection, Index: v.index, ID: v.id, Pointer: pointer, Err: err,
	})
}

func (v *reviewer) fault(pointer string, err error) {
	v.broken = true
	v.report(pointer, err)
}

// mismatch reports a decoding error.
func (v *reviewer) mismatch(err error) {
	var wrong *json.UnmarshalTypeError
	var field *fieldError
	switch {
	case errors.As(err, &wrong):
		pointer := ""
		for name := range strings.SplitSeq(wrong.Field, ".") {
			// Embedded Go structs are named too; only they have capitals.
			if name != "" && name == strings.ToLower(name) {
				pointer += "/" + name
			}
		}
		v.fault(pointer, fmt.Errorf("%s where %s is expected", rest.Clip(wrong.Value), expected(wrong.Type)))
	case errors.As(err, &field):
		v.fault(field.pointer, field.err)
	default:
		v.fault("", err)
	}
}

// expected says in JSON's words what a field of type t is read from.
func expected(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "a boolean"
	case reflect.Slice:
		return "an array"
	case reflect.Uint16, reflect.Uint32:
		return fmt.Sprintf("an integer from 0 to %d", uint64(1)<<t.Bits()-1)
	case reflect.Int:
		return "an integer"
	case reflect.Float64:
		return "a number"
	default:
		return "an object"
	}
}

func (v *reviewer) vlan(pointer string, id uint16) {
	if id > 4094 {
		v.fault(pointer, fmt.Errorf("vlan %d is not within 1 to 4094", id))
	}
}

func (v *reviewer) amount(pointer string, n *int) {
	if n != nil && *n < 0 {
		v.fault(pointer, fmt.Errorf("%d is negative", *n))
	}
}

// intern replaces each string by the copy all records share.
func (v *reviewer) intern(strs ...*string) {
	for _, s := range strs {
		*s = v.shared(*s)
	}
}

func (v *reviewer) shared(s string) string {
	if s == "" {
		return ""
	}
	if known, ok := v.pool[s]; ok {
		return known
	}
	v.pool[s] = s
	return s
}

// enum interns an enumeration value and reports one that is unknown.
func enum[S interface {
	~string
	Known() bool
}](v *reviewer, pointer string, s *S) {
	if *s == "" {
		return
	}
	*s = S(v.shared(string(*s)))
	if !(*s).Known() {
		v.report(pointer, fmt.Errorf("%w %q", ErrUnknownValue, rest.Clip(string(*s))))
	}
}
