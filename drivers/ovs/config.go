package ovs

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"

	"github.com/ixagent/ixagent/models/switchcfg"
)

// The tables of the database that hold configuration (ovs-vswitchd.conf.db(5)), in the order in which rows refer to each other.
const (
	tableSwitch    = "Open_vSwitch"
	tableBridge    = "Bridge"
	tablePort      = "Port"
	tableInterface = "Interface"
)

// hub is the bridge of the customer ports.
const hub = "ixagent"

// note is the column that tells rows that are ours, and holds the object a row stands for. Rows that only serve one have
// the text part.
const (
	note = "external_ids:ixagent"
	part = "part"
)

// rowKey names a row.
type rowKey struct{ table, name string }

// row is the part of a row that is ours to say. Values are in the form in which ovs-vsctl takes them.
type row struct {
	rowKey
	in      string // a port's bridge, an interface's port
	columns map[string]string
	uuid    string // of a row that was read
	owner   switchcfg.Key
}

func (r *row) same(o *row) bool { return r.in == o.in && maps.Equal(r.columns, o.columns) }

// meter bounds a rate.
type meter struct{ rate, burst uint64 } // kbit/s, kbit

// config is all that a switch is told of our objects.
type config struct {
	rows   map[rowKey]*row
	flows  map[string][]switchcfg.Key // each as the device prints it, and the objects it belongs to
	meters map[uint32]meter
}

func newConfig() *config {
	return &config{rows: make(map[rowKey]*row), flows: make(map[string][]switchcfg.Key), meters: make(map[uint32]meter)}
}

func (c *config) has(table, name string) bool { return c.rows[rowKey{table, name}] != nil }

func (c *config) put(r *row) { c.rows[r.rowKey] = r }

// sorted returns the rows of a table by name.
func (c *config) sorted(table string) []*row {
	var out []*row
	for k, r := range c.rows {
		if k.table == table {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b *row) int { return switchcfg.CompareNames(a.name, b.name) })
	return out
}

// derived returns a name that fits an interface of Linux: a prefix and eleven digits made of what it stands for.
func derived(prefix, of string) string {
	h := sha256.Sum256([]byte(of))
	return prefix + hex.EncodeToString(h[:6])[:11]
}

// The names of what serves an object. Those of a patch are two.
func lagBridge(lag string) string           { return derived("ixl", lag) }
func serviceBridge(service string) string   { return derived("ixs", service) }
func lagPatch(lag string) (hub, far string) { return derived("ixp", lag), derived("ixq", lag) }
func circuitPatch(k switchcfg.Key) (a, b string) {
	name := switchcfg.CircuitName(k.Name, k.Unit)
	return derived("ixc", name), derived("ixd", name)
}

// idle is the second interface of the bond of a LAG of one member. Open vSwitch has a bond only of two, and without a bond
// lets in what comes before LACP has settled.
func idle(lag string) string { return derived("ixi", lag) }

func tunnel(service, peer string) string { return derived("ixv", service+" "+peer) }

// number returns 48 bits by which flows know a name.
func number(of string) uint64 {
	h := sha256.Sum256([]byte(of))
	return binary.BigEndian.Uint64(h[:8])>>16 | 1<<46
}

// quoted returns s as a string of the database (ovs-vsctl(8), RFC 8259 7). It holds printable ASCII only, see plain.
func quoted(s string) string { return strconv.Quote(s) }
