package cli_test

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/ixagent/ixagent/lab/cli"
	"github.com/ixagent/ixagent/lab/switchd"
)

func TestMain(m *testing.M) {
	// ygot imports glog, whose init starts a goroutine for ever.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/golang/glog.(*fileSink).flushDaemon"))
}

// parrot is a NOS that says what it hears.
type parrot struct{ noExec bool }

func (p parrot) Style() cli.Style             { return cli.Style{More: "--More--", NoExec: p.noExec} }
func (p parrot) Open(*cli.Terminal) cli.Shell { return p }
func (parrot) Prompt() string                 { return "box> " }
func (parrot) Close()                         {}

func (parrot) Exec(e *cli.Exec) int {
	text, _ := io.ReadAll(e.Stdin)
	fmt.Fprintf(e.Stdout, "%s heard %s and read %s\n", e.User, e.Command, text)
	fmt.Fprintf(e.Stderr, "beside\n")
	return 3
}

func (parrot) Run(t *cli.Terminal, line string) error {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "exit":
		return io.EOF
	case "cut":
		return switchd.ErrCut
	case "page":
		t.SetLength(5)
	case "wide":
		t.SetWidth(0)
	case "size":
		width, length := t.Size()
		fmt.Fprintln(t, width, length)
	case "count":
		for i := range 12 {
			fmt.Fprintf(t, "line %d\n  under %d\n", i, i)
		}
	case "ask":
		answer, err := t.Ask("sure? ", rest == "aloud")
		fmt.Fprintf(t, "answer %q %v\n", answer, err)
	case "load":
		text, err := t.ReadText()
		fmt.Fprintf(t, "text %q %v\n", text, err)
	default:
		fmt.Fprintf(t, "%q\n", line)
	}
	return nil
}

func (parrot) Key(line string, key byte) cli.Reaction {
	switch key {
	case cli.Question:
		return cli.Reaction{Text: "help for " + line, Line: line}
	case cli.Tab:
		return cli.Reaction{Line: line + "-completed"}
	case cli.CtrlD:
		return cli.Reaction{Line: "exit", Enter: true}
	case cli.CtrlZ:
		return cli.Reaction{Line: "ended " + line, Enter: true}
	}
	return cli.Reaction{Line: line + string(key)}
}

type bench struct {
	server *cli.Server
	faults *cli.Faults
}

func signer(t testing.TB, seed byte) gossh.Signer {
	t.Helper()
	s, err := gossh.NewSignerFromKey(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newBench(t testing.TB, more ...func(*cli.Options)) *bench {
	t.Helper()
	b := &bench{faults: new(cli.Faults)}
	o := cli.Options{
		Name: "box", Listen: "127.0.0.1:0", NOS: parrot{}, HostKey: signer(t, 1), Users: map[string]string{"admin": "secret"},
		Keys: map[string][]gossh.PublicKey{"admin": {signer(t, 2).PublicKey()}}, Faults: b.faults,
	}
	for _, f := range more {
		f(&o)
	}
	var err error
	if b.server, err = cli.New(o); err != nil {
		t.Fatal(err)
	}
	b.server.Start()
	t.Cleanup(b.server.Close)
	return b
}

func (b *bench) dial(t testing.TB, auth ...gossh.AuthMethod) (*gossh.Client, error) {
	t.Helper()
	client, err := gossh.Dial("tcp", b.server.Addr().String(), &gossh.ClientConfig{
		User: "admin", Auth: auth, HostKeyCallback: gossh.FixedHostKey(signer(t, 1).PublicKey()), Timeout: 10 * time.Second,
	})
	if err == nil {
		t.Cleanup(func() { client.Close() })
	}
	return client, err
}

// typist is a user at a terminal of 80 columns.
type typist struct {
	t    testing.TB
	sess *gossh.Session
	in   io.Writer
	out  chan []byte
	have []byte
}

func (b *bench) login(t testing.TB) *typist {
	t.Helper()
	client, err := b.dial(t, gossh.Password("secret"))
	if err != nil {
		t.Fatal(err)
	}
	sess, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := sess.RequestPty("xterm", 100, 80, nil); err != nil {
		t.Fatal(err)
	}
	u := &typist{t: t, sess: sess, out: make(chan []byte, 1024)}
	if u.in, err = sess.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := sess.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := sess.Shell(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(u.out)
		for {
			p := make([]byte, 4096)
			n, err := out.Read(p)
			if n > 0 {
				u.out <- p[:n]
			}
			if err != nil {
				return
			}
		}
	}()
	return u
}

func (u *typist) send(text string) {
	u.t.Helper()
	if _, err := io.WriteString(u.in, text); err != nil {
		u.t.Fatal(err)
	}
}

// wait returns what comes up to the end marker.
func (u *typist) wait(end string) string {
	u.t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		if before, after, ok := bytes.Cut(u.have, []byte(end)); ok {
			u.have = after
			return string(before)
		}
		select {
		case p, ok := <-u.out:
			if !ok {
				u.t.Fatalf("the session ended while waiting for %q, with %q", end, u.have)
			}
			u.have = append(u.have, p...)
		case <-timeout:
			u.t.Fatalf("no %q, but %q", end, u.have)
		}
	}
}

// rest returns all that comes until the session ends.
func (u *typist) rest() string {
	u.t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		select {
		case p, ok := <-u.out:
			if !ok {
				return string(u.have)
			}
			u.have = append(u.have, p...)
		case <-timeout:
			u.t.Fatalf("the session does not end after %q", u.have)
		}
	}
}

