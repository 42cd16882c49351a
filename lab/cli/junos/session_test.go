package junos_test

import (
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ixagent/ixagent/lab/cli/junos"
	"github.com/ixagent/ixagent/lab/switchd"
)

const member = `set interfaces xe-0/0/1 flexible-vlan-tagging encapsulation flexible-ethernet-services
set interfaces xe-0/0/1 unit 300 encapsulation vlan-bridge vlan-id 300
set bridge-domains lan vlan-id none interface xe-0/0/1.300`

var golden = flag.Bool("update", false, "write the golden files")

func lines(text string) []string { return strings.Split(text, "\n") }

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	limit := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("%s never came true", what)
		}
	}
}

// edited reports whether there is a candidate with changes.
func (b *bench) edited() bool { return strings.Contains(string(b.nos.Text()), "candidate") }

func (b *bench) serves(port string) bool {
	return b.sw.Running().At("interfaces", "interface").Entry(port).At("subinterfaces", "subinterface").Len() > 0
}

func TestUnconfirmedCommitGoesBackInTextAndForwarding(t *testing.T) {
	b := newBench(t)
	before := string(b.nos.Text())
	x := b.open(t, "lab")
	x.want("configure exclusive", "Entering configuration mode")
	x.must(lines(member)...)
	x.want(`commit confirmed 1 comment "plan 7"`, "commit confirmed will be automatically rolled back in 1 minutes unless confirmed\ncommit complete")
	if !b.serves("xe-0/0/1") || string(b.nos.Text()) == before {
		t.Error("the commit has no effect")
	}
	x.want("run show system commit", "by lab via cli commit confirmed, rollback in 1mins\n    plan 7\n1   ")
	eventually(t, "the rollback", func() bool { return !b.sw.Pending() })
	if diff := cmp.Diff(before, string(b.nos.Text())); diff != "" || b.serves("xe-0/0/1") {
		t.Errorf("something is left: %s", diff)
	}
	x.want("run show system commit", "by root via other\n1   ")
	x.must("show | compare")
	x.want("rollback 1", "load complete")
	x.want("show | compare", "+   bridge-domains {")
}

func TestConfirmedCommitStays(t *testing.T) {
	for _, how := range []string{"commit", "commit check"} {
		b := newBench(t)
		x := b.open(t, "lab")
		x.run("configure exclusive")
		x.must(lines(member)...)
		x.typed("commit confirmed 1\n")
		x.until("# commit confirmed will be rolled back in 1 minutes\n[edit]\nlab@sw1# ")
		x.run(how)
		if b.sw.Pending() || !b.serves("xe-0/0/1") {
			t.Errorf("%s does not confirm", how)
		}
		out, _, _ := b.exec(t, "show system commit")
		if head, _, _ := strings.Cut(out, "\n"); strings.Contains(head, "rollback in") {
			t.Errorf("after %s: %s", how, out)
		}
	}
}

func TestRefusedCommitConfirmsNothing(t *testing.T) {
	b := newBench(t, func(o *junos.Options, _ *switchd.Options) { o.Minute = time.Hour })
	x := b.open(t, "lab")
	x.run("configure")
	x.must(lines(member)...)
	x.want("commit confirmed 5", "commit complete")
	x.must("set interfaces xe-0/0/1 unit 300 layer2-policer input-policer none")
	for _, commit := range []string{"commit", "commit check", "commit confirmed 5"} {
		x.want(commit, "[edit interfaces xe-0/0/1 unit 300 layer2-policer]\n  'input-policer none'\n    Referenced policer 'none' is not defined\nerror: configuration check-out failed")
		if !b.sw.Pending() {
			t.Errorf("%s was refused and confirms", commit)
		}
	}
}

func TestRebootLosesWhatWasNotConfirmed(t *testing.T) {
	b := newBench(t, func(o *junos.Options, _ *switchd.Options) { o.Minute = time.Hour })
	before := string(b.nos.Text())
	x := b.open(t, "lab")
	x.run("configure exclusive")
	x.must(lines(member)...)
	x.want("commit confirmed 1", "commit complete")
	x.must(`set interfaces xe-0/0/2 description "not committed"`)
	b.nos.Reboot()
	b.server.Cut()
	x.until("never shown")
	if string(b.nos.Text()) != before || b.serves("xe-0/0/1") || b.sw.Pending() {
		t.Errorf("runs: %s", b.nos.Text())
	}
	eventually(t, "an empty candidate", func() bool { return !b.edited() })
	x = b.open(t, "lab")
	x.want("configure exclusive", "Entering configuration mode")
	x.must("show | compare")
}

