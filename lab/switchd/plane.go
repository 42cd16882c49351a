package switchd

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/lacp"
	"github.com/ixagent/ixagent/lab/switchd/tree"
)

// forwarder makes a plane follow configurations, and is the operational state
// of the switch that has the plane. Its methods need no lock of the switch.
type forwarder struct {
	plane      *dataplane.Plane
	system     [6]byte
	translator *translator
}

var errTwoPlanes = errors.New("operational state comes from a plane or from Operational, not from both")

// newForwarder returns the forwarder of the switch with a name, whose LACP
// system is derived from the name.
func newForwarder(name string, p *dataplane.Plane) (*forwarder, error) {
	schema, err := tree.OpenConfig()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte("system of " + name))
	f := &forwarder{plane: p, translator: newTranslator(tree.New(schema))}
	copy(f.system[:], sum[:])
	f.system[0] = f.system[0]&^1 | 2 // one station, locally administered
	return f, nil
}

// follow configures the plane. After an error it does what it did before. It
// is not for concurrent use.
func (f *forwarder) follow(t *tree.Tree) error {
	c := *f.translator.translate(t)
	c.System = f.system
	return f.plane.Configure(&c)
}

// LinkUp implements [Operational].
func (f *forwarder) LinkUp(port string) bool {
	s, ok := f.plane.PortState(port)
	return ok && s.Link
}

// LACP implements [Operational]. A static LAG has no LACP.
func (f *forwarder) LACP(lag, port string) (LACPState, bool) {
	s, ok := f.plane.LACP(lag, port)
	if !ok {
		return LACPState{}, false
	}
	a, p := &s.Actor, &s.Partner
	return LACPState{
		Active: a.State.Has(lacp.Activity), Short: a.State.Has(lacp.Timeout), InSync: a.State.Has(lacp.Synchronization),
		Aggregatable: a.State.Has(lacp.Aggregation), Collecting: s.Collecting(), Distributing: s.Distributing(),
		SystemID: address(a.System.ID), PartnerID: address(p.System.ID),
		OperKey: a.Key, PartnerKey: p.Key, Port: a.Port, PartnerPort: p.Port,
	}, true
}

// address writes an address; nothing for the zero one.
func address(a [6]byte) string {
	if a == [6]byte{} {
		return ""
	}
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3], a[4], a[5])
}
