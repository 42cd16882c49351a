package fabric

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// maxLAG is how many physical ports a port may be.
const maxLAG = 8

// tpids are the ethertypes that the outer tags of a port may have, by its encapsulation; the first one is the default.
func tpids(encapsulation string) []tpid {
	switch encapsulation {
	case "DOT1Q":
		return []tpid{"33024"}
	case "QINQ":
		return []tpid{"34984", "33024", "37120", "37376"}
	}
	return nil
}

// media are the types of physical ports, and the speed of each in Mbit/s.
func media() map[string]int {
	return map[string]int{
		"1000BASE_LX": 1000, "1000BASE_SX": 1000, "10GBASE_LR": 10_000, "10GBASE_ER": 10_000, "10GBASE_SMF": 10_000,
		"100GBASE_LR4": 100_000, "400GBASE_LR4": 400_000,
	}
}

// complete checks an encapsulation and gives it its ethertype.
func (e *encapsulation) complete(f *faults, pointer string) {
	allowed := tpids(e.Type)
	switch {
	case e.Type == "UNTAGGED":
		if e.TPID != "" {
			f.add(codeInput, pointer+"/tagProtocolId", "an untagged port has no ethertype")
		}
	case allowed == nil:
		f.add(codeInput, pointer+"/type", "is not one of DOT1Q, QINQ, UNTAGGED")
	case e.TPID == "":
		e.TPID = allowed[0]
	case !slices.Contains(allowed, e.TPID):
		f.add(codeInput, pointer+"/tagProtocolId", fmt.Sprintf("is not one of %v, which a %s port can have", allowed, e.Type))
	}
}

// A use is what a connection takes of a port.
type use struct {
	connection string
	kind       string
	bandwidth  int64
	link       link
	profile    string
	key        string
}

// uses returns what connections take of each port, of one port only where it is named.
func uses(at *store.Snapshot, one string) map[string][]use {
	out := map[string][]use{}
	for _, r := range at.List(connections) {
		if consumes, _ := r.Text("inside.consumes"); consumes != "true" {
			continue
		}
		for _, side := range []string{"aSide", "zSide"} {
			at := side + ".accessPoint."
			id, ok := r.Text(at + "port.uuid")
			if !ok || one != "" && id != one {
				continue
			}
			u := use{connection: r.ID}
			u.bandwidth, _ = r.Int("bandwidth")
			u.link.Type, _ = r.Text(at + "linkProtocol.type")
			for name, into := range map[string]*int{"vlanTag": &u.link.VLAN, "vlanSTag": &u.link.S, "vlanCTag": &u.link.C} {
				n, _ := r.Int(at + "linkProtocol." + name)
				*into = int(n)
			}
			u.profile, _ = r.Text("zSide.accessPoint.profile.uuid")
			u.key, _ = r.Text("zSide.accessPoint.authenticationKey")
			out[id] = append(out[id], u)
		}
	}
	return out
}

// held sums up the bandwidth of uses.
func held(uses []use) (sum int64) {
	for _, u := range uses {
		sum += u.bandwidth
	}
	return sum
}

// sees reports whether the caller sees a port.
func (c *call) sees(p *port) bool {
	if !c.manages(p.Account) {
		return false
	}
	return c.by.operator || p.Account.ResellerNumber == 0 || p.Account.ResellerNumber == c.by.account || p.Settings.View
}

// rules reports whether the caller may change a port: a sub-account may not.
func (c *call) rules(p *port) bool {
	return c.by.operator || p.Account.ResellerNumber == 0 && p.Account.Number == c.by.account || p.Account.ResellerNumber == c.by.account
}

// portOf returns a port that the caller sees, or nil.
func (c *call) portOf(id string) (*port, error) {
	p, err := load[port](c.at, ports, id)
	if err != nil || p == nil || !c.sees(p) {
		return nil, err
	}
	return p, nil
}

// thePort returns the port of the path.
func (c *call) thePort() (*port, error) {
	p, err := c.portOf(c.id)
	if err == nil && p == nil {
		return nil, missing("there is no such port")
	}
	return p, err
}

// showPort returns what the caller sees of a port.
func (c *call) showPort(p *port, taken []use) *port {
	p.Href = c.href(ports, p.UUID)
	p.Connections = len(taken)
	p.Used = held(taken)
	p.Available = max(0, p.Bandwidth-p.Used)
	if p.Operation != nil {
		p.Operation.Connections = len(taken)
	}
	return p
}

