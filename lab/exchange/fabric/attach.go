package fabric

import (
	"maps"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/ixagent/ixagent/lab/exchange"
	"github.com/ixagent/ixagent/lab/exchange/store"
)

// Open opens a store for both APIs of an exchange, IX-API and Fabric. Without a path it is in memory.
func Open(path string) (*store.Store, error) {
	index := exchange.Index()
	maps.Copy(index, Index())
	return store.Open(store.Options{Path: path, Index: index, Identity: Identity})
}

// Attach has an exchange serve Fabric as well, over its own store, which must be from [Open]. What is posted to it as the
// result of a record is heard by both. The exchange must not have been started.
func Attach(to *exchange.Server, o Options) error {
	o.Store = to.Store()
	h, err := New(o)
	if err != nil {
		return err
	}
	for _, path := range []string{BasePath, TokenPath, OfficePath} {
		to.Mount(path, h)
	}
	to.Hear(h.hears)
	to.Announce(ports, profiles, connections, networks)
	return nil
}

// hears takes what an agent has posted.
func (h *Handler) hears(e event.Event) error {
	var result struct {
		Collection, ID, State string
		Status                []struct{ Message string }
	}
	if err := e.DataAs(&result); err != nil {
		return nil // it is of another kind
	}
	var messages []string
	for _, s := range result.Status {
		messages = append(messages, s.Message)
	}
	return h.Report(result.Collection, result.ID, result.State, messages)
}
