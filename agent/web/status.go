package web

import (
	"time"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/invariant"
	"github.com/ixagent/ixagent/agent/source"
	"github.com/ixagent/ixagent/models/plan"
)

// Status is the answer of /api/v1/status. Its JSON form is stable: fields are only added. Times are RFC 3339, and
// absent while there is none; lists are never null.
type Status struct {
	Version    string              `json:"version"` // of the agent
	Source     Source              `json:"source"`
	Devices    []Device            `json:"devices"`    // in the order of the inventory
	Rejections []compile.Rejection `json:"rejections"` // of records, whatever device they concern

	JournalError string `json:"journal_error,omitempty"` // why the journal cannot be used, and no switch is changed
}

// Source is how the exchange's records arrive.
type Source struct {
	Name     string    `json:"name"`
	Snapshot string    `json:"snapshot,omitempty"` // version of the records in force
	Since    time.Time `json:"since,omitzero"`     // when the records in force were first read
	Read     time.Time `json:"read,omitzero"`      // when they were last found to be so
	Tried    time.Time `json:"tried,omitzero"`     // end of the latest read, accepted or not
	Error    string    `json:"error,omitempty"`    // why the latest read was not accepted
}

// Device is how one switch fares.
type Device struct {
	Name       string                `json:"name"`
	Driver     string                `json:"driver"`
	Mode       config.Mode           `json:"mode"`
	LastPass   time.Time             `json:"last_pass,omitzero"`    // end of the latest pass
	Error      string                `json:"error,omitempty"`       // of the latest pass
	Drift      bool                  `json:"drift,omitempty"`       // the plan undoes what somebody else changed
	Plan       Plan                  `json:"plan"`                  // what is left to do
	PlanDigest string                `json:"plan_digest,omitempty"` // as in [plan.Plan.Digest]; absent if nothing is left to do
	Withheld   []plan.Withheld       `json:"withheld"`              // what is needed and not done
	Violations []invariant.Violation `json:"violations,omitempty"`  // of what must hold on every switch
	Waits      string                `json:"waits,omitempty"`       // why nothing of the plan is done
	Approve    string                `json:"approve,omitempty"`     // digest of the plan that does all that waits for a person
}

// Plan counts the objects that a plan changes, as in [plan.Plan.Counts].
type Plan struct {
	Create int `json:"create"`
	Update int `json:"update"`
	Delete int `json:"delete"`
}

// SourceOf returns how a source fares.
func SourceOf(name string, s source.Status) Source {
	out := Source{Name: name, Read: s.Read, Tried: s.Tried}
	if s.Snapshot != nil {
		out.Snapshot, out.Since = s.Snapshot.Version, s.Snapshot.Read
	}
	if s.Err != nil {
		out.Error = s.Err.Error()
	}
	return out
}

// SetPlan enters the plan that is left for the device.
func (d *Device) SetPlan(p plan.Plan) error {
	d.PlanDigest, d.Withheld = "", p.Withheld
	d.Plan.Create, d.Plan.Update, d.Plan.Delete = p.Counts()
	if len(p.Changes) == 0 {
		return nil
	}
	digest, err := p.Digest()
	d.PlanDigest = digest
	return err
}

// listed returns s with empty lists for absent ones. What s shares with others is left as it is.
func (s Status) listed() Status {
	if s.Rejections == nil {
		s.Rejections = []compile.Rejection{}
	}
	s.Devices = append([]Device{}, s.Devices...)
	for i := range s.Devices {
		if s.Devices[i].Withheld == nil {
			s.Devices[i].Withheld = []plan.Withheld{}
		}
	}
	return s
}
