package eos

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// mode is a place in which commands are entered.
type mode string

// The modes. In those after global, configuration is entered; configuring, inSession and drafting are what can be said
// in all of them, in those of a session, and in those that take effect when they are left.
const (
	exec        mode = "exec"
	configuring mode = "configuring"
	inSession   mode = "in-session"
	drafting    mode = "drafting"

	global    mode = "global"
	vlanMode  mode = "vlan"
	port      mode = "port"   // Ethernet1
	lag       mode = "lag"    // Port-Channel10
	sub       mode = "sub"    // either with a unit behind a dot
	routed    mode = "routed" // Management, Loopback, Vlan
	vxlan     mode = "vxlan"
	encap     mode = "encap"
	panel     mode = "panel"
	patchMode mode = "patch"
	macList   mode = "mac-list"
	policyMap mode = "policy-map"
	classMode mode = "class"
	bgp       mode = "bgp"
	mgmtSSH   mode = "management-ssh"
)

// command is one thing that can be said in some modes.
type command struct {
	words []word
	rank  int // where its line is shown in its block

	// A line has a slot, of which its block has one. It is named by the first words, all if key is 0, or has a name.
	key  int
	slot string

	opens    mode   // the mode below it
	empty    bool   // not shown without lines below it
	negated  bool   // what is shown is its negation
	standard string // what goes without saying, and is not shown

	// edit does what the words of a configuration command say, where setting a line or taking one away is not all.
	edit func(e *edit, at *line, c *call) error
	// run does what the words of another command say.
	run func(s *shell, c *call) error
	// plain is that it is for users who are not privileged too.
	plain bool
}

// call is a command as somebody has entered it.
type call struct {
	*command
	undo  string   // "no" or "default"
	words []string // in full and in canonical form; the last ones may be missing where it is undone
	args  []string // those words that are no keywords
}

func (c *call) text() string { return strings.Join(c.words, " ") }

// name is the name of the slot of the line that is meant.
func (c *call) name() string {
	if c.slot != "" {
		return c.slot
	}
	n := c.key
	if n == 0 {
		n = len(c.words)
	}
	return strings.Join(c.words[:min(n, len(c.words))], " ")
}

// word is one word of a command: keywords of which one is meant, or something to fill in.
type word struct {
	keywords []string
	kind     string
	lo, hi   uint64
}

var bounds = regexp.MustCompile(`^<([0-9]+)-([0-9]+)>$`)

// pattern reads the words of a command, such as "lacp timer fast|normal" or "l2 mtu <68-65535>".
func pattern(text string) []word {
	var words []word
	for _, w := range strings.Fields(text) {
		if m := bounds.FindStringSubmatch(w); m != nil {
			lo, _ := strconv.ParseUint(m[1], 10, 64)
			hi, _ := strconv.ParseUint(m[2], 10, 64)
			words = append(words, word{kind: "number", lo: lo, hi: hi})
		} else if kind, ok := strings.CutPrefix(w, "<"); ok {
			words = append(words, word{kind: strings.TrimSuffix(kind, ">")})
		} else {
			words = append(words, word{keywords: strings.Split(w, "|")})
		}
	}
	return words
}

// fills reports whether the word takes all that is left of a line.
func (w *word) fills() bool { return w.kind == "line" || w.kind == "addresses" }

// captured reports whether the word is an argument.
func (w *word) captured() bool { return w.kind != "" || len(w.keywords) > 1 }

// fill returns what is entered for a word in canonical form.
func (w *word) fill(text string) (string, bool) {
	switch w.kind {
	case "number":
		n, err := strconv.ParseUint(text, 10, 64)
		return strconv.FormatUint(n, 10), err == nil && n >= w.lo && n <= w.hi
	case "word":
		return text, true
	case "name":
		return text, len(text) <= 250 && !strings.ContainsAny(text, "|\"'`;")
	case "line":
		return text, true
	case "mac":
		return macAddress(text)
	case "address":
		return address(text)
	case "addresses":
		var all []string
		for _, f := range strings.Fields(text) {
			a, ok := address(f)
			if !ok {
				return "", false
			}
			if !slices.Contains(all, a) {
				all = append(all, a)
			}
		}
		return strings.Join(all, " "), true
	case "prefix":
		p, err := netip.ParsePrefix(text)
		return p.String(), err == nil && p.Addr().Is4()
	case "ethertype":
		n, err := strconv.ParseUint(strings.ToLower(text), 0, 16)
		return fmt.Sprintf("0x%04x", n), err == nil && n >= 0x600
	case "clock":
		return text, clock.MatchString(text)
	case "vlans":
		return vlanList(text)
	case "any":
		return "any", len(text) > 0 && strings.HasPrefix("any", text)
	default:
		name, ok := interfaceName(text)
		return name, ok && (w.kind == "interface" || w.kind == string(kindOf(name)))
	}
}

var clock = regexp.MustCompile(`^[0-9]{1,2}:[0-5][0-9]:[0-5][0-9]$`)

func address(text string) (string, bool) {
	a, err := netip.ParseAddr(text)
	return a.String(), err == nil && a.Is4()
}

var macForms = []*regexp.Regexp{
	regexp.MustCompile(`^([0-9a-f]{1,4})\.([0-9a-f]{1,4})\.([0-9a-f]{1,4})$`),
	regexp.MustCompile(`^([0-9a-f]{2}):([0-9a-f]{2}):([0-9a-f]{2}):([0-9a-f]{2}):([0-9a-f]{2}):([0-9a-f]{2})$`),
}

func macAddress(text string) (string, bool) {
	text = strings.ToLower(text)
	if m := macForms[0].FindStringSubmatch(text); m != nil {
		for i := range m {
			m[i] = "0000"[:max(4-len(m[i]), 0)] + m[i]
		}
		return strings.Join(m[1:], "."), true
	}
	if macForms[1].MatchString(text) {
		digits := strings.ReplaceAll(text, ":", "")
		return digits[:4] + "." + digits[4:8] + "." + digits[8:], true
	}
	return "", false
}

// vlanList reads VLANs such as 5,10-12, and returns them ascending, ranges as such.
func vlanList(text string) (string, bool) {
	numbers, ok := parseVLANs(text)
	return formatVLANs(numbers), ok
}

func parseVLANs(text string) ([]int, bool) {
	have := make(map[int]bool)
	for _, part := range strings.Split(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		a, err := strconv.Atoi(from)
		b := a
		if isRange && err == nil {
			b, err = strconv.Atoi(to)
		}
		if err != nil || a < 1 || b > 4094 || a > b {
			return nil, false
		}
		for v := a; v <= b; v++ {
			have[v] = true
		}
	}
	var all []int
	for v := range have {
		all = append(all, v)
	}
	slices.Sort(all)
	return all, true
}

func formatVLANs(all []int) string {
	var parts []string
	for i := 0; i < len(all); {
		j := i
		for j+1 < len(all) && all[j+1] == all[j]+1 {
			j++
		}
		if part := strconv.Itoa(all[i]); i == j {
			parts = append(parts, part)
		} else {
			parts = append(parts, part+"-"+strconv.Itoa(all[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, ",")
}

// kind is what an interface is.
type kind string

const (
	ethernet    kind = "ethernet"
	ethernetSub kind = "ethernet-sub"
	portChannel kind = "port-channel"
	channelSub  kind = "port-channel-sub"
	loopback    kind = "loopback"
	management  kind = "management"
	svi         kind = "vlan-interface"
	tunnel      kind = "vxlan-interface"
)

var (
	interfaceForm  = regexp.MustCompile(`^([A-Za-z-]+)([0-9]+(?:/[0-9]+){0,2})(?:\.([0-9]+))?$`)
	interfaceTypes = []string{"Ethernet", "Loopback", "Management", "Port-Channel", "Vlan", "Vxlan"}
)

// interfaceName returns the full name of an interface, such as Port-Channel10.100 for po10.100.
func interfaceName(text string) (string, bool) {
	m := interfaceForm.FindStringSubmatch(text)
	if m == nil {
		return "", false
	}
	var full string
	for _, t := range interfaceTypes {
		if strings.HasPrefix(strings.ToLower(t), strings.ToLower(m[1])) {
			if full != "" {
				return "", false
			}
			full = t
		}
	}
	hi := map[string]uint64{"Port-Channel": 2000, "Vlan": 4094, "Vxlan": 1, "Loopback": 2100, "Ethernet": 1 << 16, "Management": 16}[full]
	for i, part := range strings.Split(m[2], "/") {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil || n > hi || n == 0 && full != "Loopback" && full != "Management" || part[0] == '0' && len(part) > 1 {
			return "", false
		}
		if i > 0 && full != "Ethernet" && full != "Management" {
			return "", false
		}
	}
	if full == "" {
		return "", false
	}
	if m[3] == "" {
		return full + m[2], true
	}
	unit, err := strconv.ParseUint(m[3], 10, 32)
	if err != nil || unit == 0 || full != "Ethernet" && full != "Port-Channel" {
		return "", false
	}
	return full + m[2] + "." + strconv.FormatUint(unit, 10), true
}

// kindOf returns the kind of an interface with a full name.
func kindOf(name string) kind {
	dotted := strings.Contains(name, ".")
	switch {
	case strings.HasPrefix(name, "Ethernet") && dotted:
		return ethernetSub
	case strings.HasPrefix(name, "Ethernet"):
		return ethernet
	case strings.HasPrefix(name, "Port-Channel") && dotted:
		return channelSub
	case strings.HasPrefix(name, "Port-Channel"):
		return portChannel
	case strings.HasPrefix(name, "Loopback"):
		return loopback
	case strings.HasPrefix(name, "Management"):
		return management
	case strings.HasPrefix(name, "Vlan"):
		return svi
	}
	return tunnel
}

// shortName is what prompts and tables call an interface.
func shortName(name string) string {
	for _, t := range interfaceTypes {
		if rest, ok := strings.CutPrefix(name, t); ok {
			return t[:2] + rest
		}
	}
	return name
}

// refusal is what the device says to a line that it does not take.
type refusal string

func (r refusal) Error() string { return string(r) }

func refuse(format string, args ...any) error { return refusal("% " + fmt.Sprintf(format, args...)) }

// invalid is the refusal of words that mean nothing, and how many of them did mean something.
type invalid struct {
	refusal
	at int
}

// token is one word that is entered.
type token struct {
	text string
	rest string // of the line from here on, without blanks at its end
}

func tokens(line string) []token {
	var all []token
	for {
		line = strings.Trim(line, " \t")
		if line == "" {
			return all
		}
		end := strings.IndexAny(line, " \t")
		if end < 0 {
			end = len(line)
		}
		all = append(all, token{line[:end], line})
		line = line[end:]
	}
}

// joined makes one word of an interface that is entered as two, such as "ethernet 1".
func joined(all []token) []token {
	for i := 1; i+1 < len(all); i++ {
		if i > 2 || !strings.HasPrefix("interface", all[i-1].text) || len(all[i-1].text) < 2 {
			continue
		}
		if name, ok := interfaceName(all[i].text + all[i+1].text); ok && strings.Trim(all[i].text, "0123456789") == all[i].text {
			return slices.Replace(slices.Clone(all), i, i+2, token{name, all[i].rest})
		}
	}
	return all
}

// match finds what is meant among commands. undo is "no" or "default", for which a command may lack its last words.
func match(commands []*command, all []token, undo string, skipped int) (*call, error) {
	type attempt struct {
		*command
		canonical, args []string
		full            bool // nothing more is expected
	}
	live := make([]attempt, len(commands))
	for i, c := range commands {
		live[i].command = c
	}
	for i := 0; i < len(all); i++ {
		t := all[i]
		var next []attempt
		var keywords []string
		exact := false
		for _, a := range live {
			if i >= len(a.words) || a.full {
				continue
			}
			for _, k := range a.words[i].keywords {
				if !strings.HasPrefix(k, strings.ToLower(t.text)) {
					continue
				}
				exact = exact || k == strings.ToLower(t.text)
				if !slices.Contains(keywords, k) {
					keywords = append(keywords, k)
				}
			}
		}
		if exact {
			keywords = []string{strings.ToLower(t.text)}
		}
		if len(keywords) > 1 {
			return nil, refuse("Ambiguous command (at token %d: '%s')", i+skipped, t.text)
		}
		for _, a := range live {
			if i >= len(a.words) || a.full {
				continue
			}
			w := &a.words[i]
			switch {
			case len(keywords) == 1 && slices.Contains(w.keywords, keywords[0]):
				a.canonical = append(slices.Clip(a.canonical), keywords[0])
				if w.captured() {
					a.args = append(slices.Clip(a.args), keywords[0])
				}
			case len(keywords) == 0 && w.kind != "":
				text := t.text
				if w.fills() {
					text = t.rest
				}
				value, ok := w.fill(text)
				if !ok {
					continue
				}
				a.canonical, a.args = append(slices.Clip(a.canonical), value), append(slices.Clip(a.args), value)
				a.full = w.fills()
			default:
				continue
			}
			next = append(next, a)
		}
		if len(next) == 0 {
			return nil, &invalid{refusal(fmt.Sprintf("%% Invalid input (at token %d: '%s')", i+skipped, t.text)), i}
		}
		live = next
		if len(live) == 1 && live[0].full {
			break
		}
	}
	var short *attempt
	for i := range live {
		a := &live[i]
		if len(a.canonical) == len(a.words) {
			return &call{a.command, undo, a.canonical, a.args}, nil
		}
		if undo != "" && len(a.canonical) >= a.least() && short == nil {
			short = a
		}
	}
	if short != nil {
		return &call{short.command, undo, short.canonical, short.args}, nil
	}
	return nil, refuse("Incomplete command (at token %d: '%s')", len(all)-1+skipped, all[len(all)-1].text)
}

// least is how many words name what is undone.
func (c *command) least() int {
	if c.key == 0 {
		return len(c.words)
	}
	return c.key
}

// following returns the words that may come after those that are entered, keywords in full.
func following(commands []*command, all []token, partial string) []string {
	var found []string
	for _, c := range commands {
		if !begins(c, all) {
			continue
		}
		if len(all) == len(c.words) {
			if partial == "" {
				found = append(found, "<cr>")
			}
			continue
		}
		w := &c.words[len(all)]
		for _, k := range w.keywords {
			if strings.HasPrefix(k, strings.ToLower(partial)) {
				found = append(found, k)
			}
		}
		if w.kind == "number" {
			found = append(found, fmt.Sprintf("<%d-%d>", w.lo, w.hi))
		} else if w.kind != "" {
			found = append(found, strings.ToUpper(w.kind))
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

func begins(c *command, all []token) bool {
	if len(all) > len(c.words) {
		return false
	}
	for i, t := range all {
		w := &c.words[i]
		if w.kind != "" {
			if _, ok := w.fill(t.text); !ok {
				return false
			}
		} else if !slices.ContainsFunc(w.keywords, func(k string) bool { return strings.HasPrefix(k, strings.ToLower(t.text)) }) {
			return false
		}
	}
	return true
}
