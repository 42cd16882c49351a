package junos

import "testing"

func TestOnlyTheLastCommitCanBePending(t *testing.T) {
	const waits = "   2026-11-26 14:19:06 UTC by agent via cli commit confirmed, rollback in 2mins\n    ixagent 1\n"
	const other = "   2026-11-26 14:18:06 UTC by root via other\n"
	for name, c := range map[string]struct {
		text            string
		pending         bool
		comment, before string
	}{
		"waits":    {"0" + waits + "1" + other, true, "ixagent 1", ""},
		"ran out":  {"0" + other + "1" + waits, false, "", "ixagent 1"},
		"settled":  {"0   2026-11-26 14:20:06 UTC by agent via cli\n    ixagent confirm 1\n1" + waits, false, "ixagent confirm 1", "ixagent 1"},
		"no words": {"0" + other, false, "", ""},
	} {
		h, err := parseCommits(c.text)
		if err != nil || h.pending != c.pending || h.comment != c.comment || h.before != c.before {
			t.Errorf("%s: %+v, %v", name, h, err)
		}
	}
	sooner, err := parseCommits("0   2026-11-26 14:19:06 UTC by agent via cli commit confirmed, rollback in 1mins\n    ixagent 1\n1" + other)
	if later, _ := parseCommits("0" + waits + "1" + other); err != nil || sooner.text != later.text {
		t.Errorf("time that passes changes the history: %q, %q, %v", sooner.text, later.text, err)
	}
	for _, text := range []string{"    a comment\n", "1" + other, "error: permission denied\n"} {
		if h, err := parseCommits(text); err == nil {
			t.Errorf("%q is a history: %+v", text, h)
		}
	}
}
