package judge_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/judge"
	"github.com/ixagent/ixagent/lab/dataplane/lacp"
)

// usable reports whether Open vSwitch's account of an end is one that frames may pass.
func usable(state string) bool {
	return strings.Contains(state, "synchronized collecting distributing") && !strings.Contains(state, "expired")
}

// bond makes a bond of interfaces.
func bond(ovs *judge.OVS, bridge, name, system, mode, time string, interfaces ...string) {
	args := append([]string{"add-bond", bridge, name}, interfaces...)
	ovs.Vsctl(append(args, "lacp="+mode, "bond_mode=balance-tcp", "other_config:lacp-time="+time, "other_config:lacp-system-id="+system)...)
}

func TestOpenVSwitchAgreesInEveryMode(t *testing.T) {
	for _, c := range []struct {
		ours       lacp.Mode
		fast       bool
		mode, time string
	}{
		{lacp.Active, true, "active", "fast"},
		{lacp.Active, false, "active", "slow"},
		{lacp.Active, true, "passive", "slow"},
		{lacp.Passive, false, "active", "fast"},
	} {
		name := fmt.Sprintf("ours active %t fast %t, theirs %s %s", c.ours == lacp.Active, c.fast, c.mode, c.time)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, dataplane.Options{})
			l.cable(firstMember, secondMember)
			ovs := judge.NewOVS(t, l.far)
			seen := judge.NewCapture(t, l.here, firstMember)
			l.aggregate(c.ours, c.fast, firstMember, secondMember)
			bond(ovs, "br0", "bond", neighbour, c.mode, c.time, "xm1", "xm2")
			b := l.agrees(ovs, firstMember, secondMember)
			same(t, l, b)
			pdus(t, seen.Stop(), c.ours == lacp.Active, c.fast)
		})
	}
}

// same compares what the two ends say of each other.
func same(t *testing.T, l *lab, b judge.Bond) {
	t.Helper()
	lag, _ := l.LAGState(lagName)
	system, _ := lag.PartnerSystem.MarshalText()
	if string(system) != b.System {
		t.Errorf("our partner is %s, it says it is %s", system, b.System)
	}
	for name, m := range b.Members {
		s, _ := l.LACP(lagName, name[1:])
		if m.PartnerSystem != oursText || m.PartnerKey != int(lag.Key) || m.PartnerPort != int(s.Number) || m.PartnerPriority != int(s.Actor.System.Priority) {
			t.Errorf("%s is told of %+v, we are %+v", name, m, s)
		}
		if m.ActorKey != int(s.Partner.Key) || m.ActorPort != int(s.Partner.Port) || m.ActorPriority != int(s.Partner.System.Priority) || m.State != "current attached" {
			t.Errorf("%s is %+v, we know %+v", name, m, s)
		}
	}
}

// pdus checks what tshark says of the LACPDUs on a link: that each is in order, and what ours say.
func pdus(t *testing.T, ps []judge.Packet, active, fast bool) {
	t.Helper()
	from := map[string]int{}
	for _, p := range ps {
		l, ok := p.Layer("lacp")
		if !ok {
			continue
		}
		from[l.Fields["lacp.actor.sysid"]]++
		for _, bad := range []string{"lacp.wrong_tlv_type", "lacp.wrong_tlv_length", "_ws.expert", "_ws.malformed"} {
			if why, ok := l.Fields[bad]; ok {
				t.Errorf("%s: %s", bad, why)
			}
		}
		if l.Fields["lacp.actor.sysid"] != oursText {
			continue
		}
		dst, _, tags, ethertype := p.Header()
		if dst != "01:80:c2:00:00:02" || len(tags) != 0 || ethertype != 0x8809 || l.Number("lacp.version") != 1 {
			t.Errorf("to %s, tags %v, type %#x: %v", dst, tags, ethertype, l)
		}
		if got := l.Number("lacp.actor.state.activity") == 1; got != active {
			t.Errorf("active %t: %v", got, l)
		}
		if got := l.Number("lacp.actor.state.timeout") == 1; got != fast {
			t.Errorf("fast %t: %v", got, l)
		}
	}
	if from[oursText] == 0 || from[neighbour] == 0 {
		t.Errorf("LACPDUs by system: %v", from)
	}
}

