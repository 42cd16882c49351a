package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"text/template"
	"time"

	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"github.com/openconfig/ygot/ygot"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/drivers/all"
	"github.com/ixagent/ixagent/drivers/gnmi"
	"github.com/ixagent/ixagent/lab/namespace/namespacetest"
	"github.com/ixagent/ixagent/lab/switchd"
	"github.com/ixagent/ixagent/testdata"
)

// patience is how long a script waits for anything.
const patience = 30 * time.Second

// suite builds ixlab, the world that the scripts run ixagent in, before the tests.
type suite struct{ *testing.M }

func (s suite) Run() int {
	dir, err := os.MkdirTemp("", "ixagent-test-")
	if err == nil {
		defer os.RemoveAll(dir)
		var said []byte
		build := exec.Command("go", "build", "-o", dir, "../ixlab")
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // the lab's nodes have no libraries
		if said, err = build.CombinedOutput(); err != nil {
			err = fmt.Errorf("ixlab cannot be built: %w\n%s", err, said)
		}
	}
	if err == nil {
		err = os.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return s.M.Run()
}

func TestMain(m *testing.M) {
	testscript.Main(suite{m}, map[string]func(){"ixagent": main, "ixagent-soak": soakMain})
}

func scripts(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("../../testdata/script/ixagent-*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	return files
}

// The scripts run ixagent against an exchange and switches of ixlab sandbox. They have these commands more:
//
//	start NAME REGEXP PROGRAM...  start a program and wait for a line, if there is a REGEXP; $NAME becomes what its
//	                              first group matched
//	within NAME REGEXP            wait for another line of it
//	signal NAME SIGNAL            HUP, INT, TERM or KILL
//	ends NAME CODE                wait for its end, -1 that of a killed one; what it wrote is stdout
//	exits CODE PROGRAM...         run a program that ends with this exit code
//	lab METHOD PATH [JSON]        tell the sandbox in the folder lab something
//	tells PATH REGEXP             wait until the sandbox answers that to GET PATH
//	gnmi DEVICE get PATH          read the configuration of a switch
//	gnmi DEVICE set PATH JSON     update it by hand, as nobody's agent does
//	json TEMPLATE                 print stdout, which is JSON, through a template
//	records FOLDER SET            copy the records of a data set into a folder
//	types DEVICE FILE             type the lines of a file at the command line of a switch, none of which it may refuse
//	edit FILE OLD NEW             replace text that occurs once; \n is a line end
//	damage FILE                   overwrite every page of a journal but the two that say where everything is
//	answers URL REGEXP [JSON]     wait until a page says that, or what is answered to JSON that is posted
//	wires NAME FILE [OLD NEW]...  lay out a copy of lab/topology/FILE, with text in it replaced; $LAB becomes its name
//	passes PROGRAM...             run a program again and again until it ends well
//	stops PROGRAM...              run a program again and again until it fails
//	shows REGEXP PROGRAM...       run a program again and again until it writes such a line
//
// The conditions [namespaces] and [tshark] say what the machine has.
//
// In their folder are other-ca.pem, an authority that nobody trusts, and expired.pem with expired-key.pem, the
// certificate of a server that was good until yesterday.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Files:     scripts(t),
		Condition: namespacetest.Has,
		Setup: func(e *testscript.Env) error {
			e.Values[processes{}] = make(map[string]*process)
			return certificates(e.WorkDir)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": start, "within": within, "signal": signalTo, "ends": ends, "exits": exits,
			"lab": tellLab, "tells": tells, "gnmi": byHand, "types": types, "json": throughTemplate, "records": copyRecords, "edit": edit, "damage": damage, "answers": answers,
			"wires": wires, "passes": passes, "stops": stops, "shows": shows,
		},
	})
}

// arguments checks how many there are; none of the commands can be negated.
func arguments(ts *testscript.TestScript, neg bool, args []string, least, most int) {
	if neg || len(args) < least || most > 0 && len(args) > most {
		ts.Fatalf("see TestScripts for the arguments")
	}
}

