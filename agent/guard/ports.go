package guard

import (
	"fmt"

	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Ports returns the guard that holds interfaces which a switch does not have, and so all that is to be on them: one wrong
// name must not keep others from what is theirs. There is nothing to hold where it is not known which the switch has.
func Ports(device string, has map[string]bool) plan.Guard {
	return each(func(c plan.Change) (plan.Hold, bool) {
		return plan.Hold{
			Reason: plan.NoPort,
			Detail: fmt.Sprintf("%s has no interface %s: correct the name in the inventory or at the exchange", device, c.Key.Name),
		}, has != nil && c.Verb == plan.Create && c.Key.Kind == switchcfg.KindInterface && !has[c.Key.Name]
	})
}
