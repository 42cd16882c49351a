package sandbox

import (
	"strconv"
	"sync"
	"time"

	"github.com/ixagent/ixagent/lab/exchange"
	"github.com/ixagent/ixagent/lab/switchd"
	"github.com/ixagent/ixagent/lab/switchd/tree"
)

// stateAge is how old the state of a switch may be that counters are read from.
const stateAge = time.Second

// Counters are what switches of this process count for an exchange. A switch without a forwarding plane counts nothing.
type Counters struct {
	mu       sync.Mutex
	switches map[string]*switchd.Switch
	states   map[string]state
}

// A state is that of a switch at a time.
type state struct {
	at   time.Time
	tree *tree.Tree
}

// Add has a switch be counted as the device of that name.
func (c *Counters) Add(name string, sw *switchd.Switch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.switches == nil {
		c.switches, c.states = make(map[string]*switchd.Switch), make(map[string]state)
	}
	c.switches[name] = sw
	delete(c.states, name)
}

// on returns an interface of a device, which may be none.
func (c *Counters) on(device, name string) (at tree.Node, list tree.Node) {
	c.mu.Lock()
	defer c.mu.Unlock()
	sw, known := c.switches[device]
	if !known {
		return tree.Node{}, tree.Node{}
	}
	s := c.states[device]
	if now := time.Now(); s.tree == nil || now.Sub(s.at) >= stateAge {
		view, err := sw.State()
		if err != nil {
			return tree.Node{}, tree.Node{}
		}
		s = state{now, view}
		c.states[device] = s
	}
	list = s.tree.At("interfaces", "interface")
	return list.Entry(name), list
}

// Port returns what a port has counted (see [exchange.Counters]).
func (c *Counters) Port(device, port string) (exchange.Count, bool) {
	at, _ := c.on(device, port)
	return counted(at)
}

// Circuit returns what the subinterface has counted that matches the tags, of a port or of the LAG that it is in (see
// [exchange.Counters]).
func (c *Counters) Circuit(device, port string, outer, inner uint16) (exchange.Count, bool) {
	at, list := c.on(device, port)
	if lag := at.At("ethernet", "config", "aggregate-id"); lag.Exists() {
		at = list.Entry(lag.Text())
	}
	for sub := range at.At("subinterfaces", "subinterface").Entries() {
		match := sub.At("vlan", "match")
		single, double := match.At("single-tagged", "config"), match.At("double-tagged", "config")
		if vlan(single, "vlan-id")+vlan(double, "outer-vlan-id") == outer && vlan(double, "inner-vlan-id") == inner {
			return counted(sub)
		}
	}
	return exchange.Count{}, false
}

// vlan returns a number of a match; 0 for none.
func vlan(of tree.Node, name string) uint16 {
	n, err := strconv.ParseUint(of.Text(name), 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}

// counted returns the counters of an interface or a subinterface; ok is false where there are none.
func counted(at tree.Node) (c exchange.Count, ok bool) {
	counters := at.At("state", "counters")
	for name, into := range map[string]*uint64{
		"in-pkts": &c.In.Packets, "in-octets": &c.In.Octets, "in-errors": &c.In.Errors, "in-discards": &c.In.Discards,
		"out-pkts": &c.Out.Packets, "out-octets": &c.Out.Octets, "out-errors": &c.Out.Errors, "out-discards": &c.Out.Discards,
	} {
		n, err := strconv.ParseUint(counters.Text(name), 10, 64)
		if err == nil {
			*into = n
		}
		ok = ok || name == "in-pkts" && err == nil
	}
	return c, ok
}
