package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/ixagent/ixagent/lab/cli"
)

// commands are beginnings of what an agent enters at a command line.
func (v vendor) commands() []string {
	if v == "junos" {
		return []string{"", "show configuration", "show system commit", "configure exclusive", "show | compare", "set ", "commit check", "commit confirmed", "commit comment", "rollback"}
	}
	return []string{"", "show running-config", "show configuration sessions", "configure session ixagent-", "interface ", "commit timer", "write memory", "end"}
}

// begins is what an agent enters between its reading and its commit, when others can commit still. On EOS it has its
// candidate by then, in which their changes are not.
func (v vendor) begins() string {
	if v == "junos" {
		return "configure exclusive"
	}
	return "interface "
}

// refusal is a no of the command line.
func (v vendor) refusal() string {
	if v == "junos" {
		return "error: not today\n"
	}
	return "% Error: not today\n"
}

// describes returns what a person enters to change the description of the uplink at once.
func (v vendor) describes(text string) []string {
	if v == "junos" {
		return append(v.drafts("", text), "commit", "rollback 0", "exit")
	}
	return []string{"configure terminal", "interface " + v.uplink(), "description " + text, "end"}
}

// drafts returns what a person enters to change it some day: on EOS in a session of a name, on Junos in the candidate of all.
func (v vendor) drafts(session, text string) []string {
	if v == "junos" {
		return []string{"configure", fmt.Sprintf("set interfaces %s description %q", v.uplink(), text)}
	}
	return []string{"configure session " + session, "interface " + v.uplink(), "description " + text}
}

// lineTroubles are what goes wrong on command lines, and what others enter there.
func (r *dice) lineTroubles(vendors [trialSwitches]vendor) []func() action {
	pick := func() (string, vendor) {
		for {
			if k := r.number(); vendors[k-1] != "" {
				return switchName(k), vendors[k-1]
			}
		}
	}
	of := func(name string, do func(t *trial, o *observer), format string, args ...any) action {
		return act(func(t *trial) error { do(t, t.on[name]); return nil }, name+": "+format, args...)
	}
	// strike lets commands fail, and ends the sessions that hang because of it after a while, if that is not zero.
	strike := func(f cli.Fault, what string, hangs time.Duration) action {
		name, v := pick()
		f.Command = v.commands()[r.IntN(len(v.commands()))]
		if f.Text == "" {
			f.Text = v.refusal()
		}
		if f.Count == 0 {
			f.Count = 1 + r.IntN(3)
		}
		return of(name, func(t *trial, o *observer) {
			o.Lines.Add(f)
			if hangs > 0 {
				t.cuts = append(t.cuts, time.AfterFunc(hangs, o.SSH.Cut))
			}
		}, "%s %q at %d, %d times, for %v", what, f.Command, f.At, f.Count, hangs)
	}
	at := func() int { return []int{0, r.IntN(40), r.IntN(400), r.IntN(8000)}[r.IntN(4)] }
	typed := func() string { return fmt.Sprintf("typed %d", r.Uint32()) }
	meanwhile := func() action {
		name, v := pick()
		text := typed()
		return of(name, func(t *trial, o *observer) {
			o.Lines.Add(cli.Fault{Kind: cli.Meanwhile, Command: v.begins(), Count: 1, Do: func() {
				if !o.Pending() {
					t.types(o, 0, v.describes(text)...)
				}
			}})
		}, "somebody types %q after the next reading", text)
	}
	return []func() action{
		func() action { return strike(cli.Fault{Kind: cli.CutBefore}, "cuts the session before", 0) },
		func() action { return strike(cli.Fault{Kind: cli.CutAfter}, "cuts the session after", 0) },
		func() action {
			return strike(cli.Fault{Kind: cli.Cut, At: at()}, "cuts the session in the answer to", 0)
		},
		func() action {
			return strike(cli.Fault{Kind: cli.End, At: at()}, "ends the session in the answer to", 0)
		},
		func() action {
			return strike(cli.Fault{Kind: cli.Truncate, At: at()}, "leaves out the end of the answer to", 0)
		},
		func() action {
			return strike(cli.Fault{Kind: cli.Stop, At: at()}, "stops in the answer to", r.millis(500, 3000))
		},
		func() action { return strike(cli.Fault{Kind: cli.Mute}, "is mute, whatever is", r.millis(500, 3000)) },
		// What every reading lacks is not there, for all that a reader can know.
		func() action {
			text := []string{"ixagent", "interface", "vlan", "filter", "end", "commit", "member"}[r.IntN(7)]
			return strike(cli.Fault{Kind: cli.Omit, Text: text, Count: 1}, "omits lines with "+text+" from the answer to", 0)
		},
		func() action {
			text := []string{"\r\nBroadcast message from root@host: reboot at noon\r\n", "%LINK-3-UPDOWN: up", "sw1#\n"}[r.IntN(3)]
			return strike(cli.Fault{Kind: cli.Insert, At: at(), Text: text, Count: 1}, "says something in the answer to", 0)
		},
		func() action {
			return strike(cli.Fault{Kind: cli.Ask, Text: "Are you sure? [yes/no] "}, "asks something before", r.millis(500, 3000))
		},
		func() action { return strike(cli.Fault{Kind: cli.Answer}, "refuses", 0) },
		func() action {
			name, _ := pick()
			n := cli.Noise{Chunk: 1 + r.IntN(300), Pause: time.Duration(r.IntN(60)) * time.Microsecond, ANSI: r.IntN(2) == 0}
			n.Banner = []string{"", name + "#\n", "Password: \n", "ixagent@" + name + "> \n"}[r.IntN(4)]
			return of(name, func(_ *trial, o *observer) { o.Lines.SetNoise(n) }, "is noisy, %+v", n)
		},
		func() action {
			name, v := pick()
			text := typed()
			return of(name, func(t *trial, o *observer) {
				if !o.Pending() { // a commit of Junos confirms that of another
					t.types(o, 0, v.describes(text)...)
				}
			}, "somebody types %q", text)
		},
		meanwhile, meanwhile, meanwhile,
		func() action {
			name, v := pick()
			text, n := typed(), 1+r.IntN(5)
			return of(name, func(t *trial, o *observer) {
				for i := range n {
					session := fmt.Sprint("person-", i)
					t.types(o, 0, v.drafts(session, text)...)
				}
			}, "somebody leaves %q behind uncommitted, %d times", text, n)
		},
		func() action {
			name, v := pick()
			how, d := "configure terminal", r.millis(100, 2000)
			if v == "junos" {
				how = []string{"configure", "configure exclusive", "configure private"}[r.IntN(3)]
			}
			return of(name, func(t *trial, o *observer) { go t.types(o, d, how) }, "somebody is in %s for %v", how, d)
		},
	}
}

