package exchange

// connectionResources returns what can be ordered of connections.
func connectionResources() map[string]*resource { return map[string]*resource{} }