// seenPorts returns all ports that the caller sees.
func (c *call) seenPorts() ([]*port, error) {
	taken := uses(c.at, "")
	out := []*port{}
	for _, r := range c.at.List(ports) {
		p, err := parse[port](r)
		if err != nil {
			return nil, err
		}
		if c.sees(p) {
			out = append(out, c.showPort(p, taken[p.UUID]))
		}
	}
	return out, nil
}

func getPort(c *call) (int, any, error) {
	p, err := c.thePort()
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, c.showPort(p, uses(c.at, p.UUID)[p.UUID]), nil
}

func listPorts(c *call) (int, any, error) {
	all, err := c.seenPorts()
	if err != nil {
		return 0, nil, err
	}
	if name := c.r.URL.Query().Get("name"); name != "" {
		all = slices.DeleteFunc(all, func(p *port) bool { return p.Name != name })
	}
	return page(c, all)
}

func searchPorts(c *call) (int, any, error) {
	all, err := c.seenPorts()
	if err != nil {
		return 0, nil, err
	}
	return search(c, known(all, func(p *port) string { return p.UUID }), portTerms())
}

// portLinks answers what VLANs of a port are taken, as far as the caller sees by what.
func portLinks(c *call) (int, any, error) {
	p, err := c.thePort()
	if err != nil {
		return 0, nil, err
	}
	type asset struct {
		UUID      string `json:"uuid"`
		Type      string `json:"type"`
		Bandwidth int64  `json:"bandwidth"`
	}
	type reserved struct {
		State string `json:"state"`
		link
		Asset *asset `json:"asset,omitempty"`
	}
	out := []reserved{}
	for _, u := range uses(c.at, p.UUID)[p.UUID] {
		out = append(out, reserved{State: "RESERVED", link: u.link, Asset: &asset{u.connection, "VC", u.bandwidth}})
	}
	return page(c, out)
}

// orderPort takes the order of a port. It is given interfaces of a switch at once where there are enough free ones, and
// is provisioned when its cross connect is there.
func orderPort(c *call) (int, any, error) {
	p := new(port)
	if err := c.read(p); err != nil {
		return 0, nil, err
	}
	var given struct {
		Settings *settings `json:"settings"` // nil when nothing is said
	}
	if err := c.read(&given); err != nil {
		return 0, nil, err
	}
	var f faults
	for pointer, is := range map[string]bool{
		"/project": p.Project != nil && p.Project.ID != "", "/account/accountNumber": p.Account != nil && p.Account.Number != 0,
		"/location/metroCode": p.Location.MetroCode != "",
	} {
		if !is {
			f.add(codeInput, pointer, "is required")
		}
	}
	p.Count = cmp.Or(p.Count, max(1, len(p.PhysicalPorts)))
	p.Package.Code = cmp.Or(p.Package.Code, "STANDARD")
	p.ServiceCode = cmp.Or(p.ServiceCode, "CX")
	p.Encapsulation.complete(&f, "/encapsulation")
	if p.ServiceType == "" {
		p.ServiceType = map[bool]string{true: "EPL", false: "MSP"}[p.Encapsulation.Type == "UNTAGGED"]
	}
	one := func(pointer, value string, of ...string) {
		if !slices.Contains(of, value) {
			f.add(codeInput, pointer, "is not one of "+strings.Join(of, ", "))
		}
	}
	one("/type", p.Type, "XF_PORT")
	one("/connectivitySourceType", p.Source, "COLO", "BMMR", "REMOTE")
	one("/serviceType", p.ServiceType, "EPL", "MSP")
	one("/serviceCode", p.ServiceCode, "CX", "IX", "IA", "MC")
	one("/package/code", p.Package.Code, "STANDARD", "UNLIMITED", "UNLIMITED_PLUS")
	one("/physicalPortsType", p.Media, slices.Sorted(maps.Keys(media()))...)
	if speed := media()[p.Media]; speed != 0 && p.Speed != speed {
		f.add(codeInput, "/physicalPortsSpeed", fmt.Sprintf("is not that of %s, which is %d", p.Media, speed))
	}
	if (p.ServiceType == "EPL") != (p.Encapsulation.Type == "UNTAGGED") {
		f.add(codeInput, "/serviceType", "EPL ports are untagged, and no others")
	}
	if p.Count < 1 || p.Count > maxLAG {
		f.add(codeInput, "/physicalPortsCount", fmt.Sprintf("is not between 1 and %d", maxLAG))
	} else if p.Count > 1 && !p.LAGEnabled {
		f.add(codeInput, "/lagEnabled", "several physical ports are one port only as a LAG")
	}
	if p.Redundancy != nil {
		one("/redundancy/priority", p.Redundancy.Priority, "PRIMARY", "SECONDARY")
	}
	if !slices.ContainsFunc(c.at.List(interfaces), func(r *store.Record) bool { m, _ := r.Text("metroCode"); return m == p.Location.MetroCode }) {
		f.add(codeNoMetro, "/location/metroCode", "the exchange is not in this metro")
	}
	if p.Account != nil {
		o, err := ownerOf(c.at, p.Account.Number)
		if err != nil {
			return 0, nil, err
		}
		if a, err := accountOf(c.at, p.Account.Number); err != nil {
			return 0, nil, err
		} else if a == nil || !c.manages(o) {
			f.add(codeAccount, "/account/accountNumber", "there is no such account")
		}
		p.Account = o
	}
	if err := f.refusal(); err != nil {
		return 0, nil, err
	}
	if sub, err := c.subordinate(); err != nil || sub {
		return 0, nil, cmp.Or(err, error(forbid("the reseller of the account orders its ports")))
	}
	*p = port{
		Type: p.Type, UUID: mint(), Speed: p.Speed, Count: p.Count, Media: p.Media, Source: p.Source, Project: p.Project, Order: p.Order,
		Account: p.Account, ServiceType: p.ServiceType, ServiceCode: p.ServiceCode, Bandwidth: int64(p.Speed * p.Count),
		Location: location{MetroCode: p.Location.MetroCode}, Demarcation: p.Demarcation, Redundancy: p.Redundancy, Encapsulation: p.Encapsulation,
		LAGEnabled: p.LAGEnabled, Package: p.Package, Settings: settings{View: true, Order: true}, State: "PENDING",
		Name:          c.portName(p, p.Redundancy),
		Change:        &change{UUID: mint(), Type: "PORT_CREATION", Status: "REQUESTED", Created: c.stamp()},
		Log:           changeLog{CreatedBy: c.by.user, Created: c.stamp(), UpdatedBy: c.by.user, Updated: c.stamp()},
		PhysicalPorts: []physicalPort{},
	}
	if given.Settings != nil {
		p.Settings = *given.Settings
	}
	if err := c.allot(p, p.Count); err != nil {
		return 0, nil, err
	}
	if err := c.keep(ports, p); err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, c.showPort(p, nil), nil
}

