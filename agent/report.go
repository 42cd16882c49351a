package agent

import (
	"net/http"
	"net/url"

	"github.com/ixagent/ixagent/agent/events"
	"github.com/ixagent/ixagent/agent/metrics"
	"github.com/ixagent/ixagent/agent/report"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
)

// newReporter returns the reporter that the configuration asks for.
func (p *parts) newReporter() (*report.Reporter, error) {
	o := report.Options{Source: "ixagent/" + url.PathEscape(p.source.Name()), Log: p.Log, Now: p.Now, Told: p.delivered}
	if w := p.Config.Report.Webhook; w != nil {
		token, err := w.Token.Resolve()
		if err != nil {
			return nil, err
		}
		tls, err := w.TLS.Config()
		if err != nil {
			return nil, err
		}
		if o.Webhook, err = report.NewWebhook(w.URL, token, tls, w.Timeout); err != nil {
			return nil, err
		}
		o.Store = p.journal
	}
	return report.New(o)
}

// compiled tells the reporter what was compiled, before workers hear of it. It returns the intents that are new.
func (d *daemon) compiled(changed []string) map[string]*plan.Intent {
	intents := make(map[string]*plan.Intent, len(changed))
	for _, name := range changed {
		intents[name] = d.compiler.Intent(name)
	}
	d.reporter.Compiled(report.Compiled{Records: d.last.Records, Rejections: d.rejections, Intents: intents})
	return intents
}

// passed tells the reporter how the latest pass over a device ended.
func (d *daemon) passed(name string) {
	w := d.workers[name]
	st := w.Status()
	x := report.Device{Intent: st.Intent, Time: st.Time, Plan: st.Plan, Waits: st.Waits}
	if st.Err != nil {
		x.Err = redacted{st.Err, d.redact(w.Device)(st.Err.Error())}
	}
	d.reporter.Device(name, x)
}

// redacted is an error in words without secrets.
type redacted struct {
	error
	text string
}

func (r redacted) Error() string { return r.text }
func (r redacted) Unwrap() error { return r.error }

// record returns what became of the records of an id.
func (d *daemon) record(collection, id string) (found []report.Result) {
	for _, c := range []ixapi.Collection{ixapi.Connections, ixapi.NetworkServiceConfigs} {
		if collection == "" || collection == string(c) {
			if r, ok := d.reporter.Result(c, id); ok {
				found = append(found, r)
			}
		}
	}
	return found
}

// events returns what takes notices of the exchange.
func (p *parts) events() (http.Handler, error) {
	token, err := p.Config.Events.Token.Resolve()
	if err != nil {
		return nil, err
	}
	return events.Handler(events.Options{Nudge: p.source.Nudge, Token: token, AsksWho: p.Config.AsksWho, Told: p.taken}), nil
}

// taken counts the events of a request.
func (p *parts) taken(fresh, known int) {
	for range fresh {
		p.metrics.Event(metrics.EventAccepted)
	}
	for range known {
		p.metrics.Event(metrics.EventDuplicate)
	}
	if fresh+known == 0 {
		p.metrics.Event(metrics.EventRefused)
	}
}

// delivered counts an attempt to deliver a result.
func (p *parts) delivered(well bool) {
	if well {
		p.metrics.Delivery(metrics.Delivered)
	} else {
		p.metrics.Delivery(metrics.Retried)
	}
}
