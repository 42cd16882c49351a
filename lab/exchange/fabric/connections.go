package fabric

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// Tags of VLANs are between these.
const minVLAN, maxVLAN = 2, 4092

// ended reports whether a connection in this state is over.
func ended(state string) bool { return state == "CANCELLED" || state == "DEPROVISIONED" }

// inService reports whether a port in this state can carry connections.
func inService(state string) bool { return state == "PROVISIONED" || state == "ACTIVE" }

// whole reports whether connections of a type take whole ports: EPL, and not EVPL.
func whole(kind string) bool {
	return strings.HasPrefix(kind, "EPL") || strings.HasPrefix(kind, "EPTREE")
}

// joins returns the type of network that connections of a type join, "" when they join none.
func joins(kind string) string {
	if of := strings.TrimSuffix(kind, "_VC"); slices.Contains(networkTypes(), of) {
		return of
	}
	return ""
}

// portID returns the port of a side, "" when it has none.
func (s side) portID() string {
	if s.Point == nil || s.Point.Port == nil {
		return ""
	}
	return s.Point.Port.UUID
}

// profileID returns the service profile that a connection leads to, "" when it leads to none.
func (k *connection) profileID() string {
	if k.ZSide.Point == nil || k.ZSide.Point.Profile == nil {
		return ""
	}
	return k.ZSide.Point.Profile.UUID
}

// valid checks the tags of a link against how its port is tagged.
func (l *link) valid(f *faults, pointer string, e encapsulation) {
	if l.Type != e.Type {
		f.add(codeEncapsulation, pointer+"/type", fmt.Sprintf("is not %s, as the port is", e.Type))
		return
	}
	tag := func(name string, n int, wanted, required bool) {
		switch at := pointer + "/" + name; {
		case !wanted && n != 0:
			f.add(codeEncapsulation, at, "does not belong to the link protocol "+l.Type)
		case wanted && n == 0 && required:
			f.add(codeInput, at, "is required")
		case n != 0 && (n < minVLAN || n > maxVLAN):
			f.add(codeInput, at, fmt.Sprintf("is not between %d and %d", minVLAN, maxVLAN))
		}
	}
	tag("vlanTag", l.VLAN, l.Type == "DOT1Q", true)
	tag("vlanSTag", l.S, l.Type == "QINQ", true)
	tag("vlanCTag", l.C, l.Type == "QINQ", false)
}

// clashes reports whether a link cannot be on a port beside what another connection has there. An outer tag is that of
// one connection, unless its seller reuses it for one customer, who is told by the key.
func (l *link) clashes(u use, reuse string) bool {
	switch {
	case l.Type == "UNTAGGED" || u.link.Type == "UNTAGGED":
		return true
	case l.Type == "DOT1Q":
		return l.VLAN == u.link.VLAN
	case l.S != u.link.S:
		return false
	}
	shared := reuse != "" && reuse == u.profile+" "+u.key
	return !shared || l.C == 0 || l.C == u.link.C
}

// fits checks that a port can carry a side of a connection beside all else that it carries.
func (c *call) fits(f *faults, k *connection, s *side, p *port, pointer string, times int64, reuse string) {
	if !inService(p.State) {
		f.add(codeInput, pointer+"/port/uuid", "the port is "+p.State)
		return
	}
	before := len(*f)
	if s.Point.Link == nil {
		s.Point.Link = &link{Type: "UNTAGGED"}
	}
	s.Point.Link.valid(f, pointer+"/linkProtocol", p.Encapsulation)
	if len(*f) > before {
		return
	}
	others := slices.DeleteFunc(uses(c.at, p.UUID)[p.UUID], func(u use) bool { return u.connection == k.UUID })
	if slices.ContainsFunc(others, func(u use) bool { return s.Point.Link.clashes(u, reuse) }) {
		f.add(codeVLANTaken, pointer+"/linkProtocol", "another connection has this VLAN of the port, or all of it")
	}
	if free := p.Bandwidth*times - held(others); k.Bandwidth > free {
		what := "is more than is available on the port"
		if c.manages(p.Account) {
			what += fmt.Sprintf(", which is %d", max(0, free))
		}
		f.add(codeBandwidth, "/bandwidth", what)
	}
}

