package fabric

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A page has so many records when a client does not choose, and so many at most.
const (
	defaultLimit = 20
	maxLimit     = 1000
)

// A pagination says what part of a list an answer is.
type pagination struct {
	Offset   int    `json:"offset"`
	Limit    int    `json:"limit"`
	Total    int    `json:"total"`
	Next     string `json:"next,omitempty"`
	Previous string `json:"previous,omitempty"`
}

// cut returns a part of a list, and what part it is.
func cut[T any](c *call, list []T, offset, limit int) ([]T, pagination) {
	p := pagination{Offset: offset, Limit: limit, Total: len(list)}
	at := func(offset int) string {
		query := c.r.URL.Query()
		query.Set("offset", strconv.Itoa(offset))
		query.Set("limit", strconv.Itoa(limit))
		return (&url.URL{Path: c.r.URL.Path, RawQuery: query.Encode()}).String()
	}
	from := min(offset, len(list))
	to := min(from+limit, len(list))
	if to < len(list) {
		p.Next = at(to)
	}
	if offset > 0 {
		p.Previous = at(max(0, offset-limit))
	}
	return list[from:to], p
}

// page answers with the part of a list that the query asks for.
func page[T any](c *call, list []T) (int, any, error) {
	offset, limit := 0, defaultLimit
	for name, into := range map[string]*int{"offset": &offset, "limit": &limit} {
		text := c.r.URL.Query().Get(name)
		if text == "" {
			continue
		}
		var err error
		if *into, err = strconv.Atoi(text); err != nil {
			return 0, nil, refuse(codeSearch, name, "is not a number")
		}
	}
	if err := bounds(offset, &limit); err != nil {
		return 0, nil, err
	}
	part, p := cut(c, list, offset, limit)
	return http.StatusOK, map[string]any{"data": part, "pagination": p}, nil
}

func bounds(offset int, limit *int) error {
	if offset < 0 || *limit < 1 {
		return refuse(codeSearch, "/pagination", "offset is negative, or limit is not positive")
	}
	*limit = min(*limit, maxLimit)
	return nil
}

// Terms are what a collection can be searched by.
type terms struct {
	filter, sort []string // JSON pointers
	first        string   // what it is sorted by when nothing is said
}

// An expression is what a search asks for: all of And, any of Or, or what it says of a property.
type expression struct {
	And      []expression `json:"and"`
	Or       []expression `json:"or"`
	Property string       `json:"property"`
	Operator string       `json:"operator"`
	Values   []string     `json:"values"`
}

// maxDepth bounds expressions within expressions.
const maxDepth = 8

// check returns what is wrong with an expression.
func (e *expression) check(t terms, depth int) error {
	switch {
	case depth > maxDepth:
		return refuse(codeSearch, "/filter", "is nested too deeply")
	case e.And != nil || e.Or != nil:
		if e.Property != "" || e.And != nil && e.Or != nil {
			return refuse(codeSearch, "/filter", "is either and, or, or of a property")
		}
		for _, of := range slices.Concat(e.And, e.Or) {
			if err := of.check(t, depth+1); err != nil {
				return err
			}
		}
		return nil
	case !slices.Contains(t.filter, e.Property):
		return refuse(codeSearch, "/filter/property", fmt.Sprintf("%q cannot be searched by", e.Property))
	}
	need := 1
	switch e.Operator {
	case "=", "!=", ">", ">=", "<", "<=", "LIKE", "NOT LIKE", "ILIKE", "ILKE", "NOT ILIKE", "IN", "NOT IN":
	case "BETWEEN", "NOT BETWEEN":
		need = 2
	case "IS NULL", "IS NOT NULL":
		need = 0
	default:
		return refuse(codeSearch, "/filter/operator", fmt.Sprintf("%q is unknown", e.Operator))
	}
	if len(e.Values) < need {
		return refuse(codeSearch, "/filter/values", fmt.Sprintf("%s needs %d", e.Operator, need))
	}
	return nil
}

// matches reports whether a record is asked for.
func (e *expression) matches(record any) bool {
	switch {
	case e.And != nil:
		return !slices.ContainsFunc(e.And, func(of expression) bool { return !of.matches(record) })
	case e.Or != nil:
		return slices.ContainsFunc(e.Or, func(of expression) bool { return of.matches(record) })
	}
	values := at(record, e.Property)
	some := func(test func(string) bool) bool { return slices.ContainsFunc(values, test) }
	operator, negated := strings.CutPrefix(e.Operator, "NOT ")
	if operator == "!=" {
		operator, negated = "=", true
	}
	var found bool
	switch operator {
	case "IS NULL":
		return len(values) == 0
	case "IS NOT NULL":
		return len(values) > 0
	case "=", "IN":
		found = some(func(v string) bool { return slices.Contains(e.Values, v) })
	case "LIKE":
		found = some(func(v string) bool { return like(v, e.Values[0]) })
	case "ILIKE", "ILKE":
		found = some(func(v string) bool { return like(strings.ToLower(v), strings.ToLower(e.Values[0])) })
	case "BETWEEN":
		found = some(func(v string) bool { return compare(v, e.Values[0]) >= 0 && compare(v, e.Values[1]) <= 0 })
	default:
		found = some(func(v string) bool {
			is := compare(v, e.Values[0])
			return is > 0 && operator[0] == '>' || is < 0 && operator[0] == '<' || is == 0 && strings.HasSuffix(operator, "=")
		})
	}
	return found != negated
}