// processes is the key of the started programs of a script, by name.
type processes struct{}

// process is a program that runs beside a script.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
	err  error         // how it ended

	mu   sync.Mutex
	out  bytes.Buffer
	read int // of out, by within
}

// Write implements [io.Writer].
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

// next returns the match of re in the lines that were not looked at yet, and passes over them.
func (p *process) next(re *regexp.Regexp) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		line, _, whole := bytes.Cut(p.out.Bytes()[p.read:], []byte("\n"))
		if !whole {
			return nil
		}
		p.read += len(line) + 1
		if m := re.FindStringSubmatch(string(line)); m != nil {
			return m
		}
	}
}

func named(ts *testscript.TestScript, name string) *process {
	p := ts.Value(processes{}).(map[string]*process)[name]
	if p == nil {
		ts.Fatalf("nothing named %s was started", name)
	}
	return p
}

// eventually waits until f reports true, or until p, if there is one, has ended.
func eventually(ts *testscript.TestScript, what string, p *process, f func() bool) {
	deadline := time.After(patience)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var ended <-chan struct{}
	if p != nil {
		ended = p.done
	}
	for !f() {
		select {
		case <-tick.C:
		case <-ended:
			if !f() {
				ts.Fatalf("ended before %s: %v\n%s", what, p.err, p)
			}
			return
		case <-deadline:
			ts.Fatalf("not within %v: %s\n%s", patience, what, p)
		}
	}
}

func start(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 3, 0)
	path := ""
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if found, err := exec.LookPath(filepath.Join(dir, args[2])); err == nil {
			path = found
			break
		}
	}
	p := &process{cmd: exec.Command(path, args[3:]...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = ts.MkAbs("."), p, p
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "IXAGENT_CONFIG"} {
		p.cmd.Env = append(p.cmd.Env, name+"="+ts.Getenv(name))
	}
	ts.Check(p.cmd.Start())
	go func() {
		p.err = p.cmd.Wait()
		close(p.done)
	}()
	ts.Defer(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.done:
		case <-time.After(patience):
			_ = p.cmd.Process.Kill()
			<-p.done
		}
	})
	ts.Value(processes{}).(map[string]*process)[args[0]] = p
	if args[1] != "" {
		awaitLine(ts, args[0], args[1])
	}
}

func within(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, 2)
	awaitLine(ts, args[0], args[1])
}

func awaitLine(ts *testscript.TestScript, name, expr string) {
	re, err := regexp.Compile(expr)
	ts.Check(err)
	p := named(ts, name)
	eventually(ts, name+" writes "+expr, p, func() bool {
		m := p.next(re)
		if len(m) > 1 {
			ts.Setenv(name, m[1])
		}
		return m != nil
	})
}

func signalTo(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, 2)
	s, ok := map[string]syscall.Signal{"HUP": syscall.SIGHUP, "INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL}[args[1]]
	if !ok {
		ts.Fatalf("there is no signal %s here", args[1])
	}
	ts.Check(named(ts, args[0]).cmd.Process.Signal(s))
}

func ends(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, 2)
	p := named(ts, args[0])
	select {
	case <-p.done:
	case <-time.After(patience):
		ts.Fatalf("%s did not end within %v\n%s", args[0], patience, p)
	}
	if code := strconv.Itoa(p.cmd.ProcessState.ExitCode()); code != args[1] {
		ts.Fatalf("%s ended with %s, not %s\n%s", args[0], code, args[1], p)
	}
	_, err := io.WriteString(ts.Stdout(), p.String())
	ts.Check(err)
}

func exits(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, 0)
	err, code := ts.Exec(args[1], args[2:]...), 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, not %s", code, args[0])
	}
}

func tellLab(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, 3)
	text, err := askLab(ts, args...)
	ts.Check(err)
	_, err = ts.Stdout().Write(text)
	ts.Check(err)
}

