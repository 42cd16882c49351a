package ixpmanager

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// In these types a nil pointer and an empty string stand for what is null or missing. Speeds and rates are in Mbit/s.

// Switch is a switch of the exchange.
type Switch struct {
	ID       Number `json:"id"`
	Name     string `json:"name"`
	Hostname string `json:"hostname"`
	Active   *Flag  `json:"active"`
	Faulty   bool   `json:"-"`
}

// VLAN is a VLAN that interfaces of a switch can be in. Members are tested in quarantine VLANs; a private one is some
// members' own.
type VLAN struct {
	Name       string `json:"name"`
	Tag        Number `json:"tag"`
	Private    *Flag  `json:"private"`
	ConfigName string `json:"config_name"`
	Faulty     bool   `json:"-"`
}

// The types of interfaces.
const (
	Edge = "edge" // of a member
	Core = "core" // between switches
)

// The states of an interface that are known. IXP Manager has more, and calls an interface that it does not show awaiting
// its cross connect.
const (
	Connected  = "connected"
	Quarantine = "quarantine"
)

// Interface is a LAG, a member port of one, or a plain port, of a switch. A LAG and its member ports have one
// VirtualInterface. Members names the member ports, on the LAG alone.
type Interface struct {
	Type             string          `json:"type"`
	Description      string          `json:"description"` // short name of the member
	Dot1Q            *Flag           `json:"dot1q"`       // its frames carry the number of their VLAN
	VirtualInterface Number          `json:"virtualinterfaceid"`
	LAGFraming       *Flag           `json:"lagframing"`
	LAGIndex         *Number         `json:"lagindex"`
	VLANs            []InterfaceVLAN `json:"vlans"`
	Name             string          `json:"name"` // on the switch
	LAGMaster        *Flag           `json:"lagmaster"`
	LAGMembers       []string        `json:"lagmembers"`
	FastLACP         *Flag           `json:"fastlacp"`
	Shutdown         *Flag           `json:"shutdown"`
	Status           string          `json:"status"`
	Speed            *Number         `json:"speed"`
	RateLimit        *Number         `json:"rate_limit"`
	Faulty           bool            `json:"-"`
}

// InterfaceVLAN is the membership of an interface in a VLAN.
type InterfaceVLAN struct {
	Number        Number    `json:"number"` // the VLAN's tag
	VLANInterface Number    `json:"vlaninterfaceid"`
	MACs          []string  `json:"macaddresses"`
	IPs           Addresses `json:"ipaddresses"`
}

// Addresses are those of a member in a VLAN. An empty one is none.
type Addresses struct {
	IPv4 string `json:"ipv4"`
	IPv6 string `json:"ipv6"`
}

// UnmarshalJSON reads addresses. One that has none at all may be an empty array.
func (a *Addresses) UnmarshalJSON(text []byte) error {
	var none []json.RawMessage
	if json.Unmarshal(text, &none) == nil && len(none) == 0 {
		*a = Addresses{}
		return nil
	}
	type plain Addresses
	return json.Unmarshal(text, (*plain)(a))
}

// Number is a whole number that may be written as text.
type Number int

// UnmarshalJSON reads a number, or a string of decimal digits.
func (n *Number) UnmarshalJSON(text []byte) error {
	var s string
	if json.Unmarshal(text, &s) != nil {
		s = string(text)
	}
	if s == "null" {
		return nil
	}
	v, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return fmt.Errorf("%.40q is not a whole number", s)
	}
	*n = Number(v)
	return nil
}

// Flag is a truth value that may be written as a number.
type Flag bool

// UnmarshalJSON reads true or false, or 1 or 0, as a number or as text.
func (f *Flag) UnmarshalJSON(text []byte) error {
	switch string(text) {
	case "null":
		return nil
	case "true", "1", `"1"`:
		*f = true
		return nil
	case "false", "0", `"0"`:
		*f = false
		return nil
	}
	return errors.New("neither true nor false")
}

// Is reports whether a flag is known to be set.
func (f *Flag) Is() bool { return f != nil && bool(*f) }