// maySee reports whether the caller is a party to a connection: its buyer, its seller, the reseller of one, or the
// customer that the buyer ordered it for.
func (c *call) maySee(k *connection) bool {
	return c.buys(k) || c.sells(k) || k.Inside != nil && k.Inside.Customer != 0 && k.Inside.Customer == c.by.account
}

func (c *call) buys(k *connection) bool { return c.manages(k.Account) }

func (c *call) sells(k *connection) bool {
	return k.ZSide.Point != nil && c.manages(k.ZSide.Point.Account)
}

// show returns what the caller sees of a connection: of the other's side no more than whose it is, and in which metro.
func (c *call) show(k *connection) *connection {
	buys, sells := c.buys(k), c.sells(k)
	k.Href = c.href(connections, k.UUID)
	switch {
	case buys && sells:
		k.Direction = "INTERNAL"
	case sells:
		k.Direction = "INCOMING"
	default:
		k.Direction = "OUTGOING"
	}
	if !buys {
		k.Order, k.Notifications, k.Project, k.Account = nil, nil, nil, k.Account.outside()
		k.Log.CreatedBy, k.Log.UpdatedBy, k.Log.DeletedBy = "", "", ""
		if k.EndCustomer != nil && !k.EndCustomer.Disclosed {
			k.EndCustomer = nil
		}
	}
	if k.Change != nil && k.Change.Data != nil {
		to := k.Change.Data.Path
		if own := strings.HasPrefix(to, "/zSide"); to != "/bandwidth" && (own && !sells || !own && !buys) {
			k.Change.Data = nil
		}
	}
	for pointer, s := range map[string]*side{"/aSide": &k.ASide, "/zSide": &k.ZSide} {
		if s.Point == nil {
			continue
		}
		if (buys && pointer == "/aSide" || sells && pointer == "/zSide") && !c.hidden(s) {
			s.Point.Port.resolve(c, ports)
		} else {
			s.Point.Port, s.Point.Link, s.Point.Account = nil, nil, s.Point.Account.outside()
			if l := s.Point.Location; l != nil {
				s.Point.Location = &location{MetroCode: l.MetroCode, MetroName: l.MetroName}
			}
			k.Operation.Errors = slices.DeleteFunc(k.Operation.Errors, func(f fault) bool {
				return slices.ContainsFunc(f.Info, func(p property) bool { return strings.HasPrefix(p.Property, pointer) })
			})
		}
		s.Point.Profile.resolve(c, profiles)
		s.Point.Network.resolve(c, networks)
	}
	k.Inside = nil
	return k
}

// hidden reports whether the port of a side is one that the caller has, and that its reseller does not let it see.
func (c *call) hidden(s *side) bool {
	of := s.Point.Account
	if c.by.operator || of == nil || of.ResellerNumber == 0 || of.ResellerNumber == c.by.account || s.portID() == "" {
		return false
	}
	p, err := c.portOf(s.portID())
	return err != nil || p == nil
}

// outside returns what others are told of an account.
func (o *owner) outside() *owner {
	if o == nil {
		return nil
	}
	return &owner{Name: o.Name, Organization: o.Organization}
}

// resolve says where the record is that a reference leads to, and what its name is.
func (r *reference) resolve(c *call, collection string) {
	if r == nil {
		return
	}
	r.Href = c.href(collection, r.UUID)
	if to := c.at.Get(collection, r.UUID); to != nil {
		r.Name, _ = to.Text("name")
	}
}

// theConnection returns the connection of the path.
func (c *call) theConnection() (*connection, error) {
	k, err := load[connection](c.at, connections, c.id)
	if err == nil && (k == nil || !c.maySee(k)) {
		return nil, missing("there is no such connection")
	}
	return k, err
}

func getConnection(c *call) (int, any, error) {
	k, err := c.theConnection()
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, c.show(k), nil
}

