package audit

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Report says where two sources disagree. Fields of its JSON form are only added.
type Report struct {
	Sources      [2]Source    `json:"sources"`
	Differences  []Difference `json:"disagreements"`  // in the order of the inventory, of ports and of frames
	Incomparable []Difference `json:"not_comparable"` // what one source has no words for; it is no disagreement
	Unplaced     []Unplaced   `json:"unplaced"`       // records on no switch of the inventory, compared with nothing

	// Next is when the same records may compare in another way, since the time of a MAC address begins or ends; zero
	// for never.
	Next time.Time `json:"-"`
}

// Source is what was compared of one source.
type Source struct {
	Name        string `json:"name"`
	Version     string `json:"version"`     // of what it said
	Connections int    `json:"connections"` // on the switches of the inventory, in whatever state
	Circuits    int    `json:"circuits"`    // that switches should carry
}

// Difference is something that two sources do not say alike.
type Difference struct {
	Device     string        `json:"device"`
	Interfaces []string      `json:"interfaces"`      // of the connection, as the first has it that has it
	Match      string        `json:"match,omitempty"` // the frames of the circuit; without it the whole connection is meant
	Kind       Kind          `json:"kind"`
	Matter     config.Matter `json:"matter,omitempty"` // that one cannot say
	Says       [2]Saying     `json:"says"`

	match switchcfg.Match // that Match is the text of
}

// Saying is what one source says.
type Saying struct {
	Source  string `json:"source"`
	Record  string `json:"record,omitempty"`  // connections/ID or network-service-configs/ID there; none where it has none
	Account string `json:"account,omitempty"` // the consuming account there
	Text    string `json:"text"`              // words that follow the name of the source
}

// Unplaced is a record that is on no switch of the inventory, though it may be meant to be.
type Unplaced struct {
	Source string `json:"source"`
	Record string `json:"record"`
	Why    string `json:"why"`
}

func (s *Source) count(list []compile.Connected) {
	s.Connections += len(list)
	for i := range list {
		for k := range list[i].Ends {
			if list[i].Ends[k].Made {
				s.Circuits++
			}
		}
	}
}

func (r *Report) next(t time.Time) {
	if r.Next.IsZero() || !t.IsZero() && t.Before(r.Next) {
		r.Next = t
	}
}

// Counts returns the number of disagreements of every kind.
func (r *Report) Counts() map[Kind]int {
	out := make(map[Kind]int)
	for _, k := range Kinds() {
		out[k] = 0
	}
	for i := range r.Differences {
		out[r.Differences[i].Kind]++
	}
	return out
}

// Place says where it is: "fra1-sw1 Ethernet7 dot1q 0x8100 101".
func (d *Difference) Place() string {
	text := d.Device + " " + strings.Join(d.Interfaces, "+")
	if d.Match != "" {
		text += " " + d.Match
	}
	return text
}

// String returns the difference in the words of both sources, in one line.
func (d *Difference) String() string {
	text := d.Place() + ": " + string(d.Kind) + ": "
	for i, s := range d.Says {
		if i > 0 {
			text += "; "
		}
		text += s.Source + " " + s.Text
		if _, id, known := strings.Cut(s.Record, "/"); known {
			text += " (" + id + ")"
		}
	}
	return text
}

// AppendText appends the report as a person reads it.
func (r *Report) AppendText(b []byte) []byte {
	for i := range r.Differences {
		b = fmt.Appendf(b, "! %s\n", &r.Differences[i])
	}
	heading := func(n int, text string) {
		if n > 0 {
			if len(b) > 0 {
				b = append(b, '\n')
			}
			b = append(append(b, text...), ":\n"...)
		}
	}
	heading(len(r.Incomparable), "Not comparable, since one source has no words for it")
	for i := range r.Incomparable {
		b = fmt.Appendf(b, "· %s: %s\n", r.Incomparable[i].Matter, &r.Incomparable[i])
	}
	heading(len(r.Unplaced), "On no switch of the inventory, and compared with nothing")
	for _, u := range r.Unplaced {
		b = fmt.Appendf(b, "· %s: %s: %s\n", u.Source, u.Record, u.Why)
	}
	if len(b) > 0 {
		b = append(b, '\n')
	}
	for _, s := range r.Sources {
		b = fmt.Appendf(b, "%s: %s, %s.\n", s.Name, count(s.Connections, "connection"), count(s.Circuits, "circuit"))
	}
	if len(r.Differences) == 0 {
		b = append(b, "They agree"...)
	} else {
		b = fmt.Appendf(b, "They disagree: %s", count(len(r.Differences), "disagreement"))
	}
	return fmt.Appendf(b, "; %d not comparable, %s on no switch.\n", len(r.Incomparable), count(len(r.Unplaced), "record"))
}

func count(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// suite is a report in the form of JUnit.
type suite struct {
	XMLName  struct{} `xml:"testsuite"`
	Name     string   `xml:"name,attr"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Skipped  int      `xml:"skipped,attr"`
	Cases    []check  `xml:"testcase"`
}

type check struct {
	Name    string  `xml:"name,attr"`
	Class   string  `xml:"classname,attr"`
	Failure *notice `xml:"failure"`
	Skipped *notice `xml:"skipped"`
}

type notice struct {
	Message string `xml:"message,attr"`
}

// WriteJUnit writes the report in the form of JUnit, which test reporters read: each disagreement is a test that failed,
// what is not comparable is one that was skipped, and a test that both agree passes if they do.
func (r *Report) WriteJUnit(w io.Writer) error {
	s := suite{Name: r.Sources[0].Name + " and " + r.Sources[1].Name, Failures: len(r.Differences), Skipped: len(r.Incomparable)}
	for i := range r.Differences {
		d := &r.Differences[i]
		s.Cases = append(s.Cases, check{Name: d.Place() + ": " + string(d.Kind), Class: d.Device, Failure: &notice{d.String()}})
	}
	for i := range r.Incomparable {
		d := &r.Incomparable[i]
		s.Cases = append(s.Cases, check{Name: d.Place() + ": " + string(d.Kind), Class: d.Device, Skipped: &notice{d.String()}})
	}
	if len(r.Differences) == 0 {
		s.Cases = append(s.Cases, check{Name: "they agree", Class: "audit"})
	}
	s.Tests = len(s.Cases)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(s); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}
