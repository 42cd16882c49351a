package judge_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/judge"
	"github.com/ixagent/ixagent/lab/dataplane/lacp"
)

const (
	active = int(lacp.Activity)
	fast   = int(lacp.Timeout)
	both   = active | fast
)

// bondedLab is our switch with a LAG to a bond of a Linux kernel.
type bondedLab struct {
	*lab
	linux *judge.Linux
}

func newBondedLab(t *testing.T) *bondedLab {
	t.Helper()
	l := newLab(t, dataplane.Options{})
	l.cable(firstMember, secondMember)
	l.aggregate(lacp.Active, true, firstMember, secondMember)
	k := judge.NewLinux(t, l.far, "xm1", "xm2")
	k.Run("/sbin/ip link add bond0 type bond mode 802.3ad miimon 100 lacp_rate fast")
	k.Run("/sbin/ip link set m0 master bond0 && /sbin/ip link set m1 master bond0 && /sbin/ip link set bond0 up")
	return &bondedLab{l, k}
}

// agree waits until exactly these members pass frames by the account of both ends, and the states that they tell each
// other have those flags beside.
func (l *bondedLab) agree(what string, ours, theirs int, want ...string) {
	l.t.Helper()
	const passes = int(lacp.Aggregation | lacp.Synchronization | lacp.Collecting | lacp.Distributing)
	ports := map[string]string{firstMember: "m0", secondMember: "m1"}
	var b judge.LinuxBond
	judge.Poll(l.t, fmt.Sprintf("%s: both ends use %v", what, want), func() bool {
		if b = l.linux.Bond("bond0"); !slices.Equal(l.members(), want) || b.Ports != len(want) || b.PartnerSystem != oursText {
			return false
		}
		for _, m := range want {
			if p := b.Members[ports[m]]; p.ActorState != passes|theirs || p.PartnerState != passes|ours {
				return false
			}
		}
		return true
	}, func() string { return fmt.Sprintf("%+v\n%s", b, l.machines(firstMember, secondMember)) })
	lag, _ := l.LAGState(lagName)
	system, _ := lag.PartnerSystem.MarshalText()
	for _, m := range want {
		p := b.Members[ports[m]]
		s, _ := l.LACP(lagName, m)
		if p.Aggregator != b.Aggregator || p.PartnerSystem != oursText || p.PartnerKey != int(lag.Key) || p.PartnerPort != int(s.Number) ||
			p.PartnerPriority != int(s.Actor.System.Priority) {
			l.t.Errorf("%s: %s is told of %+v, aggregator %d, we are %+v", what, m, p, b.Aggregator, s)
		}
		if p.ActorSystem != string(system) || p.ActorKey != int(s.Partner.Key) || p.ActorNumber != int(s.Partner.Port) {
			l.t.Errorf("%s: %s is %+v, we know %+v", what, m, p, s)
		}
	}
}

func TestLinuxBondAgreesInEveryMode(t *testing.T) {
	l := newBondedLab(t)
	l.agree("both are active and fast", both, both, firstMember, secondMember)
	l.aggregate(lacp.Passive, false, firstMember, secondMember)
	l.agree("we are passive and slow", 0, both, firstMember, secondMember)
	l.aggregate(lacp.Active, true, firstMember, secondMember)
	l.linux.Run("/sbin/ip link set bond0 down && echo off > /sys/class/net/bond0/bonding/lacp_active && /sbin/ip link set bond0 up")
	l.agree("they are passive", both, fast, firstMember, secondMember)
}

func TestLinuxBondLosesCarrierAndHasItBack(t *testing.T) {
	l := newBondedLab(t)
	l.agree("at first", both, both, firstMember, secondMember)
	l.linux.Run("/sbin/ip link set x0 down")
	l.agree("it falls silent", both, both, secondMember)
	l.linux.Run("/sbin/ip link set x0 up")
	l.agree("it returns", both, both, firstMember, secondMember)
	if got := l.linux.Bond("bond0").Members["m0"].Failures; got != 1 {
		t.Errorf("%d failures were counted", got)
	}
}

func TestLinuxBondNoticesThatWeLostCarrier(t *testing.T) {
	l := newBondedLab(t)
	l.agree("at first", both, both, firstMember, secondMember)
	carrier(t, l.far, "xm2", false)
	l.agree("we fall silent", both, both, firstMember)
	carrier(t, l.far, "xm2", true)
	l.agree("we return", both, both, firstMember, secondMember)
}