// compare compares numbers as numbers and all else as text.
func compare(a, b string) int {
	if numeric(a) && numeric(b) {
		x, xErr := strconv.ParseFloat(a, 64)
		y, yErr := strconv.ParseFloat(b, 64)
		if xErr == nil && yErr == nil {
			return cmp.Compare(x, y)
		}
	}
	return strings.Compare(a, b)
}

// numeric reports whether a text may be a number.
func numeric(text string) bool {
	for _, b := range []byte(text) {
		if (b < '0' || b > '9') && b != '.' && b != '-' {
			return false
		}
	}
	return text != ""
}

// like reports whether a text is as a pattern, in which % stands for any text. One without % is looked for anywhere.
func like(text, pattern string) bool {
	parts := strings.Split(pattern, "%")
	if len(parts) == 1 {
		return strings.Contains(text, pattern)
	}
	last := len(parts) - 1
	rest, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1:last] {
		_, after, ok := strings.Cut(rest, part)
		if !ok {
			return false
		}
		rest = after
	}
	return strings.HasSuffix(rest, parts[last])
}

// at returns the scalars that a JSON pointer leads to, in all elements of the arrays on its way.
func at(v any, pointer string) []string {
	switch v := v.(type) {
	case []any:
		var out []string
		for _, e := range v {
			out = append(out, at(e, pointer)...)
		}
		return out
	case map[string]any:
		name, rest, more := strings.Cut(strings.TrimPrefix(pointer, "/"), "/")
		if pointer == "" {
			return nil
		}
		if more {
			rest = "/" + rest
		}
		return at(v[name], rest)
	case nil:
		return nil
	}
	if pointer != "" {
		return nil
	}
	return []string{fmt.Sprint(v)}
}

// plainly returns a value as what JSON makes of it.
func plainly(v any) (any, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var out any
	return out, dec.Decode(&out)
}

// A criterion is what a list is sorted by.
type criterion struct {
	Direction string `json:"direction"`
	Property  string `json:"property"`
}

// search answers with those records that the body asks for. It looks at what the caller sees, and at nothing else.
func search[T any](c *call, list []found[T], t terms) (int, any, error) {
	var given struct {
		Filter     *expression `json:"filter"`
		Pagination struct {
			Offset *int `json:"offset"`
			Limit  *int `json:"limit"`
		} `json:"pagination"`
		Sort []criterion `json:"sort"`
	}
	if len(c.body) > 0 {
		if err := c.read(&given); err != nil {
			return 0, nil, err
		}
	}
	if f := given.Filter; f != nil && f.And == nil && f.Or == nil && f.Property == "" && f.Operator == "" {
		given.Filter = nil
	}
	if given.Filter != nil {
		if err := given.Filter.check(t, 0); err != nil {
			return 0, nil, err
		}
	}
	if given.Sort == nil {
		given.Sort = []criterion{{Property: t.first}}
	}
	for i := range given.Sort {
		s := &given.Sort[i]
		s.Direction, s.Property = cmp.Or(s.Direction, "DESC"), cmp.Or(s.Property, t.first)
		if s.Direction != "DESC" && s.Direction != "ASC" || !slices.Contains(t.sort, s.Property) {
			return 0, nil, refuse(codeSearch, "/sort", fmt.Sprintf("%q %q cannot be sorted by", s.Property, s.Direction))
		}
	}
	rows, err := rowsOf(list, given.Filter, given.Sort)
	if err != nil {
		return 0, nil, err
	}
	offset, limit := 0, defaultLimit
	if given.Pagination.Offset != nil {
		offset = *given.Pagination.Offset
	}
	if given.Pagination.Limit != nil {
		limit = *given.Pagination.Limit
	}
	if err := bounds(offset, &limit); err != nil {
		return 0, nil, err
	}
	part, p := cut(c, rows, offset, limit)
	out := []T{}
	for _, r := range part {
		record, err := r.show()
		if err != nil {
			return 0, nil, err
		}
		out = append(out, record)
	}
	return http.StatusOK, map[string]any{"data": out, "pagination": p, "sort": given.Sort}, nil
}

// A found is a record that the caller sees. What it sees of it is worked out when it is wanted.
type found[T any] struct {
	uuid string
	show func() (T, error)
}

