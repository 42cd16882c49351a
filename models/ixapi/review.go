package ixapi

import "strconv"

func (r *Account) identity() (*ID, *bool)              { return &r.ID, &r.Faulty }
func (r *Facility) identity() (*ID, *bool)             { return &r.ID, &r.Faulty }
func (r *PointOfPresence) identity() (*ID, *bool)      { return &r.ID, &r.Faulty }
func (r *Device) identity() (*ID, *bool)               { return &r.ID, &r.Faulty }
func (r *Port) identity() (*ID, *bool)                 { return &r.ID, &r.Faulty }
func (r *Connection) identity() (*ID, *bool)           { return &r.ID, &r.Faulty }
func (r *NetworkService) identity() (*ID, *bool)       { return &r.ID, &r.Faulty }
func (r *NetworkServiceConfig) identity() (*ID, *bool) { return &r.ID, &r.Faulty }
func (r *MAC) identity() (*ID, *bool)                  { return &r.ID, &r.Faulty }
func (r *IP) identity() (*ID, *bool)                   { return &r.ID, &r.Faulty }
func (r *ProductOffering) identity() (*ID, *bool)      { return &r.ID, &r.Faulty }
func (r *NetworkFeature) identity() (*ID, *bool)       { return &r.ID, &r.Faulty }
func (r *NetworkFeatureConfig) identity() (*ID, *bool) { return &r.ID, &r.Faulty }
func (r *MemberJoiningRule) identity() (*ID, *bool)    { return &r.ID, &r.Faulty }

func (r *Account) review(v *reviewer) {
	enum(v, "/state", &r.State)
	v.intern(&r.ID, &r.ManagingAccount)
}

func (r *Facility) review(v *reviewer) {
	v.intern(&r.ID, &r.MetroArea)
}

func (r *PointOfPresence) review(v *reviewer) {
	v.intern(&r.ID, &r.Facility, &r.MetroAreaNetwork)
}

func (r *Device) review(v *reviewer) {
	v.intern(&r.ID, &r.PoP, &r.Facility)
}

func (r *Port) review(v *reviewer) {
	enum(v, "/state", &r.State)
	v.amount("/speed", r.Speed)
	v.intern(&r.ID, &r.ManagingAccount, &r.ConsumingAccount, &r.BillingAccount,
		&r.Connection, &r.MediaType, &r.OperationalState, &r.Device, &r.PoP)
}

func (r *Connection) review(v *reviewer) {
	enum(v, "/state", &r.State)
	enum(v, "/mode", &r.Mode)
	enum(v, "/lacp_timeout", &r.LACPTimeout)
	for i := range r.VLANTypes {
		enum(v, "/vlan_types/"+strconv.Itoa(i), &r.VLANTypes[i])
	}
	for i := range r.OuterVLANEthertypes {
		enum(v, "/outer_vlan_ethertypes/"+strconv.Itoa(i), &r.OuterVLANEthertypes[i])
	}
	v.amount("/speed", r.Speed)
	v.amount("/capacity_allocation_limit", r.CapacityAllocationLimit)
	v.intern(&r.ID, &r.ManagingAccount, &r.ConsumingAccount, &r.BillingAccount,
		&r.DecommissionAt, &r.ProductOffering, &r.PoP, &r.MetroArea, &r.MetroAreaNetwork)
	for i := range r.Ports {
		v.intern(&r.Ports[i])
	}
}

func (r *NetworkService) review(v *reviewer) {
	enum(v, "/type", &r.Type)
	enum(v, "/state", &r.State)
	v.amount("/capacity", r.Capacity)
	v.intern(&r.ID, &r.ManagingAccount, &r.ConsumingAccount, &r.BillingAccount,
		&r.DecommissionAt, &r.ProductOffering, &r.MetroAreaNetwork, &r.JoiningMemberAccount)
}

func (r *NetworkServiceConfig) review(v *reviewer) {
	enum(v, "/type", &r.Type)
	enum(v, "/state", &r.State)
	enum(v, "/role", &r.Role)
	if c := r.VLANConfig; c != nil {
		enum(v, "/vlan_config/vlan_type", &c.Type)
		ethertype := "/vlan_config/vlan_ethertype"
		if c.Type == VLANTypeQinQ {
			ethertype = "/vlan_config/outer_vlan_ethertype"
		}
		enum(v, ethertype, &c.Ethertype)
		v.vlan("/vlan_config/vlan", c.VLAN)
		v.vlan("/vlan_config/outer_vlan", c.OuterVLAN)
		v.vlan("/vlan_config/inner_vlan", c.InnerVLAN)
	}
	if c := r.CloudConfig; c != nil {
		v.vlan("/cloud_config/vlan", c.VLAN)
		v.intern(&c.PeeringType)
	}
	v.vlan("/cloud_vlan", r.CloudVLAN)
	v.amount("/capacity", r.Capacity)
	v.intern(&r.DecommissionAt, &r.ManagingAccount, &r.ConsumingAccount,
		&r.NetworkService, &r.Connection, &r.RoutingFunction, &r.ProductOffering)
}

func (r *MAC) review(v *reviewer) {
	v.intern(&r.ManagingAccount, &r.ConsumingAccount)
}

func (r *IP) review(v *reviewer) {
	v.intern(&r.ManagingAccount, &r.ConsumingAccount)
}

func (r *ProductOffering) review(v *reviewer) {
	enum(v, "/type", &r.Type)
	v.amount("/bandwidth_min", r.BandwidthMin)
	v.amount("/bandwidth_max", r.BandwidthMax)
	v.intern(&r.ID)
}

func (r *NetworkFeature) review(v *reviewer) {
	enum(v, "/type", &r.Type)
	v.intern(&r.ID, &r.NetworkService)
}

func (r *NetworkFeatureConfig) review(v *reviewer) {
	enum(v, "/type", &r.Type)
	enum(v, "/state", &r.State)
	v.intern(&r.ManagingAccount, &r.ConsumingAccount, &r.BillingAccount, &r.NetworkFeature)
}

func (r *MemberJoiningRule) review(v *reviewer) {
	enum(v, "/type", &r.Type)
	v.intern(&r.ManagingAccount, &r.ConsumingAccount, &r.NetworkService)
}
