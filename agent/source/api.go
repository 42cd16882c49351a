package source

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ixagent/ixagent/models/ixapi"
)

const (
	// requestRetry is how long one request is repeated before the whole read begins again later.
	requestRetry = 15 * time.Second

	// parallelLists bounds the lists that are read from an exchange at a time.
	parallelLists = 4
)

// api is an IX-API server.
type api struct{ client *ixapi.Client }

// lists reads the lists that others refer to before those that refer to them: then a record that was made
// meanwhile shows as one that refers to something not listed.
func (a *api) lists(ctx context.Context) (map[ixapi.Collection]body, error) {
	referring := []ixapi.Collection{ixapi.Connections, ixapi.NetworkServiceConfigs, ixapi.NetworkFeatureConfigs}
	var first []ixapi.Collection
	for _, c := range ixapi.Collections() {
		if c != referring[0] && c != referring[1] && c != referring[2] {
			first = append(first, c)
		}
	}
	lists := make(map[ixapi.Collection]body)
	for _, stage := range [][]ixapi.Collection{first, referring[:1], referring[1:]} {
		if err := a.stage(ctx, stage, lists); err != nil {
			return nil, err
		}
	}
	return lists, nil
}

func (a *api) stage(ctx context.Context, collections []ixapi.Collection, lists map[ixapi.Collection]body) error {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelLists)
	for _, c := range collections {
		g.Go(func() error {
			raw, err := a.client.List(ctx, c, nil)
			if errors.Is(err, ixapi.ErrNotFound) && !decisive(c) {
				return nil // the exchange does without
			}
			if err != nil {
				return err
			}
			b := newBody(raw)
			mu.Lock()
			defer mu.Unlock()
			lists[c] = b
			return nil
		})
	}
	return g.Wait()
}

func (a *api) record(ctx context.Context, r Ref) ([]byte, error) {
	return a.client.Get(ctx, r.Collection, r.ID)
}

func (a *api) fault(err error) error               { return err }
func (a *api) watch(context.Context, func()) error { return nil }
func (a *api) close()                              { a.client.Close() }
