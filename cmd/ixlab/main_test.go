package main

import (
	"bufio"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"go.uber.org/goleak"

	"github.com/ixagent/ixagent/lab/namespace/namespacetest"
	"github.com/ixagent/ixagent/lab/switchd"
)

// suite runs the tests and then looks for goroutines that are left.
type suite struct{ *testing.M }

func (s suite) Run() int {
	code := s.M.Run()
	// ygot imports glog, whose init starts a goroutine for ever.
	if err := goleak.Find(goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon")); err != nil && code == 0 {
		os.Stderr.WriteString(err.Error() + "\n")
		return 1
	}
	return code
}

func TestMain(m *testing.M) {
	testscript.Main(suite{m}, map[string]func(){"ixlab": main})
}

func scripts(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../testdata/script/ixlab-*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	return files
}

// static builds ixlab and ixagent into a folder that goes with the test.
func static(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	build := exec.Command("go", "build", "-o", folder, ".", "../ixagent")
	build.Env = append(os.Environ(), "CGO_ENABLED=0") // the lab's nodes have no libraries
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	return folder
}

// The scripts have a certificate for 127.0.0.1 and its authority at hand, and four commands more: "until REGEXP PROGRAM"
// runs a program until it writes such a line, interrupts it, and expects it to end well; "passes PROGRAM" runs a program
// again and again until it ends well; "lab NAME FILE" brings a lab up that goes down with the script; "empty FOLDER" makes
// sure that nothing is left in a folder. The condition [namespaces] says whether the machine lets a lab be laid out. The
// topologies of the repository are in lab/topology.
func TestScripts(t *testing.T) {
	static := static(t)
	testscript.Run(t, testscript.Params{
		Files: scripts(t),
		Setup: func(e *testscript.Env) error {
			e.Setenv("PATH", static+string(os.PathListSeparator)+e.Getenv("PATH"))
			if err := os.CopyFS(filepath.Join(e.WorkDir, "lab", "topology"), topologies()); err != nil {
				return err
			}
			return certificates(e.WorkDir)
		},
		Condition: namespacetest.Has,
		Cmds:      map[string]func(*testscript.TestScript, bool, []string){"until": until, "passes": passes, "lab": bringUp, "empty": empty},
	})
}

// topologies are the containerlab files of the repository.
func topologies() fs.FS {
	return os.DirFS("../../lab/topology")
}

func bringUp(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: lab name file")
	}
	ts.Check(ts.Exec("ixlab", "up", "--name", args[0], args[1]))
	ts.Defer(func() { ts.Check(ts.Exec("ixlab", "down", args[0])) })
}

func passes(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: passes program [argument ...]")
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); ts.Exec(args[0], args[1:]...) != nil; {
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("%s never ends well", strings.Join(args, " "))
		}
	}
}

func certificates(dir string) error {
	ca, err := switchd.NewAuthority()
	if err != nil {
		return err
	}
	issued, err := ca.Issue("127.0.0.1")
	if err != nil {
		return err
	}
	cert, key, err := switchd.EncodePEM(issued)
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{"ca.pem": ca.PEM(), "sw1.pem": cert, "sw1-key.pem": key} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until regexp program [argument ...]")
	}
	line, err := regexp.Compile(args[0])
	ts.Check(err)
	program := args[1]
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if found, err := exec.LookPath(filepath.Join(dir, args[1])); err == nil {
			program = found
			break
		}
	}
	cmd := exec.Command(program, args[2:]...)
	cmd.Dir, cmd.Env, cmd.Stderr = ts.MkAbs("."), append(os.Environ(), "TMPDIR="+ts.Getenv("TMPDIR")), ts.Stderr()
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	defer time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() }).Stop()
	seen := false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if !seen && line.MatchString(lines.Text()) {
			seen = true
			ts.Check(cmd.Process.Signal(os.Interrupt))
		}
	}
	ts.Check(cmd.Wait())
	if !seen {
		ts.Fatalf("no line matches %s", line)
	}
}

func empty(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: empty folder")
	}
	left, err := os.ReadDir(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(left) > 0 {
		ts.Fatalf("%s holds %v", args[0], left)
	}
}

// An example is run as it is, in a node of a lab, or as the program of one.
func TestEveryExampleIsRunByAScript(t *testing.T) {
	var run []string
	for _, file := range scripts(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		run = append(run, strings.Split(string(text), "\n")...)
	}
	how := regexp.MustCompile(`^(exec|until '.*') (ixlab exec --lab \w+ \w+ -- )?$`)
	ran := func(example string) bool {
		return slices.ContainsFunc(run, func(line string) bool {
			before, ok := strings.CutSuffix(line, example)
			return ok && how.MatchString(before) || strings.TrimSpace(line) == "cmd: "+strings.TrimPrefix(example, "ixlab ")
		})
	}
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Example == "" && c.Runnable() {
			t.Errorf("%s has no example", c.CommandPath())
		}
		for line := range strings.Lines(c.Example) {
			if line = strings.TrimSpace(line); !ran(line) {
				t.Errorf("no script runs %q", line)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	for _, c := range root().Commands() {
		walk(c)
	}
}