func TestNeitherPassiveEndSpeaks(t *testing.T) {
	t.Parallel()
	l := newLab(t, dataplane.Options{})
	l.cable(firstMember)
	ovs := judge.NewOVS(t, l.far)
	seen := judge.NewCapture(t, l.here, firstMember)
	l.aggregate(lacp.Passive, true, firstMember)
	ovs.Vsctl("add-port", "br0", "xm1", "--", "set", "port", "xm1", "lacp=passive", "other_config:lacp-time=fast")
	judge.Poll(t, "both ends stop waiting", func() bool {
		s, _ := l.LACP(lagName, firstMember)
		return s.Receive == lacp.RxDefaulted && strings.Contains(ovs.Bond("xm1").Members["xm1"].State, "defaulted")
	}, func() string { return l.machines(firstMember) + ovs.Appctl("lacp/show") })
	if got := l.members(); len(got) != 0 {
		t.Errorf("%v pass frames", got)
	}
	for _, p := range seen.Stop() {
		if _, ok := p.Layer("lacp"); ok {
			t.Errorf("a LACPDU: %v", p)
		}
	}
}

func TestMemberThatLosesCarrierLeavesAndReturns(t *testing.T) {
	t.Parallel()
	l := newLab(t, dataplane.Options{})
	l.cable(firstMember, secondMember)
	ovs := judge.NewOVS(t, l.far)
	l.aggregate(lacp.Active, true, firstMember, secondMember)
	bond(ovs, "br0", "bond", neighbour, "active", "fast", "xm1", "xm2")
	l.agrees(ovs, firstMember, secondMember)
	carrier(t, l.far, "xm1", false)
	l.agrees(ovs, secondMember)
	carrier(t, l.far, "xm1", true)
	l.agrees(ovs, firstMember, secondMember)
	carrier(t, l.here, secondMember, false)
	l.agrees(ovs, firstMember)
	carrier(t, l.here, secondMember, true)
	same(t, l, l.agrees(ovs, firstMember, secondMember))
}

// One end stops using a member without a change of its carrier; the other end notices the silence.
func TestMemberThatFallsSilentLeavesAndReturns(t *testing.T) {
	t.Parallel()
	l := newLab(t, dataplane.Options{})
	l.cable(firstMember, secondMember)
	ovs := judge.NewOVS(t, l.far)
	l.aggregate(lacp.Active, true, firstMember, secondMember)
	bond(ovs, "br0", "bond", neighbour, "active", "fast", "xm1", "xm2")
	l.agrees(ovs, firstMember, secondMember)
	l.aggregate(lacp.Active, true, firstMember)
	l.agrees(ovs, firstMember)
	l.aggregate(lacp.Active, true, firstMember, secondMember)
	same(t, l, l.agrees(ovs, firstMember, secondMember))
}

// Of three cables one leads to another bond, of the same Open vSwitch but another system, or of another key.
func TestMiscabledMemberStaysOut(t *testing.T) {
	for _, c := range []struct{ name, system string }{
		{"another system", "02:6e:62:00:00:02"},
		{"another key", neighbour},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, dataplane.Options{})
			l.cable(firstMember, secondMember, thirdMember)
			ovs := judge.NewOVS(t, l.far)
			l.aggregate(lacp.Active, true, firstMember, secondMember, thirdMember)
			ovs.Vsctl("add-br", "br1", "--", "set", "bridge", "br1", "datapath_type=netdev")
			ovs.Vsctl("add-port", "br1", "xm1", "--", "set", "port", "xm1", "lacp=active", "other_config:lacp-time=fast", "other_config:lacp-system-id="+c.system,
				"--", "set", "interface", "xm1", "other_config:lacp-aggregation-key=99")
			bond(ovs, "br0", "bond", neighbour, "active", "fast", "xm2", "xm3")
			l.agrees(ovs, secondMember, thirdMember)
			// It has been heard, and still is, and is told that it does not belong to us.
			var m judge.BondMember
			judge.Poll(t, "the other bond is refused", func() bool {
				s, _ := l.LACP(lagName, firstMember)
				m = ovs.Bond("xm1").Members["xm1"]
				return s.Receive == lacp.RxCurrent && s.Selected == lacp.Unselected && m.PartnerSystem == oursText && !strings.Contains(m.PartnerState, "synchronized")
			}, func() string { return l.machines(firstMember) + ovs.Appctl("lacp/show") })
			if got := l.members(); !slices.Equal(got, []string{secondMember, thirdMember}) {
				t.Errorf("%v pass frames", got)
			}
			// It is put right.
			ovs.Vsctl("del-port", "br1", "xm1")
			ovs.Vsctl("del-port", "br0", "bond")
			bond(ovs, "br0", "bond", neighbour, "active", "fast", "xm1", "xm2", "xm3")
			same(t, l, l.agrees(ovs, firstMember, secondMember, thirdMember))
		})
	}
}

