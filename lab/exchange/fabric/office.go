package fabric

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// office answers what the operator of the exchange does: PATCH of a record changes any of its fields, POST of
// ports/UUID/crossConnect says that the cross connects of a port are there, and POST of connections/UUID/result says what
// an agent would report of both sides.
func (h *Handler) office(c *call, path string) route {
	parts := strings.Split(path, "/")
	refused := func(err error) route {
		return route{run: func(*call) (int, any, error) { return 0, nil, err }}
	}
	if !c.by.operator {
		return refused(forbid("only the operator of the exchange is let in here"))
	}
	if len(parts) < 2 || !slices.Contains([]string{accounts, interfaces, ports, profiles, connections, networks}, prefix+parts[0]) {
		return refused(missing("there is no such record"))
	}
	id, err := url.PathUnescape(parts[1])
	if err != nil {
		return refused(missing("there is no such record"))
	}
	c.id = id
	switch {
	case len(parts) == 2 && c.r.Method == http.MethodPatch:
		return route{writes: true, run: func(c *call) (int, any, error) { return edit(c, prefix+parts[0]) }}
	case len(parts) == 3 && parts[0] == "ports" && parts[2] == "crossConnect" && c.r.Method == http.MethodPost:
		return route{writes: true, run: crossConnect}
	case len(parts) == 3 && parts[0] == "connections" && parts[2] == "result" && c.r.Method == http.MethodPost:
		return route{writes: true, run: result}
	}
	return refused(missing("there is no such thing to do"))
}

// edit changes any fields of a record.
func edit(c *call, collection string) (int, any, error) {
	r := c.at.Get(collection, c.id)
	if r == nil {
		return 0, nil, missing("there is no such record")
	}
	record, err := r.Object()
	if err != nil {
		return 0, nil, err
	}
	var given map[string]json.RawMessage
	if err := c.read(&given); err != nil {
		return 0, nil, err
	}
	for name, v := range given {
		if name != "uuid" {
			record[name] = v
		}
	}
	if err := understood(collection, record); err != nil {
		return 0, nil, refuse(codeSyntax, "", "the record could not be read any more: "+err.Error())
	}
	if err := c.keep(collection, record); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, record, nil
}

// understood returns why a record could not be read, or nil.
func understood(collection string, record any) error {
	text, err := json.Marshal(record)
	if err != nil {
		return err
	}
	into := map[string]any{
		accounts: new(account), interfaces: new(place), ports: new(port), profiles: new(profile), connections: new(connection), networks: new(network),
	}
	if err := json.Unmarshal(text, into[collection]); err != nil {
		return err
	}
	var whole bool
	switch v := into[collection].(type) {
	case *port:
		whole = v.Account != nil
	case *profile:
		whole = v.Account != nil && len(v.Configs) > 0
	case *connection:
		whole = v.Account != nil && v.Inside != nil && v.ASide.Point != nil && v.ASide.Point.Link != nil && v.ZSide.Point != nil
	case *network:
		whole = v.Account != nil
	default:
		whole = true
	}
	if !whole {
		return errors.New("it lacks what every record has")
	}
	return nil
}

// crossConnect says that the cross connects of a port are there.
func crossConnect(c *call) (int, any, error) {
	p, err := c.thePort()
	if err != nil {
		return 0, nil, err
	}
	var given struct {
		ID string `json:"crossConnectId"`
	}
	if len(c.body) > 0 {
		if err := c.read(&given); err != nil {
			return 0, nil, err
		}
	}
	if p.State == "PENDING" { // interfaces may have become free meanwhile
		if err := c.allot(p, p.Count); err != nil {
			return 0, nil, err
		}
	}
	if !p.waits() {
		return 0, nil, refuse(codeTransient, "/state", "the port is "+p.State+", and waits for no cross connect")
	}
	p.connect(cmp.Or(given.ID, "XC-"+strconv.FormatUint(c.tx.Next("cross connects"), 10)), c.stamp())
	if err := c.keep(ports, p); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, c.showPort(p, uses(c.at, p.UUID)[p.UUID]), nil
}
