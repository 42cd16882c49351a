package compile

import (
	"cmp"
	"fmt"

	"github.com/ixagent/ixagent/models/ixapi"
)

// unsold returns a function that refuses, while an order is tried, capacity that the exchange cannot sell: more than the
// limit of the connection leaves, or what the offering does not have. What somebody has already is not refused for that,
// as it has been sold; only what an order adds is.
func (c *Compiler) unsold(order *ixapi.Records) func() []Rejection {
	before := c.allocated(order)
	var asked []*ixapi.NetworkServiceConfig
	for i := range order.NetworkServiceConfigs {
		n := &order.NetworkServiceConfigs[i]
		old := c.records.config(n.ID)
		if n.Capacity != nil && (old == nil || old.Capacity == nil || *old.Capacity != *n.Capacity || old.Connection != n.Connection || old.ProductOffering != n.ProductOffering) {
			asked = append(asked, n)
		}
	}
	return func() (out []Rejection) {
		after := c.allocated(order)
		for _, n := range asked {
			capacity := *n.Capacity
			refuse := func(tag Tag, attrs map[string]any, format string, args ...any) {
				attrs["capacity"] = capacity
				a := attachment{unit: c.units[n.Connection], config: n}
				out = append(out, a.reject(tag, severityError, fmt.Sprintf("network-service-config %s has a capacity of %d Mbit/s, and ", n.ID, capacity)+fmt.Sprintf(format, args...), attrs))
			}
			if conn := c.records.connections[n.Connection]; conn != nil && conn.CapacityAllocationLimit != nil {
				limit, more, allocated := *conn.CapacityAllocationLimit, after[conn.ID]-before[conn.ID], before[conn.ID]
				if conn.CapacityAllocated != nil {
					allocated = max(allocated, *conn.CapacityAllocated) // also to what the exchange does not show
				}
				// What is too much by itself is refused in any case.
				if more > 0 && allocated+more > limit && capacity <= limit {
					refuse(TagCapacityLimit, map[string]any{"capacity_allocated": allocated, "capacity_allocation_limit": limit},
						"of the %d of connection %s %d are allocated", limit, conn.ID, allocated)
				}
			}
			id := n.ProductOffering
			if s := c.records.services[n.NetworkService]; s != nil {
				id = cmp.Or(id, s.ProductOffering)
			}
			switch o := c.records.offerings[id]; {
			case o == nil:
			case o.BandwidthMin != nil && capacity < *o.BandwidthMin:
				refuse(TagCapacityNotOffered, map[string]any{"product_offering": o.ID, "bandwidth_min": *o.BandwidthMin}, "offering %s begins at %d", o.ID, *o.BandwidthMin)
			case o.BandwidthMax != nil && capacity > *o.BandwidthMax:
				refuse(TagCapacityNotOffered, map[string]any{"product_offering": o.ID, "bandwidth_max": *o.BandwidthMax}, "offering %s ends at %d", o.ID, *o.BandwidthMax)
			}
		}
		return out
	}
}

// allocated returns the sum of the capacities on each connection that an order bears on, in Mbit/s (IX-API, connections,
// capacity_allocated). A config without one is not limited, and counts nothing.
func (c *Compiler) allocated(order *ixapi.Records) map[ixapi.ID]int {
	out := make(map[ixapi.ID]int)
	for i := range order.NetworkServiceConfigs {
		id := order.NetworkServiceConfigs[i].Connection
		if _, done := out[id]; done {
			continue
		}
		sum := 0
		for _, n := range c.records.configs[id] {
			if f, _ := commonFate(n.State, noPolicy); f != gone && n.Capacity != nil {
				sum += *n.Capacity
			}
		}
		out[id] = sum
	}
	return out
}
