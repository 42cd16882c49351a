package junos

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ixagent/ixagent/lab/cli"
	"github.com/ixagent/ixagent/lab/switchd"
)

//go:embed base.txt
var base string

// Ports returns the names of the first n ports of a box, xe-0/0/0 and up.
func Ports(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = "xe-0/0/" + strconv.Itoa(i)
	}
	return names
}

// Options describe a box.
type Options struct {
	Name  string   // of the host
	Ports []string // of its switch
	// Configuration is what runs at first, as set commands. Empty: what a box has that somebody can log in to.
	Configuration string
	// Minute is how long `commit confirmed` takes a minute to be. Zero: a minute.
	Minute time.Duration
}

// Box is the command line of one switch. It implements [cli.NOS].
type Box struct {
	o      Options
	schema *schema
	first  *node

	mu      sync.Mutex
	sw      *switchd.Switch
	history []*commit // newest first, never empty
	shared  *edit     // what all edit who are not private
	editors []*session
	owner   *session // who edits exclusively
	commits int
	pids    int
}

// commit is an entry of the history.
type commit struct {
	root    *node
	time    time.Time
	by, via string
	note    string // after via
	comment string
}

// maxHistory is how many configurations can be gone back to, with the one that runs.
const maxHistory = 50

// New makes a box whose switch is not known yet: [Box.Native] must be in its options, and Attach called before anybody
// logs in.
func New(o Options) (*Box, error) {
	if o.Minute <= 0 {
		o.Minute = time.Minute
	}
	s, err := parseSchema(grammar)
	if err != nil {
		return nil, err
	}
	b := &Box{o: o, schema: s}
	text := o.Configuration
	if text == "" {
		text = strings.ReplaceAll(base, "HOST", o.Name)
	}
	e := newEdit(&node{schema: s})
	if faults := b.load(e, text); len(faults) > 0 {
		return nil, fmt.Errorf("configuration of %s: %s", o.Name, faults[0])
	}
	b.first = e.snapshot()
	b.history = []*commit{{root: b.first, time: time.Now(), by: "root", via: "other"}}
	b.shared = newEdit(b.first)
	return b, nil
}

// Native is what the options of the switch need.
func (b *Box) Native() any { return b.first }

// Attach makes a switch the one that the box is the command line of, and its configuration run.
func (b *Box) Attach(sw *switchd.Switch) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sw = sw
	if err := sw.Install(b.first, translate(b.first, b.o.Ports)); err != nil {
		return fmt.Errorf("configuration of %s: %w", b.o.Name, err)
	}
	return nil
}

// Style implements [cli.NOS].
func (b *Box) Style() cli.Style { return cli.Style{More: "---(more)---"} }

// Configuration returns the running configuration as `show configuration | display set` prints it.
func (b *Box) Configuration() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return appendSet(nil, b.running(), nil)
}

// Candidate returns the shared candidate in the same form.
func (b *Box) Candidate() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.running()
	return appendSet(nil, b.shared.root, nil)
}

// load executes the lines of a text that changes a configuration, and returns what is said of those that cannot be.
func (b *Box) load(e *edit, text string) (faults []string) {
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, "\r\n")
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		if err := b.loadLine(e, line); err != nil && !errors.Is(err, errNotFound) {
			at := 0
			var f *fault
			if errors.As(err, &f) {
				at = f.at
			}
			faults = append(faults, fmt.Sprintf("terminal:%d:(%d) %s", number, at+1, strings.TrimPrefix(err.Error(), "error: ")))
		}
	}
	return faults
}

func (b *Box) loadLine(e *edit, line string) error {
	words, f := split(line)
	if f != nil {
		return f
	}
	verb, ok := editVerb(words[0].text)
	if !ok {
		return &fault{words[0].at, errUnknown}
	}
	return verb(e, &parser{root: b.schema, words: words[1:], end: len(line)}, nil)
}

