package eos_test

import (
	"testing"
)

func TestTry(t *testing.T) {
	r := newRig(t)
	u := r.login(t)
	t.Log(u.run("show running-config"))
	u.must("configure session one")
	for _, l := range []string{"interface Ethernet1", "channel-group 10 mode active", "interface Port-Channel10", "no switchport", "interface po10.100",
		"description x", "vlan id 600", "encapsulation vlan", "client dot1q 100", "exit", "mac access-group ix in", "mac access-list ix", "10 deny any 0180.c200.0000 0000.0000.000f",
		"permit any any", "exit", "show session-config diffs", "commit", "show running-config", "show interfaces | json", "show configuration sessions detail", "show vlan", "show mac access-lists"} {
		t.Log(l, u.run(l))
	}
}
