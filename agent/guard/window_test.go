package guard

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// window returns a window as a file has it: "mon,tue 22:00-04:00 Europe/Berlin".
func window(t interface{ Fatal(...any) }, days []string, from, to, zone string) *config.Window {
	w := &config.Window{Name: "w", Disruption: plan.DisruptsCircuit}
	for _, d := range days {
		var day config.Day
		if err := day.UnmarshalText([]byte(d)); err != nil {
			t.Fatal(err)
		}
		w.Days = append(w.Days, day)
	}
	for _, err := range []error{w.From.UnmarshalText([]byte(from)), w.To.UnmarshalText([]byte(to)), w.TimeZone.UnmarshalText([]byte(zone))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func at(t interface{ Fatal(...any) }, text string) time.Time {
	when, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return when
}

func TestWindowOpensByTheClockOnTheWall(t *testing.T) {
	for _, c := range []struct {
		name     string
		days     []string
		from, to string
		now      string
		want     string // when it opens; "" for now
	}{
		{"open", nil, "22:00", "04:00", "2026-01-05T23:30:00+01:00", ""},
		{"at its first minute", nil, "22:00", "04:00", "2026-01-05T22:00:00+01:00", ""},
		{"open past midnight", nil, "22:00", "04:00", "2026-01-06T03:59:59+01:00", ""},
		{"at its end", nil, "22:00", "04:00", "2026-01-06T04:00:00+01:00", "2026-01-06T22:00:00+01:00"},
		{"within a minute", nil, "22:00", "04:00", "2026-01-06T21:59:59+01:00", "2026-01-06T22:00:00+01:00"},
		{"past midnight it is the day before's", []string{"mon"}, "22:00", "04:00", "2026-01-06T03:00:00+01:00", ""},
		{"not that of the next day", []string{"mon"}, "22:00", "04:00", "2026-01-06T22:30:00+01:00", "2026-01-12T22:00:00+01:00"},
		{"from on another day", []string{"mon"}, "22:00", "04:00", "2026-01-06T22:00:00+01:00", "2026-01-12T22:00:00+01:00"},
		{"a whole day", []string{"sun"}, "00:00", "00:00", "2026-01-05T12:00:00+01:00", "2026-01-11T00:00:00+01:00"},
		{"the hour that is left out is not waited for", nil, "02:00", "03:00", "2026-03-29T01:00:00+01:00", "2026-03-30T02:00:00+02:00"},
		{"what begins in it opens after it", nil, "02:30", "04:00", "2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"},
		{"the hour that comes twice is open twice", nil, "02:00", "02:30", "2026-10-25T02:30:00+02:00", "2026-10-25T02:00:00+01:00"},
		{"and at once", nil, "02:00", "03:00", "2026-10-25T02:59:59+02:00", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := window(t, c.days, c.from, c.to, "Europe/Berlin")
			now := at(t, c.now)
			want := now
			if c.want != "" {
				want = at(t, c.want)
			}
			if got := next(w, now); !got.Equal(want) {
				t.Errorf("opens at %s, want %s", got.Format(time.RFC3339), want.Format(time.RFC3339))
			}
		})
	}
}

// It opens at the first minute that a clock shows which is looked at every minute.
func TestWindowOpensWhenAWalkThroughTheMinutesFindsIt(t *testing.T) {
	changes := 0
	rapid.Check(t, func(t *rapid.T) {
		days := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}), 0, 7, rapid.ID).Draw(t, "days")
		clock := func(label string) string {
			return fmt.Sprintf("%02d:%02d", rapid.SampledFrom([]int{0, 1, 2, 3, 4, 12, 22, 23}).Draw(t, label+" hour"), rapid.SampledFrom([]int{0, 1, 15, 30, 59}).Draw(t, label+" minute"))
		}
		// Clocks change at 2 or 3, at midnight, by half an hour, or never.
		zone := rapid.SampledFrom([]string{"Europe/Berlin", "America/New_York", "America/Havana", "Africa/Cairo", "Australia/Lord_Howe", "Asia/Kathmandu", "UTC"}).Draw(t, "zone")
		w := window(t, days, clock("from"), clock("to"), zone)
		now := time.Date(2026, time.Month(rapid.IntRange(1, 12).Draw(t, "month")), rapid.IntRange(1, 31).Draw(t, "day"), 0, 0, 0, 0, w.TimeZone.Location())
		if _, end := now.ZoneBounds(); !end.IsZero() && rapid.Bool().Draw(t, "near a change") {
			now, changes = end, changes+1
		}
		now = now.Add(time.Duration(rapid.IntRange(-4*3600, 4*3600).Draw(t, "seconds")) * time.Second)

		shows := func(at time.Time) bool {
			today := strings.ToLower(at.Format("Mon"))
			before := map[string]string{"mon": "sun", "tue": "mon", "wed": "tue", "thu": "wed", "fri": "thu", "sat": "fri", "sun": "sat"}[today]
			on := func(day string) bool { return len(days) == 0 || slices.Contains(days, day) }
			clock, from, to := at.Format("15:04"), w.From.String(), w.To.String()
			if from < to {
				return on(today) && from <= clock && clock < to
			}
			return on(today) && from <= clock || on(before) && clock < to
		}
		want := now.In(w.TimeZone.Location())
		for minutes := 0; !shows(want); minutes++ {
			if minutes > 16*24*60 {
				t.Fatal("it does not open in 16 days")
			}
			want = want.Truncate(time.Minute).Add(time.Minute)
		}
		if got := next(w, now); !got.Equal(want) {
			t.Fatalf("%v %s-%s %s from %s: opens at %s, a walk finds %s", days, w.From, w.To, zone, now, got, want)
		}
		if Open(w, now) != shows(now.In(w.TimeZone.Location())) {
			t.Fatal("open says otherwise")
		}
	})
	if changes < 10 {
		t.Errorf("only %d times near a change of the clocks", changes)
	}
}

