package exchange

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// A test says whether a record is asked for.
type test func(*store.Record) bool

// A filter turns the values of a query parameter into a test of the records of a snapshot. Its error is the reason
// that a client is given.
type filter func(at *store.Snapshot, values []string) (test, error)

// A collection is one list of the API.
type collection struct {
	operation string // prefix of its operation ids
	filters   map[string]filter
}

func serviceTypes() []string {
	return []string{"exchange_lan", "p2p_vc", "p2mp_vc", "mp2mp_vc", "cloud_vc"}
}

func featureTypes() []string { return []string{"route_server"} }

// collections returns every list of the API with its filters.
func collections() map[string]collection {
	all := map[string]collection{}
	add := func(path string, groups ...map[string]filter) {
		c := collection{operation: strings.ReplaceAll(path, "-", "_"), filters: map[string]filter{"id": byID}}
		for _, group := range groups {
			for name, f := range group {
				c.filters[name] = f
			}
		}
		all[path] = c
	}
	states := []string{
		"requested", "allocated", "testing", "production", "production_change_pending", "decommission_requested", "decommissioned",
		"archived", "error", "operator", "scheduled", "cancelled",
	}
	modes := []string{"lag_lacp", "lag_static", "flex_ethernet", "standalone"}
	stateful := map[string]filter{"state": oneOf("state", states), "state__is_not": noneOf("state", states)}
	owned := equal("managing_account", "consuming_account", "external_ref")
	contacted := map[string]filter{"role_assignments": anyOf("role_assignments"), "contacts": byContact}

	add("accounts", stateful, equal("managing_account", "external_ref", "name"), map[string]filter{"billable": billable, "asn": member("asns")})
	add("availability-zones", equal("name"))
	add("facilities", capabilities(devicesOfFacility), equal("organisation_name", "metro_area", "address_country", "address_locality", "postal_code"),
		map[string]filter{"metro_area_network": facilityInNetwork})
	add("pops", capabilities(devicesOfPop), equal("facility", "metro_area_network"))
	add("metro-areas")
	add("metro-area-networks", equal("name", "metro_area", "service_provider"))
	add("devices", capabilities(deviceItself), equal("name", "facility", "pop"), map[string]filter{"metro_area_network": deviceInNetwork})
	add("ports", stateful, owned, equal("media_type", "pop", "name", "device", "connection"), whole("speed"))
	add("port-reservations", stateful, equal("external_ref", "connection", "port"))
	add("connections", stateful, owned, contacted, equal("name", "metro_area", "metro_area_network", "pop"), map[string]filter{
		"mode": oneOf("mode", modes), "mode__is_not": noneOf("mode", modes),
		"facility": connectionInFacility, "supported_network_service": connectionNearService,
	})
	add("network-services", stateful, owned, equal("product_offering"), map[string]filter{"type": oneOf("type", serviceTypes()), "pop": serviceAtPop})
	add("network-service-configs", stateful, owned, contacted, equal("network_service", "connection", "product_offering"), whole("capacity"), map[string]filter{
		"type": oneOf("type", serviceTypes()), "inner_vlan": number("vlan_config.inner_vlan"), "outer_vlan": number("vlan_config.outer_vlan"),
	})
	add("network-features", equal("network_service", "name"), map[string]filter{"type": oneOf("type", featureTypes()), "required": flag("required")})
	add("network-feature-configs", stateful, owned, contacted, equal("network_service_config", "network_feature"), map[string]filter{
		"type": oneOf("type", featureTypes()), "service_config": scalar("network_service_config"),
	})
	add("macs", owned, map[string]filter{
		"address": macAddress, "assigned_at": assignedAt, "valid_not_before": instant("valid_not_before"), "valid_not_after": instant("valid_not_after"),
		"network_service_config": listedBy("network-service-configs", "id", "macs"),
	})
	add("ips", owned, equal("fqdn"), whole("version", "prefix_length"), map[string]filter{
		"valid_not_before": instant("valid_not_before"), "valid_not_after": instant("valid_not_after"),
		"network_service":        listedBy("network-service-configs", "network_service", "ips"),
		"network_service_config": listedBy("network-service-configs", "id", "ips"),
		"network_feature":        namedBy("network-feature-configs", "network_feature", "ip"),
		"network_feature_config": namedBy("network-feature-configs", "id", "ip"),
	})
	add("product-offerings", equal("name", "handover_metro_area", "handover_metro_area_network", "handover_pop", "service_metro_area",
		"service_metro_area_network", "service_provider", "service_provider_region", "service_provider_pop", "contract_initial_period",
		"contract_initial_notice_period", "contract_renewal_period", "contract_renewal_notice_period"),
		whole("physical_port_speed"), map[string]filter{
			"type":              oneOf("type", append([]string{"connection", "routing_function"}, serviceTypes()...)),
			"resource_type":     oneOf("resource_type", []string{"connection", "port_reservation", "network_service", "network_service_config", "routing_function"}),
			"downgrade_allowed": flag("downgrade_allowed"), "upgrade_allowed": flag("upgrade_allowed"),
			"delivery_method": oneOf("delivery_method", []string{"dedicated", "shared"}),
			"bandwidth":       bandwidth, "cloud_key": byCloudKey,
		})
	add("member-joining-rules", owned, equal("network_service"))
	add("routing-functions", stateful, owned, whole("asn"))
	add("roles", equal("name"), map[string]filter{"contact": namedBy("role-assignments", "contact", "role")})
	add("role-assignments", equal("contact", "role"))
	add("contacts", owned)
	return all
}

