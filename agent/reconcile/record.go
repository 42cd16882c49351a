package reconcile

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ixagent/ixagent/agent/guard"
	"github.com/ixagent/ixagent/agent/journal"
)

// begin writes down what is about to be done, before any switch is asked anything.
func (t *Transaction) begin(parts []*Part, start time.Time) bool {
	for _, p := range parts {
		t.step(p, "begin")
	}
	if t.Journal == nil {
		return true
	}
	entries := make([]journal.Entry, len(parts))
	var err error
	for i, p := range parts {
		if entries[i], err = t.entry(p, start); err != nil {
			break
		}
	}
	if err == nil {
		err = t.Journal.Begin(entries...)
	}
	for i, p := range parts {
		p.entry = entries[i]
		p.entry.Plan = nil // it is in the journal
		if err != nil {
			p.Err = fmt.Errorf("nothing was sent to %s: %w", p.Plan.Device, err)
		}
	}
	return err == nil
}

func (t *Transaction) entry(p *Part, start time.Time) (journal.Entry, error) {
	members := make(map[string]bool)
	for _, c := range p.Plan.Changes {
		for _, account := range append([]string{c.Cause.Account}, c.Members...) {
			if account != "" {
				members[account] = true
			}
		}
	}
	text, err := json.Marshal(p.Plan)
	return journal.Entry{
		Device: p.Plan.Device, Begun: start.UTC(), Who: t.Who, Command: t.Command, Digest: p.Outcome.Digest,
		With: p.Outcome.With, Members: slices.Sorted(maps.Keys(members)), Plan: text, Cost: guard.CostOf(p.Plan.Changes), Budget: t.Budget,
	}, err
}

// end writes down what became of it.
func (t *Transaction) end(parts []*Part) {
	if t.Journal == nil {
		return
	}
	entries := make([]journal.Entry, len(parts))
	for i, p := range parts {
		e := p.entry
		e.Ended, e.Phases, e.Result, e.Native = e.Begun.Add(p.Outcome.Took), p.Outcome.Phases, p.result, p.native
		if p.Err != nil {
			e.Error = p.Err.Error()
			if p.Redact != nil {
				e.Error = p.Redact(e.Error)
			}
		}
		entries[i] = e
	}
	if err := t.Journal.End(entries...); err != nil {
		for _, p := range parts {
			p.Err = errors.Join(p.Err, err)
		}
	}
}
