package junos

import (
	"cmp"
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
	// Tunnel is the address of the switch towards others, of lo0. Empty: 198.51.100.11.
	Tunnel string
	// Configuration is what runs at first, as set commands. Empty: what a box has that was racked and can be managed.
	Configuration string
	// Minute is how long `commit confirmed` takes a minute to be. Zero: a minute.
	Minute time.Duration
	// Rebooted is called after the switch was rebooted by [NOS.Reboot]; nil for nothing.
	Rebooted func()
}

// NOS is the command line of one switch. It implements [cli.Device].
type NOS struct {
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

// New makes a box whose switch is not known yet: [NOS.Native] must be in its options, and Attach called before anybody
// logs in.
func New(o Options) (*NOS, error) {
	if o.Minute <= 0 {
		o.Minute = time.Minute
	}
	s, err := parseSchema(grammar)
	if err != nil {
		return nil, err
	}
	b := &NOS{o: o, schema: s}
	text := o.Configuration
	if text == "" {
		text = strings.NewReplacer("HOST", o.Name, "TUNNEL", cmp.Or(o.Tunnel, "198.51.100.11")).Replace(base)
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

// Native implements [cli.Device].
func (n *NOS) Native() any { return n.first }

// Attach implements [cli.Device].
func (n *NOS) Attach(sw *switchd.Switch) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.sw = sw
	if err := sw.Install(n.first, translate(n.first, n.o.Ports)); err != nil {
		return fmt.Errorf("configuration of %s: %w", n.o.Name, err)
	}
	return nil
}

// Show implements [cli.Device].
func (n *NOS) Show(native any) []byte { return appendSet(nil, native.(*node), nil) }

// Reboot loses what was not committed or confirmed, as a power cycle does.
func (n *NOS) Reboot() {
	n.mu.Lock()
	n.sw.Reboot()
	n.shared = newEdit(n.running())
	n.mu.Unlock()
	if n.o.Rebooted != nil {
		n.o.Rebooted()
	}
}

// Style implements [cli.NOS].
func (n *NOS) Style() cli.Style { return cli.Style{More: "---(more)---"} }

// Configuration is what runs, as `show configuration | display set` prints it.
func (n *NOS) Configuration() []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	return appendSet(nil, n.running(), nil)
}

// Candidate is what all edit who are not private, in the same form.
func (n *NOS) Candidate() []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.running()
	return appendSet(nil, n.shared.root, nil)
}

// Text is everything that the box has to show: the configuration that runs, and behind it the candidates that differ.
func (n *NOS) Text() []byte {
	n.mu.Lock()
	defer n.mu.Unlock()
	text := appendSet(nil, n.running(), nil)
	if n.modified() {
		text = appendSet(append(text, "[shared candidate]\n"...), n.shared.root, nil)
	}
	for _, s := range n.editors {
		if s.mode == private && !same(s.candidate.root, s.base) {
			text = appendSet(fmt.Appendf(text, "[candidate of session %d]\n", s.pid), s.candidate.root, nil)
		}
	}
	return text
}

// load executes the lines of a text that changes a configuration, and returns what is said of those that cannot be.
func (n *NOS) load(e *edit, text string) (faults []string) {
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, "\r\n")
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || trimmed[0] == '#' {
			continue
		}
		if err := n.loadLine(e, line); err != nil && !errors.Is(err, errNotFound) {
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

func (n *NOS) loadLine(e *edit, line string) error {
	words, f := split(line)
	if f != nil {
		return f
	}
	verb, ok := editVerb(words[0].text)
	if !ok {
		return &fault{words[0].at, errUnknown}
	}
	return verb(e, &parser{root: n.schema, words: words[1:], end: len(line)}, nil)
}

// running returns what runs. It notices what went back without being told. The caller holds mu.
func (n *NOS) running() *node {
	now, _ := n.sw.Native().(*node)
	last := n.history[0]
	if now == last.root || now == nil {
		return last.root
	}
	n.record(&commit{root: now, by: "root", via: "other"})
	if same(n.shared.root, last.root) {
		n.shared = newEdit(now)
	}
	return now
}

// record adds an entry to the history.
func (n *NOS) record(c *commit) {
	c.time = time.Now()
	n.history = slices.Insert(n.history, 0, c)
	if len(n.history) > maxHistory {
		n.history = n.history[:maxHistory]
	}
}

// modified reports whether the shared candidate has changes that are not committed. The caller holds mu.
func (n *NOS) modified() bool { return !same(n.shared.root, n.running()) }

// errSaid is a refusal in the words that follow "error: ".
type errSaid string

func (e errSaid) Error() string { return "error: " + string(e) }

// request is what is committed: a candidate, and how.
type request struct {
	session   *session
	root      *node
	check     bool
	confirmed int // minutes, 0 for no
	comment   string
}

// commit makes a candidate run and returns what is said of it. The caller holds mu.
func (n *NOS) commit(r request) (string, error) {
	running := n.running()
	build := translate(r.root, n.o.Ports)
	id, _, pending := n.sw.Unconfirmed()
	if r.check || pending && !same(r.root, running) {
		if err := n.sw.Check(build); err != nil {
			return "", refused(err)
		}
	}
	c := &commit{root: r.root, by: r.session.user, via: "cli", comment: r.comment}
	if pending {
		err := n.sw.Confirm(id)
		switch {
		case errors.Is(err, switchd.ErrNotPending): // its time came just now
			running, pending = n.running(), false
		case err != nil:
			if !n.sw.Pending() { // it was confirmed, and only the answer is lost
				c.root = running
				n.record(c)
			}
			return "", refused(err)
		}
	}
	if r.check {
		if pending {
			n.history[0].note = "" // it does not wait any more
		}
		return "configuration check succeeds\n", nil
	}
	text := "commit complete\n"
	var err error
	switch {
	case r.confirmed > 0:
		n.commits++
		c.note = fmt.Sprintf(" commit confirmed, rollback in %dmins", r.confirmed)
		text = fmt.Sprintf("commit confirmed will be automatically rolled back in %d minutes unless confirmed\n", r.confirmed) + text
		err = n.sw.InstallConfirmed("commit "+strconv.Itoa(n.commits), time.Duration(r.confirmed)*n.o.Minute, r.root, build)
	case same(r.root, running):
		c.root = running
	default:
		err = n.sw.Install(r.root, build)
	}
	// A commit whose answer is lost has been made all the same.
	if made := n.sw.Native() == any(c.root); made && (pending || c.root != running || r.confirmed > 0) {
		n.record(c)
	}
	if err != nil {
		return "", refused(err)
	}
	return text, nil
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
func (n *NOS) waiting() int {
	_, left, ok := n.sw.Unconfirmed()
	if !ok {
		return 0
	}
	return max(1, int((left+n.o.Minute-1)/n.o.Minute))
}

// editing describes who edits the configuration.
func (n *NOS) editing(who []*session) string {
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
func (n *NOS) locked(s *session) error {
	if n.owner == nil || n.owner == s {
		return nil
	}
	return errSaid("configuration database locked by:\n" + strings.TrimSuffix(n.editing([]*session{n.owner}), "\n"))
}