// Index returns the fields that the exchange looks for in its records: those of filters, and some more.
func Index() map[string]bool {
	fields := map[string]bool{
		"vlan_config": true, "capabilities": true, "billing_information": true, "asns": true, "macs": true, "ips": true, "ip": true,
		"billing_account": true, "discoverable": true, "joining_member_account": true, "public": true,
		"devices": true, "pops": true, "bandwidth_min": true, "bandwidth_max": true, "service_provider_workflow": true, "decommission_at": true,
		"orderable_not_before": true, "orderable_not_after": true, "cross_connect_initiator": true, "maximum_port_quantity": true,
		"required_contact_roles": true, "ports": true, "port_reservations": true, "port_quantity": true, "capacity_allocated": true,
		"capacity_allocation_limit": true, "exchange_side_demarc": true,
		"subnet_v4": true, "subnet_v6": true, "ip_v4": true, "ip_v6": true,
		"diversity": true, "handover": true, "capacity_min": true, "capacity_max": true, "routing_function": true,
	}
	for _, c := range collections() {
		for name := range c.filters {
			fields[name] = true
		}
	}
	return fields
}

func byID(_ *store.Snapshot, values []string) (test, error) {
	ids := map[string]bool{}
	for _, id := range strings.Split(strings.Join(values, ","), ",") {
		ids[id] = true
	}
	return func(r *store.Record) bool { return ids[r.ID] }, nil
}

func scalar(field string) filter {
	return func(_ *store.Snapshot, values []string) (test, error) {
		return func(r *store.Record) bool {
			v, ok := r.Text(field)
			return ok && v == values[0]
		}, nil
	}
}

func equal(fields ...string) map[string]filter {
	filters := map[string]filter{}
	for _, f := range fields {
		filters[f] = scalar(f)
	}
	return filters
}

func oneOf(field string, allowed []string) filter {
	return func(_ *store.Snapshot, values []string) (test, error) {
		asked, err := choices(values, allowed)
		return func(r *store.Record) bool {
			v, ok := r.Text(field)
			return ok && slices.Contains(asked, v)
		}, err
	}
}

func noneOf(field string, allowed []string) filter {
	return func(_ *store.Snapshot, values []string) (test, error) {
		asked, err := choices(values, allowed)
		return func(r *store.Record) bool {
			v, _ := r.Text(field)
			return !slices.Contains(asked, v)
		}, err
	}
}

func choices(values, allowed []string) ([]string, error) {
	asked := strings.Split(strings.Join(values, ","), ",")
	for _, v := range asked {
		if !slices.Contains(allowed, v) {
			return nil, fmt.Errorf("%q is not one of %s", v, strings.Join(allowed, ", "))
		}
	}
	return asked, nil
}

// flag takes true and false, and 1 and 0 as some clients write them.
func flag(field string) filter {
	return func(at *store.Snapshot, values []string) (test, error) {
		b, err := strconv.ParseBool(values[0])
		if err != nil {
			return nil, fmt.Errorf("%q is neither true nor false", values[0])
		}
		return scalar(field)(at, []string{strconv.FormatBool(b)})
	}
}

func number(field string) filter {
	return func(at *store.Snapshot, values []string) (test, error) {
		n, err := integer(values)
		if err != nil {
			return nil, err
		}
		return scalar(field)(at, []string{strconv.FormatInt(n, 10)})
	}
}

