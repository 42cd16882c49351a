package source

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/models/ixapi"
)

func TestShrunkListIsRefused(t *testing.T) {
	full := metro(50)
	for i := range 50 {
		full[ixapi.MACs] = append(full[ixapi.MACs], fmt.Sprintf(`{"id":"m%d","address":"02:00:00:00:00:%02x"}`, i, i))
		full[ixapi.ProductOfferings] = append(full[ixapi.ProductOfferings], fmt.Sprintf(`{"id":"o%d","type":"connection"}`, i))
		full[ixapi.MemberJoiningRules] = append(full[ixapi.MemberJoiningRules], fmt.Sprintf(`{"id":"r%d","type":"allow","network_service":"s0"}`, i))
		full[ixapi.NetworkServices] = append(full[ixapi.NetworkServices], fmt.Sprintf(`{"id":"t%d","type":"p2p_vc","state":"production"}`, i))
	}
	for _, k := range kinds() {
		c := k.collection()
		if !decisive(c) {
			continue
		}
		s, f := scripted(full)
		accepted(t, s)
		f.now(full.with(c, full[c][6:]...))
		var shrink *ShrinkError
		err := refused(t, s, "at most 5 may be")
		if !errors.As(err, &shrink) || len(shrink.Losses) != 1 {
			t.Fatalf("%s: %v", c, err)
		}
		if l := shrink.Losses[0]; l.Collection != c || l.Lost != 6 || l.Limit != 5 || len(l.Examples) != 3 || l.Redacted {
			t.Errorf("%s: %+v", c, l)
		}
		f.now(full.with(c, full[c][5:]...))
		accepted(t, s)
	}
}

func TestRecordListedTwiceIsLostOnce(t *testing.T) {
	twice := metro(4)
	twice[ixapi.Connections] = append(twice[ixapi.Connections], twice[ixapi.Connections]...)
	s, _ := scripted(metro(4), twice, metro(4).with(ixapi.Connections, connection(0, ixapi.StateProduction)))
	s.guard.limits = Limits{Allowance: 3}
	accepted(t, s)
	refused(t, s, "connections: 4 of 4 are redacted, at most 3 may be")
	accepted(t, s)
}

func TestEmptyAnswerIsRefused(t *testing.T) {
	s, f := scripted(metro(40), lists{})
	accepted(t, s)
	err := refused(t, s, `connections: 40 of 40 are gone, at most 4 may be (such as "c0", "c1", "c2")`)
	if again := refused(t, s, "digest of the loss"); again.Error() != err.Error() {
		t.Errorf("the same answer is refused as %v, then as %v", err, again)
	}
	f.now(metro(40))
	if _, changed := accepted(t, s); changed {
		t.Error("the records that came back are others")
	}
}

func TestFewRecordsMayAlwaysGo(t *testing.T) {
	s, _ := scripted(metro(4), metro(1), metro(0))
	accepted(t, s)
	accepted(t, s)
	accepted(t, s)
}

func TestRecordsWithOtherIDsAreALoss(t *testing.T) {
	renamed := metro(40)
	for i, c := range renamed[ixapi.Connections] {
		renamed[ixapi.Connections][i] = strings.Replace(c, `"id":"c`, `"id":"x`, 1)
	}
	s, _ := scripted(metro(40), renamed)
	accepted(t, s)
	refused(t, s, "connections: 40 of 40 are gone")
}

func TestWhatIsOverMayVanish(t *testing.T) {
	over := metro(40)
	for i := range over[ixapi.Connections] {
		state := []ixapi.State{ixapi.StateDecommissioned, ixapi.StateCancelled, ixapi.StateArchived}[i%3]
		over[ixapi.Connections][i] = connection(i, state)
	}
	s, _ := scripted(metro(40), over, over.with(ixapi.Connections).with(ixapi.NetworkServiceConfigs, metro(40)[ixapi.NetworkServiceConfigs]...))
	accepted(t, s)
	accepted(t, s) // the exchange says so: that is no loss of records
	accepted(t, s)
}

func TestMassRedactionIsRefused(t *testing.T) {
	for name, hide := range map[string]string{"state": `"state":"production",`, "ports": `,"ports":["p`, "mode": `"mode":"lag_lacp",`} {
		redacted := metro(40)
		for i, c := range redacted[ixapi.Connections][:5] {
			if name == "ports" {
				redacted[ixapi.Connections][i] = c[:strings.Index(c, hide)] + "}"
			} else {
				redacted[ixapi.Connections][i] = strings.Replace(c, hide, "", 1)
			}
		}
		fewer := redacted.with(ixapi.Connections, append(slices.Clone(redacted[ixapi.Connections][:4]), metro(40)[ixapi.Connections][4:]...)...)
		s, f := scripted(metro(40), redacted)
		accepted(t, s)
		refused(t, s, "connections: 5 of 40 are redacted, at most 4 may be")
		f.now(fewer)
		accepted(t, s)
		f.now(redacted) // one more than before
		accepted(t, s)
	}
}

