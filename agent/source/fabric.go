package source

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"

	"golang.org/x/sync/errgroup"

	mapping "github.com/ixagent/ixagent/agent/source/ecx"
	"github.com/ixagent/ixagent/models/ecx"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/rest"
)

// fabric is a server of ECX, Equinix Fabric. Its lists are those that its records are in IX-API, so that a change that
// is none there is none.
type fabric struct {
	client *ecx.Client
	log    *slog.Logger
	told   map[string]bool // faults of the latest read that were logged
}

// lists reads connections after what they refer to, and exchange services, which refer to connections, at last.
func (f *fabric) lists(ctx context.Context) (map[ixapi.Collection]body, error) {
	read := make(ecx.Lists)
	for _, stage := range [][]ecx.Collection{
		{ecx.Ports, ecx.Networks, ecx.ServiceProfiles}, {ecx.Connections}, {ecx.ExchangeServices},
	} {
		if err := f.stage(ctx, stage, read); err != nil {
			return nil, err
		}
	}
	mapped, faults, err := mapping.Map(ecx.Decode(read))
	if err != nil {
		return nil, err
	}
	f.told = tell(f.told, f.log, faults, func(fault mapping.Fault) bool {
		return fault.Collection == ecx.Ports || fault.Collection == ecx.Connections // as why they are not on switches
	})
	lists := make(map[ixapi.Collection]body, len(mapped))
	for c, raw := range mapped {
		lists[c] = newBody(raw)
	}
	return lists, nil
}

func (f *fabric) stage(ctx context.Context, collections []ecx.Collection, lists ecx.Lists) error {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	for _, c := range collections {
		g.Go(func() error {
			records, err := f.client.List(ctx, c)
			if c == ecx.ExchangeServices && errors.Is(err, rest.ErrNotFound) {
				records, err = []json.RawMessage{}, nil // there is no peering LAN
			}
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			lists[c] = records
			return nil
		})
	}
	return g.Wait()
}

func (f *fabric) fault(err error) error               { return err }
func (f *fabric) watch(context.Context, func()) error { return nil }
func (f *fabric) close()                              { f.client.Close() }
