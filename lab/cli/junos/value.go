package junos

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// valueType checks a value and returns the form in which it is kept and shown.
type valueType func(text string) (string, error)

// parseType returns a type by its name in the grammar.
func parseType(name string) (valueType, error) {
	switch name {
	case "string":
		return anyText, nil
	case "name":
		return identifier, nil
	case "mac":
		return macAddress, nil
	case "macs":
		return macPrefix, nil
	case "ip":
		return address, nil
	case "prefix":
		return prefix, nil
	case "amount":
		return amount, nil
	case "tpid":
		return tagProtocol, nil
	case "tag":
		return taggedVLAN, nil
	case "domainvlan":
		return domainVLAN, nil
	case "ifd":
		return device, nil
	case "ifl":
		return logical, nil
	case "ae":
		return bundle, nil
	}
	if from, to, ok := strings.Cut(name, ".."); ok {
		lo, err := strconv.ParseUint(from, 10, 64)
		if err != nil {
			return nil, err
		}
		hi, err := strconv.ParseUint(to, 10, 64)
		if err != nil {
			return nil, err
		}
		return within(lo, hi), nil
	}
	return oneOf(strings.Split(name, "|")), nil
}

// maxText is the length in bytes of the longest value.
const maxText = 255

func anyText(text string) (string, error) {
	if len(text) > maxText {
		return "", fmt.Errorf("invalid value: must be a string of %d characters or less", maxText)
	}
	return text, nil
}

// printable reports whether a word can be a value at all.
func printable(text string) bool {
	return strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }) < 0
}

func identifier(text string) (string, error) {
	if text == "" || len(text) > maxText || strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"'[]{};|<>()&\`, r) }) {
		return "", fmt.Errorf("invalid value '%s': must be a string of letters, digits and dashes", text)
	}
	return text, nil
}

func within(lo, hi uint64) valueType {
	return func(text string) (string, error) {
		n, err := strconv.ParseUint(text, 10, 64)
		switch {
		case err != nil:
			return "", fmt.Errorf("invalid numeric value: '%s'", text)
		case n < lo || n > hi:
			return "", fmt.Errorf("error: Value %d is not within range (%d..%d)", n, lo, hi)
		}
		return strconv.FormatUint(n, 10), nil
	}
}

func oneOf(words []string) valueType {
	return func(text string) (string, error) {
		if slices.Contains(words, text) {
			return text, nil
		}
		return "", errSyntax
	}
}

func macAddress(text string) (string, error) {
	m, err := parseMAC(text)
	if err != nil {
		return "", err
	}
	return formatMAC(m), nil
}

func parseMAC(text string) (m [6]byte, err error) {
	fields := strings.Split(text, ":")
	for i, f := range fields {
		n, err := strconv.ParseUint(f, 16, 8)
		if err != nil || len(fields) != len(m) || len(f) > 2 {
			return m, fmt.Errorf("invalid value '%s' in mac address: '%s'", f, text)
		}
		m[i] = byte(n)
	}
	return m, nil
}

func formatMAC(m [6]byte) string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}

// macPrefix reads an address and the number of its bits that count. Those that do not count must be zero.
func macPrefix(text string) (string, error) {
	m, bits, err := parseMACPrefix(text)
	if err != nil {
		return "", err
	}
	return formatMAC(m) + "/" + strconv.Itoa(bits), nil
}

func parseMACPrefix(text string) (m [6]byte, bits int, err error) {
	addr, length, ok := strings.Cut(text, "/")
	if m, err = parseMAC(addr); err != nil {
		return m, 0, err
	}
	bits = 48
	if ok {
		n, err := strconv.ParseUint(length, 10, 8)
		if err != nil || n > 48 {
			return m, 0, fmt.Errorf("invalid value '%s' in mac address prefix: '%s'", length, text)
		}
		bits = int(n)
	}
	mask := maskOf(bits)
	for i := range m {
		m[i] &= mask[i]
	}
	return m, bits, nil
}

func maskOf(bits int) (m [6]byte) {
	for i := range bits {
		m[i/8] |= 0x80 >> (i % 8)
	}
	return m
}

func address(text string) (string, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return "", fmt.Errorf("invalid value '%s' in ip address: '%s'", text, text)
	}
	return a.String(), nil
}

