package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Day is a day of the week.
type Day time.Weekday

// days are the words for days, as [time.Weekday] counts them.
const days = "sunmontuewedthufrisat"

// String returns the lower-case beginning of its name, "mon".
func (d Day) String() string { return days[3*d : 3*d+3] }

// MarshalText returns the form of [Day.String].
func (d Day) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the form of [Day.String].
func (d *Day) UnmarshalText(b []byte) error {
	i := strings.Index(days, string(b))
	if len(b) != 3 || i < 0 || i%3 != 0 {
		return fmt.Errorf("%q is not one of mon, tue, wed, thu, fri, sat, sun", b)
	}
	*d = Day(i / 3)
	return nil
}

// TimeOfDay is what a clock shows, in minutes since midnight.
type TimeOfDay uint16

// String returns "22:00".
func (t TimeOfDay) String() string { return fmt.Sprintf("%02d:%02d", t/60, t%60) }

// MarshalText returns the form of [TimeOfDay.String].
func (t TimeOfDay) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads the form of [TimeOfDay.String].
func (t *TimeOfDay) UnmarshalText(b []byte) error {
	at, err := time.Parse("15:04", string(b))
	if err != nil || len(b) != len("15:04") {
		return fmt.Errorf("%q is not a time of day between 00:00 and 23:59", b)
	}
	*t = TimeOfDay(at.Hour()*60 + at.Minute())
	return nil
}

// TimeZone is a zone of the IANA database. The zero TimeZone is UTC.
type TimeZone struct{ loc *time.Location }

// Location returns the zone.
func (z TimeZone) Location() *time.Location {
	if z.loc == nil {
		return time.UTC
	}
	return z.loc
}

// String returns its name, "Europe/Berlin".
func (z TimeZone) String() string { return z.Location().String() }

// MarshalText returns the form of [TimeZone.String].
func (z TimeZone) MarshalText() ([]byte, error) { return []byte(z.String()), nil }

// UnmarshalText reads a name of the database. That of the machine is none, as another machine may read the file.
func (z *TimeZone) UnmarshalText(b []byte) error {
	loc, err := time.LoadLocation(string(b))
	if err != nil || loc == time.Local || len(b) == 0 {
		return fmt.Errorf("%q is not a time zone such as Europe/Berlin or UTC", b)
	}
	z.loc = loc
	return nil
}

// AppliesTo reports whether d has to wait for w.
func (w *Window) AppliesTo(d *Device) bool {
	return len(w.Sites)+len(w.Devices) == 0 || slices.Contains(w.Devices, d.Name) || d.Site != "" && slices.Contains(w.Sites, d.Site)
}

// HealsDrift reports whether what others changed on a device is undone.
func (c *Config) HealsDrift(d *Device) bool {
	if d.HealDrift != nil {
		return *d.HealDrift
	}
	return c.Policy.HealDrift
}