// seenConnections returns all connections that the caller is a party to and that f wants.
func (c *call) seenConnections(f func(*store.Record) bool) ([]found[*connection], error) {
	var out []found[*connection]
	for _, r := range c.at.List(connections) {
		if !f(r) {
			continue
		}
		if !c.by.operator { // who sees all
			if k, err := parse[connection](r); err != nil {
				return nil, err
			} else if !c.maySee(k) {
				continue
			}
		}
		out = append(out, found[*connection]{uuid: r.ID, show: func() (*connection, error) {
			k, err := parse[connection](r)
			if err != nil {
				return nil, err
			}
			return c.show(k), nil
		}})
	}
	return out, nil
}

func searchConnections(c *call) (int, any, error) {
	all, err := c.seenConnections(func(*store.Record) bool { return true })
	if err != nil {
		return 0, nil, err
	}
	return search(c, all, connectionTerms())
}

// orderConnection takes the order of a connection.
func orderConnection(c *call) (int, any, error) {
	var given connection
	if err := c.read(&given); err != nil {
		return 0, nil, err
	}
	k := &connection{
		Type: given.Type, UUID: mint(), Name: given.Name, Order: given.Order, Notifications: given.Notifications, Bandwidth: given.Bandwidth,
		Redundancy: given.Redundancy, Info: given.Info, Project: given.Project, EndCustomer: given.EndCustomer, Inside: &inside{},
		Change: &change{UUID: mint(), Type: "CONNECTION_CREATION", Status: "REQUESTED", Created: c.stamp()},
		Log:    changeLog{CreatedBy: c.by.user, Created: c.stamp(), UpdatedBy: c.by.user, Updated: c.stamp()},
	}
	var f faults
	k.plain(&f)
	if err := c.orderA(&f, k, given.ASide); err != nil {
		return 0, nil, err
	}
	offer, err := c.orderZ(&f, k, given)
	if err != nil {
		return 0, nil, err
	}
	if err := c.orderRedundancy(&f, k, offer); err != nil {
		return 0, nil, err
	}
	if err := f.refusal(); err != nil {
		return 0, nil, err
	}
	if err := c.begin(k, offer); err != nil {
		return 0, nil, err
	}
	if err := c.keep(connections, k); err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, c.show(k), nil
}

// plain checks what can be checked without other records.
func (k *connection) plain(f *faults) {
	types := []string{"EVPL_VC", "EPL_VC", "EVPLAN_VC", "EPLAN_VC", "EVPTREE_VC", "EPTREE_VC", "IX_VC"}
	if !slices.Contains(types, k.Type) {
		f.add(codeInput, "/type", "is not one of "+strings.Join(types, ", "))
	}
	if !plain(k.Name, maxName) {
		f.add(codeInput, "/name", fmt.Sprintf("is not a name of 1 to %d characters", maxName))
	}
	if k.Bandwidth < 1 || k.Bandwidth > maxBandwidth {
		f.add(codeBandwidth, "/bandwidth", fmt.Sprintf("is not between 1 and %d", maxBandwidth))
	}
	notifications(f, k.Notifications, true)
}

// colo returns the port that a side names, which is one that the caller may order connections on, or nil.
func (c *call) colo(f *faults, given side, pointer string) (*port, error) {
	if given.portID() == "" {
		f.add(codeInput, pointer+"/port/uuid", "is required")
		return nil, nil
	}
	p, err := c.portOf(given.portID())
	switch {
	case err != nil:
		return nil, err
	case p == nil:
		f.add(codeInput, pointer+"/port/uuid", "there is no such port")
		return nil, nil
	case !c.rules(p) && !p.Settings.Order:
		return nil, forbid("the reseller of the account does not let it order connections on this port")
	}
	return p, nil
}

// at returns the end of a connection at a port.
func (p *port) at(l *link) side {
	return side{Point: &accessPoint{
		Type: "COLO", Account: p.Account, Port: &reference{UUID: p.UUID}, Link: l, Location: &location{MetroCode: p.Location.MetroCode, IBX: p.Location.IBX},
	}}
}

