package config

import (
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

func TestDeviceSaysForItselfWhetherDriftIsHealed(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		policy bool
		device *bool
		want   bool
	}{{true, nil, true}, {false, nil, false}, {true, &no, false}, {false, &yes, true}} {
		conf := &Config{Policy: Policy{HealDrift: c.policy}}
		if got := conf.HealsDrift(&Device{HealDrift: c.device}); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestWindowAppliesWhereItIsNamedOrEverywhere(t *testing.T) {
	d := &Device{Name: "sw1", Site: "fra"}
	for _, c := range []struct {
		w    Window
		want bool
	}{
		{Window{}, true},
		{Window{Sites: []string{"fra"}}, true},
		{Window{Devices: []string{"sw1"}}, true},
		{Window{Sites: []string{"muc"}, Devices: []string{"sw1"}}, true},
		{Window{Sites: []string{"muc"}}, false},
		{Window{Devices: []string{"sw2"}}, false},
	} {
		if got := c.w.AppliesTo(d); got != c.want {
			t.Errorf("%+v: %v", c.w, got)
		}
	}
	if (&Window{Sites: []string{"fra"}}).AppliesTo(&Device{Name: "sw1"}) {
		t.Error("a window of a site applies to a device without one")
	}
}

// Every text that is a time, a day or a zone is written in the one way that it is read in.
func FuzzClock(f *testing.F) {
	for _, text := range []string{"22:00", "9:00", "24:00", "mon", "unm", "Europe/Berlin", "Local", "UTC", "", "../UTC"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var at TimeOfDay
		if at.UnmarshalText([]byte(text)) == nil && (at.String() != text || at >= 24*60) {
			t.Errorf("%q is read as %s", text, at)
		}
		var d Day
		if d.UnmarshalText([]byte(text)) == nil && (d.String() != text || d > 6) {
			t.Errorf("%q is read as %s", text, d)
		}
		var z TimeZone
		if z.UnmarshalText([]byte(text)) == nil && z.String() != text {
			t.Errorf("%q is read as %s", text, z)
		}
	})
}

// FuzzWindow finds no window that is accepted and is not on the clock.
func FuzzWindow(f *testing.F) {
	f.Add("[mon, sun]", "22:00", "04:00", "Europe/Berlin", "lag")
	f.Add("[]", `"00:00"`, "0", "UTC", "none")
	f.Add("[fri", "1:1", "~", "", "{}")
	f.Fuzz(func(t *testing.T, days, from, to, zone, class string) {
		text := minimal + "guard: {windows: [{name: w, days: " + days + ", from: " + from + ", to: " + to + ", timezone: " + zone + ", disruption: " + class + "}]}\n"
		c, err := parseFiles([]txtar.File{{Name: "c.yaml", Data: []byte(text)}})
		if err != nil {
			return
		}
		for _, w := range c.Guard.Windows {
			if w.From >= 24*60 || w.To >= 24*60 || w.Name == "" {
				t.Errorf("%s\nis %+v", text, w)
			}
			for _, d := range w.Days {
				if d > 6 {
					t.Errorf("%s\nopens on day %d", text, d)
				}
			}
		}
	})
}
