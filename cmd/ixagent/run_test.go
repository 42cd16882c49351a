package main

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// serviceManager is a socket that a daemon tells how it fares.
type serviceManager struct {
	*testing.T
	conn *net.UnixConn
}

// hears waits for a message that matches, over others, and returns it. It fails where one comes that must not.
func (m serviceManager) hears(expr, never string) string {
	m.Helper()
	b := make([]byte, 4096)
	if err := m.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		m.Fatal(err)
	}
	for {
		n, err := m.conn.Read(b)
		if err != nil {
			m.Fatalf("waiting for %s: %v", expr, err)
		}
		text := string(b[:n])
		if regexp.MustCompile(expr).MatchString(text) {
			return text
		}
		if never != "" && regexp.MustCompile(never).MatchString(text) {
			m.Fatalf("heard %q before %s", text, expr)
		}
	}
}

func TestServiceManagerHearsHowTheDaemonFares(t *testing.T) {
	dir := t.TempDir()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := os.Mkdir(filepath.Join(dir, "records"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "ixagent.yaml")
	configure := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Neither the exchange nor the switch answers: the daemon runs nevertheless.
	const conf = `
listen: 127.0.0.1:0
state_dir: state
sources: [{name: exchange, type: ixapi, url: "http://127.0.0.1:1/"}]
credentials: {lab: {username: ixagent, password: env:PASSWORD}}
inventory: {devices: [{name: sw1, driver: openconfig, address: 127.0.0.1:1, credentials: lab}]}
`
	configure(conf)
	var said bytes.Buffer
	daemon := exec.Command("ixagent", "run", "--config", file)
	daemon.Env = append(os.Environ(), "NOTIFY_SOCKET="+conn.LocalAddr().String(), "WATCHDOG_USEC=400000", "PASSWORD=word")
	out, err := daemon.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	lines, drained := make(chan string, 1000), make(chan struct{})
	go func() {
		defer close(drained)
		b := make([]byte, 64<<10)
		for {
			n, err := out.Read(b)
			said.Write(b[:n])
			if m := regexp.MustCompile(`msg="agent runs" listen=(\S+)`).FindSubmatch(b[:n]); m != nil {
				lines <- string(m[1])
			}
			if err != nil {
				return
			}
		}
	}()
	ended := false
	defer func() {
		if !ended {
			_ = daemon.Process.Kill()
			<-drained
			_ = daemon.Wait()
		}
		if t.Failed() {
			t.Logf("the daemon wrote\n%s", &said)
		}
	}()
	m := serviceManager{t, conn}
	m.hears("^READY=1$", "WATCHDOG|RELOADING|STOPPING")
	for range 3 {
		m.hears("^WATCHDOG=1$", "RELOADING|STOPPING")
	}
	if err := daemon.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	m.hears(`^RELOADING=1\nMONOTONIC_USEC=[0-9]+\n$`, "READY|STOPPING")
	m.hears("^READY=1$", "RELOADING|STOPPING")
	m.hears("^WATCHDOG=1$", "READY|RELOADING|STOPPING")

	// A configuration that is refused is a reload, too, after which the daemon is ready as before.
	<-lines
	address := <-lines
	post := func() (int, string) {
		t.Helper()
		transport := &http.Transport{DisableKeepAlives: true}
		res, err := (&http.Client{Transport: transport, Timeout: patience}).Post("http://"+address+"/-/reload", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var body bytes.Buffer
		if _, err := body.ReadFrom(res.Body); err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, body.String()
	}
	configure(strings.Replace(conf, "driver: openconfig", "driver: opencnfig", 1))
	if code, text := post(); code != 500 || !strings.Contains(text, "ixagent.yaml:6:") || !strings.Contains(text, "opencnfig") {
		t.Errorf("a configuration that is not good: %d %s", code, text)
	}
	m.hears("^RELOADING=1\n", "READY|STOPPING")
	m.hears("^READY=1$", "RELOADING|STOPPING")
	m.hears("^WATCHDOG=1$", "READY|RELOADING|STOPPING")
	configure(conf)
	if code, text := post(); code != 200 || text != "reloaded\n" {
		t.Errorf("a good configuration: %d %s", code, text)
	}
	m.hears("^RELOADING=1\n", "READY|STOPPING")
	m.hears("^READY=1$", "RELOADING|STOPPING")

	if err := daemon.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	m.hears("^STOPPING=1$", "READY|RELOADING")
	<-drained
	ended = true
	if err := daemon.Wait(); err != nil {
		t.Error(err)
	}
}

func TestSystemdAcceptsTheUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("IXAGENT_REQUIRE") == "all" {
			t.Fatal("IXAGENT_REQUIRE=all, but there is no systemd-analyze")
		}
		t.Skip("SKIPPED: the unit is not checked without systemd-analyze")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ixagent.service")
	text := bytes.Replace(unit, []byte("/usr/local/bin/ixagent"), []byte(program), 1)
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command(analyze, "verify", "--man=no", "--recursive-errors=no", file).CombinedOutput(); err != nil || len(said) > 0 {
		t.Errorf("%v\n%s", err, said)
	}
}