// A row is a record of an answer with what it is sorted by.
type row[T any] struct {
	found[T]
	keys []string
}

// rowsOf returns those records that a filter wants, in order.
func rowsOf[T any](list []found[T], filter *expression, by []criterion) ([]row[T], error) {
	var rows []row[T]
	plainOrder := !slices.ContainsFunc(by, func(s criterion) bool { return s.Property != "/uuid" })
	for _, of := range list {
		r := row[T]{found: of}
		if filter == nil && plainOrder {
			r.keys = slices.Repeat([]string{of.uuid}, len(by))
			rows = append(rows, r)
			continue
		}
		shown, err := of.show()
		if err != nil {
			return nil, err
		}
		is, err := plainly(shown)
		if err != nil {
			return nil, err
		}
		if filter != nil && !filter.matches(is) {
			continue
		}
		r.show = func() (T, error) { return shown, nil }
		for _, s := range by {
			r.keys = append(r.keys, strings.Join(at(is, s.Property), ","))
		}
		rows = append(rows, r)
	}
	slices.SortStableFunc(rows, func(a, b row[T]) int {
		for i, s := range by {
			if is := compare(a.keys[i], b.keys[i]); is != 0 {
				if s.Direction == "DESC" {
					return -is
				}
				return is
			}
		}
		return 0
	})
	return rows, nil
}

// known returns records that are worked out already.
func known[T any](list []T, uuid func(T) string) []found[T] {
	var out []found[T]
	for _, v := range list {
		out = append(out, found[T]{uuid: uuid(v), show: func() (T, error) { return v, nil }})
	}
	return out
}

// dates are what any record can be sorted by.
func dates() []string { return []string{"/changeLog/createdDateTime", "/changeLog/updatedDateTime"} }

func portTerms() terms {
	return terms{
		filter: []string{
			"/device/name", "/physicalPorts/tether/crossConnectId", "/physicalPorts/interface/name", "/state", "/project/projectId", "/uuid", "/name",
			"/account/orgId", "/account/accountNumber", "/location/metroCode",
		},
		sort: append(dates(), "/device/name", "/name", "/uuid", "/state", "/location/metroName", "/demarcationPointIbx", "/lagEnabled",
			"/physicalPortsSpeed", "/encapsulation/type", "/physicalPorts/tether/crossConnectId", "/package/code", "/bandwidth", "/serviceCode"),
		first: "/device/name",
	}
}

func profileTerms() terms {
	return terms{
		filter: []string{
			"/name", "/uuid", "/state", "/type", "/visibility", "/metros/code", "/tags", "/account/accountNumber", "/account/accountName",
			"/account/orgId", "/project/projectId", "/accessPointTypeConfigs/type",
		},
		sort:  append(dates(), "/name", "/uuid", "/state"),
		first: "/changeLog/updatedDateTime",
	}
}

func connectionTerms() terms {
	t := terms{
		filter: append(dates(), "/isRemote", "/name", "/uuid", "/type", "/geoScope", "/state", "/bandwidth", "/account/orgId", "/account/accountNumber",
			"/change/status", "/changeLog/createdBy", "/changeLog/deletedBy", "/changeLog/deletedDateTime", "/operation/equinixStatus",
			"/operation/providerStatus", "/project/projectId", "/redundancy/group", "/redundancy/priority", "/direction",
			"/zSide/accessPoint/profile/uuid", "/zSide/accessPoint/network/uuid"),
		sort: append(dates(), "/name", "/uuid", "/direction", "/bandwidth", "/geoScope", "/operation/equinixStatus", "/operation/providerStatus",
			"/redundancy/priority", "/zSide/accessPoint/role", "/zSide/accessPoint/authenticationKey"),
		first: "/changeLog/updatedDateTime",
	}
	for _, side := range []string{"/aSide", "/zSide"} {
		point := side + "/accessPoint/"
		for _, name := range []string{
			"name", "type", "account/accountName", "location/metroName", "location/metroCode", "linkProtocol/vlanCTag", "linkProtocol/vlanSTag",
		} {
			t.filter, t.sort = append(t.filter, point+name), append(t.sort, point+name)
		}
		for _, name := range []string{"account/accountNumber", "linkProtocol/vlanTag", "port/uuid", "port/name", "role", "authenticationKey", "sellerRegion"} {
			t.filter = append(t.filter, point+name)
		}
	}
	return t
}

func networkTerms() terms {
	return terms{
		filter: append(dates(), "/name", "/uuid", "/scope", "/type", "/state", "/operation/equinixStatus", "/location/region", "/location/metroCode",
			"/connectionsCount", "/project/projectId", "/account/orgId", "/account/accountNumber", "/changeLog/deletedDateTime"),
		sort:  append(dates(), "/name", "/uuid", "/type", "/state", "/scope", "/location/region"),
		first: "/changeLog/updatedDateTime",
	}
}
