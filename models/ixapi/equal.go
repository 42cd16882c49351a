package ixapi

import (
	"reflect"
	"slices"
)

// Equal reports whether o says the same as r. A list that is missing is not one that is empty.
func (r *Account) Equal(o *Account) bool {
	return r.ID == o.ID && r.State == o.State && slices.EqualFunc(r.Status, o.Status, StatusMessage.equal) &&
		r.ManagingAccount == o.ManagingAccount && r.Name == o.Name && r.LegalName == o.LegalName &&
		r.ExternalRef == o.ExternalRef && r.Discoverable == o.Discoverable &&
		sameList(r.MetroAreaNetworkPresence, o.MetroAreaNetworkPresence) && sameList(r.ASNs, o.ASNs) &&
		r.Faulty == o.Faulty
}

// Equal reports whether o says the same as r. A list that is missing is not one that is empty.
func (r *Facility) Equal(o *Facility) bool {
	return r.ID == o.ID && r.Name == o.Name && r.MetroArea == o.MetroArea &&
		r.AddressCountry == o.AddressCountry && r.AddressLocality == o.AddressLocality &&
		r.AddressRegion == o.AddressRegion && r.PostalCode == o.PostalCode &&
		r.StreetAddress == o.StreetAddress && same(r.PeeringDBFacilityID, o.PeeringDBFacilityID) &&
		r.OrganisationName == o.OrganisationName && sameList(r.PoPs, o.PoPs) &&
		same(r.Latitude, o.Latitude) && same(r.Longitude, o.Longitude) && r.Faulty == o.Faulty
}

// Equal reports whether o says the same as r. A list that is missing is not one that is empty.
func (r *PointOfPresence) Equal(o *PointOfPresence) bool {
	return r.ID == o.ID && r.Name == o.Name && r.Facility == o.Facility &&
		r.MetroAreaNetwork == o.MetroAreaNetwork && sameList(r.Devices, o.Devices) &&
		r.AvailabilityZone == o.AvailabilityZone && r.Faulty == o.Faulty
}

// Equal reports whether o says the same as r. A list that is missing is not one that is empty.
func (r *Device) Equal(o *Device) bool {
	return r.ID == o.ID && r.Name == o.Name && r.PoP == o.PoP && r.Facility == o.Facility &&
		sameList(r.Capabilities, o.Capabilities) && r.Faulty == o.Faulty
}

// Equal reports whether o says the same as r. A list that is missing is not one that is empty.
func (r *Port) Equal(o *Port) bool {
	return r.ID == o.ID && r.State == o.State && slices.EqualFunc(r.Status, o.Status, StatusMessage.equal) &&
		r.ManagingAccount == o.ManagingAccount && r.ConsumingAccount == o.ConsumingAccount &&
		r.BillingAccount == o.BillingAccount && r.ExternalRef == o.ExternalRef &&
		sameList(r.RoleAssignments, o.RoleAssignments) && r.Connection == o.Connection && r.Name == o.Name &&
		same(r.Speed, o.Speed) && r.MediaType == o.MediaType && r.OperationalState == o.OperationalState &&
		r.Device == o.Device && r.PoP == o.PoP && r.Faulty == o.Faulty
}

// Equal reports whether o says the same as r. A list that is missing is not one that is empty.
func (r *Connection) Equal(o *Connection) bool {
	return r.ID == o.ID && r.State == o.State && slices.EqualFunc(r.Status, o.Status, StatusMessage.equal) &&
		r.DecommissionAt == o.DecommissionAt && r.ManagingAccount == o.ManagingAccount &&
		r.ConsumingAccount == o.ConsumingAccount && r.BillingAccount == o.BillingAccount &&
		r.ExternalRef == o.ExternalRef && sameList(r.RoleAssignments, o.RoleAssignments) &&
		r.Name == o.Name && r.Mode == o.Mode && r.LACPTimeout == o.LACPTimeout &&
		r.ProductOffering == o.ProductOffering && sameList(r.Ports, o.Ports) &&
		sameList(r.PortReservations, o.PortReservations) && same(r.PortQuantity, o.PortQuantity) &&
		r.PoP == o.PoP && same(r.Speed, o.Speed) && same(r.CapacityAllocated, o.CapacityAllocated) &&
		same(r.CapacityAllocationLimit, o.CapacityAllocationLimit) && sameList(r.VLANTypes, o.VLANTypes) &&
		sameList(r.OuterVLANEthertypes, o.OuterVLANEthertypes) &&
		sameList(r.SubscriberSideDemarcs, o.SubscriberSideDemarcs) && r.MetroArea == o.MetroArea &&
		r.MetroAreaNetwork == o.MetroAreaNetwork && r.Faulty == o.Faulty
}

