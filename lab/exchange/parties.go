package exchange

// partyResources returns what can be ordered of parties.
func partyResources() map[string]*resource { return map[string]*resource{} }