func tells(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, 2)
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	eventually(ts, args[0]+" tells "+args[1], nil, func() bool {
		text, err := askLab(ts, "GET", args[0])
		ts.Check(err)
		return re.Match(text)
	})
}

// askLab sends the sandbox a request: METHOD PATH [JSON].
func askLab(ts *testscript.TestScript, args ...string) ([]byte, error) {
	socket := filepath.Join(ts.Getenv("WORK"), "lab", "control")
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	var body io.Reader
	if len(args) == 3 {
		body = strings.NewReader(args[2])
	}
	req, err := http.NewRequest(args[0], "http://lab"+args[1], body)
	if err != nil {
		return nil, err
	}
	resp, err := (&http.Client{Transport: transport, Timeout: patience}).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, text)
	}
	return text, err
}

func byHand(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 3, 4)
	c, err := config.Load(filepath.Join(ts.Getenv("WORK"), "lab", "ixagent.yaml"), all.Registry())
	ts.Check(err)
	d, ok := c.Inventory.Device(args[0])
	if !ok {
		ts.Fatalf("there is no switch %s", args[0])
	}
	device, err := c.Session(d)
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := gnmi.Dial(ctx, device)
	ts.Check(err)
	defer s.Close()
	path, err := ygot.StringToStructuredPath(args[2])
	ts.Check(err)
	if args[1] == "set" && len(args) == 4 {
		value := &gpb.TypedValue{Value: &gpb.TypedValue_JsonIetfVal{JsonIetfVal: []byte(args[3])}}
		ts.Check(s.Set(ctx, "apply", &gpb.SetRequest{Update: []*gpb.Update{{Path: path, Val: value}}}))
		return
	}
	values, err := s.Get(ctx, "observe", gpb.GetRequest_CONFIG, path)
	ts.Check(err)
	_, err = ts.Stdout().Write(bytes.Join(values, []byte("\n")))
	ts.Check(err)
}

func types(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, 2)
	folder := filepath.Join(ts.Getenv("WORK"), "lab")
	c, err := config.Load(filepath.Join(folder, "ixagent.yaml"), all.Registry())
	ts.Check(err)
	d, ok := c.Inventory.Device(args[0])
	if !ok {
		ts.Fatalf("there is no switch %s", args[0])
	}
	password, err := os.ReadFile(filepath.Join(folder, "secrets", "switch-password"))
	ts.Check(err)
	client, err := ssh.Dial("tcp", d.Address.String(), &ssh.ClientConfig{
		User: switchd.SecretUser, Auth: []ssh.AuthMethod{ssh.Password(string(password))},
		HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: patience,
	})
	ts.Check(err)
	defer client.Close()
	s, err := client.NewSession()
	ts.Check(err)
	var said bytes.Buffer
	s.Stdin, s.Stdout = strings.NewReader(ts.ReadFile(args[1])), &said
	ts.Check(s.RequestPty("xterm", 1000, 200, nil))
	ts.Check(s.Shell())
	err = s.Wait()
	if text := said.String(); err != nil || refusal.MatchString(text) {
		ts.Fatalf("%s says\n%s%v", args[0], text, err)
	}
}

// refusal is how a command line says that it does not do what it was told.
var refusal = regexp.MustCompile(`(?m)^(% |error:|syntax error|unknown command)`)

func throughTemplate(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 1, 1)
	var value any
	d := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout")))
	d.UseNumber()
	ts.Check(d.Decode(&value))
	if _, err := d.Token(); err != io.EOF {
		ts.Fatalf("there is more than one JSON value: %v", err)
	}
	t, err := template.New("").Parse(args[0])
	ts.Check(err)
	ts.Check(t.Execute(ts.Stdout(), value))
}

func edit(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 3, 3)
	lines := strings.NewReplacer(`\n`, "\n")
	text, before, after := ts.ReadFile(args[0]), lines.Replace(args[1]), lines.Replace(args[2])
	if n := strings.Count(text, before); n != 1 {
		ts.Fatalf("%s has %d times %q", args[0], n, before)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Replace(text, before, after, 1)), 0o600))
}