// Equal reports whether o says the same as r. A list that is missing is not one that is empty.
func (r *NetworkService) Equal(o *NetworkService) bool {
	return r.ID == o.ID && r.Type == o.Type && r.State == o.State &&
		slices.EqualFunc(r.Status, o.Status, StatusMessage.equal) && r.DecommissionAt == o.DecommissionAt &&
		r.ManagingAccount == o.ManagingAccount && r.ConsumingAccount == o.ConsumingAccount &&
		r.BillingAccount == o.BillingAccount && r.ExternalRef == o.ExternalRef &&
		r.ProductOffering == o.ProductOffering && sameList(r.NSCProductOfferings, o.NSCProductOfferings) &&
		sameList(r.NetworkFeatures, o.NetworkFeatures) && r.Name == o.Name &&
		r.DisplayName == o.DisplayName && r.MetroAreaNetwork == o.MetroAreaNetwork &&
		same(r.PeeringDBIXID, o.PeeringDBIXID) && same(r.IXFDBIXID, o.IXFDBIXID) &&
		r.SubnetV4 == o.SubnetV4 && r.SubnetV6 == o.SubnetV6 &&
		r.JoiningMemberAccount == o.JoiningMemberAccount && same(r.Capacity, o.Capacity) &&
		r.Public == o.Public && sameList(r.MemberJoiningRules, o.MemberJoiningRules) &&
		same(r.MACACLProtection, o.MACACLProtection) && r.CloudKey == o.CloudKey &&
		r.Diversity == o.Diversity && r.ProviderRef == o.ProviderRef && r.Faulty == o.Faulty
}

// Equal reports whether o says the same as r. A list that is missing is not one that is empty.
func (r *NetworkServiceConfig) Equal(o *NetworkServiceConfig) bool {
	return r.ID == o.ID && r.Type == o.Type && r.State == o.State &&
		slices.EqualFunc(r.Status, o.Status, StatusMessage.equal) && r.DecommissionAt == o.DecommissionAt &&
		r.ManagingAccount == o.ManagingAccount && r.ConsumingAccount == o.ConsumingAccount &&
		r.ExternalRef == o.ExternalRef && r.NetworkService == o.NetworkService &&
		r.Connection == o.Connection && r.RoutingFunction == o.RoutingFunction &&
		r.ProductOffering == o.ProductOffering && same(r.VLANConfig, o.VLANConfig) &&
		same(r.Capacity, o.Capacity) && sameList(r.MACs, o.MACs) && sameList(r.IPs, o.IPs) &&
		sameList(r.ASNs, o.ASNs) && same(r.ConsumerSideReady, o.ConsumerSideReady) && r.Role == o.Role &&
		same(r.CloudConfig, o.CloudConfig) && r.Handover == o.Handover && r.CloudVLAN == o.CloudVLAN &&
		r.Listed == o.Listed && r.Faulty == o.Faulty
}

// Equal reports whether o says the same as r. A list that is missing is not one that is empty.
func (r *MAC) Equal(o *MAC) bool {
	return r.ID == o.ID && r.ManagingAccount == o.ManagingAccount && r.ConsumingAccount == o.ConsumingAccount &&
		r.ExternalRef == o.ExternalRef && r.Address == o.Address &&
		r.ValidNotBefore.Equal(o.ValidNotBefore) && r.ValidNotAfter.Equal(o.ValidNotAfter) &&
		r.Faulty == o.Faulty
}

// Equal reports whether o says the same as r. A list that is missing is not one that is empty.
func (r *IP) Equal(o *IP) bool {
	return r.ID == o.ID && r.ManagingAccount == o.ManagingAccount && r.ConsumingAccount == o.ConsumingAccount &&
		r.ExternalRef == o.ExternalRef && r.Version == o.Version && r.Address == o.Address &&
		r.PrefixLength == o.PrefixLength && r.FQDN == o.FQDN && r.ValidNotBefore.Equal(o.ValidNotBefore) &&
		r.ValidNotAfter.Equal(o.ValidNotAfter) && r.Faulty == o.Faulty
}

