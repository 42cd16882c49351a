package topology

import (
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// The states of a node.
const (
	Running = "running" // its program runs
	Exited  = "exited"  // its program has ended, and is not started again
)

// Status is a lab as it is now.
type Status struct {
	Name     string       `json:"name"`
	Owner    int          `json:"owner"` // user id of whoever brought it up
	PID      int          `json:"pid"`   // of the supervisor
	Rootless bool         `json:"rootless"`
	Since    time.Time    `json:"since"`
	Mgmt     Mgmt         `json:"mgmt"`
	Nodes    []NodeStatus `json:"nodes"`
}

// NodeStatus is a node as it is now.
type NodeStatus struct {
	Name       string      `json:"name"`
	PID        int         `json:"pid"`                // of its program, as whoever brought the lab up sees it
	MgmtIPv4   netip.Addr  `json:"mgmt-ipv4,omitzero"` // of eth0
	State      string      `json:"state"`
	Exit       string      `json:"exit,omitempty"`       // how its program ended, such as "exit status 1"
	LastLines  []string    `json:"last-lines,omitempty"` // that an ended program printed
	Warnings   []string    `json:"warnings,omitempty"`   // what could not be set up without root
	Interfaces []Interface `json:"interfaces,omitempty"`
}

// Interface is one end of a data link.
type Interface struct {
	Name string `json:"name"`
	Peer string `json:"peer"` // "node:interface"
	MTU  int    `json:"mtu"`
}

// Node returns the node of that name.
func (s *Status) Node(name string) (NodeStatus, error) {
	for _, n := range s.Nodes {
		if n.Name == name {
			return n, nil
		}
	}
	return NodeStatus{}, fmt.Errorf("lab %s has no node %s", s.Name, name)
}

func (s *supervisor) status() *Status {
	st := &Status{
		Name: s.Topology.Name, Owner: s.Owner, PID: s.pid, Rootless: s.Rootless, Since: s.since.UTC(), Mgmt: s.Topology.Mgmt,
		Nodes: make([]NodeStatus, len(s.members)),
	}
	for i, m := range s.members {
		st.Nodes[i] = m.status()
	}
	return st
}

func (m *member) status() NodeStatus {
	m.mu.Lock()
	defer m.mu.Unlock()
	st := NodeStatus{
		Name: m.Name, PID: m.pid, MgmtIPv4: m.MgmtIPv4, State: Running, Warnings: m.warnings, Interfaces: m.links,
	}
	if m.ran != nil {
		st.State, st.Exit, st.LastLines = Exited, ending(m.ran), m.out.lines(lastLines)
	}
	return st
}

// ending says how a process ended.
func ending(p *os.ProcessState) string {
	if w, ok := p.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return "killed by signal " + w.Signal().String()
	}
	return p.String()
}
