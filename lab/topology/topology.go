package topology

import "net/netip"

// HostNode is the name under which a lab's own management namespace is reached. No node may be called so.
const HostNode = "host"

// Topology is a lab as its file describes it, with everything that the file leaves open decided.
type Topology struct {
	Name  string `json:"name"`
	Mgmt  Mgmt   `json:"mgmt"`
	Nodes []Node `json:"nodes"` // in the order of the file
	Links []Link `json:"links,omitempty"`
}

// Mgmt is the management network.
type Mgmt struct {
	Network string       `json:"network"`     // containerlab's name for it
	IPv4    netip.Prefix `json:"ipv4-subnet"` // its first address is that of the host
}

// Gateway returns the address of the host in the management network, the first one.
func (m Mgmt) Gateway() netip.Addr { return m.IPv4.Masked().Addr().Next() }

// Node is one switch or host. Its program is ixlab.
type Node struct {
	Name        string            `json:"name"`
	Image       string            `json:"image"`
	Args        []string          `json:"args"` // the words of cmd, the program's arguments
	Env         map[string]string `json:"env,omitempty"`
	Sysctls     map[string]string `json:"sysctls,omitempty"`
	Privileged  bool              `json:"privileged"`        // keeps every capability
	CapAdd      []string          `json:"cap-add,omitempty"` // capabilities beyond a container's usual ones, such as "NET_ADMIN"
	NetworkMode string            `json:"network-mode,omitempty"`
	MgmtIPv4    netip.Addr        `json:"mgmt-ipv4,omitzero"` // of eth0; none with network mode "none"
}

// Link joins two interfaces.
type Link struct {
	A   Endpoint `json:"a"`
	B   Endpoint `json:"b"`
	MTU int      `json:"mtu"` // octets after the Ethernet header
}

// Endpoint is an interface of a node.
type Endpoint struct {
	Node      string `json:"node"`
	Interface string `json:"interface"`
}

// String returns "node:interface".
func (e Endpoint) String() string { return e.Node + ":" + e.Interface }

// Node returns the node of that name, or nil.
func (t *Topology) Node(name string) *Node {
	for i := range t.Nodes {
		if t.Nodes[i].Name == name {
			return &t.Nodes[i]
		}
	}
	return nil
}
