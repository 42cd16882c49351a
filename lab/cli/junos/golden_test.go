package junos

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSessionIsAsOnJunos enters the lines of a file that begin with ">" and compares what is shown with what follows them.
func TestSessionIsAsOnJunos(t *testing.T) {
	file := filepath.Join("testdata", "session.txt")
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := attached(t).session("lab")
	s.t = &person{answer: "yes"}
	var got bytes.Buffer
	for line := range strings.Lines(string(want)) {
		command, ok := strings.CutPrefix(line, "> ")
		if !ok {
			continue
		}
		got.WriteString(line)
		if err := s.enter(&got, strings.TrimSpace(command)); err == io.EOF {
			got.WriteString("(the session ends)\n")
		}
	}
	times := regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC`)
	text := times.ReplaceAll(got.Bytes(), []byte("2026-11-26 14:00:00 UTC"))
	if f := flag.Lookup("update"); f.Value.String() == "true" {
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Error(diff)
	}
}

// facts returns the texts at a path of names in what `display json` prints.
func facts(t *testing.T, text []byte, path ...string) []string {
	t.Helper()
	var at []any
	var top map[string]any
	if err := json.Unmarshal(text, &top); err != nil {
		t.Fatal(err)
	}
	at = []any{top}
	for _, name := range path {
		var next []any
		for _, a := range at {
			list, _ := a.(map[string]any)[name].([]any)
			next = append(next, list...)
		}
		at = next
	}
	var texts []string
	for _, a := range at {
		s, _ := a.(map[string]any)["data"].(string)
		texts = append(texts, s)
	}
	return texts
}

func TestMachinesAreToldWhatTheSwitchDoes(t *testing.T) {
	n := attached(t)
	s := n.session("lab")
	s.t = &person{answer: "yes", text: `
set interfaces xe-0/0/0 gigether-options 802.3ad ae1
set interfaces xe-0/0/1 disable
set interfaces ae1 flexible-vlan-tagging encapsulation flexible-ethernet-services
set interfaces ae1 aggregated-ether-options lacp active
set interfaces ae1 unit 5 encapsulation vlan-bridge vlan-id 5 family bridge filter input f
set bridge-domains lan vlan-id none interface ae1.5
set firewall family bridge filter f term rest then count rest
set firewall family bridge filter f term rest then discard
`}
	var out bytes.Buffer
	for _, line := range []string{"configure", "load set terminal", "commit and-quit"} {
		if err := s.enter(&out, line); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(out.String(), "load complete\ncommit complete\n") {
		t.Fatal(out.String())
	}
	ask := func(command string, want []string, path ...string) {
		t.Helper()
		text, err := s.execute(command + " | display json | no-more")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, facts(t, text, path...)); diff != "" {
			t.Errorf("%s: %s", command, diff)
		}
	}
	ask("show interfaces extensive", []string{"ae1", "xe-0/0/0", "xe-0/0/1", "xe-0/0/2", "xe-0/0/3"}, "interface-information", "physical-interface", "name")
	ask("show interfaces", []string{"up", "up", "down", "up", "up"}, "interface-information", "physical-interface", "oper-status")
	ask("show interfaces ae1.5", []string{"ae1.5"}, "interface-information", "physical-interface", "logical-interface", "name")
	ask("show interfaces xe-0/0/1", []string{"0"}, "interface-information", "physical-interface", "traffic-statistics", "input-packets")
	ask("show lacp interfaces", []string{"ae1"}, "lacp-interface-information-list", "lacp-interface-information", "lag-lacp-header", "aggregate-name")
	ask("show lacp interfaces ae1", []string{"Yes"}, "lacp-interface-information-list", "lacp-interface-information", "lag-lacp-state", "lacp-distributing")
	ask("show firewall", []string{"rest"}, "firewall-information", "filter-information", "counter", "counter-name")
	ask("show bridge mac-table", nil, "l2ald-rtb-macdb", "l2ald-mac-entry", "l2-mac-address")
	ask("show system commit", []string{"0", "1"}, "commit-information", "commit-history", "sequence-number")
	ask("show version", []string{"sw1"}, "software-information", "host-name")
}