func TestChangedKeyAndSystemAreFollowed(t *testing.T) {
	t.Parallel()
	l := newLab(t, dataplane.Options{})
	l.cable(firstMember, secondMember)
	ovs := judge.NewOVS(t, l.far)
	l.aggregate(lacp.Active, true, firstMember, secondMember)
	bond(ovs, "br0", "bond", neighbour, "active", "fast", "xm1", "xm2")
	l.agrees(ovs, firstMember, secondMember)
	ovs.Vsctl("set", "interface", "xm1", "other_config:lacp-aggregation-key=77", "--", "set", "interface", "xm2", "other_config:lacp-aggregation-key=77")
	follow := func(what string, done func(judge.Bond) bool) {
		t.Helper()
		judge.Poll(t, what, func() bool {
			b := ovs.Bond("bond")
			return done(b) && slices.Equal(l.members(), []string{firstMember, secondMember}) && usable(b.Members["xm1"].PartnerState) && usable(b.Members["xm2"].PartnerState)
		}, func() string { return l.machines(firstMember, secondMember) + ovs.Appctl("lacp/show") })
	}
	follow("the new key is ours to know", func(judge.Bond) bool {
		s, _ := l.LAGState(lagName)
		return s.PartnerKey == 77
	})
	c := &dataplane.Config{
		System: [6]byte{2, 0x69, 0x78, 0, 0, 9},
		Ports:  []dataplane.Port{{Name: firstMember, Enabled: true}, {Name: secondMember, Enabled: true}},
		LAGs:   []dataplane.LAG{{Name: lagName, Enabled: true, Members: []string{firstMember, secondMember}, Mode: lacp.Active, Fast: true}},
	}
	l.configure(c)
	follow("our new system is theirs to know", func(b judge.Bond) bool {
		return b.Members["xm1"].PartnerSystem == "02:69:78:00:00:09" && b.Members["xm2"].PartnerSystem == "02:69:78:00:00:09"
	})
}

func TestTooFewLinksAreToldToThePartner(t *testing.T) {
	t.Parallel()
	l := newLab(t, dataplane.Options{})
	l.cable(firstMember, secondMember)
	ovs := judge.NewOVS(t, l.far)
	l.configure(&dataplane.Config{
		System: ours,
		Ports:  []dataplane.Port{{Name: firstMember, Enabled: true}, {Name: secondMember, Enabled: true}},
		LAGs:   []dataplane.LAG{{Name: lagName, Enabled: true, Members: []string{firstMember, secondMember}, Mode: lacp.Active, Fast: true, MinLinks: 2}},
	})
	bond(ovs, "br0", "bond", neighbour, "active", "fast", "xm1", "xm2")
	l.agrees(ovs, firstMember, secondMember)
	carrier(t, l.far, "xm1", false)
	judge.Poll(t, "the partner knows that the last link carries nothing", func() bool {
		s := ovs.Bond("bond").Members["xm2"].PartnerState
		return len(l.members()) == 0 && strings.Contains(s, "synchronized") && !strings.Contains(s, "collecting")
	}, func() string { return l.machines(firstMember, secondMember) + ovs.Appctl("lacp/show") })
	carrier(t, l.far, "xm1", true)
	l.agrees(ovs, firstMember, secondMember)
}
