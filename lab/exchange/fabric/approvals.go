package fabric

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// provision has a connection put on the switches. From now on it takes VLANs and bandwidth of its ports.
func (k *connection) provision(c *call) {
	k.State, k.Inside.Consumes, k.Inside.Done = "PROVISIONING", true, nil
	k.Operation = progress{Equinix: "PROVISIONING", Provider: "PROVISIONING"}
	k.await(c)
}

// reprovision has the switches follow a change.
func (k *connection) reprovision(c *call) {
	k.State, k.Inside.Done = "REPROVISIONING", nil
	k.Operation.Equinix, k.Operation.Provider, k.Operation.Errors = "PROVISIONING", "PROVISIONING", nil
	k.await(c)
}

// deprovision has a connection taken off the switches.
func (k *connection) deprovision(c *call) {
	k.State, k.Inside.Done = "DEPROVISIONING", nil
	k.Operation = progress{Equinix: "DEPROVISIONING", Provider: "DEPROVISIONING"}
	k.await(c)
}

// await ends a transition at once where nobody reports what became of it.
func (k *connection) await(c *call) {
	if !c.h.options.Reported {
		k.arrive(c.stamp())
	}
}

// arrive ends a transition.
func (k *connection) arrive(at string) {
	switch k.State {
	case "PROVISIONING", "REPROVISIONING":
		k.State, k.Operation = "ACTIVE", progress{Equinix: "PROVISIONED", Provider: "AVAILABLE", Operational: "UP"}
	case "DEPROVISIONING":
		k.State, k.Operation, k.Inside.Consumes = "DEPROVISIONED", progress{Equinix: "DEPROVISIONED", Provider: "DEPROVISIONED"}, false
		k.Log.Deleted = at
	}
	k.settle("COMPLETED", at)
}

// settle says what became of the latest change.
func (k *connection) settle(status, at string) {
	if k.Change != nil {
		k.Change.Status, k.Change.Updated = status, at
	}
	k.Log.Updated = at
}

// waits reports whether a change of a type waits for the seller.
func (k *connection) waits(kind string) bool {
	return k.Change != nil && k.Change.Type == kind && k.Change.Status == "SUBMITTED_FOR_APPROVAL"
}

// offerOf returns the profile that a connection leads to, or nil.
func (c *call) offerOf(k *connection) (*profile, error) {
	if k.profileID() == "" {
		return nil, nil
	}
	return load[profile](c.at, profiles, k.profileID())
}

// limit returns how often a seller may sell the bandwidth of its ports.
func (p *profile) limit() int64 {
	if a := p.Configs[0].API; a != nil && a.OverSubscription {
		return max(1, a.OverSubscriptionLimit)
	}
	return 1
}

// accept gives a connection its port and VLAN at the seller's, and has it provisioned. What is not given is found: the
// first port of the profile that has room, and the lowest tag that is free there.
func (c *call) accept(k *connection, offer *profile, given side) error {
	a, err := load[port](c.at, ports, k.ASide.portID())
	if err != nil {
		return err
	}
	var f faults
	if a == nil || a.Account.Number != k.Account.Number {
		f.add(codeInput, "/aSide/accessPoint/port/uuid", "the port is another's now")
	} else {
		c.fits(&f, k, &k.ASide, a, "/aSide/accessPoint", 1, "")
	}
	if len(f) > 0 {
		return refuse(codeInput, "/aSide/accessPoint", "the port of the buyer has no room for the connection any more")
	}
	candidates, err := c.candidates(k, offer, given)
	if err != nil {
		return err
	}
	first, err := c.firstOf(k, offer)
	if err != nil {
		return err
	}
	var refused error = refuse(codeAccessPoint, "/zSide/accessPoint/port/uuid", "the service profile has no port where it was ordered; name one")
	for _, p := range candidates {
		var wanted *link
		if given.Point != nil {
			wanted = given.Point.Link
		}
		if refused = c.land(k, offer, p, wanted, first); refused == nil {
			if given.Point != nil && given.Point.ProviderID != "" {
				k.ZSide.Point.ProviderID = given.Point.ProviderID
			}
			k.Change.Status, k.Change.Updated = "APPROVED", c.stamp()
			k.provision(c)
			return nil
		}
	}
	return refused
}