// Equal reports whether o says the same as r. A list that is missing is not one that is empty.
func (r *ProductOffering) Equal(o *ProductOffering) bool {
	return r.ID == o.ID && r.Type == o.Type && r.Name == o.Name && r.DisplayName == o.DisplayName &&
		r.ResourceType == o.ResourceType && r.HandoverMetroAreaNetwork == o.HandoverMetroAreaNetwork &&
		r.HandoverMetroArea == o.HandoverMetroArea && r.HandoverPoP == o.HandoverPoP &&
		r.ServiceMetroAreaNetwork == o.ServiceMetroAreaNetwork && r.ServiceMetroArea == o.ServiceMetroArea &&
		r.ServiceProvider == o.ServiceProvider && r.ServiceProviderRegion == o.ServiceProviderRegion &&
		r.ServiceProviderPoP == o.ServiceProviderPoP &&
		r.ServiceProviderWorkflow == o.ServiceProviderWorkflow && r.DeliveryMethod == o.DeliveryMethod &&
		r.ProviderVLANs == o.ProviderVLANs && same(r.PhysicalPortSpeed, o.PhysicalPortSpeed) &&
		same(r.MaximumPortQuantity, o.MaximumPortQuantity) && same(r.BandwidthMin, o.BandwidthMin) &&
		same(r.BandwidthMax, o.BandwidthMax) && r.Diversity == o.Diversity &&
		r.DowngradeAllowed == o.DowngradeAllowed && r.UpgradeAllowed == o.UpgradeAllowed &&
		r.ExchangeLANNetworkService == o.ExchangeLANNetworkService && r.Faulty == o.Faulty
}

// Equal reports whether o says the same as r. A list that is missing is not one that is empty.
func (r *NetworkFeature) Equal(o *NetworkFeature) bool {
	return r.ID == o.ID && r.Type == o.Type && r.Name == o.Name && r.Required == o.Required &&
		r.NetworkService == o.NetworkService && slices.EqualFunc(r.Flags, o.Flags, FeatureFlag.equal) &&
		r.ASN == o.ASN && r.FQDN == o.FQDN && r.LookingGlassURL == o.LookingGlassURL &&
		sameList(r.AddressFamilies, o.AddressFamilies) && r.SessionMode == o.SessionMode &&
		sameList(r.AvailableBGPSessionTypes, o.AvailableBGPSessionTypes) && r.IPv4 == o.IPv4 &&
		r.IPv6 == o.IPv6 && r.Faulty == o.Faulty
}

// Equal reports whether o says the same as r. A list that is missing is not one that is empty.
func (r *NetworkFeatureConfig) Equal(o *NetworkFeatureConfig) bool {
	return r.ID == o.ID && r.Type == o.Type && r.State == o.State &&
		slices.EqualFunc(r.Status, o.Status, StatusMessage.equal) && r.ManagingAccount == o.ManagingAccount &&
		r.ConsumingAccount == o.ConsumingAccount && r.BillingAccount == o.BillingAccount &&
		r.ExternalRef == o.ExternalRef && sameList(r.RoleAssignments, o.RoleAssignments) &&
		r.NetworkFeature == o.NetworkFeature && r.NetworkServiceConfig == o.NetworkServiceConfig &&
		r.ASN == o.ASN && r.ASSetV4 == o.ASSetV4 && r.ASSetV6 == o.ASSetV6 &&
		same(r.MaxPrefixV4, o.MaxPrefixV4) && same(r.MaxPrefixV6, o.MaxPrefixV6) &&
		same(r.InsertIXPASN, o.InsertIXPASN) && r.SessionMode == o.SessionMode &&
		r.BGPSessionType == o.BGPSessionType && r.IP == o.IP &&
		slices.EqualFunc(r.Flags, o.Flags, FeatureFlag.equal) && r.Faulty == o.Faulty
}

// Equal reports whether o says the same as r. A list that is missing is not one that is empty.
func (r *MemberJoiningRule) Equal(o *MemberJoiningRule) bool {
	return r.ID == o.ID && r.Type == o.Type && r.ManagingAccount == o.ManagingAccount &&
		r.ConsumingAccount == o.ConsumingAccount && r.ExternalRef == o.ExternalRef &&
		r.NetworkService == o.NetworkService && same(r.CapacityMin, o.CapacityMin) &&
		same(r.CapacityMax, o.CapacityMax) && r.Faulty == o.Faulty
}

func (m StatusMessage) equal(o StatusMessage) bool {
	return m.Severity == o.Severity && m.Tag == o.Tag && m.Message == o.Message && m.Timestamp.Equal(o.Timestamp) &&
		(len(m.Attrs) == 0 && len(o.Attrs) == 0 || reflect.DeepEqual(m.Attrs, o.Attrs))
}

func (f FeatureFlag) equal(o FeatureFlag) bool {
	return f.Name == o.Name && f.Description == o.Description && same(f.Mandatory, o.Mandatory) && same(f.Enabled, o.Enabled)
}

func sameList[T comparable](a, b []T) bool { return (a == nil) == (b == nil) && slices.Equal(a, b) }

func same[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }
