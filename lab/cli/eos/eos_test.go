package eos_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"golang.org/x/sync/errgroup"

	"github.com/ixagent/ixagent/lab/cli"
	"github.com/ixagent/ixagent/lab/cli/eos"
	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/lacp"
	"github.com/ixagent/ixagent/lab/switchd"
	"github.com/ixagent/ixagent/lab/switchd/tree"
)

// member is a circuit of every kind's first lines: VLAN 600 on Ethernet1, tag 100.
func member() []string {
	return []string{
		"vlan 600", "interface Ethernet1", "no switchport", "interface Ethernet1.100", "vlan id 600",
		"encapsulation vlan", "client dot1q 100",
	}
}

// running returns the running configuration without the lines at its head.
func (u *user) running() string {
	u.t.Helper()
	text := u.run("show running-config")
	if !strings.HasPrefix(text, "! Command: show running-config\n! device: ") || !strings.HasSuffix(text, "\nend\n") {
		u.t.Fatalf("the running configuration is not whole: %s", text)
	}
	_, text, _ = strings.Cut(text, "swi\n!\n")
	return text
}

// circuits are the circuits that the plane has, and whether they can carry frames.
func (r *rig) circuits() []string {
	var all []string
	for _, c := range r.plane.CircuitStates() {
		all = append(all, fmt.Sprintf("%s.%d %s", c.Parent, c.Unit, c.Service))
	}
	return all
}

func TestSessionChangesNothingUntilItsCommit(t *testing.T) {
	r := newRig(t)
	u := r.login(t)
	before := u.running()
	u.must("configure session ixagent-1")
	u.must(member()...)
	if got := r.login(t).running(); got != before || len(r.circuits()) > 0 {
		t.Errorf("the session changes what runs: %s, %v", got, r.circuits())
	}
	want := `--- system:/running-config
+++ session:/ixagent-1-session-config
@@ -4,7 +4,15 @@
 !
 username admin privilege 15 role network-admin secret sha512 $6$lab$notarealhash
 !
+vlan 600
+!
 interface Ethernet1
+   no switchport
+!
+interface Ethernet1.100
+   vlan id 600
+   encapsulation vlan
+      client dot1q 100
 !
 interface Ethernet2
 !
`
	if diff := cmp.Diff(want, u.run("show session-config diffs")); diff != "" {
		t.Errorf("diffs (-want +got):\n%s", diff)
	}
	u.must("commit")
	if got := r.circuits(); !slices.Equal(got, []string{"Ethernet1.100 vlan-600"}) {
		t.Errorf("after the commit there are %v", got)
	}
	if text := u.running(); !strings.Contains(text, "\n      client dot1q 100\n") {
		t.Errorf("after the commit there runs %s", text)
	}
	if out := u.run("configure session ixagent-1"); out != "% Cannot enter session ixagent-1 (session already completed)\n" {
		t.Errorf("a session that is over is entered: %s", out)
	}
}

func TestSessionThatIsAbortedLeavesNothing(t *testing.T) {
	r := newRig(t)
	u := r.login(t)
	before := r.nos.Text()
	u.must("configure session a")
	u.must(member()...)
	if bytes.Equal(r.nos.Text(), before) {
		t.Error("a candidate is not part of the text")
	}
	u.must("abort")
	u.must("configure session b", "vlan 7", "exit", "exit", "configure session b abort")
	if got := r.nos.Text(); !bytes.Equal(got, before) {
		t.Errorf("left: %s", got)
	}
	if out := u.run("configure session b abort"); out != "% Session b not found\n" {
		t.Errorf("a session that is not there: %s", out)
	}
}

func TestSessionStaysWhenItsUserHasGone(t *testing.T) {
	r := newRig(t)
	u := r.login(t)
	u.must("configure session a", "vlan 7", "name seven")
	u.client.Close()
	again := r.login(t)
	again.must("configure session a")
	if out := again.run("show session-config"); !strings.Contains(out, "vlan 7\n   name seven\n") || !strings.HasSuffix(out, "end\n") {
		t.Errorf("the candidate is %s", out)
	}
	again.must("vlan 8", "end", "configure session a commit")
	if text := again.running(); !strings.Contains(text, "vlan 7\n   name seven\n!\nvlan 8\n") {
		t.Errorf("there runs %s", text)
	}
}

func TestCommitOverwritesWhatOthersChanged(t *testing.T) {
	r := newRig(t)
	u, other := r.login(t), r.login(t)
	u.must("configure session a", "vlan 7")
	other.must("configure terminal", "vlan 8", "end")
	if !strings.Contains(other.running(), "\nvlan 8\n") {
		t.Fatal("what is configured in the terminal does not run at once")
	}
	if out := u.run("show session-config diffs"); !strings.Contains(out, "\n-vlan 8\n+vlan 7\n") {
		t.Errorf("the diffs are %s", out)
	}
	u.must("commit")
	if text := u.running(); strings.Contains(text, "vlan 8") || !strings.Contains(text, "vlan 7") {
		t.Errorf("there runs %s", text)
	}
}

func TestPendingSessionsHaveABound(t *testing.T) {
	r := newRig(t)
	u := r.login(t)
	for i := range 5 {
		u.must(fmt.Sprintf("configure session s%d", i), "end")
	}
	out := u.run("configure session one-more")
	if !strings.HasPrefix(out, "% Maximum number of pending sessions has been reached") {
		t.Errorf("a sixth session: %s", out)
	}
	u.must("configure session s3", "abort", "configure session one-more", "abort", "configure session", "abort")
}

func TestTimerTakesACommitBack(t *testing.T) {
	r := newRig(t)
	u := r.login(t)
	before := u.running()
	u.must("configure session a")
	u.must(member()...)
	u.must("commit timer 00:00:01")
	back := make(chan bool, 1)
	defer r.sw.OnCommit(func(_, _ *tree.Tree) { back <- true })()
	if len(r.circuits()) != 1 || u.running() == before {
		t.Fatal("the commit does nothing")
	}
	if out := u.run("show configuration sessions detail"); !strings.Contains(out, "\nSession with pending commit timer: a\nTime left until commit timer expiry: in 0:00:0") {
		t.Errorf("the sessions are %s", out)
	}
	u.must("configure session b", "vlan 9")
	if out := u.run("commit"); !strings.HasPrefix(out, "% Error: another session waits") {
		t.Errorf("a second commit: %s", out)
	}
	u.must("abort")
	select {
	case <-back:
	case <-time.After(10 * time.Second):
		t.Fatal("the timer does not expire")
	}
	if got := u.running(); got != before || len(r.circuits()) > 0 {
		t.Errorf("after the timer there runs %s, %v", got, r.circuits())
	}
	if out := u.run("configure session a commit"); out != "% Cannot commit session a (session already aborted)\n" {
		t.Errorf("confirmed too late: %s", out)
	}
}

// sessions is what `show configuration sessions detail | json` says of their states.
func (u *user) sessions() map[string]string {
	u.t.Helper()
	var v struct {
		Sessions map[string]struct {
			State    string
			CommitBy float64
		}
	}
	text := u.run("show configuration sessions detail | json")
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		u.t.Fatalf("%v: %s", err, text)
	}
	all := make(map[string]string)
	for name, s := range v.Sessions {
		all[name] = s.State
		if by := time.UnixMilli(int64(1000 * s.CommitBy)); s.State == "pendingCommitTimer" && (by.Before(time.Now()) || by.After(time.Now().Add(time.Hour))) {
			u.t.Errorf("session %s is taken back at %v", name, by)
		}
	}
	return all
}

func TestConfirmedCommitStays(t *testing.T) {
	r := newRig(t)
	u := r.login(t)
	u.must("configure session a")
	u.must(member()...)
	u.must("commit timer 00:10:00", "configure session b", "end")
	if diff := cmp.Diff(map[string]string{"a": "pendingCommitTimer", "b": "pending"}, u.sessions()); diff != "" {
		t.Errorf("sessions (-want +got):\n%s", diff)
	}
	u.client.Close()
	again := r.login(t)
	again.must("configure session a commit")
	if r.sw.Pending() || len(r.circuits()) != 1 {
		t.Errorf("after the confirmation: %v, %v", r.sw.Pending(), r.circuits())
	}
	if diff := cmp.Diff(map[string]string{"a": "completed", "b": "pending"}, again.sessions()); diff != "" {
		t.Errorf("sessions (-want +got):\n%s", diff)
	}
}

func TestUnconfirmedCommitCanBeAborted(t *testing.T) {
	r := newRig(t)
	u := r.login(t)
	before := u.running()
	u.must("configure session a")
	u.must(member()...)
	u.must("commit timer 00:10:00", "configure session a abort")
	if got := u.running(); got != before || len(r.circuits()) > 0 || r.sw.Pending() {
		t.Errorf("there runs %s", got)
	}
}

func TestRebootLosesSessionsAndWhatIsNotConfirmed(t *testing.T) {
	r := newRig(t)
	u := r.login(t)
	before := u.running()
	u.must("configure session a")
	u.must(member()...)
	u.must("commit timer 00:10:00", "configure session b", "end")
	u.send("reload now\r")
	u.gone()
	u = r.login(t)
	if got := u.running(); got != before || len(u.sessions()) > 0 {
		t.Errorf("after the reboot there runs %s, sessions %v", got, u.sessions())
	}
}

func TestCommitThatFailsLeavesTheSessionOpen(t *testing.T) {
	r := newRig(t)
	u := r.login(t)
	for _, c := range []struct{ lines, want string }{
		{"interface Port-Channel9.5;encapsulation vlan;client untagged", "% Error: parent interface Port-Channel9 of Port-Channel9.5 does not exist\n"},
		{
			"interface Ethernet1.100;service-policy type qos input ix",
			"% Error: policy-map ix of Ethernet1.100 does not exist\n",
		},
		{
			"interface Ethernet1.200;encapsulation vlan;client dot1q 100",
			"% Error: /interfaces/interface[name=Ethernet1]/subinterfaces/subinterface[index=200]/vlan/match: overlaps subinterface 100: both match outer VLAN 100\n",
		},
		{
			"interface Ethernet2;switchport mode trunk;switchport trunk allowed vlan 600;switchport vlan translation 5 600",
			"% Error: Ethernet2 lets in the VLANs it translates by their own tags too (not supported on this hardware platform)\n",
		},
		{
			"interface Ethernet2;switchport mode trunk;switchport trunk allowed vlan 600-601;vlan 600,601;interface Ethernet2;shape rate 100 kbps",
			"% Error: Ethernet2 has a rate for several VLANs (not supported on this hardware platform)\n",
		},
		{
			"interface Ethernet2;channel-group 3 mode active;interface Ethernet3;channel-group 3 mode passive",
			"% Error: members of Port-Channel3 differ in their mode or timer (not supported on this hardware platform)\n",
		},
		{
			"interface Ethernet2;channel-group 3 mode on;interface Ethernet2.5;encapsulation vlan;client untagged;interface Ethernet2;no switchport",
			"% Error: /interfaces/interface[name=Ethernet2]/subinterfaces: a member of LAG Port-Channel3 cannot have subinterfaces\n",
		},
	} {
		u.must("configure session a")
		u.must(member()...)
		u.must(strings.Split(c.lines, ";")...)
		before := r.nos.Text()
		if out := u.run("commit"); out != c.want {
			t.Errorf("%s: %s, want %s", c.lines, out, c.want)
		}
		if !bytes.Equal(r.nos.Text(), before) {
			t.Errorf("%s: something has changed", c.lines)
		}
		u.must("abort")
	}
}

func TestWhatIsWrongIsRefused(t *testing.T) {
	u := newRig(t).login(t)
	for _, c := range []struct{ lines, want string }{
		{"shw version", "% Invalid input (at token 0: 'shw')"},
		{"show versions", "% Invalid input (at token 1: 'versions')"},
		{"show", "% Incomplete command (at token 0: 'show')"},
		{"show version now", "% Invalid input (at token 2: 'now')"},
		{"show c", "% Ambiguous command (at token 1: 'c')"},
		{"show version | jsn", "% Invalid input (at token 0: 'jsn')"},
		{"show running-config | include (", "% Invalid regular expression: '('"},
		{"show running-config | json", "% This is an unconverted command"},
		{"configure session", ""},
		{"vlan 4095", "% Invalid input (at token 1: '4095')"},
		{"vlan 0", "% Invalid input (at token 1: '0')"},
		{"vlan 600-500", "% Invalid input (at token 1: '600-500')"},
		{"no vlan", "% Incomplete command (at token 1: 'vlan')"},
		{"no nonsense", "% Invalid input (at token 1: 'nonsense')"},
		{"interface Ethernet1.0", "% Invalid input (at token 1: 'Ethernet1.0')"},
		{"interface Eth3rnet1", "% Invalid input (at token 1: 'Eth3rnet1')"},
		{"interface V1", "% Invalid input (at token 1: 'V1')"},
		{"interface Port-Channel2001", "% Invalid input (at token 1: 'Port-Channel2001')"},
		{"interface Vlan10.5", "% Invalid input (at token 1: 'Vlan10.5')"},
		{"no interface Ethernet1", "% Interface Ethernet1 is physical and cannot be deleted"},
		{"interface Ethernet77", "! Interface does not exist. The configuration will not take effect until the module is inserted."},
		{"description", "% Incomplete command (at token 0: 'description')"},
		{"l2 mtu 70000", "% Invalid input (at token 2: '70000')"},
		{"sh", "% Ambiguous command (at token 0: 'sh')"},
		{"client dot1q 5", "% Invalid input (at token 0: 'client')"},
		{"channel-group 5 mode active", ""},
		{"interface Ethernet2", ""},
		{"channel-group 5 mode on", "% Cannot change mode; remove all members and try again."},
		{"channel-group 5 mode passive", ""},
		{"channel-group 5 mode on", "% Cannot change mode; remove all members and try again."},
		{"storm-control broadcast level pps 5", "% Unavailable command (not supported on this hardware platform)"},
		{"switchport dot1q ethertype 0x9200", "% Unavailable command (not supported on this hardware platform)"},
		{"switchport trunk allowed vlan add all", "% Invalid input (at token 5: 'all')"},
		{"switchport vlan translation 100 600", ""},
		{"switchport vlan translation 101 600", "% Error: VLAN 600 is translated from 100 already"},
		{"interface Ethernet1.5", ""},
		{"vlan id 77", "! VLAN does not exist. Creating vlan 77"},
		{"mac access-group ix in", "! MAC access list ix does not exist; until it does, nothing is permitted"},
		{"mac access-group ix out", "% Invalid input (at token 3: 'out')"},
		{"encapsulation vlan", ""},
		{"client unmatched", "% Unavailable command (not supported on this hardware platform)"},
		{"client dot1q 5 network client", "% Unavailable command (not supported on this hardware platform)"},
		{"client dot1ad outer 5 inner 6", "% Unavailable command (not supported on this hardware platform)"},
		{"client dot1q 5 6", "% Invalid input (at token 3: '6')"},
		{"patch panel", ""},
		{"patch one", ""},
		{"connector 1 interface Ethernet5", "% Unavailable command (not supported on this hardware platform)"},
		{"mac access-list ix", ""},
		{"10 permit 0200.0000.0001 0000.0000.0000 any", ""},
		{"10 permit 0200.0000.0001 0000.0000.0000 any", ""},
		{"10 deny any any", "% Error: sequence number 10 is in use"},
		{"permit 0200.0000.zzzz any", "% Invalid input (at token 1: '0200.0000.zzzz')"},
		{"permit any", "% Incomplete command (at token 1: 'any')"},
		{"show session-config | include (any)", ""},
		{"commit timer 1:2", "% Invalid input (at token 2: '1:2')"},
		{"commit timer 0:00:00", "% Invalid input (at token 2: '0:00:00')"},
		{"description \x16\x1b[K", "% Invalid input"},
		{"abort", ""},
		{"abort", ""},
		{"configure session x commit", "% Session x not found"},
	} {
		if got := strings.TrimSuffix(u.run(c.lines), "\n"); got != c.want {
			t.Errorf("%s: %q, want %q", c.lines, got, c.want)
		}
	}
}

func TestPromptSaysTheMode(t *testing.T) {
	u := newRig(t).login(t)
	for _, c := range []struct{ line, prompt string }{
		{"configure", "sw1(config)#"},
		{"interface port-channel 10", "sw1(config-if-Po10)#"},
		{"interface po10.100", "sw1(config-if-Po10.100)#"},
		{"enc vlan", "sw1(config-if-Po10.100-encap-vlan)#"},
		{"exit", "sw1(config-if-Po10.100)#"},
		{"vlan 600", "sw1(config-vlan-600)#"},
		{"vlan 7,9-11", "sw1(config-vlan-7,9-11)#"},
		{"patch panel", "sw1(config-patch-panel)#"},
		{"patch one", "sw1(config-patch-one)#"},
		{"patch two", "sw1(config-patch-two)#"},
		{"interface Vxlan 1", "sw1(config-if-Vx1)#"},
		{"mac access-list ix", "sw1(config-mac-acl-ix)#"},
		{"policy-map type quality-of-service p", "sw1(config-pmap-qos-p)#"},
		{"class class-default", "sw1(config-pmap-qos-p-c-class-default)#"},
		{"router bgp 65000", "sw1(config-router-bgp)#"},
		{"management ssh", "sw1(config-mgmt-ssh)#"},
		{"hostname new", "new(config)#"},
		{"hostname sw1", "sw1(config)#"},
		{"end", "sw1#"},
		{"configure session ixagent-1a2b", "sw1(config-s-ixagen)#"},
		{"interface ma1", "sw1(config-s-ixagen-if-Ma1)#"},
		{"! ixagent-0123456789abcdef", "sw1(config-s-ixagen-if-Ma1)#"},
		{"abort", "sw1#"},
		{"! ixagent-0123456789abcdef", "sw1#"},
		{"disable", "sw1>"},
	} {
		u.send(c.line + "\r")
		if out := u.wait("\n" + c.prompt); strings.Contains(out, "%") {
			t.Errorf("%s: %s", c.line, out)
		}
	}
}

func TestUnprivilegedUserSeesLittle(t *testing.T) {
	r := newRig(t, func(o *eos.Options) { o.Unprivileged, o.Enable = true, "open" })
	u := r.terminal(t)
	u.wait("sw1>")
	u.send("show running-config\r")
	if out := u.wait("sw1>"); !strings.HasSuffix(out, "\n% Invalid input (privileged mode required)\n") {
		t.Errorf("a read: %s", out)
	}
	u.send("enable\rwrong\r")
	if out := u.wait("sw1>"); !strings.HasSuffix(out, "% Bad secret\n") {
		t.Errorf("a wrong password: %s", out)
	}
	u.send("enable\ropen\r")
	if out := u.wait("sw1#"); strings.Contains(out, "open") {
		t.Errorf("the password is shown: %s", out)
	}
}

func TestKeysHelp(t *testing.T) {
	r := newRig(t)
	u := r.login(t)
	u.send("show ver\t")
	u.wait("show version ")
	u.send("\x15show s?")
	if out := u.wait("sw1#show s"); !strings.HasSuffix(out, "show s?\n  session-config\n  startup-config\n") {
		t.Errorf("help is %q", out)
	}
	u.send("\x15configure\r")
	u.wait("(config)#")
	u.send("interface Ethernet1\r")
	u.wait("(config-if-Et1)#")
	u.send("description a?")
	if out := u.wait("sw1(config-if-Et1)#description a"); !strings.HasPrefix(out, "description a?\n") {
		t.Errorf("a question mark shows %q", out)
	}
	u.send("b\r")
	u.wait("(config-if-Et1)#")
	u.send("\x1a")
	u.wait("sw1#")
	if text := string(r.nos.Text()); !strings.Contains(text, "description ab\n") {
		t.Errorf("there runs %s", text)
	}
}

func TestAccessListTakesEffectWhenItsModeIsLeft(t *testing.T) {
	u := newRig(t).login(t)
	u.must("configure session a", "mac access-list ix", "permit any any")
	if out := u.run("show session-config diffs"); strings.Contains(out, "ix") {
		t.Errorf("within its mode the list is in the diffs: %s", out)
	}
	u.must("exit")
	if out := u.run("show session-config diffs"); !strings.Contains(out, "+mac access-list ix\n+   10 permit any any\n") {
		t.Errorf("the diffs are %s", out)
	}
	u.must("mac access-list ix", "no 10", "abort", "mac access-list ix", "20 deny any any", "vlan 5")
	if out := u.run("show session-config diffs"); !strings.Contains(out, "+mac access-list ix\n+   10 permit any any\n+   20 deny any any\n") {
		t.Errorf("the diffs are %s", out)
	}
	u.must("abort")
}

// What is entered in one form is shown in one way, in the order of EOS.
func TestConfigurationIsShownInOneWay(t *testing.T) {
	r := newRig(t)
	u := r.login(t)
	base := u.running()
	u.must("configure session a")
	u.must(
		"router bgp 65000", "maximum-paths 4",
		"interface Ethernet1", "desc Some  text", "l2 mtu 9000", "no swi", "channel-group 10 mode active", "lacp timer fast",
		"interface po10", "no switchport", "lacp system-id 02:00:00:00:01:01", "port min 0", "storm all level pps 250", "snmp trap link-change",
		"interface Port-Channel10.4095", "enc vl", "client untagged network untagged", "mac access-group ix in", "shutdown", "no shutdown", "vlan id 600",
		"interface Port-Channel10.20", "shape rate 100000 kbps", "encapsulation vlan", "client dot1ad outer 400 inner dot1q 7",
		"interface Vxlan1", "vxlan vlan 600 vni 10600", "vxlan vlan 600 flood vtep 10.0.0.10 10.0.0.9", "vxlan vlan 600 flood vtep add 10.0.0.2",
		"vxlan vlan 600 flood vtep remove 10.0.0.10",
		"vlan 69,381,382", "vlan 600", "!! ixagent ns:1042", "name lan", "no mac address learning", "vlan 7", "name VLAN0007", "no vlan 69",
		"mac access-list ix", "20 permit 200.12.3456 0.0.0 any", "deny any any", "10 deny any 0180.c200.0000 0.0.f",
		"patch panel", "patch b", "!! ixagent ns:7", "connector 2 interface Ethernet5.4095", "connector 1 interface Port-Channel10.20", "patch a",
		"policy-map type quality-of-service ix", "class class-default", "police rate 100000 kbps burst-size 611 kbytes",
		"interface Ethernet3", "lacp timer normal", "no lldp receive", "switchport trunk allowed vlan 5,3-4,5", "switchport mode trunk",
		"switchport trunk allowed vlan add 9,5,7", "switchport trunk allowed vlan remove 4,8", "switchport trunk native vlan tag",
		"switchport vlan translation in required", "switchport vlan translation 100 3", "switchport vlan translation 5 5", "no switchport vlan translation 5 5",
		"!! circuit 100 vlan 3 one", "!! circuit 9 vlan 9 two",
		"interface Ethernet4", "description gone", "default interface Ethernet4",
		"interface Vxlan1", "no vxlan vlan 600 flood vtep 10.0.0.9", "commit",
	)
	want := `hostname sw1
!
spanning-tree mode mstp
!
username admin privilege 15 role network-admin secret sha512 $6$lab$notarealhash
!
policy-map type quality-of-service ix
   class class-default
      police rate 100000 kbps burst-size 611 kbytes
!
vlan 7,381-382
!
vlan 600
   !! ixagent ns:1042
   name lan
   no mac address learning
!
interface Port-Channel10
   no switchport
   lacp system-id 0200.0000.0101
   storm-control all level pps 250
!
interface Port-Channel10.20
   encapsulation vlan
      client dot1ad outer 400 inner dot1q 7
   shape rate 100000 kbps
!
interface Port-Channel10.4095
   vlan id 600
   encapsulation vlan
      client untagged network untagged
   mac access-group ix in
!
interface Ethernet1
   description Some  text
   l2 mtu 9000
   no switchport
   channel-group 10 mode active
   lacp timer fast
!
interface Ethernet2
!
interface Ethernet3
   !! circuit 100 vlan 3 one
   !! circuit 9 vlan 9 two
   switchport mode trunk
   switchport trunk native vlan tag
   switchport trunk allowed vlan 3,5,7,9
   switchport vlan translation in required
   switchport vlan translation 100 3
   no lldp receive
!
interface Ethernet4
!
`
	got := u.running()
	_, rest, _ := strings.Cut(base, "interface Ethernet5\n")
	tail := strings.NewReplacer(
		"   vxlan udp-port 4789\n!\n", `   vxlan udp-port 4789
   vxlan vlan 600 vni 10600
   vxlan vlan 600 flood vtep 10.0.0.2
!
patch panel
   patch a
   !
   patch b
      !! ixagent ns:7
      connector 1 interface Port-Channel10.20
      connector 2 interface Ethernet5.4095
!
mac access-list ix
   10 deny any 0180.c200.0000 0000.0000.000f
   20 permit 0200.0012.3456 0000.0000.0000 any
   30 deny any any
!
`, "   neighbor 192.0.2.1 remote-as", "   maximum-paths 4\n   neighbor 192.0.2.1 remote-as").Replace(rest)
	if diff := cmp.Diff(want+"interface Ethernet5\n"+tail, got); diff != "" {
		t.Errorf("the configuration (-want +got):\n%s", diff)
	}
	enter(t, u, got)
	if diff := cmp.Diff(got, u.running()); diff != "" {
		t.Errorf("entered again (-want +got):\n%s", diff)
	}
	fresh := newRig(t).login(t)
	enter(t, fresh, got)
	if diff := cmp.Diff(got, fresh.running()); diff != "" {
		t.Errorf("entered at a fresh switch (-want +got):\n%s", diff)
	}
}

// enter enters a configuration as it is shown, line by line, in place of the one that runs.
func enter(t *testing.T, u *user, text string) {
	t.Helper()
	u.must("configure session again", "rollback clean-config")
	for l := range strings.Lines(text) {
		if l == "end\n" {
			break
		}
		u.must(strings.TrimRight(l, "\n"))
	}
	u.must("commit")
	u.must("configure session over", "abort")
}

func TestLinesThatAreUndoneAreGone(t *testing.T) {
	r := newRig(t)
	u := r.login(t)
	before := u.running()
	for _, c := range []string{
		"vlan 600;no vlan 600",
		"vlan 600,700-702;no vlan 600,700-702",
		"interface Port-Channel7;interface Port-Channel7.5;interface Ethernet1;channel-group 7 mode on;no interface Port-Channel7",
		"interface Port-Channel7;no interface po7",
		"interface Ethernet1.7;vlan id 5;no vlan id;no interface Ethernet1.7;no vlan 5",
		"interface Ethernet1;description x;no description x;shutdown;no shutdown;l2 mtu 9000;no l2 mtu;no switchport;switchport",
		"interface Ethernet1;storm-control all level pps 7;no storm-control all level pps 7;channel-group 7 mode active;lacp timer fast;no lacp timer;no channel-group;no interface po7",
		"interface Ethernet1;description x;no switchport;shutdown;default interface Ethernet1",
		"interface po7;lacp system-id 1.2.3;no lacp system-id;port-channel min-links 2;no port-channel min-links;default switchport;no interface po7",
		"interface et1.7;mac access-group x in;no mac access-group x in;service-policy type qos input p;no service-policy type qos input p;shape rate 9 kbps;" +
			"no shape rate 9 kbps;encapsulation vlan;client untagged;no client untagged;exit;no encapsulation vlan;no interface et1.7",
		"mac access-list x;permit any any;no mac access-list x",
		"mac access-list x;permit any any;no permit any any;10 deny any any;no 10;counters per-entry;no counters per-entry;exit;no mac access-list x",
		"policy-map type quality-of-service p;class class-default;police rate 9 mbps burst-size 9 kbytes;no police;no class class-default;no policy-map type quality-of-service p",
		"patch panel;patch x;connector 1 interface et1.7;no connector 1;no patch x",
		"patch panel;patch x;exit;exit;no patch panel",
		"interface vx1;vxlan vlan 5 vni 7;no vxlan vlan 5 vni 7;vxlan vlan 5 flood vtep 1.1.1.1 2.2.2.2;no vxlan vlan 5 flood vtep 1.1.1.1 2.2.2.2",
		"interface vx1;vxlan vlan 5 vni 7;no vxlan vlan 5 vni;vxlan vlan 5 flood vtep 1.1.1.1 2.2.2.2;no vxlan vlan 5 flood vtep",
		"vlan 600;name x;no name;state suspend;no state;no mac address learning;mac address learning;!! one;!! two;no comment;no vlan 600",
		"interface Loopback7;ip address 10.0.0.1/32;no interface Loopback7",
		"ntp server 10.0.0.1;no ntp server 10.0.0.1;ip route 10.0.0.0/8 10.1.1.1;no ip route 10.0.0.0/8 10.1.1.1",
	} {
		u.must("configure session x")
		u.must(strings.Split(c, ";")...)
		u.must("end")
		if out := u.run("show session-config named x diffs"); out != "" {
			t.Errorf("%s leaves %s", c, out)
		}
		u.must("configure session x abort")
	}
	if got := u.running(); got != before {
		t.Errorf("there runs %s", got)
	}
}

// What the text says is what the plane is told.
func TestPlaneDoesWhatTheConfigurationSays(t *testing.T) {
	r := newRig(t, func(o *eos.Options) { o.Ports = append(o.Ports, "Ethernet9") })
	u := r.login(t)
	u.must("configure session a")
	u.must(
		"interface Ethernet1", "channel-group 10 mode active", "lacp timer fast", "interface Ethernet2", "channel-group 10 mode active", "lacp timer fast", "shutdown",
		"interface Port-Channel10", "no switchport", "l2 mtu 9000", "port-channel min-links 2", "lacp system-id 0200.0000.0101", "storm-control all level pps 250",
		"interface Port-Channel10.100", "vlan id 600", "encapsulation vlan", "client dot1q 100", "mac access-group ix in",
		"service-policy type qos input ix-rate-100000k", "shape rate 200 kbps",
		"interface Port-Channel10.200", "vlan id 600", "shutdown", "encapsulation vlan", "client dot1ad outer 400 inner dot1q 7",
		"interface Port-Channel10.300", "encapsulation vlan", "client dot1ad 300", "interface Port-Channel10.301", "vlan id 600",
		"interface Ethernet3", "channel-group 11 mode on",
		"interface Ethernet4", "no switchport", "switchport dot1q ethertype 0x9100", "interface Ethernet4.5", "vlan id 700", "encapsulation vlan", "client dot1q outer 5 inner 6",
		"interface Ethernet5", "no switchport", "interface Ethernet5.4095", "encapsulation vlan", "client untagged", "mac access-group missing in",
		"interface Ethernet6", "switchport access vlan 600",
		"interface Ethernet7", "switchport mode trunk", "switchport trunk native vlan 700", "switchport trunk allowed vlan 600-700,800",
		"interface Ethernet9", "switchport mode trunk", "switchport trunk native vlan tag", "switchport trunk allowed vlan none", "mac access-group ix in",
		"switchport vlan translation in required", "switchport vlan translation 600 600", "switchport vlan translation 5 700",
		"switchport trunk allowed vlan add 600,650-701", "switchport trunk allowed vlan remove 650-698,700",
		"interface Ethernet8", "shutdown", "interface Ethernet8.9", "vlan id 600", "encapsulation vlan", "client dot1q 9",
		"vlan 700", "no mac address learning", "no vlan 800", "interface Vxlan1", "vxlan vlan 600 vni 10600", "vxlan vlan 600 flood vtep 10.0.0.9 10.0.0.10",
		"mac access-list ix", "10 deny any 0180.c200.0000 0000.0000.000f", "20 permit 0200.0012.3456 0000.0000.0000 any", "30 deny any any",
		"policy-map type quality-of-service ix-rate-100000k", "class class-default", "police rate 100000 kbps burst-size 611 kbytes",
		"patch panel", "patch line", "connector 1 interface Port-Channel10.300", "connector 2 interface Ethernet5.4095", "commit",
	)
	all := [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	want := &dataplane.Config{
		Ports: []dataplane.Port{
			{Name: "Ethernet1", Enabled: true},
			{Name: "Ethernet2"},
			{Name: "Ethernet3", Enabled: true},
			{Name: "Ethernet4", Enabled: true, TPID: 0x9100},
			{Name: "Ethernet5", Enabled: true},
			{Name: "Ethernet6", Enabled: true},
			{Name: "Ethernet7", Enabled: true},
			{Name: "Ethernet8"},
			{Name: "Ethernet9", Enabled: true},
		},
		LAGs: []dataplane.LAG{
			{
				Name: "Port-Channel10", Enabled: true, MTU: 9000, Storm: 1_000_000, Members: []string{"Ethernet1", "Ethernet2"}, Mode: lacp.Active, Fast: true,
				MinLinks: 2, System: [6]byte{2, 0, 0, 0, 1, 1},
			},
			{Name: "Port-Channel11", Enabled: true, Members: []string{"Ethernet3"}, Mode: lacp.Static},
		},
		Circuits: []dataplane.Circuit{
			{Parent: "Ethernet4", Unit: 5, Enabled: true, Tags: 2, Outer: 5, Inner: 6, Service: "vlan-700"},
			{Parent: "Ethernet5", Unit: 4095, Enabled: true, Service: "patch-line", Filter: "missing"},
			{Parent: "Ethernet6", Unit: 0, Enabled: true, Service: "vlan-600"},
			{Parent: "Ethernet7", Unit: 0, Enabled: true, Service: "vlan-700"},
			{Parent: "Ethernet7", Unit: 600, Enabled: true, Tags: 1, Outer: 600, Service: "vlan-600"},
			{Parent: "Ethernet9", Unit: 600, Enabled: true, Tags: 1, Outer: 600, Service: "vlan-600", Filter: "ix"},
			{
				Parent: "Port-Channel10", Unit: 100, Enabled: true, Tags: 1, Outer: 100, Through: true, Service: "vlan-600", Filter: "ix",
				In: dataplane.Policer{Rate: 100_000_000, Burst: 611 << 10}, Out: dataplane.Policer{Rate: 200_000},
			},
			{Parent: "Port-Channel10", Unit: 200, Tags: 2, TPID: 0x88a8, Outer: 400, Inner: 7, Service: "vlan-600"},
			{Parent: "Port-Channel10", Unit: 300, Enabled: true, Tags: 1, TPID: 0x88a8, Outer: 300, Through: true, Service: "patch-line"},
		},
		Services: []dataplane.Service{
			{Name: "patch-line", Kind: dataplane.Line},
			{Name: "vlan-600", VNI: 10600, Remotes: []netip.Addr{netip.MustParseAddr("10.0.0.10"), netip.MustParseAddr("10.0.0.9")}},
			{Name: "vlan-700", Kind: dataplane.Line},
		},
		Filters: []dataplane.Filter{
			{Name: "ix", Rules: []dataplane.Rule{
				{Dst: [6]byte{1, 0x80, 0xc2}, DstMask: [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xf0}},
				{Src: [6]byte{2, 0, 0, 0x12, 0x34, 0x56}, SrcMask: all, Accept: true},
				{},
			}},
			{Name: "missing"},
		},
	}
	if diff := cmp.Diff(want, switchd.Forwarding(r.sw.Running()), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("the plane (-want +got):\n%s", diff)
	}
}

func TestExecChannelServesCommands(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct{ command, want string }{
		{"show hostname", "Hostname: sw1\nFQDN:     sw1\n"},
		{"show nothing", "% Invalid input (at token 1: 'nothing')\n"},
		{"configure session e\nvlan 5\ncommit\nshow running-config section vlan 5", "vlan 5\n"},
	} {
		sess, err := r.dial(t).NewSession()
		if err != nil {
			t.Fatal(err)
		}
		if out, err := sess.Output(c.command); err != nil || string(out) != c.want {
			t.Errorf("%s: %q, %v, want %q", c.command, out, err, c.want)
		}
	}
}

// With a fault that cuts, a commit happens or not, wholly.
func TestConnectionCutAtACommit(t *testing.T) {
	for _, c := range []struct {
		strike func(*rig, *switchd.Faults)
		done   bool
	}{
		{func(r *rig, _ *switchd.Faults) { r.faults.Add(cli.Fault{Kind: cli.CutBefore, Command: "commit"}) }, false},
		{func(r *rig, _ *switchd.Faults) { r.faults.Add(cli.Fault{Kind: cli.CutAfter, Command: "commit"}) }, true},
		{func(_ *rig, f *switchd.Faults) { f.DropBeforeCommit(1) }, false},
		{func(_ *rig, f *switchd.Faults) { f.DropAfterCommit(1) }, true},
	} {
		r := newRig(t)
		u := r.login(t)
		u.must("configure session a", "vlan 5")
		c.strike(r, r.harm)
		u.send("commit timer 00:10:00\r")
		u.gone()
		r.faults.Clear()
		u = r.login(t)
		want := map[bool]string{false: "pending", true: "pendingCommitTimer"}[c.done]
		if got := u.sessions()["a"]; got != want || strings.Contains(u.running(), "vlan 5") != c.done || r.sw.Pending() != c.done {
			t.Errorf("the session is %s, want %s; there runs %s", got, want, u.running())
		}
	}
}

func TestHostileLookingReadIsWhole(t *testing.T) {
	r := newRig(t)
	u := r.login(t)
	u.must("configure", "interface Ethernet1", "description sw1>", "interface Ethernet2", "description --More--", "end")
	want := u.running()
	r.faults.SetNoise(cli.Noise{Chunk: 7})
	if got := u.running(); got != want {
		t.Errorf("in chunks it is %s", got)
	}
}

func TestUsersWorkSideBySide(t *testing.T) {
	r := newRig(t)
	var all errgroup.Group
	for i := range 4 {
		u := r.login(t)
		all.Go(func() error {
			for n := range 10 {
				for _, l := range []string{
					fmt.Sprintf("configure session u%d-%d", i, n), fmt.Sprintf("vlan %d", 100*i+n+2), "commit", "show configuration sessions detail | json",
					"show interfaces | json", "configure terminal", fmt.Sprintf("interface Ethernet%d", i+1), fmt.Sprintf("description d%d", n), "end",
				} {
					if out := u.run(l); strings.Contains(out, "%") {
						return fmt.Errorf("%s: %s", l, out)
					}
				}
			}
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		t.Error(err)
	}
	u := r.login(t)
	for i := range 4 {
		if out := u.run(fmt.Sprintf("show running-config section Ethernet%d", i+1)); !strings.Contains(out, "description d") {
			t.Errorf("lost: %s", out)
		}
	}
}
