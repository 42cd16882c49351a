package source

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ixagent/ixagent/models/ixapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// lists is an exchange: records as JSON, by collection. Decisive collections that are not given are empty.
type lists map[ixapi.Collection][]string

func (l lists) bodies() map[ixapi.Collection]body {
	out := make(map[ixapi.Collection]body)
	for _, k := range kinds() {
		c := k.collection()
		if records, ok := l[c]; ok || decisive(c) {
			out[c] = newBody(ixapi.Raw{[]byte("[" + strings.Join(records, ",\n") + "]")})
		}
	}
	return out
}

// with returns l with other records of one collection.
func (l lists) with(c ixapi.Collection, records ...string) lists {
	out := lists{c: records}
	for k, v := range l {
		if k != c {
			out[k] = v
		}
	}
	return out
}

// script is a feed that answers each read with the next of its steps, and the last one for ever.
type script struct {
	mu    sync.Mutex
	steps []any // lists or error
	reads int
	read  func() // called before each read, if set
}

func (s *script) lists(context.Context) (map[ixapi.Collection]body, error) {
	if s.read != nil {
		s.read()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	step := s.steps[min(s.reads, len(s.steps)-1)]
	s.reads++
	if err, failed := step.(error); failed {
		return nil, err
	}
	return step.(lists).bodies(), nil
}

// now lets the next reads bring these steps.
func (s *script) now(steps ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.steps = append(make([]any, s.reads), steps...)
}

func (s *script) fault(err error) error               { return err }
func (s *script) watch(context.Context, func()) error { return nil }
func (s *script) close()                              {}

func scripted(steps ...any) (*Source, *script) {
	f := &script{steps: steps}
	return newSource("ix", f, 30*time.Second, guard{source: "ix", limits: Limits{MaxShrink: 10, Allowance: 3}}, slog.New(slog.DiscardHandler)), f
}

func connection(id int, state ixapi.State) string {
	return fmt.Sprintf(`{"id":"c%d","state":%q,"mode":"lag_lacp","ports":["p%[1]d"]}`, id, state)
}

func nsc(id, connection int) string {
	return fmt.Sprintf(`{"id":"n%d","type":"exchange_lan","state":"production","network_service":"s0","connection":"c%d","vlan_config":{"vlan_type":"port"}}`, id, connection)
}

func port(id int) string {
	return fmt.Sprintf(`{"id":"p%d","state":"production","device":"d1","connection":"c%[1]d"}`, id)
}

// metro is an exchange of n members, each with a port, a connection and a config.
func metro(n int) lists {
	l := lists{
		ixapi.Accounts:        {`{"id":"a1","name":"ACME"}`},
		ixapi.NetworkServices: {`{"id":"s0","type":"exchange_lan","state":"production"}`},
	}
	for i := range n {
		l[ixapi.Ports] = append(l[ixapi.Ports], port(i))
		l[ixapi.Connections] = append(l[ixapi.Connections], connection(i, ixapi.StateProduction))
		l[ixapi.NetworkServiceConfigs] = append(l[ixapi.NetworkServiceConfigs], nsc(i, i))
	}
	return l
}

// accepted reads and expects a snapshot.
func accepted(t *testing.T, s *Source) (*Snapshot, bool) {
	t.Helper()
	snapshot, changed, err := s.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if snapshot == nil || s.Status().Snapshot != snapshot || s.Status().Err != nil {
		t.Fatalf("snapshot %p, status %+v", snapshot, s.Status())
	}
	return snapshot, changed
}

// refused reads, expects an error that contains text, and that the snapshot stays.
func refused(t *testing.T, s *Source, text string) error {
	t.Helper()
	before := s.Status().Snapshot
	snapshot, changed, err := s.Read(t.Context())
	if err == nil || snapshot != nil || changed {
		t.Fatalf("read a snapshot: %v, %v", changed, err)
	}
	if !strings.Contains(err.Error(), text) {
		t.Errorf("error is %q, without %q", err, text)
	}
	if s.Status().Snapshot != before || s.Status().Err == nil {
		t.Errorf("the status is %+v", s.Status())
	}
	return err
}

func TestReadWithoutNewsReturnsTheSameSnapshot(t *testing.T) {
	s, _ := scripted(metro(3))
	first, changed := accepted(t, s)
	if !changed || first.Counts[ixapi.Connections] != 3 || first.Source != "ix" || first.Read.IsZero() {
		t.Errorf("first: %+v", first)
	}
	second, changed := accepted(t, s)
	if changed || second != first {
		t.Errorf("second read: changed %v", changed)
	}
}

func TestVersionIsThatOfTheLists(t *testing.T) {
	versions := make(map[string]bool)
	for _, l := range []lists{metro(3), metro(4), metro(3).with(ixapi.IPs), metro(3)} {
		s, _ := scripted(l)
		snapshot, _ := accepted(t, s)
		versions[snapshot.Version] = true
	}
	if len(versions) != 3 {
		t.Errorf("three exchanges, one of them read twice, have versions %v", versions)
	}
}

func TestUnchangedListsAreShared(t *testing.T) {
	s, _ := scripted(metro(3), metro(3).with(ixapi.Ports, port(0), port(1), port(2), port(3)))
	first, _ := accepted(t, s)
	second, changed := accepted(t, s)
	if !changed || second.Version == first.Version || second.Counts[ixapi.Ports] != 4 || first.Counts[ixapi.Ports] != 3 {
		t.Fatalf("%+v after %+v", second.Counts, first.Counts)
	}
	if &first.Records.Connections[0] != &second.Records.Connections[0] {
		t.Error("connections were decoded again")
	}
	if &first.Records.Ports[0] == &second.Records.Ports[0] {
		t.Error("the ports are the old ones")
	}
}

func TestFaultsStayWithTheirLists(t *testing.T) {
	odd := metro(2).with(ixapi.MACs, `{"id":"m","address":7}`)
	s, _ := scripted(odd, odd.with(ixapi.Accounts, `{"id":"a1","state":"jolly"}`), metro(2))
	if first, _ := accepted(t, s); len(first.Faults) != 1 {
		t.Errorf("faults: %v", first.Faults)
	}
	if second, _ := accepted(t, s); len(second.Faults) != 2 || second.Faults[0].Collection != ixapi.Accounts {
		t.Errorf("faults: %v", second.Faults)
	}
	if third, _ := accepted(t, s); len(third.Faults) != 0 {
		t.Errorf("faults: %v", third.Faults)
	}
}

func TestVanishedInformativeListIsEmpty(t *testing.T) {
	without := metro(2)
	delete(without, ixapi.Accounts)
	s, _ := scripted(metro(2), without)
	accepted(t, s)
	if second, changed := accepted(t, s); !changed || len(second.Records.Accounts) != 0 {
		t.Errorf("accounts: %v", second.Records.Accounts)
	}
}

func TestFailedReadKeepsTheSnapshot(t *testing.T) {
	s, _ := scripted(metro(3), errors.New("boom"), metro(3))
	first, _ := accepted(t, s)
	refused(t, s, "source ix: boom")
	if again, changed := accepted(t, s); again != first || changed {
		t.Error("the snapshot did not survive")
	}
}

func TestEveryReadIsTold(t *testing.T) {
	s, _ := scripted(metro(2), metro(2), errors.New("no route to host"), metro(3))
	var told []string
	s.told = func(changed bool, err error) { told = append(told, fmt.Sprint(changed, " ", err)) }
	done, cancel := context.WithCancel(t.Context())
	cancel()
	for _, ctx := range []context.Context{t.Context(), t.Context(), t.Context(), done} {
		s.Read(ctx)
	}
	if want := []string{"true <nil>", "false <nil>", "false source ix: no route to host"}; !slices.Equal(told, want) {
		t.Errorf("told %q", told)
	}
}

func TestRecordWithoutIDIsRefusedWhereItCounts(t *testing.T) {
	nameless := `{"state":"production","mode":"standalone"}`
	s, f := scripted(metro(3), metro(3).with(ixapi.Connections, connection(0, "production"), nameless))
	accepted(t, s)
	refused(t, s, `connections[1] /id: id is missing`)
	f.now(metro(3).with(ixapi.Accounts, `{"name":"nobody"}`))
	if snapshot, _ := accepted(t, s); len(snapshot.Faults) != 1 {
		t.Errorf("faults: %v", snapshot.Faults)
	}
}

func TestCutListIsRefused(t *testing.T) {
	s, f := scripted(metro(3), metro(3).with(ixapi.Ports, `{"id":"p1"}, {"id":`))
	accepted(t, s)
	var at *ixapi.ListError
	if err := refused(t, s, "ports"); !errors.As(err, &at) || at.Line != 1 {
		t.Errorf("the place is lost: %v", err)
	}
	f.now(metro(4))
	accepted(t, s)
}

func TestRecordsOfTwoMomentsAreReadAgain(t *testing.T) {
	ahead := metro(3).with(ixapi.NetworkServiceConfigs, nsc(0, 0), nsc(1, 1), nsc(2, 2), nsc(3, 3))
	s, f := scripted(metro(3), ahead, metro(4))
	accepted(t, s)
	if snapshot, _ := accepted(t, s); snapshot.Counts[ixapi.Connections] != 4 || f.reads != 3 {
		t.Errorf("%d reads: %v", f.reads, snapshot.Counts)
	}
}

func TestReferenceBrokenAtTheExchangeIsAccepted(t *testing.T) {
	broken := metro(3).with(ixapi.NetworkServiceConfigs, nsc(0, 0), nsc(1, 1), nsc(2, 99))
	s, f := scripted(broken)
	if snapshot, _ := accepted(t, s); len(snapshot.Records.NetworkServiceConfigs) != 3 || f.reads != 2 {
		t.Errorf("%d reads: %v", f.reads, snapshot.Counts)
	}
	f.now(broken.with(ixapi.MACs, `{"id":"m","address":"02:00:00:00:00:01"}`))
	if accepted(t, s); f.reads != 3 {
		t.Errorf("%d reads, although nothing else is broken", f.reads)
	}
}

func TestExchangeThatNeverSettlesIsRefused(t *testing.T) {
	var steps []any
	for i := range 9 {
		steps = append(steps, metro(3).with(ixapi.NetworkServiceConfigs, nsc(0, 0), nsc(1, 50+i)))
	}
	s, f := scripted(steps...)
	if err := refused(t, s, "kept changing"); !errors.Is(err, ErrUnsettled) || f.reads != maxReads {
		t.Errorf("%d reads: %v", f.reads, err)
	}
}

// members returns a list of n configs as an exchange of that size gives them, the one at odd unlike the others.
func members(n, odd int) ixapi.Raw {
	var b strings.Builder
	b.WriteByte('[')
	for i := range n {
		capacity := 1000
		if i == odd {
			capacity = 2000
		}
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":"IX:Config:%d","type":"exchange_lan","state":"production","status":[],"managing_account":"IX:Account:1",`+
			`"consuming_account":"IX:Account:%d","external_ref":null,"billing_account":"IX:Account:%[2]d","purchase_order":"","contract_ref":null,`+
			`"role_assignments":["IX:Role:%[2]d","IX:Role:7"],"network_service":"IX:Service:%d","connection":"IX:Connection:%d","routing_function":null,`+
			`"vlan_config":{"vlan_type":"qinq","outer_vlan":%d,"outer_vlan_ethertype":"0x88a8","inner_vlan":%d},"network_feature_configs":[],`+
			`"product_offering":"IX:Offering:%d","capacity":%d,"asns":[%d],"macs":["IX:MAC:%[1]d"],"ips":["IX:IP:%[1]d"],"listed":true,`+
			`"decommission_at":null,"charged_until":null,"current_billing_start_date":"2026-01-01"}`,
			i, i/20, i%300, i/5, 1+i%4094, 1+i/3%4094, i%40, capacity, 64512+i)
	}
	b.WriteByte(']')
	return ixapi.Raw{[]byte(b.String())}
}