func whole(fields ...string) map[string]filter {
	filters := map[string]filter{}
	for _, f := range fields {
		filters[f] = number(f)
	}
	return filters
}

func integer(values []string) (int64, error) {
	n, err := strconv.ParseInt(values[0], 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not an integer", values[0])
	}
	return n, nil
}

// anyOf asks for records that list one of the values, comma separated.
func anyOf(field string) filter {
	return func(_ *store.Snapshot, values []string) (test, error) {
		return lists(field, strings.Split(strings.Join(values, ","), ",")), nil
	}
}

func lists(field string, asked []string) test {
	return func(r *store.Record) bool {
		return slices.ContainsFunc(r.List(field), func(v string) bool { return slices.Contains(asked, v) })
	}
}

// member asks for records that list an integer.
func member(field string) filter {
	return func(_ *store.Snapshot, values []string) (test, error) {
		n, err := integer(values)
		return lists(field, []string{strconv.FormatInt(n, 10)}), err
	}
}

func timestamp(values []string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, values[0])
	if err != nil {
		return t, fmt.Errorf("%q is not a date and time of RFC 3339", values[0])
	}
	return t, nil
}

func instantOf(r *store.Record, field string) (time.Time, bool) {
	v, _ := r.Text(field)
	t, err := time.Parse(time.RFC3339, v)
	return t, err == nil
}

func instant(field string) filter {
	return func(_ *store.Snapshot, values []string) (test, error) {
		asked, err := timestamp(values)
		return func(r *store.Record) bool {
			t, ok := instantOf(r, field)
			return ok && t.Equal(asked)
		}, err
	}
}

// assignedAt asks for the MACs that may be used at a time.
func assignedAt(_ *store.Snapshot, values []string) (test, error) {
	asked, err := timestamp(values)
	return func(r *store.Record) bool {
		from, opened := instantOf(r, "valid_not_before")
		to, closed := instantOf(r, "valid_not_after")
		return !(opened && asked.Before(from)) && !(closed && asked.After(to))
	}, err
}

func macAddress(_ *store.Snapshot, values []string) (test, error) {
	return func(r *store.Record) bool {
		v, ok := r.Text("address")
		return ok && strings.EqualFold(v, values[0])
	}, nil
}

func billable(_ *store.Snapshot, values []string) (test, error) {
	b, err := strconv.ParseBool(values[0])
	if err != nil {
		return nil, fmt.Errorf("%q is neither 1 nor 0", values[0])
	}
	return func(r *store.Record) bool { return (r.Value("billing_information") != nil) == b }, nil
}

// byContact asks for records with a role assignment of one of the contacts.
func byContact(at *store.Snapshot, values []string) (test, error) {
	asked := strings.Split(strings.Join(values, ","), ",")
	var assignments []string
	for _, a := range at.List("role-assignments") {
		if c, ok := a.Text("contact"); ok && slices.Contains(asked, c) {
			assignments = append(assignments, a.ID)
		}
	}
	return lists("role_assignments", assignments), nil
}

// listedBy asks for what the records of another collection, chosen by one of its fields, list.
func listedBy(other, field, list string) filter {
	return referred(other, field, func(r *store.Record) []string { return r.List(list) })
}

// namedBy is listedBy for a reference to one record.
func namedBy(other, field, reference string) filter {
	return referred(other, field, func(r *store.Record) []string {
		v, _ := r.Text(reference)
		return []string{v}
	})
}

func referred(other, field string, references func(*store.Record) []string) filter {
	return func(at *store.Snapshot, values []string) (test, error) {
		asked := map[string]bool{}
		for _, r := range at.List(other) {
			v, _ := r.Text(field)
			if field == "id" {
				v = r.ID
			}
			if v != values[0] {
				continue
			}
			for _, id := range references(r) {
				asked[id] = true
			}
		}
		return func(r *store.Record) bool { return asked[r.ID] }, nil
	}
}

func deviceInNetwork(at *store.Snapshot, values []string) (test, error) {
	return func(r *store.Record) bool { return at.Follow(r, "pop", "pops", "metro_area_network") == values[0] }, nil
}

func connectionInFacility(at *store.Snapshot, values []string) (test, error) {
	return func(r *store.Record) bool { return at.Follow(r, "pop", "pops", "facility") == values[0] }, nil
}

func facilityInNetwork(at *store.Snapshot, values []string) (test, error) {
	return func(r *store.Record) bool {
		return slices.ContainsFunc(at.List("pops"), func(p *store.Record) bool {
			f, _ := p.Text("facility")
			n, _ := p.Text("metro_area_network")
			return f == r.ID && n == values[0]
		})
	}, nil
}