// orderA checks the buyer's side.
func (c *call) orderA(f *faults, k *connection, given side) error {
	const pointer = "/aSide/accessPoint"
	if given.Point == nil || given.Point.Type != "COLO" {
		f.add(codeInput, pointer+"/type", "is not COLO: connections begin at a port")
		return nil
	}
	p, err := c.colo(f, given, pointer)
	if err != nil || p == nil {
		return err
	}
	k.ASide, k.Account = p.at(given.Point.Link), p.Account
	k.ASide.Info = given.Info
	if whole(k.Type) != (p.Encapsulation.Type == "UNTAGGED") {
		f.add(codeEncapsulation, pointer+"/port/uuid", "connections that take a whole port begin at an untagged one, all others at a tagged one")
		return nil
	}
	c.fits(f, k, &k.ASide, p, pointer, 1, "")
	return nil
}

// orderZ checks the other side, and returns the profile that it is, if it is one.
func (c *call) orderZ(f *faults, k *connection, given connection) (*profile, error) {
	const pointer = "/zSide/accessPoint"
	z := given.ZSide.Point
	if z == nil {
		f.add(codeInput, pointer, "is required")
		return nil, nil
	}
	network := joins(k.Type)
	switch {
	case network != "" && z.Type != "NETWORK":
		f.add(codeInput, pointer+"/type", "is not NETWORK")
	case network != "":
		return nil, c.join(f, k, z, network)
	case k.Type == "IX_VC" && z.Type != "SP":
		f.add(codeInput, pointer+"/type", "is not SP: a peering LAN is a service profile")
	case z.Type == "SP":
		return c.orderSP(f, k, given)
	case z.Type != "COLO":
		f.add(codeInput, pointer+"/type", "is not one of COLO, SP, NETWORK")
	default:
		p, err := c.colo(f, given.ZSide, pointer)
		if err != nil || p == nil {
			return nil, err
		}
		k.ZSide = p.at(z.Link)
		switch {
		case p.UUID == k.ASide.portID():
			f.add(codeInput, pointer+"/port/uuid", "a connection leads to another port")
		case whole(k.Type) != (p.Encapsulation.Type == "UNTAGGED"):
			f.add(codeEncapsulation, pointer+"/port/uuid", "connections that take a whole port end at an untagged one, all others at a tagged one")
		default:
			c.fits(f, k, &k.ZSide, p, pointer, 1, "")
		}
	}
	return nil, nil
}

// join checks the network that a connection is to join.
func (c *call) join(f *faults, k *connection, z *accessPoint, kind string) error {
	const pointer = "/zSide/accessPoint"
	var id string
	if z.Network != nil {
		id = z.Network.UUID
	}
	n, err := c.networkOf(id)
	switch {
	case err != nil:
		return err
	case n == nil || n.State != "ACTIVE":
		f.add(codeInput, pointer+"/network/uuid", "there is no such network")
		return nil
	case n.Type != kind:
		f.add(codeInput, "/type", "is not that of the network, which is "+n.Type)
	}
	role := z.Role
	if strings.HasSuffix(kind, "TREE") {
		if role = cmp.Or(role, "LEAF"); role != "LEAF" && role != "ROOT" {
			f.add(codeInput, pointer+"/role", "is neither LEAF nor ROOT")
		}
	} else if role != "" {
		f.add(codeInput, pointer+"/role", "is that of a member of a tree only")
	}
	k.ZSide = side{Point: &accessPoint{Type: "NETWORK", Account: n.Account, Network: &reference{UUID: n.UUID}, Role: role}}
	return nil
}