// silent reports what comes within a short time, which should be nothing.
func (u *typist) silent() {
	u.t.Helper()
	select {
	case p, ok := <-u.out:
		u.t.Fatalf("%q comes (the session is alive: %v)", p, ok)
	case <-time.After(100 * time.Millisecond):
	}
}

func TestOnlyWhoProvesItLogsIn(t *testing.T) {
	b := newBench(t)
	interactive := func(answer string) gossh.AuthMethod {
		return gossh.KeyboardInteractive(func(_, _ string, questions []string, _ []bool) ([]string, error) {
			answers := make([]string, len(questions))
			for i := range answers {
				answers[i] = answer
			}
			return answers, nil
		})
	}
	for _, c := range []struct {
		name string
		auth gossh.AuthMethod
		ok   bool
	}{
		{"password", gossh.Password("secret"), true},
		{"wrong password", gossh.Password("Secret"), false},
		{"keyboard", interactive("secret"), true},
		{"wrong at the keyboard", interactive(""), false},
		{"key", gossh.PublicKeys(signer(t, 2)), true},
		{"another key", gossh.PublicKeys(signer(t, 3)), false},
	} {
		if _, err := b.dial(t, c.auth); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := cli.New(cli.Options{Listen: "127.0.0.1:0", NOS: parrot{}, HostKey: signer(t, 1)}); err == nil {
		t.Error("a server without users serves everybody")
	}
}

func TestKnownHostNamesTheServer(t *testing.T) {
	b := newBench(t)
	file := filepath.Join(t.TempDir(), "known_hosts")
	if err := os.WriteFile(file, []byte(b.server.KnownHost()), 0o600); err != nil {
		t.Fatal(err)
	}
	check, err := knownhosts.New(file)
	if err != nil {
		t.Fatal(err)
	}
	addr := b.server.Addr().String()
	if err := check(addr, b.server.Addr(), signer(t, 1).PublicKey()); err != nil {
		t.Error(err)
	}
	if err := check(addr, b.server.Addr(), signer(t, 2).PublicKey()); err == nil {
		t.Error("another key is known too")
	}
}

func TestLineIsEditedByKeys(t *testing.T) {
	u := newBench(t).login(t)
	u.wait("box> ")
	for _, c := range []struct{ typed, want string }{
		{"plain text\r", "plain text"},
		{"new line\n", "new line"},
		{"abc\x7fd\x08e\r", "abe"},
		{"\x7f\x7fa\r", "a"},
		{"thrown away\x15kept\r", "kept"},
		{"one two\x17three\r", "one three"},
		{"bc\x01a\x05d\r", "abcd"},
		{"ad\x02b\x06e\x02\x02c\r", "abcde"},
		{"ac\x1b[Db\x1b[C\x1bOC.\r", "abc."},
		{"abcd\x02\x02\x04\r", "abd"},
		{"abcd\x02\x02\x0b\r", "ab"},
		{"up\x1b[A\x1b[5~\x1b[1;5Cper\r", "upper"},
		{"bell\x07\x00\x1c!\r", "bell!"},
		{"quoted \x16? and \x16\t\r", "quoted ? and \t"},
		{"un\x0cchanged\r", "unchanged"},
		{"co\t\r", "co-completed"},
		{"this\x1a", "ended this"},
		{"\xc3\xbc\r", "ü"},
	} {
		u.send(c.typed)
		out := u.wait("\r\nbox> ")
		if i := strings.LastIndex(out, "\n"); out[i+1:] != fmt.Sprintf("%q", c.want) {
			t.Errorf("%q was taken as %s, want %q", c.typed, out[i+1:], c.want)
		}
	}
	u.send("abandoned\x03")
	if out := u.wait("box> "); out != "abandoned^C\r\n" {
		t.Errorf("^C shows %q", out)
	}
	u.send("some?")
	if out := u.wait("box> some"); out != "some?\r\nhelp for some\r\n" {
		t.Errorf("? shows %q", out)
	}
	u.send("\x15\x04")
	u.wait("\r\n")
	u.rest()
}

func TestLineHasABound(t *testing.T) {
	b := newBench(t)
	u := b.login(t)
	u.wait("box> ")
	u.send("wide\r")
	u.wait("box> ")
	u.send(strings.Repeat("x", 1<<17) + "\r")
	u.wait("\r\nbox> ")
	log := b.server.Log()
	if n := len(log[len(log)-1].Line); n != 16<<10 {
		t.Errorf("a line has %d octets", n)
	}
}

func TestEchoWrapsAtTheWidth(t *testing.T) {
	u := newBench(t).login(t)
	u.wait("box> ")
	long := strings.Repeat("x", 90)
	u.send(long + "\r")
	if out, want := u.wait("\r\n"), long[:75]+" \r"+long[75:]; out != want {
		t.Errorf("the echo is %q, want %q", out, want)
	}
	u.wait("box> ")
	u.send("wide\r" + long + "\r")
	u.wait("box> ")
	if out := u.wait("\r\n"); out != long {
		t.Errorf("the echo is %q without a width", out)
	}
}

func TestPagerWaitsForKeys(t *testing.T) {
	u := newBench(t).login(t)
	u.wait("box> ")
	u.send("page\rcount\r")
	u.wait("box> ")
	if out := u.wait("--More--"); strings.Count(out, "\r\n") != 1+4 {
		t.Errorf("the first page is %q", out)
	}
	u.silent()
	u.send("x")
	u.silent()
	u.send("\r")
	if out := u.wait("--More--"); out != "\r        \rline 2\r\n" {
		t.Errorf("one line more is %q", out)
	}
	u.send(" ")
	if out := u.wait("--More--"); strings.Count(out, "\r\n") != 4 {
		t.Errorf("a page more is %q", out)
	}
	u.send("q")
	if out := u.wait("box> "); strings.Contains(out, "line") {
		t.Errorf("after q comes %q", out)
	}
	u.send("hello\r")
	if out := u.wait("box> "); !strings.Contains(out, `"hello"`) {
		t.Errorf("the next command shows %q", out)
	}
}

func TestTerminalHasTheSizeOfTheWindow(t *testing.T) {
	u := newBench(t).login(t)
	u.wait("box> ")
	u.send("size\r")
	if out := u.wait("box> "); !strings.Contains(out, "80 100\r\n") {
		t.Errorf("the size is %q", out)
	}
	if err := u.sess.WindowChange(50, 120); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		u.send("size\r")
		if strings.Contains(u.wait("box> "), "120 50\r\n") {
			return
		}
	}
	t.Error("the size does not follow the window")
}

