package exchange

import (
	"net/http"
	"net/netip"
	"slices"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// serviceResources returns what can be ordered of network services, and what belongs to them.
func serviceResources() map[string]*resource {
	return map[string]*resource{
		"network-services":        networkServices(),
		"member-joining-rules":    joiningRules(),
		"network-feature-configs": featureConfigs(),
		"routing-functions":       routingFunctions(),
	}
}

// maxTitle bounds the name of a service, in characters (IX-API 2.1.0).
const maxTitle = 40

// networkServices are the services of customers. The exchange's LANs are its own.
func networkServices() *resource {
	shown := field{name: "display_name", is: text(256), null: true}
	zones := field{name: "availability_zones", is: references("availability-zones"), fallback: []any{}}
	groups := []field{
		shown,
		{name: "name", is: text(maxTitle)},
		{name: "public", is: boolean, fallback: false},
		{name: "member_joining_rules", ours: true, fallback: []any{}},
		{name: "network_features", ours: true, fallback: []any{}},
	}
	return &resource{
		prefix: "ns",
		fields: together(stateful("requested"), cancelable(), ownable(), invoiceable(), []field{
			{name: "product_offering", is: reference("product-offerings"), required: true, fixed: true},
			{name: "nsc_required_contact_roles", ours: true, fallback: []any{}},
			{name: "nsc_product_offerings", ours: true, fallback: []any{}},
		}),
		variants: map[string][]field{
			"p2p_vc": {
				shown, zones,
				{name: "joining_member_account", is: reference("accounts"), required: true},
				{name: "capacity", ours: true, null: true},
			},
			"p2mp_vc": groups,
			"mp2mp_vc": together(groups, []field{
				{name: "subnet_v4", is: subnet(32), null: true},
				{name: "subnet_v6", is: subnet(128), null: true},
				{name: "mac_acl_protection", ours: true, fallback: false},
			}),
			"cloud_vc": {
				{name: "cloud_key", is: filled(512), required: true, fixed: true},
				{name: "capacity", is: between(1, maxSpeed), null: true},
				{name: "diversity", ours: true, fallback: 1},
				{name: "provider_ref", ours: true, null: true},
				{name: "availability_zones", ours: true, fallback: []any{}},
				{name: "network_features", ours: true, fallback: []any{}},
			},
		},
		create: orderService, update: changeService, remove: endService,
		updated: http.StatusAccepted, removed: http.StatusAccepted,
		actions: map[string]action{"cancellation-policy": cancellation(), "change-request": changeRequest()},
	}
}

// subnet is a prefix of a family of addresses, with no bit set behind it.
func subnet(bits int) kind {
	return func(o *order, path string, value any) any {
		s, _ := value.(string)
		p, err := netip.ParsePrefix(s)
		if err != nil || p.Addr().BitLen() != bits || p.Masked() != p {
			o.fault(path, "is not a prefix of addresses of %d bits", bits)
			return value
		}
		return p.String()
	}
}

// joins checks the account at the other end of a line, which must be able to consume it.
func (o *order) joins() {
	const field = "joining_member_account"
	id, _ := o.new.Text(field)
	if a := o.Get("accounts", id); a != nil && !consumes(a) && (o.old == nil || o.changed(field)) {
		o.fault(field, "account %s cannot consume services while its state is %s", id, a.State())
	}
}

// orderService makes a service. Nothing has to be done for it before there are configs.
func orderService(o *order) *problem {
	kind, _ := o.new.Text("type")
	offering := o.offering("product_offering", kind)
	if offering == nil {
		return o.wrong()
	}
	o.titles()
	o.new["nsc_required_contact_roles"] = o.rolesNamed("implementation")
	o.new["nsc_product_offerings"] = o.offeringsForConfigs(kind, offering)
	switch kind {
	case "p2p_vc":
		o.joins()
		o.new["capacity"] = offering.Value("bandwidth_max")
	case "cloud_vc":
		o.withinBandwidth("capacity", offering)
		o.reachCloud(offering)
	}
	o.new["state"], o.new["current_billing_start_date"] = "production", o.today()
	return nil
}

// titles keeps the two names of a service, an old and a new one, the same when only one of them is given.
func (o *order) titles() {
	if o.sent["name"] && !o.sent["display_name"] {
		o.new["display_name"] = o.new["name"]
	}
	if kind, _ := o.new.Text("type"); kind != "p2mp_vc" && kind != "mp2mp_vc" || o.sent["name"] {
		return
	}
	shown, _ := o.new.Text("display_name")
	letters := []rune(shown)
	o.new["name"] = string(letters[:min(maxTitle, len(letters))])
}

// rolesNamed returns the ids of roles with a name.
func (o *order) rolesNamed(name string) []any {
	ids := []any{}
	for _, r := range o.List("roles") {
		if is, _ := r.Text("name"); is == name {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// offeringsForConfigs returns what the configs of a service can be ordered with: offerings for configs of its type
// from the same provider, or that of the service where there are none.
func (o *order) offeringsForConfigs(kind string, offering *store.Record) []any {
	ids := []any{}
	provider, _ := offering.Text("service_provider")
	for _, r := range o.List("product-offerings") {
		is, _ := r.Text("type")
		of, _ := r.Text("resource_type")
		by, _ := r.Text("service_provider")
		if is == kind && of == "network_service_config" && by == provider {
			ids = append(ids, r.ID)
		}
	}
	if len(ids) == 0 {
		ids = append(ids, offering.ID)
	}
	return ids
}

// reachCloud does the exchange's part at the cloud provider. Where the exchange comes first, the key names the customer
// there and the provider's answer is the reference; where the provider comes first, the key is that of what the customer
// has ordered there, and good for one service.
func (o *order) reachCloud(offering *store.Record) {
	if n, ok := offering.Int("diversity"); ok {
		o.new["diversity"] = n
	}
	key, _ := o.new.Text("cloud_key")
	provider, _ := offering.Text("service_provider")
	if workflow, _ := offering.Text("service_provider_workflow"); workflow == "exchange_first" {
		o.new["provider_ref"] = o.name("provider-ref")
		return
	}
	for _, r := range inServiceOf(o.Now(), "network-services", "cloud_key", key) {
		if by := o.Now().Follow(r, "product_offering", "product-offerings", "service_provider"); r.ID != o.id && by == provider {
			o.fault("cloud_key", "is used by another network service")
		}
	}
}

// changeService changes a service in what is not a matter of its contract.
func changeService(o *order) *problem {
	if p := ofCustomers(o); p != nil {
		return p
	}
	if state, _ := o.old.Text("state"); hasEnded(o.old) || state == "decommission_requested" {
		return new(unable("network service %s is in state %s", o.id, state))
	}
	o.titles()
	switch kind, _ := o.new.Text("type"); kind {
	case "p2p_vc":
		o.joins()
		if was, _ := o.old.Text("joining_member_account"); o.changed("joining_member_account") {
			if theirs := o.configsOfAccount(o.id, was); len(theirs) > 0 {
				return new(unable("account %s has joined with %s", was, o.tell("network-service-configs", theirs)))
			}
		}
	case "cloud_vc":
		if offering := o.offering("product_offering", kind); offering != nil && o.changed("capacity") {
			o.withinBandwidth("capacity", offering)
		}
	}
	return nil
}

// endService ends a service.
func endService(o *order) *problem {
	if p := ofCustomers(o); p != nil {
		return p
	}
	return decommission(o)
}

// ofCustomers refuses to touch the exchange's own services.
func ofCustomers(o *order) *problem {
	if kind, _ := o.old.Text("type"); kind == "exchange_lan" {
		return new(forbidden("network service %s is the exchange's own", o.id))
	}
	return nil
}

// configsOfAccount returns the configs in service that an account has of a service.
func (o *order) configsOfAccount(service, account string) []*store.Record {
	return slices.DeleteFunc(inServiceOf(o.Now(), "network-service-configs", "network_service", service), func(c *store.Record) bool {
		return !owns(c, account)
	})
}

// routingFunctions are instances of a router of the exchange. The sandbox only keeps the books of them.
func routingFunctions() *resource {
	check := func(o *order) *problem {
		if o.old != nil && hasEnded(o.old) {
			return new(unable("routing function %s has ended", o.id))
		}
		if offering := o.offering("product_offering", "routing_function"); offering != nil {
			o.withinBandwidth("capacity", offering)
		}
		if o.old == nil {
			o.new["state"], o.new["current_billing_start_date"] = "production", o.today()
		}
		return nil
	}
	return &resource{
		prefix: "rf",
		fields: together(stateful("requested"), cancelable(), ownable(), invoiceable(), []field{
			{name: "product_offering", is: reference("product-offerings"), required: true},
			{name: "asn", is: between(1, maxASN), required: true},
			{name: "capacity", is: between(1, maxSpeed), null: true},
		}),
		create: check, update: check, remove: decommission,
		updated: http.StatusOK, removed: http.StatusAccepted,
		actions: map[string]action{"cancellation-policy": cancellation()},
	}
}