// orderSP checks what is ordered of a service profile, and returns it.
func (c *call) orderSP(f *faults, k *connection, given connection) (*profile, error) {
	const pointer = "/zSide/accessPoint"
	z := given.ZSide.Point
	var id string
	if z.Profile != nil {
		id = z.Profile.UUID
	}
	p, err := c.profileOf(id)
	if err != nil {
		return nil, err
	}
	if p == nil || !c.buysFrom(p) {
		f.add(codeNoProfile, pointer+"/profile/uuid", "there is no such service profile")
		return nil, nil
	}
	if (k.Type == "IX_VC") != (p.Type == "IX_PROFILE") || whole(k.Type) {
		f.add(codeInput, "/type", "is not one that the service profile takes")
	}
	config := p.Configs[0]
	if wrong := p.sells(k.Bandwidth); wrong != "" {
		f.add(codeSpeedBand, "/bandwidth", wrong)
	}
	at := location{}
	if z.Location != nil {
		at = location{MetroCode: z.Location.MetroCode}
	}
	if i := slices.IndexFunc(p.Metros, func(m profileMetro) bool { return at.MetroCode == "" || m.Code == at.MetroCode }); i >= 0 {
		at.MetroCode = p.Metros[i].Code
		if _, sold := p.Metros[i].Regions[z.SellerRegion]; z.SellerRegion != "" && !sold {
			f.add(codeMetro, pointer+"/sellerRegion", "is not one of the seller's in this metro")
		}
	} else if len(p.Metros) > 0 {
		f.add(codeMetro, pointer+"/location/metroCode", "the seller is not in this metro")
	}
	point := &accessPoint{
		Type: "SP", Account: p.Account, Profile: &reference{Type: p.Type, UUID: p.UUID}, Location: &at, Key: z.Key, SellerRegion: z.SellerRegion,
		PeeringType: z.PeeringType,
	}
	k.ZSide = side{Point: point, Info: given.ZSide.Info}
	if config.Key != nil && config.Key.Required && z.Key == "" {
		f.add(codeKey, pointer+"/authenticationKey", "is required: "+cmp.Or(config.Key.Label, "the customer's key with the seller"))
	}
	customer, err := c.keyHolder(p.UUID, z.Key)
	switch {
	case err != nil:
		return nil, err
	case customer != 0 && k.Account != nil && customer != k.Account.Number:
		k.Inside.Customer = customer
	case customer == 0 && z.Key != "" && config.API != nil && config.API.Available:
		f.add(codeKey, pointer+"/authenticationKey", "the seller does not know it")
	}
	p.answered(f, slices.Concat(k.Info, k.ASide.Info, k.ZSide.Info))
	if l := config.LinkProtocol; l != nil {
		l.orders(f, k)
	}
	return p, nil
}

// orders checks what a profile wants of the tags of a buyer.
func (l *linkConfig) orders(f *faults, k *connection) {
	switch a := k.ASide.Point; l.Strategy {
	case "CTAGED":
		if a != nil && a.Link != nil && a.Link.Type == "QINQ" && a.Link.C == 0 {
			f.add(codeInput, "/aSide/accessPoint/linkProtocol/vlanCTag", "is required: "+cmp.Or(l.CTagLabel, "the seller tells customers by the inner tag"))
		}
	case "NAMED":
		if !slices.ContainsFunc(l.NamedTags, func(tag string) bool { return strings.EqualFold(tag, k.ZSide.Point.PeeringType) }) {
			f.add(codeInput, "/zSide/accessPoint/peeringType", "is not one of "+strings.Join(l.NamedTags, ", "))
		}
	}
	if kinds := []string{"", "PRIVATE", "MICROSOFT", "PUBLIC", "MANUAL"}; !slices.Contains(kinds, k.ZSide.Point.PeeringType) {
		f.add(codeInput, "/zSide/accessPoint/peeringType", "is not one of PRIVATE, MICROSOFT, PUBLIC, MANUAL")
	}
}

// keyHolder returns the account that has an authorization key with the seller of a profile, 0 when none has.
func (c *call) keyHolder(profile, key string) (int64, error) {
	if key == "" {
		return 0, nil
	}
	for _, r := range c.at.List(accounts) {
		a, err := parse[account](r)
		if err != nil {
			return 0, err
		}
		if slices.Contains(a.Keys, authorizationKey{profile, key}) {
			return a.Number, nil
		}
	}
	return 0, nil
}