// candidates returns the ports that a connection may end at: the one that is named, or those of the profile, with that
// of the other connection of a pair last.
func (c *call) candidates(k *connection, offer *profile, given side) ([]*port, error) {
	if id := given.portID(); id != "" {
		p, err := c.portOf(id)
		if err != nil {
			return nil, err
		}
		if seller := offer.Account.Number; p == nil || !c.rules(p) || p.Account.Number != seller && p.Account.ResellerNumber != seller {
			return nil, refuse(codeAccessPoint, "/data/zSide/accessPoint/port/uuid", "there is no such port")
		}
		return []*port{p}, nil
	}
	var out, last []*port
	for _, of := range offer.Ports {
		p, err := load[port](c.at, ports, of.UUID)
		if err != nil {
			return nil, err
		}
		z := k.ZSide.Point
		if p == nil || z.Location != nil && p.Location.MetroCode != z.Location.MetroCode || z.SellerRegion != "" && of.SellerRegion != z.SellerRegion {
			continue
		}
		if c.pairs(k, p.UUID) {
			last = append(last, p)
		} else {
			out = append(out, p)
		}
	}
	return append(out, last...), nil
}

// pairs reports whether the other connection of a pair ends at a port.
func (c *call) pairs(k *connection, port string) bool {
	if k.Redundancy == nil {
		return false
	}
	for _, r := range c.at.List(connections) {
		group, _ := r.Text("redundancy.group")
		at, _ := r.Text("zSide.accessPoint.port.uuid")
		if r.ID != k.UUID && group == k.Redundancy.Group && at == port {
			return true
		}
	}
	return false
}

// land ends a connection at a port of its seller, with the tags that are wanted or with free ones.
func (c *call) land(k *connection, offer *profile, p *port, wanted *link, first *connection) error {
	const pointer = "/data/zSide/accessPoint"
	if p.UUID == k.ASide.portID() {
		return refuse(codeAccessPoint, pointer+"/port/uuid", "a connection leads to another port")
	}
	reuse := ""
	l := link{Type: p.Encapsulation.Type}
	if wanted != nil {
		l = *wanted
	}
	config := offer.Configs[0].LinkProtocol
	if config != nil && config.ReuseVLANSTag && k.ZSide.Point.Key != "" {
		reuse = offer.UUID + " " + k.ZSide.Point.Key
		if first != nil && l.S == 0 && first.ZSide.portID() == p.UUID {
			l.S = first.ZSide.Point.Link.S
		}
	}
	if l.Type == "QINQ" && l.C == 0 && config != nil && (config.Strategy == "CTAGED" || reuse != "") {
		l.C = max(k.ASide.Point.Link.VLAN, k.ASide.Point.Link.C)
	}
	taken := map[int]bool{}
	for _, u := range uses(c.at, p.UUID)[p.UUID] {
		taken[max(u.link.VLAN, u.link.S)] = true
	}
	free := minVLAN
	for free <= maxVLAN && taken[free] {
		free++
	}
	switch {
	case l.Type == "DOT1Q" && l.VLAN == 0:
		l.VLAN = free
	case l.Type == "QINQ" && l.S == 0:
		l.S = free
	}
	before := *k.ZSide.Point
	z := &k.ZSide
	z.Point.Port, z.Point.Link, z.Point.Location = &reference{UUID: p.UUID}, &l, &location{MetroCode: p.Location.MetroCode, IBX: p.Location.IBX}
	var f faults
	c.fits(&f, k, z, p, pointer, offer.limit(), reuse)
	if len(f) > 0 {
		*z.Point = before
	}
	return f.refusal()
}