func TestCommandsReadFromTheTerminal(t *testing.T) {
	u := newBench(t).login(t)
	u.wait("box> ")
	for _, c := range []struct{ typed, want string }{
		{"ask aloud\ryes\r", "ask aloud\r\nsure? yes\r\nanswer \"yes\" <nil>\r\n"},
		{"ask\rhidden\r", "ask\r\nsure? \r\nanswer \"hidden\" <nil>\r\n"},
		{"load\rone\ntwo\r\x04", "load\r\none\r\ntwo\r\n\r\ntext \"one\\ntwo\\n\" <nil>\r\n"},
		{"load\rone\x03", "load\r\none^C\r\ntext \"\" interrupted by the user\r\n"},
	} {
		u.send(c.typed)
		if out := u.wait("box> "); out != c.want {
			t.Errorf("%q shows %q, want %q", c.typed, out, c.want)
		}
	}
}

func TestExecRunsOneCommand(t *testing.T) {
	b := newBench(t)
	client, err := b.dial(t, gossh.Password("secret"))
	if err != nil {
		t.Fatal(err)
	}
	sess, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	var out, beside bytes.Buffer
	sess.Stdin, sess.Stdout, sess.Stderr = strings.NewReader("input"), &out, &beside
	var status *gossh.ExitError
	if err := sess.Run(`show "this" | that`); !errors.As(err, &status) || status.ExitStatus() != 3 {
		t.Errorf("the command ends with %v", err)
	}
	if want := "admin heard show \"this\" | that and read input\n"; out.String() != want || beside.String() != "beside\n" {
		t.Errorf("it says %q and %q", out.String(), beside.String())
	}
	log := b.server.Log()
	if len(log) != 1 || log[0].Line != `show "this" | that` || log[0].User != "admin" {
		t.Errorf("the log is %v", log)
	}
}