// orderRedundancy checks the place of a connection in a pair. A primary one begins a group, and a secondary one of the
// same buyer to the same seller, from another port, joins it.
func (c *call) orderRedundancy(f *faults, k *connection, offer *profile) error {
	if k.Redundancy == nil {
		if offer != nil && offer.Configs[0].RedundancyRequired {
			f.add(codeRedundancy, "/redundancy/priority", "is required: the seller wants two connections")
		}
		return nil
	}
	group := k.Redundancy.Group
	there := map[string]*connection{}
	for _, r := range c.at.List(connections) {
		if of, _ := r.Text("redundancy.group"); group == "" || of != group || ended(r.State()) {
			continue
		}
		other, err := parse[connection](r)
		if err != nil {
			return err
		}
		if c.buys(other) {
			there[other.Redundancy.Priority] = other
		}
	}
	primary := there["PRIMARY"]
	switch k.Redundancy.Priority {
	case "PRIMARY":
		if group != "" {
			f.add(codeGroup, "/redundancy/group", "a primary connection is given a group of its own")
		}
		k.Redundancy = &redundancy{Group: mint(), Priority: "PRIMARY"}
	case "SECONDARY":
		switch {
		case group == "":
			f.add(codeNoGroup, "/redundancy/group", "is required: that of the primary connection")
		case primary == nil:
			f.add(codeGroup, "/redundancy/group", "has no primary connection")
		case there["SECONDARY"] != nil:
			f.add(codeGroup, "/redundancy/group", "has a secondary connection already")
		case primary.profileID() != k.profileID():
			f.add(codeGroup, "/zSide/accessPoint/profile/uuid", "is not that of the primary connection")
		case primary.ASide.portID() == k.ASide.portID():
			f.add(codeGroup, "/aSide/accessPoint/port/uuid", "is that of the primary connection")
		}
		k.Redundancy = &redundancy{Group: group, Priority: "SECONDARY"}
	default:
		f.add(codeRedundancy, "/redundancy/priority", "is neither PRIMARY nor SECONDARY")
	}
	return nil
}

// begin puts a connection that was ordered on its way: to whoever has to approve it, or to the switches.
func (c *call) begin(k *connection, offer *profile) error {
	if offer == nil || offer.Type == "IX_PROFILE" {
		k.provision(c)
		return nil
	}
	k.State = "PENDING"
	k.Operation = progress{Equinix: "PENDING_APPROVAL", Provider: "PENDING_APPROVAL"}
	k.Change.Status = "SUBMITTED_FOR_APPROVAL"
	automatic, err := c.automatic(k, offer)
	if err != nil || !automatic {
		return err
	}
	err = c.accept(k, offer, side{})
	var f faults
	if left := f.take(err); left != nil || len(f) == 0 {
		return left
	}
	k.Operation = progress{Equinix: "AUTO_APPROVAL_FAILED", Provider: "PENDING_APPROVAL"}
	return nil
}

// automatic reports whether a profile needs nobody to approve a connection: the exchange manages its ports and VLANs, it
// is the buyer's own, or it takes further connections of a customer onto the outer tag that the first was given.
func (c *call) automatic(k *connection, offer *profile) (bool, error) {
	if offer.managed() || offer.Account.Number == k.Account.Number {
		return true, nil
	}
	first, err := c.firstOf(k, offer)
	return first != nil, err
}

// firstOf returns a connection whose outer tag another one of the same customer is to have at its seller's, or nil.
func (c *call) firstOf(k *connection, offer *profile) (*connection, error) {
	l := offer.Configs[0].LinkProtocol
	if l == nil || !l.ReuseVLANSTag || k.ZSide.Point.Key == "" || k.ASide.Point.Link.Type != "DOT1Q" {
		return nil, nil
	}
	for _, r := range c.at.List(connections) {
		consumes, _ := r.Text("inside.consumes")
		of, _ := r.Text("zSide.accessPoint.profile.uuid")
		key, _ := r.Text("zSide.accessPoint.authenticationKey")
		tag, _ := r.Int("zSide.accessPoint.linkProtocol.vlanSTag")
		inner, _ := r.Int("zSide.accessPoint.linkProtocol.vlanCTag")
		if consumes == "true" && of == offer.UUID && key == k.ZSide.Point.Key && tag != 0 && inner != 0 && r.ID != k.UUID {
			return parse[connection](r)
		}
	}
	return nil, nil
}
