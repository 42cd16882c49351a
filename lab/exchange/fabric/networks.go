package fabric

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// networkTypes are the types of networks that connections can join.
func networkTypes() []string { return []string{"EVPLAN", "EPLAN", "EVPTREE", "EPTREE"} }

// members counts the connections of each network that have not ended.
func members(at *store.Snapshot) map[string]int {
	out := map[string]int{}
	for _, r := range at.List(connections) {
		if id, ok := r.Text("zSide.accessPoint.network.uuid"); ok && !ended(r.State()) {
			out[id]++
		}
	}
	return out
}

// networkOf returns a network that the caller sees, or nil.
func (c *call) networkOf(id string) (*network, error) {
	n, err := load[network](c.at, networks, id)
	if err != nil || n == nil || !c.manages(n.Account) {
		return nil, err
	}
	return n, nil
}

// theNetwork returns the network of the path.
func (c *call) theNetwork() (*network, error) {
	n, err := c.networkOf(c.id)
	if err == nil && n == nil {
		return nil, missing("there is no such network")
	}
	return n, err
}

func (c *call) showNetwork(n *network, members map[string]int) *network {
	n.Href, n.Connections = c.href(networks, n.UUID), members[n.UUID]
	return n
}

func getNetwork(c *call) (int, any, error) {
	n, err := c.theNetwork()
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, c.showNetwork(n, members(c.at)), nil
}

func searchNetworks(c *call) (int, any, error) {
	count := members(c.at)
	out := []*network{}
	for _, r := range c.at.List(networks) {
		n, err := parse[network](r)
		if err != nil {
			return 0, nil, err
		}
		if c.manages(n.Account) {
			out = append(out, c.showNetwork(n, count))
		}
	}
	return search(c, known(out, func(n *network) string { return n.UUID }), networkTerms())
}

func networkConnections(c *call) (int, any, error) {
	n, err := c.theNetwork()
	if err != nil {
		return 0, nil, err
	}
	all, err := c.seenConnections(func(r *store.Record) bool {
		id, _ := r.Text("zSide.accessPoint.network.uuid")
		return id == n.UUID
	})
	if err != nil {
		return 0, nil, err
	}
	list := []*connection{}
	for _, k := range all {
		shown, err := k.show()
		if err != nil {
			return 0, nil, err
		}
		list = append(list, shown)
	}
	return page(c, list)
}

// createNetwork makes a network, which nothing is on a switch of before connections join it.
func createNetwork(c *call) (int, any, error) {
	var given network
	if err := c.read(&given); err != nil {
		return 0, nil, err
	}
	var f faults
	if !slices.Contains(networkTypes(), given.Type) {
		f.add(codeInput, "/type", "is not one of "+strings.Join(networkTypes(), ", "))
	}
	if scopes := []string{"LOCAL", "REGIONAL", "GLOBAL"}; !slices.Contains(scopes, given.Scope) {
		f.add(codeInput, "/scope", "is not one of "+strings.Join(scopes, ", "))
	}
	if !plain(given.Name, maxName) {
		f.add(codeInput, "/name", fmt.Sprintf("is not a name of 1 to %d characters", maxName))
	}
	notifications(&f, given.Notifications, true)
	of, err := c.founder(given.Account)
	switch {
	case err != nil:
		return 0, nil, err
	case of == nil:
		f.add(codeAccount, "/account/accountNumber", "there is no such account")
	}
	if err := f.refusal(); err != nil {
		return 0, nil, err
	}
	n := &network{
		UUID: mint(), Type: given.Type, Name: given.Name, Scope: given.Scope, State: "ACTIVE", Account: of,
		Change: &networkChange{UUID: mint(), Type: "NETWORK_CREATION"}, Operation: networkOperation{Equinix: "PROVISIONED"},
		Log:     changeLog{CreatedBy: c.by.user, Created: c.stamp(), UpdatedBy: c.by.user, Updated: c.stamp()},
		Project: given.Project, Notifications: given.Notifications,
	}
	if given.Location != nil {
		n.Location = &location{MetroCode: given.Location.MetroCode, Region: given.Location.Region}
	}
	if err := c.keep(networks, n); err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, c.showNetwork(n, nil), nil
}

// founder returns whose a new network is: the caller's, or that of the account that it names, if it acts for it.
func (c *call) founder(named *owner) (*owner, error) {
	number := c.by.account
	if named != nil {
		number = cmp.Or(named.Number, number)
	}
	o, err := ownerOf(c.at, number)
	if err != nil || !c.manages(o) || number == 0 {
		return nil, err
	}
	return o, nil
}

// patchNetwork renames a network.
func patchNetwork(c *call) (int, any, error) {
	n, err := c.theNetwork()
	if err != nil {
		return 0, nil, err
	}
	changes, err := c.changes()
	if err != nil {
		return 0, nil, err
	}
	if n.State == "DELETED" {
		return 0, nil, refuse(codeDeleted, "/uuid", "the network has been deleted")
	}
	for _, o := range changes {
		if o.Path != "/name" || json.Unmarshal(o.Value, &n.Name) != nil || !plain(n.Name, maxName) {
			return 0, nil, refuse(codeInput, o.Path, "only the name can be changed, to another")
		}
	}
	n.Change = &networkChange{UUID: mint(), Type: "NETWORK_UPDATE"}
	n.Log.UpdatedBy, n.Log.Updated = c.by.user, c.stamp()
	if err := c.keep(networks, n); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, c.showNetwork(n, members(c.at)), nil
}

// deleteNetwork ends a network that has no connections any more.
func deleteNetwork(c *call) (int, any, error) {
	n, err := c.theNetwork()
	if err != nil {
		return 0, nil, err
	}
	switch {
	case n.State == "DELETED":
		return 0, nil, refuse(codeDeleted, "/uuid", "the network has been deleted")
	case members(c.at)[n.UUID] > 0:
		return 0, nil, refuse(codeInput, "/connectionsCount", "the network has connections")
	}
	n.State, n.Operation.Equinix, n.Change = "DELETED", "DEPROVISIONED", &networkChange{UUID: mint(), Type: "NETWORK_DELETION"}
	n.Log.DeletedBy, n.Log.Deleted = c.by.user, c.stamp()
	n.Log.UpdatedBy, n.Log.Updated = c.by.user, c.stamp()
	if err := c.keep(networks, n); err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, c.showNetwork(n, nil), nil
}
