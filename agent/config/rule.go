package config

import (
	"encoding"
	"fmt"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ixagent/ixagent/models/switchcfg"
)

// field is a field of a struct as its tags describe it.
type field struct {
	index int
	key   string
	rule
}

// rule is what a jsonschema tag asks of a value. The same tag makes the JSON Schema.
type rule struct {
	required           bool
	standard           string // default
	enum               []string
	pattern            *regexp.Regexp
	min, max           *uint64
	minItems, maxItems int
	maxLength          int
}

func parseRule(tag string) rule {
	var r rule
	for word := range strings.SplitSeq(tag, ",") {
		name, text, _ := strings.Cut(word, "=")
		n, _ := strconv.ParseUint(text, 10, 64)
		switch name {
		case "required":
			r.required = true
		case "default":
			r.standard = text
		case "enum":
			r.enum = append(r.enum, text)
		case "pattern":
			r.pattern = regexp.MustCompile(text)
		case "minimum":
			r.min = &n
		case "maximum":
			r.max = &n
		case "minItems":
			r.minItems = int(n)
		case "maxItems":
			r.maxItems = int(n)
		case "maxLength":
			r.maxLength = int(n)
		}
	}
	return r
}

// choiceError is a word that is none of those possible.
type choiceError struct {
	text   string
	choice []string
}

func (e *choiceError) Error() string {
	return fmt.Sprintf("%q is not one of %s", e.text, strings.Join(e.choice, ", "))
}

// set gives v the value that text stands for.
func (r rule) set(v reflect.Value, at Position, text string) error {
	switch {
	case text == "":
		return fmt.Errorf("is empty")
	case r.enum != nil && !slices.Contains(r.enum, text):
		return &choiceError{text, r.enum}
	case r.pattern != nil && !r.pattern.MatchString(text):
		return fmt.Errorf("%q does not match %s", text, r.pattern)
	case r.maxLength > 0 && len(text) > r.maxLength:
		return fmt.Errorf("%q is longer than %d characters", text, r.maxLength)
	}
	switch p := v.Addr().Interface().(type) {
	case placer:
		return p.place(at, text)
	case *time.Duration:
		t, err := time.ParseDuration(text)
		if err != nil {
			return fmt.Errorf("%q is not a duration such as 30s or 2m", text)
		}
		*p = t
		return nil
	case *netip.Addr:
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return fmt.Errorf("%q is not an IP address", text)
		}
		*p = a
		return nil
	case *netip.AddrPort:
		a, err := netip.ParseAddrPort(text)
		if err != nil {
			return fmt.Errorf("%q is not an IP address and port such as 127.0.0.1:9809", text)
		}
		*p = a
		return nil
	case *switchcfg.TPID:
		t, err := switchcfg.ParseTPID(text)
		*p = t
		return err
	case encoding.TextUnmarshaler:
		return p.UnmarshalText([]byte(text))
	}
	switch v.Kind() {
	case reflect.String:
		if i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }); i >= 0 {
			return fmt.Errorf("%q holds a control character", text)
		}
		v.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		if err != nil || text != "true" && text != "false" {
			return fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(b)
	default:
		return r.number(v, text)
	}
	return nil
}

// reset gives v its default, if it has one. Defaults are texts of this package, and a test reads them all.
func (r rule) reset(v reflect.Value) {
	if r.standard != "" {
		_ = r.set(v, Position{}, r.standard)
	}
}

// number sets v, which is of an integer type.
func (r rule) number(v reflect.Value, text string) error {
	bits := v.Type().Bits()
	least, most := uint64(0), uint64(1)<<bits-1
	if v.CanInt() {
		most >>= 1
	}
	if r.min != nil {
		least = *r.min
	}
	if r.max != nil {
		most = *r.max
	}
	n, err := strconv.ParseUint(text, 10, 64)
	switch {
	case err == nil && n >= least && n <= most:
	case r.max == nil && bits == 64:
		return fmt.Errorf("%q is not a whole number of at least %d", text, least)
	default:
		return fmt.Errorf("%q is not a whole number between %d and %d", text, least, most)
	}
	if v.CanInt() {
		v.SetInt(int64(n))
	} else {
		v.SetUint(n)
	}
	return nil
}
