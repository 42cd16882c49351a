package agent

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
)

// Trial is what would become of an order.
type Trial struct {
	Possible bool                  `json:"possible"` // it would be on the switches, and nobody else less than now
	Status   []ixapi.StatusMessage `json:"status"`   // why not, and remarks, as IX-API status messages of the order
	Others   []compile.Rejection   `json:"others"`   // what would be refused to others because of it
	Plans    []plan.Plan           `json:"plans"`    // of an order that is possible: what would be wanted of switches beside what is wanted now

	Rejections []compile.Rejection `json:"-"` // what Status is made of
}

// trialID is the id of an order that has none.
const trialID = "order"

// Try finds out what would become of a network service config that is not ordered yet: a JSON object as it is sent to
// the exchange (IX-API, network-service-configs). One with the id of a config that is there takes its place. It is
// taken to be in production, whatever its state. The exchange and the switches are not asked, and no number is given.
// The Pass knows intents with the order in them afterwards, and is of no more use.
func (p *Pass) Try(order []byte) (*Trial, error) {
	id, text, err := inProduction(order)
	if err != nil {
		return nil, err
	}
	records, faults, err := ixapi.Decode(map[ixapi.Collection]ixapi.Raw{ixapi.NetworkServiceConfigs: {append(append([]byte("["), text...), ']')}})
	if err != nil {
		return nil, err
	}
	before := make(map[string]*plan.Intent)
	for _, d := range p.Devices() {
		before[d] = p.Intent(d)
	}
	known := make(map[string]bool)
	for _, r := range p.Rejections() {
		known[said(r)] = true
	}
	now := p.Now()
	changed := p.compiler.Update(compile.Delta{Changed: *records, Faults: faults}, now)

	t := &Trial{Possible: true, Status: []ixapi.StatusMessage{}, Others: []compile.Rejection{}, Plans: []plan.Plan{}}
	for _, r := range p.Rejections() {
		switch {
		case r.Collection == ixapi.NetworkServiceConfigs && r.ID == id:
			t.Rejections = append(t.Rejections, r)
			t.Status = append(t.Status, r.Status(now.UTC().Truncate(time.Second)))
		case known[said(r)] || !r.Refused():
			continue
		default:
			t.Others = append(t.Others, r)
		}
		t.Possible = t.Possible && !r.Refused()
	}
	if !t.Possible {
		return t, nil // what is refused leaves everything as it is
	}
	for _, d := range changed {
		if changes := plan.Diff(before[d].State, p.Intent(d).State); len(changes) > 0 {
			t.Plans = append(t.Plans, plan.Plan{Device: d, Changes: changes})
		}
	}
	return t, nil
}

// said returns what tells a rejection from others.
func said(r compile.Rejection) string {
	return fmt.Sprintf("%s %q %s %s", r.Collection, r.ID, r.Tag, r.Message)
}

// inProduction returns the id of an order and its text, with an id and in state production.
func inProduction(order []byte) (ixapi.ID, []byte, error) {
	d := json.NewDecoder(bytes.NewReader(order))
	var fields map[string]json.RawMessage
	if err := d.Decode(&fields); err != nil {
		return "", nil, fmt.Errorf("the order is not a JSON object: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return "", nil, errors.New("the order is not one JSON object: something comes after it")
	}
	if fields == nil {
		return "", nil, errors.New("the order is not a JSON object")
	}
	var id ixapi.ID
	if raw, ok := fields["id"]; ok {
		if err := json.Unmarshal(raw, &id); err != nil {
			return "", nil, errors.New("the id of the order is not a string")
		}
	}
	id = cmp.Or(id, trialID)
	for name, value := range map[string]string{"id": id, "state": string(ixapi.StateProduction)} {
		text, err := json.Marshal(value)
		if err != nil {
			return "", nil, err
		}
		fields[name] = text
	}
	text, err := json.Marshal(fields)
	return id, text, err
}
