package exchange

import (
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// A grade is a kind of port of a device.
type grade struct {
	device string
	media  string
	speed  int64 // Mbit/s
}

// gradeOf returns the grade of a port.
func gradeOf(p *store.Record) (g grade) {
	g.device, _ = p.Text("device")
	g.media, _ = p.Text("media_type")
	g.speed, _ = p.Int("speed")
	return g
}

// A shelf says which ports of a grade nobody has, and how many there are together with those that somebody has.
type shelf struct {
	free []string
	all  int64
}

// stock returns the ports that there are.
func (o *order) stock() map[grade]shelf {
	taken := map[string]bool{}
	for _, c := range o.List("connections") {
		if inService(c) {
			for _, id := range c.List("ports") {
				taken[id] = true
			}
		}
	}
	stock := map[grade]shelf{}
	for _, p := range o.List("ports") {
		g := gradeOf(p)
		s := stock[g]
		s.all++
		if _, connected := p.Text("connection"); !connected && !taken[p.ID] && p.State() == "allocated" {
			s.free = append(s.free, p.ID)
		}
		stock[g] = s
	}
	return stock
}

// A slot is what a connection can be built of on a device.
type slot struct {
	grade
	free   []string
	room   int64 // ports that are free, those included of which there is no record yet
	all    int64 // and those besides that somebody has
	maxLAG int64
}

// slots returns what an offering of a connection can be built of.
func (o *order) slots(stock map[grade]shelf, offering *store.Record) []slot {
	pop, atPop := offering.Text("handover_pop")
	network, _ := offering.Text("handover_metro_area_network")
	speed, fast := offering.Int("physical_port_speed")
	var out []slot
	for _, d := range o.List("devices") {
		here, _ := d.Text("pop")
		if atPop && here != pop || !atPop && o.Now().Follow(d, "pop", "pops", "metro_area_network") != network {
			continue
		}
		offered, _ := d.Value("capabilities").([]any)
		for _, v := range offered {
			c, _ := v.(map[string]any)
			s := slot{grade: gradeIn(d.ID, c)}
			s.maxLAG, _ = store.Object(c).Int("max_lag")
			s.room, _ = store.Object(c).Int("availability")
			shelf := stock[s.grade]
			s.free, s.room = shelf.free, max(s.room, int64(len(shelf.free)))
			s.all = shelf.all + s.room - int64(len(s.free))
			if !fast || s.speed == speed {
				out = append(out, s)
			}
		}
	}
	return out
}

// gradeIn returns the grade that a capability of a device tells of.
func gradeIn(device string, capability store.Object) (g grade) {
	g.device = device
	g.media, _ = capability.Text("media_type")
	g.speed, _ = capability.Int("speed")
	return g
}

// account notes at a device that ports of a grade were taken, or given back where by is positive, and that so many that
// have a record are free now.
func (o *order) account(g grade, by, free int64) *problem {
	d := o.Get("devices", g.device)
	if d == nil {
		return nil
	}
	object, err := d.Object()
	if err != nil {
		return new(generic(http.StatusInternalServerError, err.Error()))
	}
	offered, _ := object["capabilities"].([]any)
	for _, v := range offered {
		if c, _ := v.(map[string]any); gradeIn(g.device, c) == g {
			n, _ := store.Object(c).Int("availability")
			c["availability"] = max(n+by, free)
		}
	}
	return o.keep("devices", object)
}

// pick returns so many free ports of a slot: those that have a record, and new ones with the next names that the device
// has.
func (o *order) pick(s slot, n int) (ids []string, p *problem) {
	ids = slices.Clone(s.free[:min(n, len(s.free))])
	if len(ids) == n {
		return ids, nil
	}
	used := map[string]bool{}
	for _, p := range o.List("ports") {
		if device, _ := p.Text("device"); device == s.device {
			name, _ := p.Text("name")
			used[name] = true
		}
	}
	d := o.Get("devices", s.device)
	device, _ := d.Text("name")
	pop, _ := d.Text("pop")
	for i := 1; len(ids) < n; i++ {
		id, name := fmt.Sprintf("port:%s:%d", device, i), fmt.Sprintf("Ethernet%d", i)
		if used[name] || o.Get("ports", id) != nil {
			continue
		}
		port := store.Object{
			"id": id, "state": "allocated", "status": []any{}, "name": name, "device": s.device, "pop": pop, "media_type": s.media, "speed": s.speed,
			"operational_state": "down", "connection": nil, "external_ref": nil,
		}
		maps.Copy(port, o.house())
		if p := o.keep("ports", port); p != nil {
			return nil, p
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// owned are the fields that a port has of its connection, or of the exchange while it is free.
var owned = []string{"managing_account", "consuming_account", "billing_account", "purchase_order", "contract_ref", "role_assignments"}

// own gives a port to the owner of a connection.
func (o *order) own(port string, connection store.Object) *problem {
	if o.Get("ports", port) == nil {
		return nil
	}
	fields := store.Object{}
	for _, f := range owned {
		fields[f] = connection[f]
	}
	return o.edit("ports", port, fields)
}

// house returns what the ports have that belong to the exchange, which nobody manages.
func (o *order) house() store.Object {
	out := store.Object{"purchase_order": "", "contract_ref": nil, "role_assignments": []any{}}
	for _, a := range o.List("accounts") {
		if _, managed := a.Text("managing_account"); !managed {
			out["managing_account"], out["consuming_account"], out["billing_account"] = a.ID, a.ID, a.ID
			break
		}
	}
	return out
}

// release takes a port from a connection that has it.
func (o *order) release(port, connection string) *problem {
	p := o.Get("ports", port)
	if p == nil {
		return nil
	}
	if on, _ := p.Text("connection"); on != connection {
		return nil
	}
	free := store.Object{"connection": nil, "state": "allocated", "status": []any{}, "operational_state": "down", "external_ref": nil}
	maps.Copy(free, o.house())
	if p := o.edit("ports", port, free); p != nil {
		return p
	}
	return o.account(gradeOf(p), 1, int64(len(o.stock()[gradeOf(p)].free)))
}

// ofConnection returns the port reservations of a connection that have not ended.
func (o *order) ofConnection(connection string) (out []*store.Record) {
	for _, r := range o.List("port-reservations") {
		if on, _ := r.Text("connection"); on == connection && inService(r) {
			out = append(out, r)
		}
	}
	return out
}

// noFreePort is the tag of the status of what waits for ports.
const noFreePort = "no_free_port"

// allocate gives the port reservations of a connection that wait the ports they need: all of them or none, on the device
// that the connection is on, or on that with the most free ports.
func (o *order) allocate(stock map[grade]shelf, id string) (moved bool, p *problem) {
	c := o.Get("connections", id)
	if c == nil || !inService(c) {
		return false, nil
	}
	var waiting []*store.Record
	for _, r := range o.ofConnection(id) {
		if r.State() == "requested" {
			waiting = append(waiting, r)
		}
	}
	offered, _ := c.Text("product_offering")
	offering := o.Get("product-offerings", offered)
	if len(waiting) == 0 || offering == nil {
		return false, nil
	}
	need, have := int64(len(waiting)), c.List("ports")
	var best slot
	for _, s := range o.slots(stock, offering) {
		if len(have) > 0 {
			if p := o.Get("ports", have[0]); p == nil || gradeOf(p) != s.grade {
				continue
			}
		}
		all := need + int64(len(have))
		if s.room >= need && s.room > best.room && (all == 1 || all <= s.maxLAG) {
			best = s
		}
	}
	if best.room == 0 {
		return false, o.waits(c, waiting)
	}
	ports, p := o.pick(best, len(waiting))
	if p != nil {
		return false, p
	}
	for i, r := range waiting {
		if p := o.assign(ports[i], id, r.ID); p != nil {
			return false, p
		}
	}
	return true, o.account(best.grade, -need, max(0, int64(len(best.free))-need))
}

// waits says at a connection and its reservations that they wait for ports, once.
func (o *order) waits(c *store.Record, waiting []*store.Record) *problem {
	message := []any{o.status(5, noFreePort, fmt.Sprintf("no device has %d free ports for this; they are given to it when there are", len(waiting)), nil)}
	for _, r := range waiting {
		if object, err := r.Object(); err == nil && tagged(object, noFreePort) {
			continue
		}
		if p := o.edit("port-reservations", r.ID, store.Object{"status": message}); p != nil {
			return p
		}
	}
	if object, err := c.Object(); err == nil && tagged(object, noFreePort) {
		return nil
	}
	return o.edit("connections", c.ID, store.Object{"status": message})
}

// tagged reports whether a record has a status with a tag.
func tagged(record store.Object, tag string) bool {
	messages, _ := record["status"].([]any)
	return slices.ContainsFunc(messages, func(m any) bool { status, _ := m.(map[string]any); return status["tag"] == tag })
}

// assign gives a port to a connection and to one of its reservations.
func (o *order) assign(port, connection, reservation string) *problem {
	c, err := o.Get("connections", connection).Object()
	if err != nil {
		return new(generic(http.StatusInternalServerError, err.Error()))
	}
	p := o.Get("ports", port)
	if r := o.own(port, c); r != nil {
		return r
	}
	if r := o.edit("ports", port, store.Object{"connection": connection}); r != nil {
		return r
	}
	device, _ := p.Text("device")
	name, named := p.Text("name")
	if !named {
		name = port
	}
	demarc := o.Now().Follow(p, "device", "devices", "name") + " " + name
	if r := o.edit("port-reservations", reservation, store.Object{"port": port, "state": "allocated", "status": []any{}, "exchange_side_demarc": demarc}); r != nil {
		return r
	}
	pop, _ := p.Text("pop")
	fields := store.Object{"ports": append(slices.Clone(c.List("ports")), port), "pop": pop, "status": []any{}}
	if d := o.Get("devices", device); d != nil && len(c.List("ports")) == 0 {
		called, _ := d.Text("name")
		h := o.server.hardware(called)
		fields["vlan_types"], fields["outer_vlan_ethertypes"] = h.VLANTypes, h.Ethertypes
	}
	return o.edit("connections", connection, fields)
}

// measure works out the speed of a connection, and its limit where this was the speed.
func (o *order) measure(id string) *problem {
	c := o.Get("connections", id)
	var sum int64
	for _, port := range c.List("ports") {
		if p := o.Get("ports", port); p != nil {
			n, _ := p.Int("speed")
			sum += n
		}
	}
	if was, known := c.Int("speed"); was == sum && (known || sum == 0) {
		return nil
	}
	fields := store.Object{"speed": sum}
	if _, limited := c.Int("capacity_allocation_limit"); limited && sum > 0 {
		fields["capacity_allocation_limit"] = sum
	}
	return o.edit("connections", id, fields)
}

// follow does what follows from the changes of a transaction. Ports of what has ended become free, reservations that wait
// are given ports, connections move on when nothing is missing, what configs take of them is added up, and an account is
// in production when it has what was first required of it.
func (o *order) follow() *problem {
	t := o.touched()
	for _, id := range append(slices.Clone(t.connections), t.reserved...) {
		if p := o.vacate(id); p != nil {
			return p
		}
	}
	if t.ports || len(t.connections) > 0 || len(t.reserved) > 0 {
		supplied, p := o.supply()
		if p != nil {
			return p
		}
		for _, id := range supplied {
			t.reserved.add(id)
		}
	}
	for _, id := range t.reserved {
		if p := o.progress(id); p != nil {
			return p
		}
	}
	for _, id := range t.carrying {
		if p := o.addUp(id); p != nil {
			return p
		}
	}
	if len(o.server.options.FirstOfferings) > 0 {
		for _, id := range t.accounts {
			if p := o.welcome(id); p != nil {
				return p
			}
		}
	}
	if r := o.Get(o.collection, o.id); r != nil && o.new != nil {
		is, err := r.Object()
		if err != nil {
			return new(generic(http.StatusInternalServerError, err.Error()))
		}
		o.new = is
	}
	return nil
}

// touched is what a transaction has touched.
type touched struct {
	connections list // that have changed
	reserved    list // connections of which a port reservation has
	carrying    list // connections of which a config or its service has
	accounts    list // that have ordered or given up something
	ports       bool // a port or a device has changed
}

// touched looks at what was changed so far, and at what that was before.
func (o *order) touched() (t touched) {
	before := o.server.store.Now()
	for _, c := range o.Changes() {
		for _, r := range []*store.Record{before.Get(c.Collection, c.ID), o.Get(c.Collection, c.ID)} {
			if r == nil {
				continue
			}
			on, _ := r.Text("connection")
			switch c.Collection {
			case "connections":
				t.connections.add(c.ID)
			case "port-reservations":
				t.reserved.add(on)
			case "network-service-configs":
				t.carrying.add(on)
			case "network-services":
				for _, config := range inServiceOf(o.Now(), "network-service-configs", "network_service", c.ID) {
					on, _ := config.Text("connection")
					t.carrying.add(on)
				}
			case "ports", "devices":
				t.ports = true
				continue
			}
			by, _ := r.Text("consuming_account")
			t.accounts.add(by)
		}
	}
	return t
}

// supply gives ports to the connections that wait for them, the oldest first, and returns those that got some.
func (o *order) supply() (supplied list, p *problem) {
	var waiting list
	for _, r := range o.List("port-reservations") {
		if r.State() == "requested" {
			on, _ := r.Text("connection")
			waiting.add(on)
		}
	}
	var stock map[grade]shelf
	for _, id := range waiting {
		if stock == nil {
			stock = o.stock()
		}
		given, p := o.allocate(stock, id)
		if p != nil {
			return nil, p
		}
		if given {
			supplied.add(id)
			stock = nil
		}
	}
	return supplied, nil
}

// addUp writes at a connection what its configs take of it.
func (o *order) addUp(id string) *problem {
	c := o.Get("connections", id)
	if c == nil {
		return nil
	}
	sum, _, _ := o.capacityOf(c)
	if was, ok := c.Int("capacity_allocated"); ok && was == sum {
		return nil
	}
	return o.edit("connections", id, store.Object{"capacity_allocated": sum})
}

// list is a list of ids, each once.
type list []string

func (l *list) add(id string) {
	if id != "" && !slices.Contains(*l, id) {
		*l = append(*l, id)
	}
}

// vacate ends the port reservations of a connection that has ended, and frees the ports of what has.
func (o *order) vacate(id string) *problem {
	c := o.Get("connections", id)
	if c == nil {
		return nil
	}
	object, err := c.Object()
	if err != nil {
		return new(generic(http.StatusInternalServerError, err.Error()))
	}
	ended := !inService(c)
	if ended || c.State() == "decommission_requested" {
		for _, r := range o.ofConnection(id) {
			fields := store.Object{"state": c.State(), "decommission_at": object["decommission_at"], "charged_until": object["charged_until"]}
			if r.State() == c.State() {
				continue
			}
			if p := o.edit("port-reservations", r.ID, fields); p != nil {
				return p
			}
		}
	}
	gone, left := list{}, list(c.List("port_reservations"))
	for _, r := range o.List("port-reservations") {
		if on, _ := r.Text("connection"); on != id || inService(r) {
			continue
		}
		if !ended {
			left = slices.DeleteFunc(slices.Clone(left), func(l string) bool { return l == r.ID })
		}
		if port, ok := r.Text("port"); ok {
			gone.add(port)
			if p := o.edit("port-reservations", r.ID, store.Object{"port": nil, "exchange_side_demarc": nil}); p != nil {
				return p
			}
		}
	}
	if ended {
		for _, port := range c.List("ports") {
			gone.add(port)
		}
	}
	fewer := len(c.List("port_reservations")) - len(left)
	if len(gone) == 0 && fewer == 0 {
		return nil
	}
	for _, port := range gone {
		if p := o.release(port, id); p != nil {
			return p
		}
	}
	fields := store.Object{"ports": slices.DeleteFunc(slices.Clone(c.List("ports")), func(port string) bool { return slices.Contains(gone, port) })}
	if fewer > 0 {
		fields["port_reservations"] = left
	}
	if p := o.edit("connections", id, fields); p != nil || ended {
		return p
	}
	return o.measure(id)
}

// progress moves a connection on whose port reservations have changed.
func (o *order) progress(id string) *problem {
	c := o.Get("connections", id)
	if c == nil || !inService(c) {
		return nil
	}
	all, allocated, whole, patched := o.ofConnection(id), true, true, false
	for _, r := range all {
		state := r.State()
		if state == "allocated" && !o.server.options.PatchedByHand {
			state = "production"
			if p := o.edit("port-reservations", r.ID, store.Object{"state": state, "current_billing_start_date": o.today()}); p != nil {
				return p
			}
		}
		port, _ := r.Text("port")
		if on := o.Get("ports", port); state == "production" && on != nil && on.State() == "allocated" {
			if p := o.edit("ports", port, store.Object{"state": "production", "operational_state": "up"}); p != nil {
				return p
			}
		}
		was := o.server.store.Now().Get("port-reservations", r.ID)
		patched = patched || state == "production" && (was == nil || was.State() != state)
		allocated = allocated && state != "requested"
		whole = whole && state != "requested" && state != "allocated"
	}
	if len(all) == 0 {
		return nil
	}
	if p := o.measure(id); p != nil {
		return p
	}
	fields := store.Object{}
	switch state := c.State(); {
	case (state == "requested" || state == "allocated") && whole && o.server.options.Reported:
		fields["state"] = "testing"
	case (state == "requested" || state == "allocated") && whole:
		fields["state"], fields["current_billing_start_date"] = "production", o.today()
	case state == "requested" && allocated:
		fields["state"] = "allocated"
	case state == "production" && (!whole || o.server.options.Reported && o.grew(id)):
		fields["state"] = "production_change_pending"
	case state == "production_change_pending" && patched && whole && !o.server.options.Reported:
		fields["state"] = "production"
	default:
		return nil
	}
	return o.edit("connections", id, fields)
}

// grew reports whether the ports of a connection are others now than before the transaction.
func (o *order) grew(id string) bool {
	var before []string
	if was := o.server.store.Now().Get("connections", id); was != nil {
		before = was.List("ports")
	}
	return !slices.Equal(before, o.Get("connections", id).List("ports"))
}
