package eos

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/lab/cli"
	"github.com/ixagent/ixagent/lab/switchd"
)

// attached is a command line with four ports and a switch.
func attached(t testing.TB) *NOS {
	t.Helper()
	ports := []string{"Ethernet1", "Ethernet2", "Ethernet3", "Ethernet4"}
	n, err := New(Options{Name: "sw1", Ports: ports})
	if err != nil {
		t.Fatal(err)
	}
	ca, err := switchd.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	sw, err := switchd.New(switchd.Options{
		Name: "sw1", Listen: "127.0.0.1:0", Ports: ports, TLS: &tls.Config{Certificates: []tls.Certificate{cert}},
		Users: map[string]string{"a": "b"}, Native: n.Native(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sw.Close)
	if err := n.Attach(sw); err != nil {
		t.Fatal(err)
	}
	return n
}

// say executes lines and returns what they show.
func (n *NOS) say(lines ...string) string {
	var out bytes.Buffer
	n.Exec(&cli.Exec{User: "law", Command: strings.Join(lines, "\n"), Stdout: &out})
	return out.String()
}

// body is a configuration without the lines at its head and the end marker.
func body(t interface{ Fatalf(string, ...any) }, text string) string {
	_, text, head := strings.Cut(text, "swi\n!\n")
	text, end := strings.CutSuffix(text, "end\n")
	if !head || !end {
		t.Fatalf("a configuration is not whole: %s", text)
	}
	return text
}

// example draws what can be filled in for a word.
func example(t *rapid.T, w *word) string {
	pick := func(all ...string) string { return rapid.SampledFrom(all).Draw(t, "word") }
	switch w.kind {
	case "":
		return pick(w.keywords...)
	case "number":
		if w.hi > 10 {
			return fmt.Sprint(rapid.Uint64Range(w.lo, min(w.hi, w.lo+2)).Draw(t, "number"))
		}
		return fmt.Sprint(rapid.Uint64Range(w.lo, w.hi).Draw(t, "number"))
	case "word", "name":
		return pick("a", "b", "ix-7", "1")
	case "line":
		return pick("a customer", "vlan 5", "! no", "end", "sw1#", "x  y")
	case "mac":
		return pick("0200.0000.0001", "02:00:00:00:00:02", "0.0.0", "0180.C200.0000", "0000.0000.000f")
	case "address":
		return pick("10.0.0.1", "10.0.0.2")
	case "addresses":
		return pick("10.0.0.1", "10.0.0.2 10.0.0.1", "10.0.0.10 10.0.0.9")
	case "prefix":
		return pick("10.0.0.1/32", "10.0.0.0/8")
	case "ethertype":
		return pick("0x8100", "0x88A8", "37120")
	case "clock":
		return "00:10:00"
	case "vlans":
		return pick("1", "2", "3", "2-4", "7,9")
	case "any":
		return "any"
	}
	return pick("Ethernet1", "et2", "Ethernet9", "Ethernet1.5", "et2.7", "Po1", "Port-Channel2", "po1.5", "po2.6", "Loopback0", "Vlan5", "Vxlan1", "Management1")
}

// Whatever is entered, the candidate entered again gives the same candidate, and what is committed is what runs.
func TestEveryConfigurationCanBeEnteredAgain(t *testing.T) {
	n := attached(t)
	runs, committed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		var lines []string
		mode := global
		for i := range rapid.IntRange(1, 120).Draw(t, "lines") {
			if rapid.IntRange(0, 3).Draw(t, "leaves") == 0 {
				mode = global
			}
			known := n.grammar.in[mode]
			c := known[(rapid.IntRange(0, len(known)-1).Draw(t, "command")+17*i)%len(known)] // small numbers are drawn more often
			if c.opens != "" {
				mode = c.opens
			}
			var words []string
			for i := range c.words {
				words = append(words, example(t, &c.words[i]))
			}
			line := rapid.SampledFrom([]string{"", "", "", "", "no ", "default "}).Draw(t, "undo") + strings.Join(words, " ")
			if rapid.IntRange(0, 9).Draw(t, "odd") == 0 {
				line = rapid.SampledFrom([]string{"exit", "!! said", "! nothing", "abc", line[:len(line)/2], line + " x"}).Draw(t, "line")
			}
			lines = append(lines, line)
		}
		runs++
		name := fmt.Sprintf("law%d", runs)
		defer n.say("configure session " + name + " abort")
		n.say(append([]string{"configure session " + name}, lines...)...)
		if !strings.Contains(n.say("show configuration sessions | include "+name), "pending") {
			return // a line has committed it
		}
		// A subinterface makes its VLAN when it is entered, though it may have been deleted since.
		vlans := []string{"configure session " + name}
		for _, id := range regexp.MustCompile(`vlan id [0-9]+`).FindAllString(n.say("show session-config named "+name), -1) {
			vlans = append(vlans, strings.Replace(id, " id", "", 1))
		}
		n.say(vlans...)
		want := body(t, n.say("show session-config named "+name))
		n.say(append([]string{"configure session again", "rollback clean-config"}, strings.Split(want, "\n")...)...)
		got := body(t, n.say("show session-config named again"))
		n.say("configure session again abort")
		if got != want {
			t.Fatalf("after %q: %s\nentered again it is %s", lines, want, got)
		}
		if out := n.say("configure session " + name + " commit"); out != "" {
			if !strings.HasPrefix(out, "% Error: ") {
				t.Fatalf("the commit says %s", out)
			}
			return
		}
		committed++
		if got := body(t, n.say("show running-config")); got != want {
			t.Fatalf("after the commit of %s there runs %s", want, got)
		}
	})
	if committed == 0 {
		t.Error("nothing was committed")
	}
}

// No line does harm in any mode, and help and completion have something to say of all of them.
func FuzzLine(f *testing.F) {
	n := attached(f)
	for _, l := range []string{
		"vlan 5,7-9", "interface ethernet 1", "no description x", "default interface po1.5", "10 permit any any", "show running-config | section (",
		"commit timer 0:0:0", "client dot1q outer 1 inner 2", "vxlan vlan 5 flood vtep 1.1.1.1", "!! x", "\xff", "no", "| json", "show | ", "abort", "end",
	} {
		f.Add(l)
	}
	modes := [][]string{
		nil,
		{"configure session fuzz"},
		{"configure session fuzz", "vlan 5"},
		{"configure session fuzz", "interface Ethernet1"},
		{"configure session fuzz", "interface po1.5", "encapsulation vlan"},
		{"configure session fuzz", "interface Vxlan1"},
		{"configure session fuzz", "mac access-list x"},
		{"configure session fuzz", "patch panel", "patch x"},
		{"configure session fuzz", "policy-map type quality-of-service x", "class class-default"},
		{"configure session fuzz", "router bgp 1"},
	}
	f.Fuzz(func(t *testing.T, line string) {
		for _, m := range modes {
			s := &shell{nos: n, line: "fuzz", privileged: true}
			var out bytes.Buffer
			for _, l := range m {
				if err := s.enter(&out, l); err != nil {
					t.Fatal(err)
				}
			}
			s.Key(line, cli.Question)
			s.Key(line, cli.Tab)
			_ = s.enter(&out, line)
			_ = s.Prompt()
			s.Close()
			n.say("configure session fuzz abort")
			n.say("configure session " + strings.TrimPrefix(line, "configure session ") + " abort")
		}
	})
}
