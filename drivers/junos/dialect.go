package junos

import (
	"strings"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/clitext"
)

// words are the statements in which the kinds of Junos differ. The others are the same on all.
type words struct {
	services  string // list of what circuits join
	options   string // what a service says of learning
	noVLAN    string // value of vlan-id for a service without a VLAN; "" if the statement is left out
	family    string // protocol family of circuits and their filters
	port      string // options of a port: the LAG it is in, ethertypes of outer tags
	storm     string // options of a port that bind a storm control profile
	tagged    string // encapsulation of a port with tagged circuits
	untagged  string // encapsulation of a port whose one circuit is of untagged frames
	unit      string // encapsulation of a tagged circuit; "" for none
	aggregate string // options of a LAG
}

// speech returns the words of a kind of device. Where a service is a VLAN (ELS, on QFX and EX) it is one of vlans,
// and where it is not (MX) a bridge domain.
func speech(c *drivers.Capabilities) *words {
	if c.ServiceVLAN {
		return &words{
			services: "vlans", options: "switch-options", family: "ethernet-switching",
			port: "ether-options", storm: "ether-options", aggregate: "aggregated-ether-options",
			tagged: "extended-vlan-bridge", untagged: "ethernet-bridge",
		}
	}
	return &words{
		services: "bridge-domains", options: "bridge-options", noVLAN: "none", family: "bridge",
		port: "gigether-options", storm: "ether-options", aggregate: "aggregated-ether-options",
		tagged: "flexible-ethernet-services", untagged: "ethernet-bridge", unit: "vlan-bridge",
	}
}

// harmless lists the statements of ports, LAGs and subinterfaces that change nothing of what the model says, and that
// are left alone.
func harmless() map[string]bool {
	return map[string]bool{
		"traps": true, "no-traps": true, "hold-time": true, "speed": true, "link-mode": true, "optics-options": true,
		"fec": true, "auto-negotiation": true, "no-auto-negotiation": true, "flow-control": true, "no-flow-control": true,
	}
}

// dialect says how the statements of a kind of device are changed.
func dialect(w *words) *clitext.Dialect {
	var rules []clitext.Rule
	whole := func(paths ...string) {
		for _, p := range paths {
			rules = append(rules, clitext.Rule{Path: p, Whole: true})
		}
	}
	values := func(at string, statements ...string) {
		for _, s := range statements {
			rules = append(rules, clitext.Rule{Path: strings.TrimSpace(at+" "+s) + " ?"})
		}
	}
	values("", "chassis aggregated-devices ethernet device-count")

	whole("interfaces ae*", "interfaces * "+w.aggregate+" lacp", "interfaces * unit *", "interfaces * unit * family *", "interfaces * unit * vlan-tags")
	values("interfaces *", "description", "mtu", "encapsulation", w.port+" 802.3ad", w.storm+" ethernet-switch-profile storm-control")
	values("interfaces * "+w.aggregate, "minimum-links", "lacp periodic", "lacp system-id", "ethernet-switch-profile storm-control")
	values("interfaces * unit *", "description", "encapsulation", "vlan-id", "vlan-tags outer", "vlan-tags inner",
		"family * filter input", "layer2-policer input-policer", "layer2-policer output-policer")

	limit := w.services + " * " + w.options + " interface * interface-mac-limit"
	whole(w.services+" *", w.services+" * "+w.options+" interface *")
	rules = append(rules, clitext.Rule{Path: limit + " packet-action"}) // no limit, though it stands at its place
	values("", limit, limit+" packet-action")
	values(w.services+" *", "description", "vlan-id", "vxlan vni")

	filter := "firewall family * filter *"
	whole(filter, filter+" term *", "firewall policer *")
	rules = append(rules, clitext.Rule{Path: filter + " term", Ordered: true})
	values(filter, "term * then count")
	values("firewall policer *", "if-exceeding bandwidth-limit", "if-exceeding burst-size-limit")

	whole("forwarding-options storm-control-profiles *")
	values("forwarding-options storm-control-profiles *", "all bandwidth-level")
	return &clitext.Dialect{Style: clitext.Flat, Rules: rules}
}