func TestAcceptedLossIsAccepted(t *testing.T) {
	s, f := scripted(metro(40), metro(30))
	accepted(t, s)
	var shrink *ShrinkError
	if err := refused(t, s, "10 of 40"); !errors.As(err, &shrink) || !strings.Contains(shrink.Hint(), shrink.Digest) {
		t.Fatal(err)
	}
	s.Accept("another")
	refused(t, s, "10 of 40")

	s.Accept(shrink.Digest)
	if !s.pending() {
		t.Error("accepting does not lead to a read")
	}
	f.now(metro(29))
	refused(t, s, "11 of 40") // more than what was accepted
	f.now(metro(30).with(ixapi.Accounts))
	if snapshot, changed := accepted(t, s); !changed || snapshot.Counts[ixapi.Connections] != 30 {
		t.Errorf("%v", snapshot.Counts)
	}

	f.now(metro(40), metro(30))
	accepted(t, s)
	refused(t, s, "10 of 40") // accepted once is not accepted for ever
}

// memory keeps baselines in their encoded form.
type memory struct {
	Memory
	kept   *Baseline
	stored int
	fails  error
}

func (m *memory) Baseline(string) (*Baseline, error) { return m.kept, m.fails }

func (m *memory) StoreBaseline(_ string, b *Baseline) error {
	if m.fails == nil {
		m.kept, m.stored = b, m.stored+1
	}
	return m.fails
}

func TestRestartIsNoWayAroundTheLimits(t *testing.T) {
	var m memory
	s, _ := scripted(metro(40))
	s.guard.memory = &m
	accepted(t, s)
	accepted(t, s)
	if m.stored != 1 {
		t.Errorf("stored %d times", m.stored)
	}
	s, _ = scripted(metro(20))
	s.guard.memory = &m
	refused(t, s, "20 of 40")
}

func TestLossAcceptedElsewhereIsAccepted(t *testing.T) {
	var m memory
	daemon, _ := scripted(metro(40), metro(20))
	daemon.guard.memory = &m
	accepted(t, daemon)
	var shrink *ShrinkError
	if err := refused(t, daemon, "20 of 40"); !errors.As(err, &shrink) {
		t.Fatal(err)
	}
	operator, _ := scripted(metro(20))
	operator.guard.memory = &m
	operator.Accept(shrink.Digest)
	accepted(t, operator)
	accepted(t, daemon)
}

func TestUnknownBaselineIsNotAnAbsentOne(t *testing.T) {
	m := memory{fails: errors.New("disk on fire")}
	s, _ := scripted(metro(1))
	s.guard.memory = &m
	refused(t, s, "disk on fire")
	m.fails = nil
	accepted(t, s)
}

func TestWhatCannotBeRememberedIsNotAccepted(t *testing.T) {
	var m memory
	s, _ := scripted(metro(4), metro(5))
	s.guard.memory = &m
	first, _ := accepted(t, s)
	m.fails = errors.New("disk is full")
	refused(t, s, "disk is full")
	m.fails = nil
	if second, changed := accepted(t, s); !changed || second == first {
		t.Error("no recovery")
	}
}

// TestNoSequenceOfReadsLosesMoreThanAllowed is law 3 for any course of events.
func TestNoSequenceOfReadsLosesMoreThanAllowed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, f := scripted(metro(rapid.IntRange(0, 60).Draw(t, "first")))
		var last *Snapshot
		for range rapid.IntRange(1, 8).Draw(t, "reads") {
			step := any(metro(rapid.IntRange(0, 60).Draw(t, "members")))
			if rapid.IntRange(0, 4).Draw(t, "fails") == 0 {
				step = errors.New("no answer")
			}
			f.now(step)
			snapshot, _, err := s.Read(t.Context())
			if err != nil {
				if s.Status().Snapshot != last {
					t.Fatal("a refused read took the snapshot away")
				}
				continue
			}
			if last != nil {
				before, now := last.Counts[ixapi.Connections], snapshot.Counts[ixapi.Connections]
				if lost := before - now; lost > max(3, before/10) {
					t.Fatalf("lost %d of %d", lost, before)
				}
			}
			last = snapshot
		}
	})
}

func TestBaselineSurvivesEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := Hashes(rapid.SliceOf(rapid.Uint64()).Draw(t, "ids")).set()
		text, err := ids.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		var back Hashes
		if err := back.UnmarshalJSON(text); err != nil || !slices.Equal(back, ids) {
			t.Fatalf("%v became %v: %v", ids, back, err)
		}
	})
	for _, bad := range []string{`7`, `"AAAA"`, `"AAAAAAAAAAIAAAAAAAAAAQ=="`} {
		var s Hashes
		if err := s.UnmarshalJSON([]byte(bad)); err == nil {
			t.Errorf("%s is a set", bad)
		}
	}
}
