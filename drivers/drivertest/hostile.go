package drivertest

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Hostile returns texts that mean something to one command line or another: line ends, completion and help, quotes,
// separators, comments, blocks, pipes, shell substitutions, line editing, prompts, and more than any device holds.
func Hostile() []string {
	return []string{
		"a\nreload now", "a\rreload now", "a\r\n\r\nreload", "a\tb", "a?", "? a", "\"", "a\"b", "a' b", "'; reload; '", "a;b", "a|b", "a | no-more",
		"EOF", "a\nEOF\nreload", "a\x00b", "a\x03b", "a\x04", "a\x08b", "a\x15b", "a\x16b", "a\x17b", "a\x1ab", "a\x1b[2Jb", "a\x7fb", "a\u0085b", "a\u009b2Jb",
		"#", "sw1#", "sw1>", "sw1(config)#", "sw1(config-s-ixagen)# ", "lab@sw1> ", "lab@sw1# ", "[edit]", "{master}", "a%", "% Invalid input", "error: a",
		"$(id)", "`id`", "${IFS}", "a{b}", "}", "} system { root", "[ a b ]", "a # b", "/* a */", "*/", "! a", "a ! b", "!! a", "-- a", "--oneline",
		" a", "a ", "a  b", "a\u2028b", "a\u202eb", "\u00e4", "\U0001f600", "a\xffb", "\\", "a\\nb", "^C", "a<b>c", "*", "a^b", "~.", "no shutdown", "exit", "quit",
		"--More--", "---(more)---", "Are you sure? [y/n]", "Password:", strings.Repeat("a", 64), strings.Repeat("long ", 2000), strings.Repeat("x", 10_000),
	}
}

// hostile puts every hostile text where a text can stand. A driver that injected one could not read back just that. A text
// that is taken everywhere at once is taken in each place.
func (h Harness) hostile(t *testing.T) {
	d := open(t, h.New(t))
	before := observe(t, d)
	port, member := h.Options.Ports[0], h.Options.Ports[1]
	takes := func(text, place string, objects ...switchcfg.Object) bool {
		desired := maps.Clone(before)
		desired.Put(objects...)
		if _, err := d.Apply(t.Context(), plan.Diff(before, desired)); err != nil {
			if f := drivers.FaultOf(err); f != drivers.Unsupported && f != drivers.Rejected {
				t.Fatalf("%.60q as %s: %.300v, want fault %s or %s", text, place, err, drivers.Unsupported, drivers.Rejected)
			}
			return false
		}
		same(t, observe(t, d), desired)
		back := plan.Diff(desired, before)
		slices.Reverse(back)
		if _, err := d.Apply(t.Context(), back); err != nil {
			t.Fatalf("%.60q as %s cannot be taken back: %v", text, place, err)
		}
		return true
	}
	for _, text := range Hostile() {
		filter := &switchcfg.Filter{Name: text, AnySource: true}
		lag := []switchcfg.Object{
			&switchcfg.Interface{Name: member, Description: "ixagent port:1"},
			&switchcfg.LAG{Name: text, Description: "ixagent conn:1", Mode: switchcfg.ModeStatic, Members: []string{member}},
		}
		takes(text, "the name of a port", &switchcfg.Interface{Name: text, Description: "ixagent port:1"})
		if !takes(text, "every text but that", append(append(h.attached(port, text, text, text, text), filter), lag...)...) {
			takes(text, "the description of a port", h.attached(port, text, "ix-1", "ixagent ns:1", "ixagent nsc:1")...)
			takes(text, "the description of a service", h.attached(port, "ixagent port:1", "ix-1", text, "ixagent nsc:1")...)
			takes(text, "the description of a circuit", h.attached(port, "ixagent port:1", "ix-1", "ixagent ns:1", text)...)
			takes(text, "the name of a service", h.attached(port, "ixagent port:1", text, "ixagent ns:1", "ixagent nsc:1")...)
			takes(text, "the name of a filter", filter)
			takes(text, "the name of a LAG", lag...)
		}
		same(t, observe(t, d), before)
	}
}

// attached returns a port, a service and a circuit that joins it, as far as the device has them.
func (h Harness) attached(port, portText, service, serviceText, circuitText string) []switchcfg.Object {
	out := []switchcfg.Object{&switchcfg.Interface{Name: port, Description: portText}}
	if !h.Caps.Service(switchcfg.ServiceLAN) || !h.Caps.Form(switchcfg.Untagged) {
		return out
	}
	lan := &switchcfg.Service{Name: service, Description: serviceText, Type: switchcfg.ServiceLAN}
	if h.Caps.ServiceVLAN {
		lan.VLAN = 600
	}
	return append(out, lan, &switchcfg.Circuit{Parent: port, Unit: h.Caps.UntaggedUnit, Description: circuitText, Service: service})
}