// fixed is a feed that has its lists in memory, their digests taken.
type fixed map[ixapi.Collection]body

func (f fixed) lists(context.Context) (map[ixapi.Collection]body, error) { return f, nil }
func (f fixed) fault(err error) error                                    { return err }
func (f fixed) watch(context.Context, func()) error                      { return nil }
func (f fixed) close()                                                   {}

func big(odd int) fixed {
	all := metro(0).bodies()
	all[ixapi.NetworkServiceConfigs] = newBody(members(100_000, odd))
	return all
}

// BenchmarkDigest takes the digest of a list of 100,000 configs, which is what a list is compared by.
func BenchmarkDigest(b *testing.B) {
	raw := members(100_000, -1)
	b.SetBytes(int64(raw.Size()))
	for b.Loop() {
		newBody(raw)
	}
}

// BenchmarkReadWithoutNews reads 100,000 configs that are in memory, their digest taken, and did not change.
func BenchmarkReadWithoutNews(b *testing.B) {
	s := newSource("ix", big(-1), 0, guard{}, slog.New(slog.DiscardHandler))
	if _, _, err := s.Read(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, changed, err := s.Read(b.Context()); err != nil || changed {
			b.Fatal(changed, err)
		}
	}
}

func BenchmarkReadWithOneChange(b *testing.B) {
	one, other := big(-1), big(50_000)
	s := newSource("ix", one, 0, guard{}, slog.New(slog.DiscardHandler))
	if _, _, err := s.Read(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.feed, one, other = other, other, one
		if _, changed, err := s.Read(b.Context()); err != nil || !changed {
			b.Fatal(changed, err)
		}
	}
}

func BenchmarkDeltaOfOneChange(b *testing.B) {
	then, now := snapshotOf(b, big(-1)), snapshotOf(b, big(50_000))
	b.ReportAllocs()
	for b.Loop() {
		if d := Delta(then, now); len(d.Changed.NetworkServiceConfigs) != 1 || len(d.Removed) != 0 {
			b.Fatal(len(d.Changed.NetworkServiceConfigs), d.Removed)
		}
	}
}

func snapshotOf(t testing.TB, f feed) *Snapshot {
	t.Helper()
	snapshot, _, err := newSource("ix", f, 0, guard{}, slog.New(slog.DiscardHandler)).Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return snapshot
}