// types enters lines at a command line as somebody else than the agent, stays there for a while, and returns what was
// said.
func (t *trial) types(o *observer, stay time.Duration, lines ...string) string {
	said, err := t.enter(o, stay, lines)
	t.note("%s: somebody typed %q: %q, %v", o.device.Name, lines, said, err)
	return said
}

func (t *trial) enter(o *observer, stay time.Duration, lines []string) (string, error) {
	device, err := t.config.Session(o.device)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second+stay)
	defer cancel()
	client, err := ssh.Dial("tcp", device.Address, &ssh.ClientConfig{
		User: device.Username, Auth: []ssh.AuthMethod{ssh.Password(device.Password.Reveal())}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: 2 * time.Second,
	})
	if err != nil {
		return "", err
	}
	defer client.Close()
	defer context.AfterFunc(ctx, func() { client.Close() })()
	session, err := client.NewSession()
	if err != nil {
		return "", err
	}
	var said strings.Builder
	session.Stdout = &said
	stdin, err := session.StdinPipe()
	if err == nil {
		err = session.Shell()
	}
	if err == nil {
		_, err = io.WriteString(stdin, strings.Join(lines, "\n")+"\n")
	}
	if err != nil {
		return "", err
	}
	pause(stay)
	_ = stdin.Close() // it may be over already
	err = session.Wait()
	if missing := (*ssh.ExitMissingError)(nil); errors.As(err, &missing) {
		err = nil // a shell that nobody leaves ends without a status
	}
	return said.String(), err
}

// tidy ends what hangs on a command line, and takes back what others have left there.
func (t *trial) tidy(o *observer) error {
	var lines []string
	switch o.vendor {
	case "eos":
		for i := range 5 {
			lines = append(lines, fmt.Sprintf("configure session person-%d abort", i))
		}
	case "junos":
		lines = []string{"configure", "rollback 0", "exit"}
	default:
		return nil
	}
	o.SSH.Cut()
	return eventuallyNil(patience, func() error {
		said, err := t.enter(o, 0, lines)
		if err == nil && strings.Contains(said, "error: ") {
			err = fmt.Errorf("%s: %s", o.device.Name, said)
		}
		return err
	})
}

// givenLines are the lines of a configuration that the inventory of a trial gives to the agent, each with the blocks around
// it.
var givenLines = map[vendor]*regexp.Regexp{
	"eos": regexp.MustCompile(`^(interface (Ethernet[1-8]|Port-Channel1[0-9][0-9])(\.[0-9]+)?( / |$)|vlan (100|999|2[0-9]{3})( / |$)|` +
		`patch panel($| / patch ix-)|mac access-list ix-|policy-map type quality-of-service ix-|interface Vxlan1 / vxlan vlan (100|999|2[0-9]{3}) )`),
	"junos": regexp.MustCompile(`^(set|deactivate) (interfaces (xe-0/0/[0-7]|ae1[0-9])( |$)|bridge-domains (ix-|peering |peering-quarantine )|` +
		`firewall (family bridge filter|policer) ix-|forwarding-options storm-control-profiles ix-|chassis aggregated-devices ethernet device-count )`),
}

// linesOf returns the lines of a configuration, each with the blocks around it.
func linesOf(text string) map[string]bool {
	out := make(map[string]bool)
	var blocks []string
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		words := strings.TrimLeft(line, " ")
		if words == "" || words == "!" {
			continue
		}
		depth := (len(line) - len(words)) / 3
		blocks = append(blocks[:min(depth, len(blocks))], words)
		out[strings.Join(blocks, " / ")] = true
	}
	return out
}

// foreignLinesAreUntouched is law 4 by the lines of a command line.
func (o *observer) foreignLinesAreUntouched(before, after image) error {
	was, is := linesOf(before.text), linesOf(after.text)
	var faults []error
	look := func(a, b map[string]bool) {
		for line := range a {
			if !b[line] && !givenLines[o.vendor].MatchString(line) {
				faults = append(faults, fmt.Errorf("law 4: %q is not the agent's, and was changed", line))
			}
		}
	}
	look(was, is)
	look(is, was)
	return errors.Join(faults...)
}
