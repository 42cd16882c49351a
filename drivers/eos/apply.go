package eos

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
)

// sessionPrefix begins the name of every configuration session of the agent's.
const sessionPrefix = "ixagent-"

// sessionName returns the name of the session that makes the commit of that id.
func sessionName(id string) string {
	h := sha256.Sum256([]byte(id))
	return sessionPrefix + hex.EncodeToString(h[:4])
}

// fresh returns a name for a session that nobody needs to find again.
func fresh() string { return sessionName(rand.Text()) }

// clock returns d in whole seconds, rounded up and at least 1, as "00:01:30".
func clock(d time.Duration) string {
	s := max(1, int64((d+time.Second-1)/time.Second))
	return fmt.Sprintf("%02d:%02d:%02d", s/3600, s/60%60, s%60)
}

// The states of a configuration session that matter here.
const (
	statePending = "pending"            // opened and not committed
	stateTimer   = "pendingCommitTimer" // committed, and taken back unless it is confirmed
)

// configSession is what the device says of a configuration session.
type configSession struct {
	State     string                     `json:"state"`
	Instances map[string]json.RawMessage `json:"instances"` // terminals that are in it
}

// sessions lists the configuration sessions by name.
func (d *driver) sessions(ctx context.Context, op string) (map[string]configSession, error) {
	text, err := d.run(ctx, op, "show configuration sessions detail | json")
	if err != nil {
		return nil, err
	}
	var answer struct {
		Sessions map[string]configSession `json:"sessions"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		return nil, d.fail(op, drivers.Incomplete, fmt.Errorf("the list of configuration sessions: %w", err))
	}
	return answer.Sessions, nil
}

// prepare reads the switch, which has to be as it was last observed, and returns what it said and what makes the changes
// on it.
func (d *driver) prepare(ctx context.Context, op string, changes []plan.Change) (basis string, commands []string, err error) {
	if err := d.carries(op, changes); err != nil {
		return "", nil, err
	}
	if err := d.begin(ctx, op); err != nil {
		return "", nil, err
	}
	observed := d.last
	if basis, err = d.observe(ctx, op); err != nil {
		return "", nil, err
	}
	if observed != nil && !observed.state.Equal(d.last.state) {
		return "", nil, d.fail(op, drivers.Stale, errors.New("it is another than it was when it was observed"))
	}
	commands, err = d.commands(op, changes)
	return basis, commands, err
}

// carries refuses what the device cannot carry of what the changes make.
func (d *driver) carries(op string, changes []plan.Change) error {
	for _, ch := range changes {
		if ch.After == nil {
			continue
		}
		if err := d.device.Capabilities.Carry(ch.After); err != nil {
			return d.fail(op, drivers.Unsupported, fmt.Errorf("%s: %w", ch.Key, err))
		}
	}
	return nil
}

// commands returns what makes the changes on the switch as it was read last.
func (d *driver) commands(op string, changes []plan.Change) ([]string, error) {
	if err := d.carries(op, changes); err != nil {
		return nil, err
	}
	target, err := plan.Apply(d.last.state, changes)
	if err != nil {
		return nil, d.fail(op, drivers.Stale, err)
	}
	commands, err := d.last.commands(&d.device.Capabilities, target, changes)
	if err != nil {
		return nil, d.fail(op, drivers.Unsupported, err)
	}
	return commands, nil
}

// lines returns commands as text.
func lines(commands []string) []byte {
	var b []byte
	for _, c := range commands {
		b = append(append(b, c...), '\n')
	}
	return b
}

// vacate takes away what a dead process of the agent's has left, and returns a name for a new session: the wanted one,
// or with a number where the device still lists one of that name.
func (d *driver) vacate(ctx context.Context, op, wanted string) (string, error) {
	all, err := d.sessions(ctx, op)
	if err != nil {
		return "", err
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		switch s := all[name]; {
		case s.State == stateTimer:
			return "", d.fail(op, drivers.Transient, fmt.Errorf("configuration session %s waits for its confirmation", name))
		case s.State == statePending && strings.HasPrefix(name, sessionPrefix) && len(s.Instances) == 0:
			if err := d.discard(ctx, op, name); err != nil {
				return "", err
			}
		}
	}
	name := wanted
	for n := 2; ; n++ {
		if _, taken := all[name]; !taken {
			return name, nil
		}
		name = fmt.Sprintf("%s-%d", wanted, n)
	}
}

// stage opens a session and makes the changes in it. It returns what the device remarked; after an error there is no
// session.
func (d *driver) stage(ctx context.Context, op, name string, commands []string) ([]string, error) {
	if _, err := d.session.Enter(ctx, op, modeSession, "configure session "+name); err != nil {
		if strings.Contains(err.Error(), "Maximum number of pending sessions") {
			err = d.fail(op, drivers.Transient, errors.New("it has as many configuration sessions as it can: "+
				"abort one that nobody needs, `show configuration sessions` lists them"))
		}
		return nil, err
	}
	remarks, err := d.session.Send(ctx, op, commands)
	if err != nil {
		_ = d.abandon(ctx, op, name) // the refusal is what counts
	}
	return remarks, err
}

// abandon ends the session without effect, whichever block is open in it. Where the device does not answer it stays,
// until the next one that applies takes it away.
func (d *driver) abandon(ctx context.Context, op, name string) error {
	if d.session.Mode() != modeSession {
		return nil
	}
	if _, err := d.session.Enter(ctx, op, modeExec, "end"); err != nil {
		return err
	}
	return d.discard(ctx, op, name)
}

func (d *driver) discard(ctx context.Context, op, name string) error {
	_, err := d.session.Run(ctx, op, "configure session "+name+" abort")
	return err
}

// commit makes the changes in a session of that name and commits it, if the switch still is as it was.
func (d *driver) commit(ctx context.Context, name, basis string, commands []string, command string) (drivers.Result, error) {
	const op = "apply"
	result := drivers.Result{Native: lines(commands)}
	remarks, err := d.stage(ctx, op, name, commands)
	if err != nil {
		return result, err
	}
	result.Warnings = remarks
	now, err := d.session.Run(ctx, op, showRunning)
	if err == nil && !sameText(now, basis) {
		err = d.fail(op, drivers.Stale, errors.New("somebody else changed the configuration in the meantime, which a commit would undo"))
	}
	if err == nil {
		d.last = nil
		_, err = d.session.Commit(ctx, op, modeExec, command)
	}
	if err != nil {
		_ = d.abandon(ctx, op, name)
	}
	return result, err
}

// end commits or aborts the session whose commit of that id waits for confirmation.
func (d *driver) end(ctx context.Context, op, id, how string) error {
	if err := d.begin(ctx, op); err != nil {
		return err
	}
	all, err := d.sessions(ctx, op)
	if err != nil {
		return err
	}
	for name, s := range all {
		if s.State == stateTimer && (name == sessionName(id) || strings.HasPrefix(name, sessionName(id)+"-")) {
			d.last = nil
			_, err := d.session.Commit(ctx, op, modeExec, "configure session "+name+" "+how)
			return err
		}
	}
	return d.fail(op, drivers.Rejected, fmt.Errorf("commit %q is not pending", id))
}

// save makes what runs survive a restart, and says if it does not.
func (d *driver) save(ctx context.Context, op string) []string {
	if _, err := d.session.Run(ctx, op, "write memory"); err != nil {
		return []string{"the configuration is not saved for the next start: " + cause(err).Error()}
	}
	return nil
}

// cause returns err without the names of device and operation, which its new wrapping has.
func cause(err error) error {
	if e := (*drivers.Error)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}