// actOnConnection does what a seller, or a buyer, has to say of a connection.
func actOnConnection(c *call) (int, any, error) {
	k, err := c.theConnection()
	if err != nil {
		return 0, nil, err
	}
	var given struct {
		Type        string `json:"type"`
		Description string `json:"description"`
		Data        struct {
			ZSide side `json:"zSide"`
		} `json:"data"`
	}
	if err := c.read(&given); err != nil {
		return 0, nil, err
	}
	offer, err := c.offerOf(k)
	if err != nil {
		return 0, nil, err
	}
	type deed struct {
		seller bool // who may do it, the buyer otherwise
		when   bool
		do     func() error
	}
	pending := k.State == "PENDING" && k.waits("CONNECTION_CREATION") && offer != nil
	deeds := map[string]deed{
		"CONNECTION_CREATION_ACCEPTANCE": {true, pending, func() error { return c.accept(k, offer, given.Data.ZSide) }},
		"CONNECTION_CREATION_REJECTION": {true, pending, func() error {
			k.State, k.Operation = "CANCELLED", progress{Equinix: "REJECTED", Provider: "REJECTED"}
			return c.decline(k, given.Description)
		}},
		"CONNECTION_REJECTION_ACCEPTANCE": {false, k.Operation.Equinix == "REJECTED", func() error { k.Operation.Equinix = "REJECTED_ACK"; return nil }},
		"CONNECTION_UPDATE_ACCEPTANCE":    {true, k.waits("CONNECTION_UPDATE"), func() error { return c.acceptUpdate(k, offer) }},
		"CONNECTION_UPDATE_REJECTION": {true, k.waits("CONNECTION_UPDATE"), func() error {
			k.Operation.Provider = "AVAILABLE"
			return c.decline(k, given.Description)
		}},
		"CONNECTION_DELETION_ACCEPTANCE": {true, k.Operation.Equinix == "PENDING_DELETE", func() error {
			k.settle("APPROVED", c.stamp())
			k.deprovision(c)
			return nil
		}},
		"CONNECTION_CREATION_RETRY": {false, k.State == "FAILED", func() error { k.provision(c); return nil }},
	}
	d, known := deeds[given.Type]
	switch {
	case !known:
		return 0, nil, refuse(codeInput, "/type", "is not something that can be done to a connection here")
	case d.seller && !c.sells(k), !d.seller && !c.buys(k):
		return 0, nil, forbid("it is for the other side of the connection to do")
	case !d.when:
		return 0, nil, refuse(codeTransient, "/type", fmt.Sprintf("the connection is %s, %s, and does not wait for this", k.State, k.Operation.Equinix))
	}
	if err := d.do(); err != nil {
		return 0, nil, err
	}
	k.Log.UpdatedBy, k.Log.Updated = c.by.user, c.stamp()
	if err := c.keep(connections, k); err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, map[string]any{
		"type": given.Type, "href": c.href(connections, k.UUID+"/actions"), "uuid": mint(), "description": given.Description,
		"data":      map[string]any{"zSide": c.show(k).ZSide},
		"changeLog": changeLog{CreatedBy: c.by.user, Created: c.stamp()},
	}, nil
}

// decline ends a change that the seller does not want, and says why.
func (c *call) decline(k *connection, why string) error {
	if len([]rune(why)) > 500 {
		return refuse(codeInput, "/description", "is longer than 500 characters")
	}
	k.Change.Info = why
	k.settle("REJECTED", c.stamp())
	return nil
}

// fitsBoth checks that the ports of a connection can carry it as it is now.
func (c *call) fitsBoth(f *faults, k *connection, offer *profile) error {
	for pointer, s := range map[string]*side{"/aSide": &k.ASide, "/zSide": &k.ZSide} {
		if s.portID() == "" {
			continue
		}
		p, err := load[port](c.at, ports, s.portID())
		if err != nil {
			return err
		}
		times, reuse := int64(1), ""
		if pointer == "/zSide" && offer != nil {
			times = offer.limit()
			if l := offer.Configs[0].LinkProtocol; l != nil && l.ReuseVLANSTag && s.Point.Key != "" {
				reuse = offer.UUID + " " + s.Point.Key
			}
		}
		if p == nil {
			f.add(codeInput, pointer+"/accessPoint/port/uuid", "the port is gone")
			continue
		}
		c.fits(f, k, s, p, pointer+"/accessPoint", times, reuse)
	}
	return nil
}