// networkOf is the metro area network a service is offered in: an exchange LAN says so itself, for the others it is
// where their offering is handed over.
func networkOf(at *store.Snapshot, service *store.Record) string {
	if n, ok := service.Text("metro_area_network"); ok {
		return n
	}
	return at.Follow(service, "product_offering", "product-offerings", "handover_metro_area_network")
}

func serviceAtPop(at *store.Snapshot, values []string) (test, error) {
	network := ""
	if p := at.Get("pops", values[0]); p != nil {
		network, _ = p.Text("metro_area_network")
	}
	return func(r *store.Record) bool { return network != "" && networkOf(at, r) == network }, nil
}

func connectionNearService(at *store.Snapshot, values []string) (test, error) {
	network := ""
	if s := at.Get("network-services", values[0]); s != nil {
		network = networkOf(at, s)
	}
	return func(r *store.Record) bool {
		n, ok := r.Text("metro_area_network")
		return ok && n == network
	}, nil
}

// bandwidth asks for offerings whose limits leave room for it.
func bandwidth(_ *store.Snapshot, values []string) (test, error) {
	asked, err := integer(values)
	return func(r *store.Record) bool {
		low, least := r.Int("bandwidth_min")
		high, most := r.Int("bandwidth_max")
		return (!least || low <= asked) && (!most || asked <= high)
	}, err
}

// byCloudKey leaves out the provider-first offerings that the key does not belong to.
func byCloudKey(at *store.Snapshot, values []string) (test, error) {
	mine := map[string]bool{}
	for _, s := range at.List("network-services") {
		if key, ok := s.Text("cloud_key"); ok && key == values[0] {
			offering, _ := s.Text("product_offering")
			mine[offering] = true
		}
	}
	return func(r *store.Record) bool {
		kind, _ := r.Text("type")
		workflow, _ := r.Text("service_provider_workflow")
		return kind == "cloud_vc" && (workflow != "provider_first" || mine[r.ID])
	}, nil
}

func deviceItself(_ *store.Snapshot, r *store.Record) []*store.Record { return []*store.Record{r} }

func devicesOfPop(at *store.Snapshot, r *store.Record) []*store.Record {
	var out []*store.Record
	for _, id := range r.List("devices") {
		if d := at.Get("devices", id); d != nil {
			out = append(out, d)
		}
	}
	return out
}

func devicesOfFacility(at *store.Snapshot, r *store.Record) []*store.Record {
	var out []*store.Record
	for _, id := range r.List("pops") {
		if p := at.Get("pops", id); p != nil {
			out = append(out, devicesOfPop(at, p)...)
		}
	}
	return out
}

// capabilities are the filters by what the devices of a record offer. Both spellings of the comparisons are in use.
func capabilities(devices func(*store.Snapshot, *store.Record) []*store.Record) map[string]filter {
	some := func(at *store.Snapshot, match func(capability map[string]any) bool) test {
		return func(r *store.Record) bool {
			return slices.ContainsFunc(devices(at, r), func(d *store.Record) bool {
				offered, _ := d.Value("capabilities").([]any)
				return slices.ContainsFunc(offered, func(v any) bool {
					c, ok := v.(map[string]any)
					return ok && match(c)
				})
			})
		}
	}
	speed := func(compare func(have, asked int64) bool) filter {
		return func(at *store.Snapshot, values []string) (test, error) {
			asked, err := integer(values)
			return some(at, func(c map[string]any) bool {
				n, _ := c["speed"].(json.Number)
				have, err := n.Int64()
				return err == nil && compare(have, asked)
			}), err
		}
	}
	filters := map[string]filter{
		"capability_speed": speed(func(have, asked int64) bool { return have == asked }),
		"capability_media_type": func(at *store.Snapshot, values []string) (test, error) {
			return some(at, func(c map[string]any) bool { return c["media_type"] == values[0] }), nil
		},
	}
	for name, compare := range map[string]func(have, asked int64) bool{
		"lt":  func(have, asked int64) bool { return have < asked },
		"lte": func(have, asked int64) bool { return have <= asked },
		"gt":  func(have, asked int64) bool { return have > asked },
		"gte": func(have, asked int64) bool { return have >= asked },
	} {
		filters["capability_speed_"+name] = speed(compare)
		filters["capability_speed__"+name] = speed(compare)
	}
	return filters
}
