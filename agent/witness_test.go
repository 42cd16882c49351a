package agent

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ixagent/ixagent/agent/audit"
)

// witnessed adds the folder "books", with the same records, as a witness, and returns what adds it to the configuration.
func (e *exchange) witnessed() (edit []string) {
	e.t.Helper()
	if err := os.CopyFS(filepath.Join(e.dir, "books"), os.DirFS(filepath.Join(e.dir, "records"))); err != nil {
		e.t.Fatal(err)
	}
	return []string{"poll: 1s}]", "poll: 1s}, {name: books, type: file, path: books, poll: 1s, witness: true}]"}
}

func TestWitnessIsCountedAndProvisionsNothing(t *testing.T) {
	e := newExchange(t)
	o := e.options(e.witnessed()...)
	url := e.run(o)
	counted := func(kind audit.Kind, n string) func() bool {
		return func() bool {
			_, text := get(t, url+"/metrics")
			return strings.Contains(text, "ixagent_audit_disagreements{kind=\""+string(kind)+"\",source=\"books\"} "+n+"\n")
		}
	}
	eventually(t, "agreement", counted(audit.KindLACP, "0"))
	eventually(t, "the LAG", func() bool { return lagOf(e.sw("sw1").State()) != nil })

	// What only the source that provisions says is done, and is a disagreement until the witness says it too.
	faster := func(all []map[string]any) []map[string]any {
		all[0]["lacp_timeout"] = "fast"
		return all
	}
	e.edit("connections", faster)
	eventually(t, "the fast LAG", func() bool { return lagOf(e.sw("sw1").State()).Rate == "fast" })
	eventually(t, "a disagreement", counted(audit.KindLACP, "1"))
	e.edit("../books/connections", faster)
	eventually(t, "agreement again", counted(audit.KindLACP, "0"))

	// What only the witness says is a disagreement and no more, and one that cannot be read is none.
	e.edit("../books/connections", func(all []map[string]any) []map[string]any { return all[:0] })
	eventually(t, "a connection less", counted(audit.KindConnection, "1"))
	if err := os.WriteFile(filepath.Join(e.dir, "books", "connections.json"), []byte("[{"), 0o644); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the failure in the log", func() bool { return strings.Contains(e.log.String(), "witness was not read") })
	if lag := lagOf(e.sw("sw1").State()); lag == nil || lag.Rate != "fast" {
		t.Error("a witness has changed a switch")
	}
	if code, text := get(t, url+"/-/ready"); code != http.StatusOK || !counted(audit.KindConnection, "1")() {
		t.Errorf("ready: %d %s", code, text)
	}
	for _, line := range []string{`msg="sources disagree" source=folder witness=books disagreements=1`, `msg="sources agree again" source=folder witness=books`} {
		if !strings.Contains(e.log.String(), line) {
			t.Errorf("not logged: %s\n%s", line, e.log)
		}
	}
}

func TestAuditComparesTheTwoThatAreNamed(t *testing.T) {
	e := newExchange(t)
	two, one := e.options(e.witnessed()...), e.options()
	for _, x := range []struct {
		options Options
		names   []string
		want    string // of both, or what is wrong
	}{
		{two, nil, "folder books"},
		{two, []string{"books"}, "folder books"},
		{two, []string{"books", "folder"}, "books folder"},
		{two, []string{"file:" + e.dir + "/books"}, "folder file:" + e.dir + "/books"},
		{one, nil, "which two sources are to be compared must be said: folder"},
		{one, []string{"books"}, `the configuration has no source "books"; it has folder`},
		{two, []string{"a", "b", "c"}, "an audit compares two sources, and not 3"},
		{two, []string{"file:/nowhere"}, "source file:/nowhere: "},
	} {
		r, err := Audit(t.Context(), x.options, x.names...)
		switch {
		case err != nil && !strings.HasPrefix(err.Error(), x.want):
			t.Errorf("%q: %v", x.names, err)
		case err == nil && (r.Sources[0].Name+" "+r.Sources[1].Name != x.want || len(r.Differences) > 0 || r.Sources[1].Connections != 1):
			t.Errorf("%q: %+v", x.names, r)
		}
	}
	if _, err := os.Stat(filepath.Join(e.dir, "state")); err == nil {
		t.Error("an audit keeps something")
	}
}