func TestExclusiveEditorKeepsOthersOut(t *testing.T) {
	b := newBench(t)
	x, y := b.open(t, "lab"), b.open(t, "eve")
	x.want("configure exclusive", "warning: uncommitted changes will be discarded on exit\nEntering configuration mode")
	const refused = "error: configuration database locked by:\n  lab terminal p"
	y.want("configure exclusive", refused)
	y.want("configure private", refused)
	y.want("configure", "Users currently editing the configuration:\n  lab terminal p")
	y.want("set system time-zone UTC", refused)
	y.want("commit", refused)
	y.want("rollback 1", refused)
	x.must("set system time-zone UTC")
	x.typed("exit\n")
	x.until("Discard uncommitted changes? [yes,no] (yes) ")
	if out := x.run("no"); out != "" {
		t.Error(out)
	}
	x.want("show system time-zone", "time-zone UTC;")
	x.typed("exit\n")
	x.until("(yes) ")
	x.want("", "Exiting configuration mode")
	y.must("show | compare", "set system time-zone CET")
	x.want("configure exclusive", "error: configuration database modified")
	y.want("commit", "commit complete")
}

func TestLostSessionDiscardsWhatItAloneEdited(t *testing.T) {
	for _, mode := range []string{"exclusive", "private"} {
		b := newBench(t)
		x := b.open(t, "lab")
		x.run("configure " + mode)
		x.must("set system time-zone UTC")
		if !b.edited() {
			t.Error("nothing is edited")
		}
		b.server.Cut()
		eventually(t, "an empty candidate", func() bool { return !b.edited() })
		b.open(t, "lab").want("configure exclusive", "Entering configuration mode")
	}
}

func TestPlainEditorsShareTheirChanges(t *testing.T) {
	b := newBench(t)
	x, y := b.open(t, "lab"), b.open(t, "eve")
	x.run("configure")
	x.must("set system time-zone UTC")
	y.want("configure", "The configuration has been changed but not committed")
	y.want("show | compare", "[edit system]\n+   time-zone UTC;")
	x.typed("exit\n")
	x.until("The configuration has been changed but not committed\nExit with uncommitted changes? [yes,no] (yes) ")
	x.want("yes", "Exiting configuration mode")
	y.want("commit and-quit", "commit complete\nExiting configuration mode")
	x.want("show configuration system | match zone", "time-zone UTC;")
}

func TestPrivateEditorsMeetAtTheCommit(t *testing.T) {
	b := newBench(t)
	x, y := b.open(t, "lab"), b.open(t, "eve")
	x.run("configure private")
	y.run("configure private")
	x.must("set system time-zone UTC", "set interfaces xe-0/0/1 description one")
	y.must("show | compare", "set system domain-name example.net", "delete routing-options static", "set interfaces xe-0/0/1 description two")
	x.want("commit confirmed 1", "error: commit confirmed is not allowed in private mode")
	x.want("commit", "commit complete")
	y.want("commit", "error: the configuration has been changed by others: interfaces xe-0/0/1 description")
	y.must("delete interfaces xe-0/0/1")
	y.want("commit", "commit complete")
	out, _, _ := b.exec(t, "show configuration | display set")
	for _, want := range []string{"time-zone UTC", "domain-name example.net", "xe-0/0/1 description one"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is lost:\n%s", want, out)
		}
	}
	if strings.Contains(out, "static") {
		t.Error("a deletion is lost")
	}
}

func TestLineThatIsNotUnderstoodIsRefusedWhereItIsWrong(t *testing.T) {
	b := newBench(t)
	x := b.open(t, "lab")
	at := func(line, mark, text string) {
		t.Helper()
		column := strings.LastIndex(line, mark)
		if column < 0 {
			column = len(line)
		}
		want := strings.Repeat(" ", len("lab@sw1# ")+column) + "^\n" + text
		if out := x.run(line); out != want {
			t.Errorf("%s:\n%s\nwant:\n%s", line, out, want)
		}
	}
	at("show interfacing", "interfacing", "syntax error.")
	x.want("sho interfaces terse", "xe-0/0/0")
	at("frobnicate", "frob", "unknown command.")
	at("show configurations", "configurations", "syntax error.")
	at("show configuration interfaces | display xml", "xml", "syntax error.")
	x.run("configure")
	at("sett interfaces xe-0/0/0 disable", "sett", "unknown command.")
	at("set interfaces xe-0/0/0 description", "END", "missing argument.")
	at("set interfaces xe-0/0/0 mtu lots", "lots", "invalid numeric value: 'lots'")
	at("set interfaces xe-0/0/0 mtu 99999", "99999", "error: Value 99999 is not within range (256..16000)")
	at("set interfaces xe-0/0/0 discription x", "discription", "syntax error.")
	at("set interfaces xe-0/0/0 unit 99999 vlan-id 5", "99999", "error: Value 99999 is not within range (0..16385)")
	at("set interfaces xe-0/0/0 unit 5 vlan-tags outer 0x8100.4095", "0x8100", "invalid value '0x8100.4095': vlan-id must be 1..4094")
	at("set firewall family bridge filter f term t from source-mac-address 02:zz:00:00:00:01", "02:zz", "invalid value 'zz' in mac address: '02:zz:00:00:00:01'")
	at("set interfaces xe-0/0/0 description a b", "b", "syntax error.")
	at(`set interfaces xe-0/0/0 description "a`, "END", "missing closing quote.")
	at("set interfaces xe-0/0/0 description a;b", ";", "syntax error.")
	at("commit confirmed 0", "0", "error: Value 0 is not within range (1..65535)")
	at("set interfaces xe-0/0/0 e", "e", "'e' is ambiguous.\nPossible completions:\n  encapsulation\n  ether-options")
	x.must("# a comment", "", "show | compare")
}

