package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// command runs ixlab in this process, with a folder of its own for what is temporary, and returns its output.
func command(t *testing.T, ctx context.Context, args ...string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	var out bytes.Buffer
	c := root()
	c.SetOut(&out)
	c.SetErr(&out)
	c.SetArgs(args)
	err := c.ExecuteContext(ctx)
	left, readErr := os.ReadDir(dir)
	if readErr != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, readErr)
	}
	return out.String(), err
}

func TestDemoIsOnePageWithinTenSeconds(t *testing.T) {
	start := time.Now()
	page, err := command(t, t.Context(), "demo", "--wires=false")
	if err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if strings.ContainsRune(page, '\x1b') {
		t.Error("the page has escape sequences, and goes to no terminal")
	}
	lines := strings.Split(strings.TrimSuffix(page, "\n"), "\n")
	if len(lines) > 60 {
		t.Errorf("the page has %d lines", len(lines))
	}
	for _, l := range lines {
		if utf8.RuneCountInString(l) > width {
			t.Errorf("longer than %d characters: %s", width, l)
		}
	}
}

func TestReportTellsOfEverySwitchAndEdit(t *testing.T) {
	text, err := command(t, t.Context(), "demo", "--wires=false", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Devices) != 4 || len(r.Edits) != 2 || !r.Settled || r.Seconds <= 0 {
		t.Errorf("%d devices, %d edits, settled %v, %v s", len(r.Devices), len(r.Edits), r.Settled, r.Seconds)
	}
	for _, d := range r.Devices {
		if d.Plan.Create < 90 || d.Apply == nil || !d.Apply.Confirmed || d.Apply.Changes < d.Plan.Create {
			t.Errorf("%s: plan %+v, apply %+v", d.Name, d.Plan, d.Apply)
		}
	}
	for _, e := range r.Edits {
		if e.Seconds <= 0 || e.Seconds > 5 {
			t.Errorf("%s took %v s", e.Edit, e.Seconds)
		}
	}
}

func TestInterruptedDemoLeavesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := command(t, ctx, "demo", "--wires=false"); err == nil {
		t.Error("a demonstration that was interrupted has succeeded")
	}
}