// portName returns a name that says whose port it is, where, and which.
func (c *call) portName(p *port, r *redundancy) string {
	which := "PRI"
	if r != nil && r.Priority == "SECONDARY" {
		which = "SEC"
	}
	return fmt.Sprintf("%d-%s-%s-%s-%d", p.Account.Number, p.Location.MetroCode, p.ServiceCode, which, c.tx.Next(ports))
}

// allot gives a port so many more free interfaces of one switch. Where there are none it stays as it is.
func (c *call) allot(p *port, count int) error {
	free := map[string][]*place{}
	for _, r := range c.at.List(interfaces) {
		if _, taken := r.Text("port"); taken {
			continue
		}
		i, err := parse[place](r)
		if err != nil {
			return err
		}
		if i.Speed == p.Speed && i.Metro == p.Location.MetroCode && (p.Demarcation == "" || i.IBX == p.Demarcation) &&
			(p.Device == nil || i.Device == p.Device.Name) {
			free[i.Device] = append(free[i.Device], i)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(free)) {
		if len(free[name]) < count {
			continue
		}
		for _, i := range free[name][:count] {
			i.Port = p.UUID
			if err := c.keep(interfaces, i); err != nil {
				return err
			}
			p.PhysicalPorts = append(p.PhysicalPorts, i.physical(p.Media))
			p.Location.IBX, p.Demarcation = i.IBX, i.IBX
		}
		p.Device = &device{Name: name}
		if p.State == "PENDING" {
			p.State = "PENDING_CROSS_CONNECT"
		}
		p.bundle()
		return nil
	}
	return nil
}

// physical returns an interface as the physical port that it will be.
func (i *place) physical(media string) physicalPort {
	return physicalPort{
		Type: "XF_PHYSICAL_PORT", UUID: i.UUID, State: "TO_BE_ADDED", Speed: i.Speed,
		Interface: portInterface{Name: i.Name, Type: media}, Tether: &tether{IBX: i.IBX},
	}
}

// waits reports whether a cross connect is still to come.
func (p *port) waits() bool {
	return p.State != "DEPROVISIONED" && slices.ContainsFunc(p.PhysicalPorts, func(m physicalPort) bool { return m.State != "ADDED" })
}

// bundle says of a port what its members make it. Those that are added to a LAG in service count when they are there.
func (p *port) bundle() {
	p.Count, p.Bandwidth, p.LAG = len(p.PhysicalPorts), 0, nil
	for _, m := range p.PhysicalPorts {
		if m.State == "ADDED" || p.State != "PROVISIONED" {
			p.Bandwidth += int64(p.Speed)
		}
	}
	if p.LAGEnabled {
		p.LAG = &lag{ID: p.UUID, Enabled: true, Name: p.Name + "-LAG", Status: "ADDED"}
	}
}

// connect says that the cross connects of a port are there.
func (p *port) connect(crossConnect, at string) {
	p.State = "PROVISIONED"
	p.Operation = &portOperation{Status: "UP"}
	if p.Change != nil {
		p.Change.Status, p.Change.Updated = "COMPLETED", at
	}
	for i := range p.PhysicalPorts {
		m := &p.PhysicalPorts[i]
		if m.State == "ADDED" {
			continue
		}
		m.State, m.Operation = "ADDED", &portOperation{Status: "UP"}
		m.Tether = &tether{CrossConnect: crossConnect, IBX: p.Location.IBX}
	}
	p.bundle()
	p.Log.Updated = at
}

// addToLAG gives a LAG more members.
func addToLAG(c *call) (int, any, error) {
	p, err := c.thePort()
	if err != nil {
		return 0, nil, err
	}
	var given struct {
		Data []physicalPort `json:"data"`
	}
	if err := c.read(&given); err != nil {
		return 0, nil, err
	}
	count := len(given.Data)
	switch {
	case !c.rules(p):
		return 0, nil, forbid("the port is the reseller's")
	case !p.LAGEnabled || p.State != "PROVISIONED" || p.waits():
		return 0, nil, refuse(codeInput, "/lagEnabled", "only a LAG that is provisioned can have more members")
	case count == 0 || p.Count+count > maxLAG:
		return 0, nil, refuse(codeInput, "/data", fmt.Sprintf("a LAG has no more than %d members", maxLAG))
	}
	before := len(p.PhysicalPorts)
	if err := c.allot(p, count); err != nil {
		return 0, nil, err
	}
	if len(p.PhysicalPorts) == before {
		return 0, nil, refuse(codeNoInterface, "/data", "the switch of the port has no more free interfaces of its speed")
	}
	p.Change = &change{UUID: mint(), Type: "PORT_UPDATE", Status: "REQUESTED", Created: c.stamp()}
	p.Log.UpdatedBy, p.Log.Updated = c.by.user, c.stamp()
	if err := c.keep(ports, p); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, map[string]any{"data": p.PhysicalPorts[before:], "pagination": pagination{Limit: count, Total: count}}, nil
}

// patchPort changes fields of a port.
func patchPort(c *call) (int, any, error) {
	p, err := c.thePort()
	if err != nil {
		return 0, nil, err
	}
	changes, err := c.changes()
	if err != nil {
		return 0, nil, err
	}
	if !c.rules(p) {
		return 0, nil, forbid("the port is the reseller's")
	}
	if p.State == "DEPROVISIONED" {
		return 0, nil, refuse(codeDeleted, "/uuid", "the port has been given up")
	}
	var f faults
	taken := uses(c.at, p.UUID)[p.UUID]
	for _, o := range changes {
		if err := c.changePort(p, o, len(taken), &f); err != nil {
			return 0, nil, err
		}
	}
	if err := f.refusal(); err != nil {
		return 0, nil, err
	}
	last := changes[len(changes)-1]
	p.Change = &change{UUID: mint(), Type: "PORT_UPDATE", Status: "COMPLETED", Created: c.stamp(), Updated: c.stamp(), Data: &last}
	p.Log.UpdatedBy, p.Log.Updated = c.by.user, c.stamp()
	if err := c.keep(ports, p); err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, c.showPort(p, taken), nil
}

func (c *call) changePort(p *port, o operation, connections int, f *faults) error {
	into := func(v any) bool {
		if err := json.Unmarshal(o.Value, v); err != nil {
			f.add(codeInput, o.Path, "the value is not of the right kind")
			return false
		}
		return true
	}
	wanted := p.Encapsulation
	switch o.Path {
	case "/name":
		if into(&p.Name) && !plain(p.Name, maxName) {
			f.add(codeInput, o.Path, "is not a name")
		}
	case "/encapsulation":
		into(&wanted)
	case "/encapsulation/type":
		wanted.TPID = ""
		into(&wanted.Type)
	case "/encapsulation/tagProtocolId":
		into(&wanted.TPID)
	case "/lagEnabled":
		on := p.LAGEnabled
		switch {
		case !into(&on):
		case !on && p.Count > 1:
			f.add(codeInput, o.Path, "several physical ports are one port only as a LAG")
		case on != p.LAGEnabled && connections > 0:
			f.add(codePortUsed, o.Path, "the port is used by connections")
		default:
			p.LAGEnabled = on
			p.bundle()
		}
	case "/settings/viewPortPermission":
		into(&p.Settings.View)
	case "/settings/placeVcOrderPermission":
		into(&p.Settings.Order)
	case "/account/accountNumber":
		return c.assign(p, o, connections, f)
	default:
		f.add(codeInput, o.Path, "cannot be changed")
	}
	if wanted != p.Encapsulation {
		if wanted.Type == "UNTAGGED" || p.Encapsulation.Type == "UNTAGGED" {
			f.add(codeInput, o.Path, "an EPL port stays untagged, and others tagged")
		} else if connections > 0 {
			f.add(codePortUsed, o.Path, "the port is used by connections")
		}
		wanted.complete(f, "/encapsulation")
		p.Encapsulation = wanted
	}
	return nil
}

// assign has a reseller give a port to one of its sub-accounts, or take it back.
func (c *call) assign(p *port, o operation, connections int, f *faults) error {
	var number int64
	if json.Unmarshal(o.Value, &number) != nil {
		f.add(codeInput, o.Path, "is not the number of an account")
		return nil
	}
	a, err := accountOf(c.at, number)
	if err != nil {
		return err
	}
	to, err := ownerOf(c.at, number)
	if err != nil {
		return err
	}
	root := cmp.Or(p.Account.ResellerNumber, p.Account.Number)
	switch {
	case a == nil || !c.manages(to) || number != root && to.ResellerNumber != root:
		f.add(codeAccount, o.Path, "there is no such account among those of the reseller")
	case number != p.Account.Number && connections > 0:
		f.add(codePortUsed, o.Path, "the port is used by connections")
	default:
		p.Account = to
	}
	return nil
}

// deletePort gives a port up.
func deletePort(c *call) (int, any, error) {
	p, err := c.thePort()
	if err != nil {
		return 0, nil, err
	}
	switch taken := uses(c.at, p.UUID)[p.UUID]; {
	case !c.rules(p):
		return 0, nil, forbid("the port is the reseller's")
	case p.State == "DEPROVISIONED":
		return 0, nil, refuse(codeDeleted, "/uuid", "the port has been given up")
	case len(taken) > 0:
		return 0, nil, refuse(codePortUsed, "/uuid", "the port is used by connections")
	}
	for _, m := range p.PhysicalPorts {
		i, err := load[place](c.at, interfaces, m.UUID)
		if err != nil {
			return 0, nil, err
		}
		if i != nil {
			i.Port = ""
			if err := c.keep(interfaces, i); err != nil {
				return 0, nil, err
			}
		}
	}
	p.State, p.PhysicalPorts = "DEPROVISIONED", []physicalPort{}
	p.Change = &change{UUID: mint(), Type: "PORT_DELETION", Status: "COMPLETED", Created: c.stamp(), Updated: c.stamp()}
	p.Log.DeletedBy, p.Log.Deleted = c.by.user, c.stamp()
	p.Log.UpdatedBy, p.Log.Updated = c.by.user, c.stamp()
	if err := c.keep(ports, p); err != nil {
		return 0, nil, err
	}
	return http.StatusAccepted, c.showPort(p, nil), nil
}

// changes reads a JSON patch from the body, which changes something.
func (c *call) changes() ([]operation, error) {
	var out []operation
	if err := c.read(&out); err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, refuse(codeInput, "", "a patch has one operation at least")
	}
	for _, o := range out {
		if o.Op != "replace" && o.Op != "add" || o.Value == nil {
			return nil, refuse(codeInput, o.Path, "only replace and add, with a value, are possible")
		}
	}
	return out, nil
}
