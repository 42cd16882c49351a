package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/ixagent/ixagent/agent/metrics"
	"github.com/ixagent/ixagent/drivers/all"
)

func TestAlertsNameCommandsThatThereAre(t *testing.T) {
	named := regexp.MustCompile("`ixagent ([^`]+)`").FindAllSubmatch(metrics.Alerts(), -1)
	if len(named) == 0 {
		t.Fatal("no alert names a command")
	}
	for _, m := range named {
		root := (&app{drivers: all.Registry()}).root()
		cmd, rest, err := root.Find(strings.Fields(string(m[1])))
		if err != nil || cmd == root {
			t.Errorf("there is no command %q: %v", m[1], err)
			continue
		}
		for _, arg := range rest {
			if name, ok := strings.CutPrefix(arg, "--"); !ok || cmd.Flag(name) == nil {
				t.Errorf("%s knows no %s", cmd.CommandPath(), arg)
			}
		}
	}
}
