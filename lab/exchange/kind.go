package exchange

import (
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// A kind is what a field can be. It reports what is wrong with a value, by the path to it, and returns the value as it
// is stored. A value is as [json.Decoder] makes it with UseNumber, and never null.
type kind func(o *order, path string, value any) any

// text is a string of at most so many characters, without control characters other than those of a text of several lines.
func text(most int) kind {
	return func(o *order, path string, value any) any {
		s, ok := value.(string)
		switch {
		case !ok:
			o.fault(path, "is not a string")
		case utf8.RuneCountInString(s) > most:
			o.fault(path, "has more than %d characters", most)
		case strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) && r != '\n' && r != '\t' }):
			o.fault(path, "contains a control character")
		}
		return s
	}
}

// filled is a text that is not empty.
func filled(most int) kind {
	is := text(most)
	return func(o *order, path string, value any) any {
		if value == "" {
			o.fault(path, "is empty")
		}
		return is(o, path, value)
	}
}

// choice is one of the given strings.
func choice(allowed ...string) kind {
	return func(o *order, path string, value any) any {
		if s, ok := value.(string); !ok || !slices.Contains(allowed, s) {
			o.fault(path, "is not one of %s", strings.Join(allowed, ", "))
		}
		return value
	}
}

// between is an integer within bounds.
func between(least, most int64) kind {
	return func(o *order, path string, value any) any {
		n, err := strconv.ParseInt(fmt.Sprint(value), 10, 64)
		if _, number := value.(json.Number); !number || err != nil {
			o.fault(path, "is not an integer")
		} else if n < least || n > most {
			o.fault(path, "is not between %d and %d", least, most)
		}
		return n
	}
}

// boolean is true or false.
func boolean(o *order, path string, value any) any {
	if _, ok := value.(bool); !ok {
		o.fault(path, "is neither true nor false")
	}
	return value
}

// date is a day, YYYY-MM-DD.
func date(o *order, path string, value any) any {
	s, _ := value.(string)
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		o.fault(path, "is not a date of the form 2006-01-02")
	}
	return value
}

// moment is a time of RFC 3339.
func moment(o *order, path string, value any) any {
	s, _ := value.(string)
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		o.fault(path, "is not a time of RFC 3339")
		return value
	}
	return at.UTC().Format(time.RFC3339)
}

// stationMAC is the address of one station, with colons (IX-API, mac).
func stationMAC(o *order, path string, value any) any {
	s, _ := value.(string)
	mac, err := net.ParseMAC(s)
	if err != nil || len(mac) != 6 {
		o.fault(path, "is not a MAC address like 02:00:5e:00:53:01")
		return value
	}
	if mac[0]&1 != 0 || slices.Equal(mac, make([]byte, 6)) {
		o.fault(path, "is not the address of one station")
	}
	return mac.String()
}

// reference is the id of a record that the caller sees.
func reference(collection string) kind {
	return func(o *order, path string, value any) any {
		id, ok := value.(string)
		if !ok {
			o.fault(path, "is not a string")
		} else if o.find(collection, id) == nil {
			o.fault(path, "there is no such record in %s", collection)
		}
		return value
	}
}

// maxItems bounds arrays.
const maxItems = 1000

// each is an array of a kind.
func each(is kind) kind {
	return func(o *order, path string, value any) any {
		list, ok := value.([]any)
		if !ok {
			o.fault(path, "is not an array")
			return value
		}
		if len(list) > maxItems {
			o.fault(path, "has more than %d items", maxItems)
			return value
		}
		out := make([]any, len(list))
		for i, v := range list {
			at := fmt.Sprintf("%s.%d", path, i)
			if v == nil {
				o.fault(at, "is null")
				continue
			}
			out[i] = is(o, at, v)
		}
		return out
	}
}

// references is an array of ids of records that the caller sees, none of them twice.
func references(collection string) kind {
	is := each(reference(collection))
	return func(o *order, path string, value any) any {
		value = is(o, path, value)
		list, _ := value.([]any)
		for i, v := range list {
			if slices.Contains(list[:i], v) {
				o.fault(fmt.Sprintf("%s.%d", path, i), "is there twice")
			}
		}
		return value
	}
}

// object is an object with fields.
func object(fields ...field) kind {
	return func(o *order, path string, value any) any {
		given, ok := value.(map[string]any)
		if !ok {
			o.fault(path, "is not an object")
			return value
		}
		out := store.Object{}
		for _, f := range fields {
			o.fill(out, f, path+"."+f.name, given, true)
		}
		return map[string]any(out)
	}
}
