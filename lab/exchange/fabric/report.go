package fabric

import (
	"net/http"
	"slices"
	"strings"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// configCollection is the IX-API collection whose results are those of the sides of connections.
const configCollection = "network-service-configs"

// Report takes what an agent reports of a record that it made of one of the exchange: the state is one of provisioned,
// pending, rejected, failed, removed and inactive, and the messages say why. The sides of a connection are network service
// configs, whose ids are the connection's uuid followed by -a and -z. What is of another record changes nothing.
func (h *Handler) Report(collection, id, state string, messages []string) error {
	if len(id) < 3 || collection != configCollection || !strings.ContainsRune("-:/._", rune(id[len(id)-2])) {
		return nil
	}
	at, side := id[:len(id)-2], id[len(id)-1:]
	if h.store.Now().Get(connections, at) == nil {
		return nil
	}
	return h.store.Update(func(tx *store.Tx) error {
		c := &call{h: h, tx: tx, at: tx.Now(), now: h.options.Clock()}
		k, err := load[connection](c.at, connections, at)
		if err != nil || k == nil || !slices.Contains(k.sides(), side) || !k.hear(c, side, state, messages) {
			return err
		}
		return c.keep(connections, k)
	})
}

// result says what an agent would report of all sides of a connection.
func result(c *call) (int, any, error) {
	k, err := c.theConnection()
	if err != nil {
		return 0, nil, err
	}
	var given struct {
		State    string   `json:"state"`
		Messages []string `json:"messages"`
	}
	if err := c.read(&given); err != nil {
		return 0, nil, err
	}
	heard := false
	for _, side := range k.sides() {
		heard = k.hear(c, side, given.State, given.Messages) || heard
	}
	if !heard {
		return 0, nil, refuse(codeTransient, "/state", "the connection is "+k.State+", and does not wait for this")
	}
	if err := c.keep(connections, k); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, c.show(k), nil
}

// hear takes what an agent reports of a side, and reports whether it is news.
func (k *connection) hear(c *call, side, state string, messages []string) bool {
	comes := k.State == "PROVISIONING" || k.State == "REPROVISIONING"
	switch {
	case comes && state == "provisioned", k.State == "DEPROVISIONING" && (state == "removed" || state == "inactive"):
		k.forget(side)
		if !slices.Contains(k.Inside.Done, side) {
			k.Inside.Done = append(k.Inside.Done, side)
		}
		if len(k.Inside.Done) == len(k.sides()) {
			k.arrive(c.stamp())
		}
	case comes && state == "rejected":
		k.State, k.Operation.Equinix, k.Operation.Provider, k.Operation.Operational = "FAILED", "NOT_PROVISIONED", "FAILED", "DOWN"
		k.blame(side, messages)
		k.settle("FAILED", c.stamp())
	case (state == "failed" || state == "pending") && (comes || k.State == "DEPROVISIONING"):
		k.blame(side, messages)
	default:
		return false
	}
	k.Log.Updated = c.stamp()
	return true
}

// forget clears what was said against a side.
func (k *connection) forget(side string) {
	k.Operation.Errors = slices.DeleteFunc(k.Operation.Errors, func(f fault) bool {
		return len(f.Info) > 0 && f.Info[0].Property == "/"+side+"Side"
	})
}

// blame says what is wrong with a side.
func (k *connection) blame(side string, messages []string) {
	k.forget(side)
	for _, m := range messages {
		k.Operation.Errors = append(k.Operation.Errors, faultAt(codeNotProvided, "/"+side+"Side", m))
	}
}
