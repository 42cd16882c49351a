package exchange

import "net/http"

// configResources returns what can be ordered of network service configs, and what belongs to them.
func configResources() map[string]*resource {
	return map[string]*resource{
		"macs": {
			prefix: "mac",
			fields: together(ownable(), []field{
				{name: "address", is: stationMAC, required: true},
				{name: "valid_not_before", is: moment, null: true},
				{name: "valid_not_after", is: moment, null: true},
			}),
			create:  func(*order) *problem { return nil },
			remove:  removeMAC,
			removed: http.StatusOK,
		},
	}
}

// removeMAC removes an address that no config has any more.
func removeMAC(o *order) *problem {
	for _, c := range o.List("network-service-configs") {
		for _, id := range c.List("macs") {
			if id == o.id && inService(c) {
				p := unable("network service config %s has this address", c.ID)
				return &p
			}
		}
	}
	o.Remove(o.collection, o.id)
	o.new = nil
	return nil
}