func prefix(text string) (string, error) {
	if !strings.Contains(text, "/") {
		a, err := address(text)
		if err != nil {
			return "", err
		}
		return a + "/" + strconv.Itoa(netip.MustParseAddr(a).BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return "", fmt.Errorf("invalid value '%s' in ip prefix: '%s'", text, text)
	}
	return p.String(), nil
}

// units are the suffixes of amounts, the largest first.
func units() []string { return []string{"g", "m", "k"} }

// amount reads a number that may end in k, m or g, and returns the shortest way to write it.
func amount(text string) (string, error) {
	n, err := parseAmount(text)
	if err != nil {
		return "", err
	}
	factor := uint64(1_000_000_000)
	for _, u := range units() {
		if n > 0 && n%factor == 0 {
			return strconv.FormatUint(n/factor, 10) + u, nil
		}
		factor /= 1000
	}
	return strconv.FormatUint(n, 10), nil
}

func parseAmount(text string) (uint64, error) {
	digits, factor := text, uint64(1)
	for i, u := range units() {
		if rest, ok := strings.CutSuffix(text, u); ok {
			digits, factor = rest, [...]uint64{1_000_000_000, 1_000_000, 1000}[i]
		}
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || n > 1<<60/factor {
		return 0, fmt.Errorf("invalid numeric value: '%s'", text)
	}
	return n * factor, nil
}

func tagProtocol(text string) (string, error) {
	n, err := parseTagProtocol(text)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%#04x", n), nil
}

func parseTagProtocol(text string) (uint16, error) {
	digits, ok := strings.CutPrefix(strings.ToLower(text), "0x")
	n, err := strconv.ParseUint(digits, 16, 16)
	if !ok || err != nil || len(digits) != 4 || n < 0x600 {
		return 0, fmt.Errorf("invalid value '%s': tpid must be of the form 0xNNNN", text)
	}
	return uint16(n), nil
}

func taggedVLAN(text string) (string, error) {
	tpid, vlan, explicit, err := parseTag(text)
	if err != nil {
		return "", err
	}
	if !explicit {
		return strconv.Itoa(int(vlan)), nil
	}
	return fmt.Sprintf("%#04x.%d", tpid, vlan), nil
}

// parseTag reads a VLAN behind an ethertype that need not be written.
func parseTag(text string) (tpid, vlan uint16, explicit bool, err error) {
	digits := text
	tpid = 0x8100
	if before, after, ok := strings.Cut(text, "."); ok {
		if tpid, err = parseTagProtocol(before); err != nil {
			return 0, 0, false, err
		}
		digits, explicit = after, true
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n < 1 || n > 4094 {
		return 0, 0, false, fmt.Errorf("invalid value '%s': vlan-id must be 1..4094", text)
	}
	return tpid, uint16(n), explicit, nil
}

func domainVLAN(text string) (string, error) {
	if text == "none" || text == "all" {
		return text, nil
	}
	return within(1, 4094)(text)
}

func device(text string) (string, error) {
	if _, err := identifier(text); err != nil || strings.Contains(text, ".") || !letter(text[0]) {
		return "", fmt.Errorf("invalid value '%s': invalid interface type", text)
	}
	return text, nil
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' }

func logical(text string) (string, error) {
	name, unit, ok := strings.Cut(text, ".")
	if _, err := device(name); err != nil {
		return "", err
	}
	if !ok {
		return text + ".0", nil
	}
	n, err := strconv.ParseUint(unit, 10, 32)
	if err != nil {
		return "", fmt.Errorf("invalid value '%s': invalid unit number", text)
	}
	return name + "." + strconv.FormatUint(n, 10), nil
}

func bundle(text string) (string, error) {
	if _, ok := aeNumber(text); !ok {
		return "", fmt.Errorf("invalid value '%s': invalid aggregated ethernet interface name", text)
	}
	return text, nil
}

// aeNumber returns N of aeN.
func aeNumber(name string) (uint64, bool) {
	digits, ok := strings.CutPrefix(name, "ae")
	n, err := strconv.ParseUint(digits, 10, 16)
	return n, ok && err == nil && strconv.FormatUint(n, 10) == digits
}

// cutUnit returns the device and the number of a unit's name.
func cutUnit(name string) (parent, unit string) {
	parent, unit, _ = strings.Cut(name, ".")
	return parent, unit
}
