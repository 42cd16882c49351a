package exchange

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// featureConfigs are the sessions of configs with the route servers of their service.
func featureConfigs() *resource {
	return &resource{
		prefix: "nfc",
		fields: together(stateful("requested"), cancelable(), ownable(), invoiceable(), contactable(), []field{
			{name: "network_feature", is: reference("network-features"), required: true, fixed: true},
			{name: "network_service_config", is: reference("network-service-configs"), required: true, fixed: true},
		}),
		variants: map[string][]field{"route_server": {
			{name: "asn", is: between(1, maxASN), required: true},
			{name: "password", is: text(128), fallback: ""},
			{name: "as_set_v4", is: asSet, null: true},
			{name: "as_set_v6", is: asSet, null: true},
			{name: "max_prefix_v4", is: between(0, maxPrefixes), null: true},
			{name: "max_prefix_v6", is: between(0, maxPrefixes), null: true},
			{name: "insert_ixp_asn", is: boolean, fallback: true},
			{name: "session_mode", is: choice("public", "collector"), required: true},
			{name: "bgp_session_type", is: choice("active", "passive"), required: true},
			{name: "ip", is: reference("ips"), required: true},
			{name: "flags", is: each(object(field{name: "name", is: filled(20), required: true}, field{name: "enabled", is: boolean, required: true})), fallback: []any{}},
		}},
		create: makeSession, update: changeSession, remove: decommission, ended: endSession,
		updated: http.StatusAccepted, removed: http.StatusAccepted,
		actions: map[string]action{"cancellation-policy": cancellation()},
	}
}

// maxPrefixes bounds what a peer may announce.
const maxPrefixes = 10_000_000

// asSet is the name of an AS-SET and the registry that it is in: AS-EXAMPLE@RIPE (IX-API, as_set_v4).
func asSet(o *order, path string, value any) any {
	s, _ := value.(string)
	set, registry, ok := strings.Cut(s, "@")
	word := func(text, more string) bool {
		return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
			letter := r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9'
			return !letter && !strings.ContainsRune(more, r)
		})
	}
	if !ok || len(s) > 100 || !word(set, "-_:") || !word(registry, "-_") {
		o.fault(path, "is not an AS-SET and its registry, like AS-EXAMPLE@RIPE")
	}
	return value
}

func makeSession(o *order) *problem {
	if p := o.checkSession(); p != nil {
		return p
	}
	o.new["state"], o.new["current_billing_start_date"] = "production", o.today()
	return o.listed("network-service-configs", "network_service_config", "network_feature_configs", true)
}

func changeSession(o *order) *problem {
	if state, _ := o.old.Text("state"); hasEnded(o.old) || state == "decommission_requested" {
		return new(unable("network feature config %s is in state %s", o.id, state))
	}
	return o.checkSession()
}

// endSession takes a session off the list of its config, where that goes on.
func endSession(o *order, record store.Object) *problem {
	id, _ := record.Text("network_service_config")
	r := o.Get("network-service-configs", id)
	if r == nil || !inService(r) {
		return nil
	}
	config, err := r.Object()
	if err != nil {
		return new(generic(http.StatusInternalServerError, err.Error()))
	}
	ids := slices.DeleteFunc(config.List("network_feature_configs"), func(other string) bool { return other == record["id"] })
	return o.edit("network-service-configs", id, store.Object{"network_feature_configs": ids})
}

// checkSession finds what is wrong with a session: it is to be one that the feature offers, from an address of the
// config.
func (o *order) checkSession() *problem {
	read := func(collection, field string) store.Object {
		id, _ := o.new.Text(field)
		r := o.Get(collection, id)
		if r == nil {
			o.fault(field, "there is no such record in %s", collection)
			return nil
		}
		object, err := r.Object()
		if err != nil {
			o.fault(field, "cannot be read")
		}
		return object
	}
	feature, config, ip := read("network-features", "network_feature"), read("network-service-configs", "network_service_config"), read("ips", "ip")
	if p := o.wrong(); p != nil {
		return p
	}
	if of, _ := feature.Text("network_service"); of != config["network_service"] {
		o.fault("network_feature", "is of another network service than the config")
	}
	if hasEnded(config) {
		o.fault("network_service_config", "has ended")
	}
	if mode, _ := feature.Text("session_mode"); mode != o.new["session_mode"] {
		o.fault("session_mode", "is not %s, that of the feature", mode)
	}
	if kind, _ := o.new.Text("bgp_session_type"); !slices.Contains(feature.List("available_bgp_session_types"), kind) {
		o.fault("bgp_session_type", "is not one of %s, those of the feature", strings.Join(feature.List("available_bgp_session_types"), ", "))
	}
	o.checkAddress(feature, config, ip)
	o.checkFlags(feature)
	o.lacksRole(feature.List("nfc_required_contact_roles"), o.new.List("role_assignments"))
	return nil
}

// checkAddress finds what is wrong with the address of a session, and with the AS-SETs for its families.
func (o *order) checkAddress(feature, config, ip store.Object) {
	id, _ := o.new.Text("ip")
	if !slices.Contains(config.List("ips"), id) {
		o.fault("ip", "is not an address of the config")
	}
	families := feature.List("address_families")
	family := "af_inet"
	if version, _ := ip.Int("version"); version == 6 {
		family = "af_inet6"
	}
	if !slices.Contains(families, family) {
		o.fault("ip", "is not of a family of the feature: %s", strings.Join(families, ", "))
	}
	config4, config6 := o.new["as_set_v4"] != nil, o.new["as_set_v6"] != nil
	switch v4, v6 := slices.Contains(families, "af_inet"), slices.Contains(families, "af_inet6"); {
	case v4 && v6 && !config4 && !config6:
		o.fault("as_set_v4", "is required where there is no as_set_v6")
	case v4 && !v6 && !config4:
		o.fault("as_set_v4", "is required")
	case v6 && !v4 && !config6:
		o.fault("as_set_v6", "is required")
	}
	for _, r := range inServiceOf(o.Now(), "network-feature-configs", "ip", id) {
		if of, _ := r.Text("network_feature"); of == o.new["network_feature"] && r.ID != o.id {
			o.fault("ip", "has a session already: %s", r.ID)
		}
	}
}

// checkFlags finds flags that the feature does not know, and those that it wants and are not set.
func (o *order) checkFlags(feature store.Object) {
	mandatory := map[string]bool{}
	known, _ := feature["flags"].([]any)
	for _, f := range known {
		flag, _ := f.(map[string]any)
		name, _ := store.Object(flag).Text("name")
		mandatory[name] = flag["mandatory"] == true
	}
	enabled := map[string]bool{}
	given, _ := o.new["flags"].([]any)
	for i, f := range given {
		flag, _ := f.(map[string]any)
		name, _ := store.Object(flag).Text("name")
		_, knows := mandatory[name]
		_, twice := enabled[name]
		switch at := fmt.Sprintf("flags.%d.name", i); {
		case !knows:
			o.fault(at, "is no flag of the feature")
		case twice:
			o.fault(at, "is there twice")
		}
		enabled[name] = flag["enabled"] == true
	}
	for _, f := range known {
		flag, _ := f.(map[string]any)
		if name, _ := store.Object(flag).Text("name"); mandatory[name] && !enabled[name] {
			o.fault("flags", "%s is mandatory", name)
		}
	}
}