// patchConnection changes fields of a connection. Another bandwidth waits for the seller, where its profile says so.
func patchConnection(c *call) (int, any, error) {
	k, err := c.theConnection()
	if err != nil {
		return 0, nil, err
	}
	changes, err := c.changes()
	if err != nil {
		return 0, nil, err
	}
	offer, err := c.offerOf(k)
	if err != nil {
		return 0, nil, err
	}
	moves, waits, err := c.edit(k, offer, changes)
	if err != nil {
		return 0, nil, err
	}
	if moves {
		if err := c.move(k, offer, changes, waits); err != nil {
			return 0, nil, err
		}
	}
	k.Log.UpdatedBy, k.Log.Updated = c.by.user, c.stamp()
	if err := c.keep(connections, k); err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, c.show(k), nil
}

// edit changes a connection as a patch says. Moves reports whether the switches have to follow, and waits whether the
// seller has to approve it first.
func (c *call) edit(k *connection, offer *profile, changes []operation) (moves, waits bool, err error) {
	var f faults
	for _, o := range changes {
		side, field, tag := strings.Cut(o.Path, "/accessPoint/linkProtocol")
		buyer := true
		into := func(v any) {
			if json.Unmarshal(o.Value, v) != nil {
				f.add(codeInput, o.Path, "the value is not of the right kind")
			}
		}
		switch {
		case o.Path == "/name":
			into(&k.Name)
		case o.Path == "/notifications":
			into(&k.Notifications)
		case o.Path == "/order/purchaseOrderNumber":
			k.Order = &order{Reference: orEmpty(k.Order).Reference}
			into(&k.Order.PurchaseOrder)
		case o.Path == "/order/customerReferenceNumber":
			k.Order = &order{PurchaseOrder: orEmpty(k.Order).PurchaseOrder}
			into(&k.Order.Reference)
		case o.Path == "/bandwidth":
			before := k.Bandwidth
			into(&k.Bandwidth)
			moves = true
			waits = c.sold(&f, k, offer, before) || waits
		case tag && (side == "/aSide" || side == "/zSide"):
			of := map[string]*accessPoint{"/aSide": k.ASide.Point, "/zSide": k.ZSide.Point}[side]
			buyer = side == "/aSide"
			if of == nil || of.Port == nil || of.Link == nil {
				f.add(codeInput, o.Path, "this side has no VLAN yet")
				break
			}
			l := *of.Link
			of.Link, moves = &l, true
			switch field {
			case "":
				into(&l)
			case "/vlanTag":
				into(&l.VLAN)
			case "/vlanSTag":
				into(&l.S)
			case "/vlanCTag":
				into(&l.C)
			default:
				f.add(codeInput, o.Path, "cannot be changed")
			}
		default:
			f.add(codeInput, o.Path, "cannot be changed")
		}
		if buyer && !c.buys(k) || !buyer && !c.sells(k) {
			return false, false, forbid("it is for the other side of the connection to change this")
		}
	}
	if waits && len(changes) > 1 {
		f.add(codeInput, "/bandwidth", "waits for the seller, and is to be changed alone")
	}
	k.plain(&f)
	return moves, waits, f.refusal()
}

func orEmpty[T any](p *T) T {
	if p == nil {
		var none T
		return none
	}
	return *p
}

// sold checks another bandwidth against a profile, and reports whether the seller has to approve it.
func (c *call) sold(f *faults, k *connection, offer *profile, before int64) bool {
	if offer == nil {
		return false
	}
	config := offer.Configs[0]
	if wrong := offer.sells(k.Bandwidth); wrong != "" {
		f.add(codeSpeedBand, "/bandwidth", wrong)
	}
	if config.Upgrade != nil && !*config.Upgrade && k.Bandwidth > before {
		f.add(codeSpeedBand, "/bandwidth", "the seller does not let it be raised")
	}
	return offer.Type != "IX_PROFILE" && !config.AutoApproval && !c.sells(k) && k.State == "ACTIVE"
}

