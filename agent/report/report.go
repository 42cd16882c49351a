// Package report says for each connection and network service config what became of it on the switches, and tells
// the exchange.
//
// A [Result] follows from what the exchange says, what is compiled from it, and how the latest pass over each switch
// ended. It takes the form of an IX-API status message, since an agent cannot write the state of a record itself
// (IX-API v2 has no such operation). Results are served, and posted to a webhook as CloudEvents 1.0: see [Reporter.Run].
package report

import (
	"strings"
	"time"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// State is what became of a record.
type State string

// The states.
const (
	Provisioned State = "provisioned" // all that it asks for is on its switches
	Pending     State = "pending"     // not all of it yet; the status message says what it waits for
	Rejected    State = "rejected"    // kept off the switches; what stands for it stays as it is
	Failed      State = "failed"      // a switch cannot be reached, or refuses it
	Removed     State = "removed"     // it has ended, and nothing stands for it any more
	Inactive    State = "inactive"    // it asks for nothing on a switch of the inventory yet
)

// The tags of status messages, beside those of [compile.Rejection] and, for what is withheld, [TagWithheld] before the
// reason as in [plan.Reason].
const (
	TagProvisioned = "provisioned"
	TagRemoved     = "removed"
	TagInactive    = "inactive"
	TagConfiguring = "configuring"        // the switch is about to be looked at
	TagWaiting     = "waiting"            // nothing is done on the switch; attrs say why
	TagWithheld    = "withheld_"          // this part is not done
	TagUnreachable = "switch_unreachable" //
	TagRefused     = "switch_refused"     // the change, or the session
)

// The severities of syslog (RFC 5424 6.2.1).
const (
	severityError   = 3
	severityWarning = 4
	severityNotice  = 5
	severityInfo    = 6
)

// Result is what became of a record. Its JSON form is stable: fields are only added.
type Result struct {
	Collection  ixapi.Collection      `json:"collection"`
	ID          ixapi.ID              `json:"id"`
	Account     ixapi.ID              `json:"account,omitempty"` // the consuming account
	State       State                 `json:"state"`
	Since       time.Time             `json:"since"`
	Devices     []string              `json:"devices"`                // of the inventory that it is on, sorted
	Revision    string                `json:"revision,omitempty"`     // of what it asks for on them; another one is another configuration
	RecordState ixapi.State           `json:"record_state,omitempty"` // the exchange's, of the record as the result found it
	Status      []ixapi.StatusMessage `json:"status"`
}

// Record returns "network-service-configs/1042".
func (r Result) Record() string { return string(r.Collection) + "/" + string(r.ID) }

// same reports whether o is no news after r. Only rejections are told by their words: those of what a switch says
// differ each time. That something is provisioned is news to an exchange that has come to wait for it.
func (r Result) same(o Result) bool {
	if r.State != o.State || len(r.Status) != len(o.Status) {
		return false
	}
	if r.State == Provisioned && (r.Revision != o.Revision || o.awaited() && r.RecordState != o.RecordState) {
		return false
	}
	for i := range r.Status {
		a, b := r.Status[i], o.Status[i]
		if a.Tag != b.Tag || a.Severity != b.Severity || r.State == Rejected && a.Message != b.Message {
			return false
		}
	}
	return true
}

// awaited reports whether the exchange waits for the record to be provisioned.
func (r Result) awaited() bool {
	return r.RecordState == ixapi.StateTesting || r.RecordState == ixapi.StateProductionChangePending
}

// passing reports whether the next pass over a switch is awaited, so that there is nothing to tell yet.
func (r Result) passing() bool {
	return r.State == Pending && len(r.Status) > 0 && r.Status[0].Tag == TagConfiguring
}

// Compiled is what the exchange asks for, after each time it was compiled.
type Compiled struct {
	Records    *ixapi.Records
	Rejections []compile.Rejection     // all
	Intents    map[string]*plan.Intent // of the devices for which it is another one now
}

// Device is how a pass over a switch ended.
type Device struct {
	Intent *plan.Intent // that the pass was made for
	Time   time.Time    // its end
	Err    error        // why it did not succeed; without secrets
	Plan   plan.Plan    // what is left to do
	Waits  string       // why nothing of Plan is done; "" if it is
}

// A mark is a record as it stands in descriptions on a switch: [switchcfg.Tag.Record].
type mark = string

func markOf(collection ixapi.Collection, id ixapi.ID) mark {
	if collection == ixapi.Connections {
		return switchcfg.NewTag("conn", id, "").Record
	}
	return switchcfg.NewTag("nsc", id, "").Record
}

func portMark(id ixapi.ID) mark { return switchcfg.NewTag("port", id, "").Record }

// objectMark returns the record behind an object, "" for none. A filter is its circuit's.
func objectMark(k switchcfg.Key, o switchcfg.Object, in *plan.Intent) mark {
	if k.Kind == switchcfg.KindFilter {
		circuit, err := switchcfg.ParseKey("circuit " + strings.TrimPrefix(k.Name, switchcfg.Prefix))
		if err != nil || in == nil {
			return ""
		}
		o = in.State[circuit]
	}
	if o == nil {
		return ""
	}
	tag, _ := switchcfg.ParseTag(switchcfg.Description(o))
	return tag.Record
}

// causeMark returns the mark of a cause, which names records by their whole id.
func causeMark(c plan.Cause) mark {
	kind, id, ok := strings.Cut(c.Record, ":")
	if !ok || strings.Contains(id, "=") {
		return c.Record
	}
	return switchcfg.NewTag(kind, id, "").Record
}
