package config

import (
	"strconv"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// index finds things of an inventory by the keys others know them by.
type index struct {
	names     map[string]*Device
	ids       map[ixapi.ID]*Device
	portIDs   map[ixapi.ID]Attachment
	portNames map[portName]Attachment
	lans      map[ixapi.ID]*ExchangeLAN
	nnis      map[handover]*NNI
	services  map[ordered]*ServiceName
}

type portName struct {
	device ixapi.ID
	name   string
}

// String returns the name, as an operator knows it.
func (n portName) String() string { return strconv.Quote(n.name) }

// handover is what an NNI is for; one of its first three fields is set.
type handover struct {
	service, offering ixapi.ID
	provider          string
	number            uint16
}

// derived is what a device has from its driver and its inventory.
type derived struct {
	caps      drivers.Capabilities
	scope     plan.Scope
	transport string // of its driver
	pins      pins
}

// Attachment is where a port of the exchange is.
type Attachment struct {
	Device *Device
	Port   *Port
}

// Device returns the device of that name in the inventory.
func (inv *Inventory) Device(name string) (*Device, bool) {
	d, ok := inv.index.names[name]
	return d, ok
}

// DeviceByID returns the device that has that id at the exchange.
func (inv *Inventory) DeviceByID(id ixapi.ID) (*Device, bool) {
	d, ok := inv.index.ids[id]
	return d, ok
}

// Attachment returns where p is: by its id, or by its name on its device where the inventory gives no id.
func (inv *Inventory) Attachment(p *ixapi.Port) (Attachment, bool) {
	if a, ok := inv.index.portIDs[p.ID]; ok {
		return a, true
	}
	a, ok := inv.index.portNames[portName{p.Device, p.Name}]
	return a, ok
}

// ExchangeLAN returns the peering LAN of a network service.
func (inv *Inventory) ExchangeLAN(networkService ixapi.ID) (*ExchangeLAN, bool) {
	l, ok := inv.index.lans[networkService]
	return l, ok
}

// NNI returns the provider's side of a handover of a cloud_vc service. One listed for the service goes before
// one for its offering, and that before one for the offering's provider. The offering may be nil.
func (inv *Inventory) NNI(s *ixapi.NetworkService, o *ixapi.ProductOffering, number uint16) (*NNI, bool) {
	keys := []handover{{service: s.ID, number: number}, {offering: s.ProductOffering, number: number}}
	if o != nil {
		keys = append(keys, handover{provider: o.ServiceProvider, number: number})
	}
	for _, k := range keys {
		if n, ok := inv.index.nnis[k]; ok {
			return n, true
		}
	}
	return nil, false
}

// Capabilities returns what d can carry: its profile with what the inventory overrides.
func (d *Device) Capabilities() drivers.Capabilities { return d.derived.caps }

// Scope returns the part of d that the inventory gives to the agent: its customer ports, the interfaces of its
// NNIs, its range of LAGs, and the peering LANs with their quarantines. It must not be changed.
func (d *Device) Scope() *plan.Scope { return &d.derived.scope }

// LAGName returns the name of the LAG of that number on d.
func (d *Device) LAGName(number uint32) string { return d.LAGs.name(number) }

func (o *Override) apply(c drivers.Capabilities) drivers.Capabilities {
	if o.Encapsulations != nil {
		c.Forms = nil
		for _, e := range o.Encapsulations {
			c.Forms = append(c.Forms, e.form())
		}
	}
	if o.TPIDs != nil {
		c.TPIDs = o.TPIDs
	}
	if o.TPIDScope != "" {
		c.TPIDScope = drivers.TPIDScope(o.TPIDScope)
	}
	if o.Services != nil {
		c.Services = o.Services
	}
	set(&c.LACP, o.LACP)
	set(&c.VLANTags, o.VLANTags)
	set(&c.VXLAN, o.VXLAN)
	set(&c.Filters, o.Filters)
	set(&c.RateIn, o.RateIn)
	set(&c.RateOut, o.RateOut)
	set(&c.StormControl, o.StormControl)
	set(&c.MACLimit, o.MACLimit)
	set(&c.SystemID, o.SystemID)
	set(&c.Limits.MaxUnit, o.MaxUnit)
	set(&c.Limits.LAGMembers, o.MaxLAGMembers)
	set(&c.Limits.MaxMTU, o.MaxMTU)
	set(&c.Limits.FilterMACs, o.MaxFilterMACs)
	return c
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

func (e Encapsulation) form() switchcfg.Form {
	switch e {
	case EncapDot1Q:
		return switchcfg.Single
	case EncapQinQ:
		return switchcfg.Double
	case EncapSTag:
		return switchcfg.Stacked
	case EncapWhole:
		return switchcfg.Whole
	}
	return switchcfg.Untagged
}

func (l *LAGs) name(number uint32) string { return l.Prefix + strconv.FormatUint(uint64(number), 10) }