// running returns what runs. It notices what went back without being told. The caller holds mu.
func (b *Box) running() *node {
	now, _ := b.sw.Native().(*node)
	last := b.history[0]
	if now == last.root || now == nil {
		return last.root
	}
	b.record(&commit{root: now, by: "root", via: "other"})
	if same(b.shared.root, last.root) {
		b.shared = newEdit(now)
	}
	return now
}

// record adds an entry to the history.
func (b *Box) record(c *commit) {
	c.time = time.Now()
	b.history = slices.Insert(b.history, 0, c)
	if len(b.history) > maxHistory {
		b.history = b.history[:maxHistory]
	}
}

// modified reports whether the shared candidate has changes that are not committed. The caller holds mu.
func (b *Box) modified() bool { return !same(b.shared.root, b.running()) }

// errBox is a refusal in the words that follow "error: ".
type errBox string

func (e errBox) Error() string { return "error: " + string(e) }

// request is what is committed: a candidate, and how.
type request struct {
	session   *session
	root      *node
	check     bool
	confirmed int // minutes, 0 for no
	comment   string
}

// commit makes a candidate run and returns what is said of it. The caller holds mu.
func (b *Box) commit(r request) (string, error) {
	running := b.running()
	build := translate(r.root, b.o.Ports)
	id, _, pending := b.sw.Unconfirmed()
	if r.check || pending {
		if err := b.sw.Check(build); err != nil {
			return "", refused(err)
		}
	}
	if pending {
		if err := b.sw.Confirm(id); err != nil && !errors.Is(err, switchd.ErrNotPending) {
			return "", refused(err)
		}
	}
	if r.check {
		b.history[0].note = "" // it does not wait any more
		return "configuration check succeeds\n", nil
	}
	c := &commit{root: r.root, by: r.session.user, via: "cli", comment: r.comment}
	if r.confirmed == 0 {
		if same(r.root, running) {
			c.root = running
		} else if err := b.sw.Install(r.root, build); err != nil {
			return "", refused(err)
		}
		if pending || c.root != running {
			b.record(c)
		}
		return "commit complete\n", nil
	}
	b.commits++
	c.note = fmt.Sprintf(" commit confirmed, rollback in %dmins", r.confirmed)
	if err := b.sw.InstallConfirmed("commit "+strconv.Itoa(b.commits), time.Duration(r.confirmed)*b.o.Minute, r.root, build); err != nil {
		return "", refused(err)
	}
	b.record(c)
	return fmt.Sprintf("commit confirmed will be automatically rolled back in %d minutes unless confirmed\ncommit complete\n", r.confirmed), nil
}

// refused says why the switch does not take a configuration.
func refused(err error) error {
	var r refusal
	if errors.As(err, &r) || errors.Is(err, switchd.ErrCut) {
		return err
	}
	return fmt.Errorf("error: %s\nerror: configuration check-out failed", strings.ReplaceAll(err.Error(), "\n", "\nerror: "))
}

// waiting returns how many minutes there are until a commit is taken back, rounded up; 0 if none waits. The caller holds
// mu.
func (b *Box) waiting() int {
	_, left, ok := b.sw.Unconfirmed()
	if !ok {
		return 0
	}
	return max(1, int((left+b.o.Minute-1)/b.o.Minute))
}

// editing describes who edits the configuration.
func (b *Box) editing(who []*session) string {
	var text strings.Builder
	for _, s := range who {
		fmt.Fprintf(&text, "  %s terminal p%d (pid %d) on since %s\n", s.user, s.pid%8, s.pid, stamp(s.since))
		mode := ""
		switch s.mode {
		case exclusive:
			mode = "exclusive "
		case private:
			mode = "private "
		}
		fmt.Fprintf(&text, "      %s[edit%s]\n", mode, spaced(s.path))
	}
	return text.String()
}

func spaced(path []step) string {
	if len(path) == 0 {
		return ""
	}
	return " " + written(path)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// locked refuses changes of the shared candidate while somebody else edits it exclusively. The caller holds mu.
func (b *Box) locked(s *session) error {
	if b.owner == nil || b.owner == s {
		return nil
	}
	return errBox("configuration database locked by:\n" + strings.TrimSuffix(b.editing([]*session{b.owner}), "\n"))
}