func TestExecChannelAnswersOneCommand(t *testing.T) {
	b := newBench(t)
	check := func(command, out, errs string, status int) {
		t.Helper()
		o, e, s := b.exec(t, command)
		if !strings.Contains(o, out) || !strings.Contains(e, errs) || s != status || (out == "" && o != "") || (errs == "" && e != "") {
			t.Errorf("%s: %q, %q, status %d", command, o, e, s)
		}
	}
	check("show configuration | display set | no-more", "set version 24.4R1\nset system host-name sw1\n", "", 0)
	check("show configuration bridge-domains", "", "", 0)
	check("show configurations", "", "error: syntax error: configurations\n", 1)
	check("reboot", "", "error: unknown command: reboot\n", 1)
	check("configure", "", "error: configuration mode needs a terminal\n", 1)
	check("show interfaces ae9", "", "error: device ae9 not found\n", 1)
}

func TestLongOutputIsPagedUntilTheLengthIsZero(t *testing.T) {
	b := newBench(t)
	x := b.open(t, "lab")
	x.want("set cli screen-length 24", "Screen length set to 24")
	x.typed("show configuration\n")
	x.until("---(more)---")
	x.typed("q")
	x.until("lab@sw1> ")
	x.want("set cli screen-length 0", "Screen length set to 0")
	x.want("show configuration", "vtep-source-interface lo0.0;\n}")
	x.typed("set cli screen-length 24\n")
	x.until("lab@sw1> ")
	x.want("show configuration | display set | no-more", "set switch-options vtep-source-interface lo0.0")
}

func TestTextIsLoadedUpToItsEnd(t *testing.T) {
	b := newBench(t)
	x := b.open(t, "lab")
	x.run("configure exclusive")
	x.typed("load set terminal\n")
	x.until("[Type ^D at a new line to end input]\n")
	x.typed("# of a test\nset system time-zone UTC\nset system nothing\ndelete snmp\n\x04")
	out := x.until("lab@sw1# ")
	if !strings.Contains(out, "terminal:3:(12) syntax error.\nload complete (1 errors)\n") {
		t.Error(out)
	}
	x.want("show | compare", "[edit system]\n+   time-zone UTC;")
}

func TestLostAnswerOfACommitTellsNothing(t *testing.T) {
	faults := new(switchd.Faults)
	b := newBench(t, func(_ *junos.Options, so *switchd.Options) { so.Faults = faults })
	for _, after := range []bool{false, true} {
		x := b.open(t, "lab")
		x.exclusive()
		x.must(lines(member)...)
		if after {
			faults.DropAfterCommit(1)
		} else {
			faults.DropBeforeCommit(1)
		}
		x.typed("commit confirmed 600\n")
		if out := x.until("never shown"); strings.Contains(out, "complete") || strings.Contains(out, "error") {
			t.Error(out)
		}
		if b.sw.Pending() != after || b.serves("xe-0/0/1") != after {
			t.Errorf("pending %v, want %v", b.sw.Pending(), after)
		}
	}
	newest := func() string {
		out, _, _ := b.exec(t, "show system commit")
		head, _, _ := strings.Cut(out, "\n")
		return head
	}
	if head := newest(); !strings.HasSuffix(head, "rollback in 600mins") {
		t.Errorf("the commit that was made has no entry: %s", head)
	}
	x := b.open(t, "lab")
	x.exclusive()
	faults.DropAfterCommit(1)
	x.typed("commit\n")
	x.until("never shown")
	if head := newest(); b.sw.Pending() || strings.Contains(head, "rollback") {
		t.Errorf("pending %v after a confirmation: %s", b.sw.Pending(), head)
	}
}

func TestKeysCompleteWhatIsNotInQuotes(t *testing.T) {
	b := newBench(t)
	x := b.open(t, "lab")
	x.typed("conf")
	x.typed("\t")
	x.until("configure ")
	x.typed("?")
	x.until("Possible completions:\n  exclusive\n  private\n\nlab@sw1> configure ")
	x.typed("\n")
	x.until("lab@sw1# ")
	x.must(`set interfaces xe-0/0/0 description "conf ? int"`)
	x.want("show interfaces xe-0/0/0", `description "conf ? int";`)
	x.typed("set bridge-domains lan bridge-options no-?")
	x.until("  no-mac-learning\n\n[edit]\nlab@sw1# set bridge-domains lan bridge-options no-")
}