func TestExecMayBeRefused(t *testing.T) {
	b := newBench(t, func(o *cli.Options) { o.NOS = parrot{noExec: true} })
	client, err := b.dial(t, gossh.Password("secret"))
	if err != nil {
		t.Fatal(err)
	}
	sess, err := client.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if err := sess.Run("show"); err == nil {
		t.Error("the command was run")
	}
}

func TestFaultStrikesItsCommand(t *testing.T) {
	for _, c := range []struct {
		fault cli.Fault
		want  string // up to the next prompt
	}{
		{cli.Fault{Kind: cli.Truncate, Command: "count", At: 10}, "count\r\nline 0\r\n  ubox> "},
		{cli.Fault{Kind: cli.Omit, Command: "count", Text: "line 3"}, "count\r\n" + lines(0, 3) + lines(4, 12) + "box> "},
		{cli.Fault{Kind: cli.Insert, Command: "count", At: 7, Text: "\nnews#\n"}, "count\r\nline 0\r\n\r\nnews#\r\n" + lines(0, 12)[8:] + "box> "},
		{cli.Fault{Kind: cli.Answer, Command: "count", Text: "% no\n"}, "count\r\n% no\r\nbox> "},
		{cli.Fault{Kind: cli.Truncate, Command: "other"}, "count\r\n" + lines(0, 12) + "box> "},
	} {
		b := newBench(t)
		u := b.login(t)
		u.wait("box> ")
		b.faults.Add(c.fault)
		u.send("count\r")
		if out := u.wait("box> ") + "box> "; out != c.want {
			t.Errorf("%v shows %q, want %q", c.fault, out, c.want)
		}
	}
}

func lines(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "line %d\r\n  under %d\r\n", i, i)
	}
	return b.String()
}

func TestFaultEndsTheSession(t *testing.T) {
	for _, c := range []struct {
		fault  cli.Fault
		want   string
		exited bool
	}{
		{cli.Fault{Kind: cli.CutBefore}, "count\r\n", false},
		{cli.Fault{Kind: cli.CutAfter}, "count\r\n", false},
		{cli.Fault{Kind: cli.Cut, At: 6}, "count\r\nline 0", false},
		{cli.Fault{Kind: cli.End, At: 6}, "count\r\nline 0", true},
	} {
		b := newBench(t)
		u := b.login(t)
		u.wait("box> ")
		b.faults.Add(c.fault)
		u.send("count\r")
		if out := u.rest(); out != c.want && !(strings.HasPrefix(c.want, out) && !c.exited) {
			t.Errorf("%v shows %q, want %q", c.fault, out, c.want)
		}
		if err := u.sess.Wait(); (err == nil) != c.exited {
			t.Errorf("%v: the session ends with %v", c.fault, err)
		}
	}
}