func TestChangeWaitsForAWindowThatAsksItTo(t *testing.T) {
	night, sunday, elsewhere := window(t, nil, "22:00", "04:00", "Europe/Berlin"), window(t, []string{"sun"}, "00:00", "00:00", "Europe/Berlin"), window(t, nil, "10:00", "11:00", "UTC")
	night.Name, sunday.Name, sunday.Disruption = "night", "sunday", plan.DisruptsLAG
	elsewhere.Sites = []string{"muc"}
	d := &config.Device{Name: "sw1", Site: "fra"}
	for _, c := range []struct {
		name    string
		windows []*config.Window
		now     string
		want    map[plan.Disruption]bool // held
	}{
		{"no window", nil, "2026-01-05T12:00:00+01:00", nil},
		{"none that applies", []*config.Window{elsewhere}, "2026-01-05T12:00:00+01:00", nil},
		{"shut", []*config.Window{night}, "2026-01-05T12:00:00+01:00", map[plan.Disruption]bool{plan.DisruptsCircuit: true, plan.DisruptsMember: true, plan.DisruptsLAG: true, plan.DisruptsSwitch: true}},
		{"open", []*config.Window{night}, "2026-01-05T23:00:00+01:00", nil},
		{"one that asks less is open", []*config.Window{night, sunday}, "2026-01-05T23:00:00+01:00", nil},
		{"one that asks more is open", []*config.Window{night, sunday}, "2026-01-04T12:00:00+01:00", map[plan.Disruption]bool{plan.DisruptsCircuit: true, plan.DisruptsMember: true}},
		{"only the worst waits", []*config.Window{sunday}, "2026-01-05T12:00:00+01:00", map[plan.Disruption]bool{plan.DisruptsLAG: true, plan.DisruptsSwitch: true}},
	} {
		for class := plan.DisruptsNone; class <= plan.DisruptsSwitch; class++ {
			key := switchcfg.Key{Kind: switchcfg.KindLAG, Name: "lag1"}
			holds := Windows(d, c.windows, at(t, c.now))([]plan.Change{{Key: key, Disruption: class}}, nil)
			if _, held := holds[key]; held != c.want[class] {
				t.Errorf("%s: what disrupts %s is held: %v", c.name, class, held)
			}
		}
	}
	key := switchcfg.Key{Kind: switchcfg.KindLAG, Name: "lag1"}
	holds := Windows(d, []*config.Window{sunday, night}, at(t, "2026-07-03T10:00:00Z"))([]plan.Change{{Key: key, Disruption: plan.DisruptsLAG}}, nil)
	want := plan.Hold{Reason: plan.Window, Detail: "what disrupts so much waits for a maintenance window (sunday, night); the next one opens at Fri 2026-07-03 22:00 CEST (Europe/Berlin)"}
	if holds[key] != want {
		t.Errorf("got  %v\nwant %v", holds[key], want)
	}
}
