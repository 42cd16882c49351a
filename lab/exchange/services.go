package exchange

import "net/http"

// serviceResources returns what can be ordered of network services, and what belongs to them.
func serviceResources() map[string]*resource {
	return map[string]*resource{
		"network-services": {
			prefix: "ns", remove: decommission, removed: http.StatusAccepted,
			actions: map[string]action{"cancellation-policy": cancellation()},
		},
	}
}
