package exchange

// serviceResources returns what can be ordered of network services, and what belongs to them.
func serviceResources() map[string]*resource { return map[string]*resource{} }