func TestFaultHasACount(t *testing.T) {
	b := newBench(t)
	u := b.login(t)
	u.wait("box> ")
	b.faults.Add(cli.Fault{Kind: cli.Answer, Text: "twice\n", Count: 2})
	for _, want := range []string{"twice", "twice", `"hello"`} {
		u.send("hello\r")
		if out := u.wait("box> "); !strings.Contains(out, want) {
			t.Errorf("the answer is %q, want %s", out, want)
		}
	}
	b.faults.Add(cli.Fault{Kind: cli.Answer, Text: "always\n"})
	for range 3 {
		u.send("hello\r")
		if out := u.wait("box> "); !strings.Contains(out, "always") {
			t.Errorf("the answer is %q", out)
		}
	}
	b.faults.Clear()
	u.send("hello\r")
	if out := u.wait("box> "); !strings.Contains(out, `"hello"`) {
		t.Errorf("the answer is %q after Clear", out)
	}
}

func TestQuestionKeepsACommandFromRunning(t *testing.T) {
	b := newBench(t)
	u := b.login(t)
	u.wait("box> ")
	b.faults.Add(cli.Fault{Kind: cli.Ask, Command: "hello", Text: "Really? [y/n]: ", Count: 3})
	for _, c := range []struct {
		answer string
		runs   bool
	}{{"y\r", true}, {"\r", false}, {"\x03", false}} {
		u.send("hello\r")
		u.wait("Really? [y/n]: ")
		u.silent()
		u.send(c.answer)
		if out := u.wait("box> "); strings.Contains(out, `"hello"`) != c.runs {
			t.Errorf("after %q it shows %q", c.answer, out)
		}
	}
}

func TestStopHoldsTheOutputUntilClose(t *testing.T) {
	b := newBench(t)
	u := b.login(t)
	u.wait("box> ")
	b.faults.Add(cli.Fault{Kind: cli.Stop, At: 6})
	u.send("count\r")
	u.wait("count\r\nline 0")
	u.silent()
	b.server.Close()
	u.rest()
}

func TestMuteServerSaysNothing(t *testing.T) {
	b := newBench(t)
	b.faults.Add(cli.Fault{Kind: cli.Mute, Count: 1})
	u := b.login(t)
	u.send("hello\r")
	u.silent()
	b.login(t).wait("box> ")
}

func TestNoiseLosesNothing(t *testing.T) {
	b := newBench(t)
	b.faults.SetNoise(cli.Noise{Banner: "welcome to\nbox> \nand more\n", Chunk: 3, Pause: 50 * time.Microsecond, ANSI: true})
	u := b.login(t)
	u.wait("welcome to\r\nbox> \r\nand more\r\n")
	u.wait("\x1b[?7hbox> \x1b[K")
	u.send("count\r")
	out := u.wait("box> ")
	for _, sequence := range []string{"\x1b[K", "\x1b[?7h"} {
		if !strings.Contains(out, sequence) {
			t.Errorf("there is no %q in %q", sequence, out)
		}
		out = strings.ReplaceAll(out, sequence, "")
	}
	if want := "count\r\n" + lines(0, 12); out != want {
		t.Errorf("%q, want %q", out, want)
	}
}

func TestSwitchCutsTheSession(t *testing.T) {
	u := newBench(t).login(t)
	u.wait("box> ")
	u.send("cut\r")
	u.rest()
	if err := u.sess.Wait(); err == nil {
		t.Error("the session ended as if by exit")
	}
}

func TestIdleConnectionIsClosed(t *testing.T) {
	u := newBench(t, func(o *cli.Options) { o.Idle = 200 * time.Millisecond }).login(t)
	u.wait("box> ")
	u.rest()
}

func TestCloseWaitsForAll(t *testing.T) {
	b := newBench(t)
	var all []*typist
	for range 5 {
		u := b.login(t)
		u.wait("box> ")
		all = append(all, u)
	}
	half, err := net.Dial("tcp", b.server.Addr().String()) // says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer half.Close()
	b.server.Close()
	b.server.Close()
	for _, u := range all {
		u.rest()
	}
	if _, err := b.dial(t, gossh.Password("secret")); err == nil {
		t.Error("a closed server serves")
	}
}

func TestConnectionsHaveABound(t *testing.T) {
	b := newBench(t)
	var all []net.Conn
	for range 64 {
		c, err := net.Dial("tcp", b.server.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	if _, err := b.dial(t, gossh.Password("secret")); err == nil {
		t.Error("one more is served")
	}
	all[0].Close()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(10 * time.Second); ; {
		if _, err := b.dial(t, gossh.Password("secret")); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("nobody is served after one has gone")
		}
	}
}
