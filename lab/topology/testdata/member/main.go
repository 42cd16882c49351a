// Command member is the program of nodes in tests: it tells what it sees, or ends as it is told to. Outside of a node
// it brings a lab up, as another user may.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/ixagent/ixagent/lab/topology"
)

func main() {
	part, err := topology.Enter(os.Args)
	if !part {
		err = play(os.Args[1:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

// Seen is what a node's program finds when it starts.
type Seen struct {
	PID        int
	Host       string
	Args, Env  []string
	Interfaces map[string]int // MTU
	Root, Dev  []string
	Status     map[string]string // CapEff and CapBnd of /proc/self/status
	IPv6       map[string]string // disable_ipv6 of all and default
	Writable   bool              // /proc/sys
}

func play(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	switch {
	case len(args) == 0:
		return errors.New("nothing to play")
	case args[0] == "fail":
		return errors.New(strings.Join(args[1:], " "))
	case args[0] == "up" || args[0] == "attach":
		if err := up(ctx, args[1], args[0] == "attach"); err != nil || args[0] == "up" {
			return err
		}
	case args[0] == "exec" && len(args) > 3:
		l, err := topology.Find(ctx, args[1])
		if err != nil {
			return err
		}
		_, err = l.Exec(ctx, args[2], args[3:])
		return err
	case args[0] == "show":
		if err := show(); err != nil {
			return err
		}
	}
	<-ctx.Done()
	return nil
}

// up brings the lab of a file up and says so.
func up(ctx context.Context, file string, attached bool) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	t, err := topology.Parse(file, text)
	if err != nil {
		return err
	}
	if _, err := topology.Up(ctx, topology.Options{Topology: t, Attached: attached}); err != nil {
		return err
	}
	_, err = fmt.Println("up")
	return err
}

func show() error {
	s := Seen{
		PID: os.Getpid(), Args: os.Args, Env: os.Environ(), Interfaces: make(map[string]int), Status: make(map[string]string),
		IPv6: make(map[string]string),
	}
	var err error
	if s.Host, err = os.Hostname(); err != nil {
		return err
	}
	all, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, i := range all {
		s.Interfaces[i.Name] = i.MTU
	}
	for dir, into := range map[string]*[]string{"/": &s.Root, "/dev": &s.Dev} {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		for _, e := range entries {
			*into = append(*into, e.Name())
		}
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(status)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.HasPrefix(name, "Cap") {
			s.Status[name] = strings.TrimSpace(value)
		}
	}
	for _, name := range []string{"all", "default"} {
		path := "/proc/sys/net/ipv6/conf/" + name + "/disable_ipv6"
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		s.IPv6[name] = strings.TrimSpace(string(text))
		if f, err := os.OpenFile(path, os.O_WRONLY, 0); err == nil {
			s.Writable = true
			f.Close()
		}
	}
	return json.NewEncoder(os.Stdout).Encode(s)
}
