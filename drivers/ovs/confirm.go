package ovs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/plan"
)

// A pending commit is noted in external_ids of the switch under these keys.
const (
	noteCommit = "external_ids:ixagent-commit"
	keyCommit  = "ixagent-commit"
	keyID      = "ixagent-commit-id"
	keyUntil   = "ixagent-commit-until" // seconds of Unix time
)

// What is noted of a commit.
const (
	waiting   = "waiting"   // for its confirmation
	asked     = "asked"     // to be taken back
	reverting = "reverting" // it is being taken back
	reverted  = "reverted"
	failed    = "failed" // to be taken back
	confirmed = "confirmed"
)

// ApplyConfirmed implements [drivers.Confirmer]. The window is made of whole seconds. The device keeps what it takes the commit back
// with in a process of its own: one that restarts in the window keeps the change, with all circuits closed.
func (d *driver) ApplyConfirmed(ctx context.Context, id string, window time.Duration, changes []plan.Change) (drivers.Result, error) {
	return d.apply(ctx, changes, &pending{id: id, window: window})
}

// Confirm implements [drivers.Confirmer].
func (d *driver) Confirm(ctx context.Context, id string) error {
	w := &writer{seconds: d.steps()}
	return d.settle(ctx, "confirm", w.move(id, waiting, confirmed))
}

// Revert implements [drivers.Confirmer].
func (d *driver) Revert(ctx context.Context, id string) error {
	w := &writer{seconds: d.steps()}
	done := fmt.Sprintf("ovs-vsctl --no-wait --timeout=%d wait-until Open_vSwitch . %s", 2*w.seconds, noteCommit+"="+reverted)
	return d.settle(ctx, "revert", "{ "+w.move(id, waiting, asked)+"; } && { "+done+fmt.Sprintf(" || return %d; }", statusHalf))
}

// settle runs commands that end a commit. They fail if it is not pending.
func (d *driver) settle(ctx context.Context, op, commands string) error {
	if err := d.begin(ctx, op); err != nil {
		return err
	}
	out, err := d.session.ExecCommit(ctx, op, runs, script(commands+fmt.Sprintf(" || return %d", statusNone)))
	switch {
	case err != nil:
		return err
	case out.Status == statusNone:
		return d.fail(op, drivers.Rejected, errors.New("no commit of that id is pending"))
	case out.Status != 0:
		return d.fail(op, drivers.Unknown, complaint(out))
	}
	return nil
}

// seconds is the window in whole seconds.
func (p *pending) seconds() int { return max(1, int((p.window+time.Second-1)/time.Second)) }

// where is a condition of RFC 7047 5.1 on external_ids.
func where(function string, pairs ...string) []any {
	var m [][2]string
	for i := 0; i < len(pairs); i += 2 {
		m = append(m, [2]string{pairs[i], pairs[i+1]})
	}
	return []any{"external_ids", function, []any{"map", m}}
}

// transact writes a transaction that changes what is noted if the conditions hold, and fails if not.
func (w *writer) transact(conditions []any, pairs ...string) string {
	var keys []string
	var m [][2]string
	for i := 0; i < len(pairs); i += 2 {
		keys, m = append(keys, pairs[i]), append(m, [2]string{pairs[i], pairs[i+1]})
	}
	b, _ := json.Marshal([]any{
		"Open_vSwitch",
		map[string]any{"op": "wait", "timeout": 0, "table": tableSwitch, "where": conditions, "columns": []string{"next_cfg"}, "until": "!=", "rows": []any{}},
		map[string]any{"op": "mutate", "table": tableSwitch, "where": []any{}, "mutations": []any{
			[]any{"external_ids", "delete", []any{"set", keys}}, []any{"external_ids", "insert", []any{"map", m}},
		}},
	}) // strings have a form in JSON
	call := command("ovsdb-client", fmt.Sprintf("--timeout=%d", w.seconds), "transact", string(b))
	return `a=$(` + call + `) && case $a in *'"error"'*) false;; esac`
}

// move has the commit of an id go from one state to the next.
func (w *writer) move(id, from, to string) string {
	return w.transact([]any{where("includes", keyCommit, from, keyID, id)}, keyCommit, to)
}

// busy writes a function that succeeds while a commit is pending. One whose time is long over was forgotten by a device that
// restarted.
func (w *writer) busy() {
	get := func(column string) string {
		return "$(" + command("ovs-vsctl", fmt.Sprintf("--timeout=%d", w.seconds), "--if-exists", "get", tableSwitch, ".", column) + ")"
	}
	w.line("busy() {")
	w.line("case " + get(noteCommit) + " in " + waiting + "|" + asked + "|" + reverting + ") ;; *) return 1;; esac")
	w.line("u=" + get("external_ids:"+keyUntil))
	w.line(`u=${u#\"}`)
	w.line(`[ "${u%\"}" -ge "$(date +%s)" ]`)
	w.line("}")
}

// begin writes a command that notes a commit as pending.
func (w *writer) begin(p *pending) string {
	const grace = 60 // seconds for taking it back
	call := w.transact([]any{}, keyCommit, waiting, keyID, p.id, keyUntil, "UNTIL")
	return strings.ReplaceAll(call, `"UNTIL"`, fmt.Sprintf(`"'"$(($(date +%%s)+%d))"'"`, p.seconds()+grace))
}