func damage(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 1, 1)
	text := []byte(ts.ReadFile(args[0]))
	for i := 2 * os.Getpagesize(); i < len(text); i++ {
		text[i] = 0xff
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), text, 0o600))
}

func copyRecords(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, 2)
	records, err := testdata.Exchange(args[1])
	ts.Check(err)
	ts.Check(os.CopyFS(ts.MkAbs(args[0]), records))
}

func answers(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, 3)
	re, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	ask := func() (*http.Response, error) { return http.Get(args[0]) }
	if len(args) == 3 {
		ask = func() (*http.Response, error) {
			return http.Post(args[0], "application/json", strings.NewReader(args[2]))
		}
	}
	var last string
	eventually(ts, args[0]+" says "+args[1], nil, func() bool {
		resp, err := ask()
		if err != nil {
			last = err.Error()
			return false
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		last = string(text)
		return err == nil && re.MatchString(last)
	})
	_, err = io.WriteString(ts.Stdout(), last)
	ts.Check(err)
}

// wires lays a topology out and takes it down when the script ends.
func wires(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, 0)
	text, err := os.ReadFile(filepath.Join("..", "..", "lab", "topology", args[1]))
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), text, 0o600))
	for change := range slices.Chunk(args[2:], 2) {
		edit(ts, false, append(args[1:2:2], change...))
	}
	name := fmt.Sprintf("%s-%d", args[0], os.Getpid())
	ts.Check(ts.Exec("ixlab", "up", "--name", name, args[1]))
	ts.Setenv("LAB", name)
	ts.Defer(func() { ts.Check(ts.Exec("ixlab", "down", name)) })
}

func passes(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 1, 0)
	eventually(ts, strings.Join(args, " ")+" ends well", nil, func() bool { return ts.Exec(args[0], args[1:]...) == nil })
}

func stops(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 1, 0)
	eventually(ts, strings.Join(args, " ")+" fails", nil, func() bool { return ts.Exec(args[0], args[1:]...) != nil })
}

func shows(ts *testscript.TestScript, neg bool, args []string) {
	arguments(ts, neg, args, 2, 0)
	re, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	eventually(ts, strings.Join(args[1:], " ")+" shows "+args[0], nil, func() bool {
		return ts.Exec(args[1], args[2:]...) == nil && re.MatchString(ts.ReadFile("stdout"))
	})
}

func certificates(dir string) error {
	other, err := switchd.NewAuthority()
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: now.AddDate(0, -1, 0), NotAfter: now.AddDate(0, 0, -1),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return err
	}
	cert, private, err := switchd.EncodePEM(tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})
	if err != nil {
		return err
	}
	for name, text := range map[string][]byte{"other-ca.pem": other.PEM(), "expired.pem": cert, "expired-key.pem": private} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func TestEveryExampleIsRunByAScript(t *testing.T) {
	var run []string
	for _, file := range scripts(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		run = append(run, strings.Split(string(text), "\n")...)
	}
	how := regexp.MustCompile(`^(exec|exits [0-9]+|start \w+ '[^']+') $`)
	ran := func(example string) bool {
		for _, line := range run {
			if before, ok := strings.CutSuffix(line, example); ok && how.MatchString(before) {
				return true
			}
		}
		return false
	}
	var walk func(c *cobra.Command, above string)
	walk = func(c *cobra.Command, above string) {
		if c.Runnable() && c.Example == "" && !strings.Contains(above, c.CommandPath()) {
			t.Errorf("%s has no example", c.CommandPath())
		}
		for line := range strings.Lines(c.Example) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), " > ")
			if !ran(line) {
				t.Errorf("no script runs %q", line)
			}
		}
		for _, sub := range c.Commands() {
			walk(sub, c.Example)
		}
	}
	for _, c := range (&app{drivers: all.Registry()}).root().Commands() {
		walk(c, "")
	}
}
