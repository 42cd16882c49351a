package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ixagent/ixagent/agent"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/agent/web"
	"github.com/ixagent/ixagent/lab/sandbox"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// patience is how long the daemon may take for anything in a demonstration.
const patience = 10 * time.Second

// edit is a change of one field of one record, and the switch that it matters to.
type edit struct {
	collection ixapi.Collection
	id         ixapi.ID
	field      string
	value      any
	device     string
	text       string
}

// daemon runs an agent for as long as during takes, which is called with its URL once it is ready. Its context ends when
// the agent does.
func daemon(ctx context.Context, o agent.Options, during func(ctx context.Context, url string) error) error {
	ln, err := net.Listen("tcp", sandbox.Loopback+":0")
	if err != nil {
		return err
	}
	o.Listener = ln
	running, stop := context.WithCancelCause(ctx)
	var group sync.WaitGroup
	var failure error
	group.Go(func() {
		if failure = agent.Run(running, o); failure != nil {
			stop(fmt.Errorf("the daemon ended: %w", failure))
		}
	})
	url := "http://" + ln.Addr().String()
	if err = await(running, "the daemon is not ready", func() bool { return ready(running, url) }); err == nil {
		err = during(running, url)
	}
	stop(nil)
	group.Wait()
	if err == nil {
		err = failure
	}
	return err
}

// follow runs the daemon, changes records at the exchange and watches the switches follow. Finished is called while
// the daemon still runs.
func (d *demo) follow(ctx context.Context, finished func(context.Context) error) error {
	return daemon(ctx, d.options(), func(ctx context.Context, url string) error {
		if err := d.watch(ctx, url); err != nil {
			return err
		}
		return finished(ctx)
	})
}

func (d *demo) watch(ctx context.Context, url string) error {
	d.page.heading("The daemon runs at %s and reads the exchange every %v", url, d.lab.config.Sources[0].Poll)
	edits := d.edits()
	if len(edits) == 0 {
		return errors.New("the data set has nothing that could be changed")
	}
	for _, e := range edits {
		if err := d.try(ctx, url, e); err != nil {
			return err
		}
	}
	last, err := agent.NewPass(ctx, d.options())
	if err != nil {
		return fmt.Errorf("the exchange was not read: %w", err)
	}
	defer last.Close()
	if err := d.settled(ctx, last); err != nil {
		return err
	}
	d.report.Settled = true
	return nil
}

// try makes an edit at the exchange and waits until the switch has it confirmed: until it has changed, and a pass of the
// daemon that ended since has left nothing to do.
func (d *demo) try(ctx context.Context, url string, e edit) error {
	before, err := d.pass.Observe(ctx, e.device)
	if err != nil {
		return err
	}
	start := time.Now()
	if err := d.lab.Patch(string(e.collection), e.id, map[string]any{e.field: e.value}); err != nil {
		return err
	}
	after := before
	if err := await(ctx, e.device+" did not follow: "+e.text, func() bool {
		if after.Equal(before) {
			if after, err = d.pass.Observe(ctx, e.device); err != nil {
				after = before
			}
		}
		return !after.Equal(before) && done(ctx, url, e.device, start)
	}); err != nil {
		return err
	}
	took := time.Since(start)
	if after, err = d.pass.Observe(ctx, e.device); err != nil {
		return err
	}
	d.report.Edits = append(d.report.Edits, editReport{e.text, e.device, took.Seconds()})
	d.page.line("%s", e.text)
	d.page.line("%s has it, confirmed, after %v:", e.device, round(took))
	d.page.changes(plan.Diff(before, after))
	return nil
}

// await waits for something, as long as ctx and patience last.
func await(ctx context.Context, complaint string, met func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%s within %v", complaint, patience))
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !met() {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

func ready(ctx context.Context, url string) bool {
	return get(ctx, url+"/-/ready", nil) == nil
}

// done reports whether a pass over a device has ended well after an instant.
func done(ctx context.Context, url, device string, after time.Time) bool {
	var s web.Status
	return get(ctx, url+"/api/v1/status", &s) == nil && slices.ContainsFunc(s.Devices, func(d web.Device) bool {
		return d.Name == device && d.LastPass.After(after) && d.Error == "" && d.PlanDigest == ""
	})
}

// get reads a page, and the JSON of it into what v points to unless v is nil.
func get(ctx context.Context, url string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, resp.Status)
	}
	if v == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(v)
}

// edits returns a new MAC address for a member of a peering LAN and, where one is in test, its admission to the LAN.
func (d *demo) edits() []edit {
	records := d.pass.Snapshot().Records
	var all []edit
	find := func(state ixapi.State, make func(n *ixapi.NetworkServiceConfig, device string) edit) {
		for i := range records.NetworkServiceConfigs {
			n := &records.NetworkServiceConfigs[i]
			if device := d.place(n); n.Type == ixapi.ServiceExchangeLAN && n.State == state && device != "" {
				all = append(all, make(n, device))
				return
			}
		}
	}
	find(ixapi.StateProduction, func(n *ixapi.NetworkServiceConfig, device string) edit {
		const address = "02:1a:00:ff:ff:01"
		return edit{ixapi.MACs, n.MACs[0], "address", address, device, fmt.Sprintf("%s gets another router: %s becomes %s", n.ID, n.MACs[0], address)}
	})
	find(ixapi.StateTesting, func(n *ixapi.NetworkServiceConfig, device string) edit {
		return edit{ixapi.NetworkServiceConfigs, n.ID, "state", ixapi.StateProduction, device, fmt.Sprintf("%s has passed its tests: it goes from testing to production", n.ID)}
	})
	if d.lab.config.Sources[0].Type == config.SourceIXPManager {
		return d.originals(all)
	}
	return all
}

// place returns the device that carries a circuit for a config, or nothing.
func (d *demo) place(n *ixapi.NetworkServiceConfig) string {
	record := switchcfg.NewTag("nsc", n.ID, "").Record
	for _, device := range d.pass.Devices() {
		for _, o := range d.pass.Intent(device).State {
			if tag, ok := switchcfg.ParseTag(switchcfg.Description(o)); ok && tag.Record == record {
				return device
			}
		}
	}
	return ""
}