// move has a change of what the switches carry take its course.
func (c *call) move(k *connection, offer *profile, changes []operation, waits bool) error {
	switch {
	case ended(k.State):
		return refuse(codeDeleted, "/uuid", "the connection has ended")
	case k.State == "PENDING", k.State == "FAILED", k.State == "ACTIVE" && k.Operation.Equinix == "PROVISIONED" && !k.waits("CONNECTION_UPDATE"):
	default:
		return refuse(codeTransient, "/uuid", "the connection is changing already: "+k.State+", "+k.Operation.Equinix)
	}
	var f faults
	if err := c.fitsBoth(&f, k, offer); err != nil {
		return err
	}
	if err := f.refusal(); err != nil {
		return err
	}
	switch k.State {
	case "PENDING": // it is approved as it is then
		return nil
	case "FAILED":
		k.provision(c)
		return nil
	}
	data := changes[len(changes)-1]
	k.Change = &change{UUID: mint(), Type: "CONNECTION_UPDATE", Status: "APPROVED", Created: c.stamp(), Data: &data}
	if !waits {
		k.reprovision(c)
		return nil
	}
	old, err := load[connection](c.at, connections, k.UUID)
	if err != nil {
		return err
	}
	k.Bandwidth = old.Bandwidth
	k.Change.Status, k.Operation.Provider = "SUBMITTED_FOR_APPROVAL", "PENDING_APPROVAL"
	return nil
}

// acceptUpdate gives a connection the bandwidth that its seller has approved.
func (c *call) acceptUpdate(k *connection, offer *profile) error {
	if k.Change.Data == nil || json.Unmarshal(k.Change.Data.Value, &k.Bandwidth) != nil {
		return errors.New("the change says no bandwidth")
	}
	var f faults
	if err := c.fitsBoth(&f, k, offer); err != nil {
		return err
	}
	if len(f) > 0 {
		return refuse(codeBandwidth, "/bandwidth", "the ports of the connection have no room for it any more")
	}
	k.Change.Status, k.Change.Updated = "APPROVED", c.stamp()
	k.reprovision(c)
	return nil
}

// deleteConnection ends a connection. One that is in service to a seller stays so until the seller knows.
func deleteConnection(c *call) (int, any, error) {
	k, err := c.theConnection()
	if err != nil {
		return 0, nil, err
	}
	offer, err := c.offerOf(k)
	if err != nil {
		return 0, nil, err
	}
	switch {
	case !c.buys(k) && !c.sells(k):
		return 0, nil, forbid("whoever ordered the connection ends it")
	case ended(k.State):
		return 0, nil, refuse(codeDeleted, "/uuid", "the connection has ended")
	case k.State == "DEPROVISIONING", k.Operation.Equinix == "PENDING_DELETE" && !c.sells(k):
		return 0, nil, refuse(codeTransient, "/uuid", "the connection is being deleted")
	}
	pending := k.State == "PENDING"
	k.Change = &change{UUID: mint(), Type: "CONNECTION_DELETION", Status: "REQUESTED", Created: c.stamp()}
	k.Log.DeletedBy, k.Log.UpdatedBy, k.Log.Updated = c.by.user, c.by.user, c.stamp()
	switch {
	case pending:
		k.State, k.Operation = "CANCELLED", progress{Equinix: "CANCELLED", Provider: "NOT_AVAILABLE"}
		k.Log.Deleted = c.stamp()
		k.settle("COMPLETED", c.stamp())
	case k.State == "ACTIVE" && offer != nil && !c.sells(k) && k.ZSide.portID() != "" && !offer.managed():
		k.Operation.Equinix, k.Operation.Provider = "PENDING_DELETE", "PENDING DELETE"
		k.Change.Status = "SUBMITTED_FOR_APPROVAL"
	default:
		k.deprovision(c)
	}
	if err := c.keep(connections, k); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, c.show(k), nil
}

// managed reports whether the exchange manages the ports and VLANs of a profile.
func (p *profile) managed() bool {
	a := p.Configs[0].API
	return a != nil && a.ManagedPort && a.ManagedVLAN
}

// sides returns those of a connection that end at a port.
func (k *connection) sides() []string {
	var out []string
	for name, s := range map[string]side{"a": k.ASide, "z": k.ZSide} {
		if s.portID() != "" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
