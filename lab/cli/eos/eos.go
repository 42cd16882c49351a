// Package eos is the command line of an Arista EOS switch on a lab switch: strict about what it is told, with
// configuration sessions, and with a forwarding plane that does what the running configuration says.
//
// A configuration is a tree of lines ([line]) that a [grammar] has let in. It becomes the OpenConfig tree of the
// [switchd.Switch] as a whole, with every commit of a session and every line of `configure terminal`. What the plane
// cannot do is refused when it is entered, or when it is committed where only then it can be known.
//
// It differs from EOS in this: there is no routing and no spanning tree, so that addresses do nothing, and frames are not
// bridged in VLAN 1, in which all ports are that nobody has configured. A filter that does not exist permits nothing.
// What is committed, and confirmed, survives a reboot without `write memory`.
package eos

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ixagent/ixagent/lab/cli"
	"github.com/ixagent/ixagent/lab/switchd"
	"github.com/ixagent/ixagent/lab/switchd/tree"
)

const (
	version        = "4.36.1F"
	defaultPending = 5
)

// Options describe the command line of a switch.
type Options struct {
	Name    string // of the host
	Ports   []string
	Tunnel  string // address of this switch towards others, of Loopback0; empty for 10.255.0.1
	Pending int    // sessions that may be open at once; 0 for 5

	// Unprivileged makes users begin in the mode with the prompt ">"; they reach the other one with `enable` and, if it is
	// not empty, the password Enable.
	Unprivileged bool
	Enable       string

	Rebooted func() // called after `reload`, to cut what is connected; nil for nothing
}

// NOS is the command line of one switch. It must be given the switch with [NOS.Attach] before it is used.
type NOS struct {
	o       Options
	grammar *grammar
	ports   map[string]bool
	base    *config
	booted  time.Time

	sw *switchd.Switch

	live     sync.Mutex // serialises changes of what runs
	mu       sync.Mutex // guards what follows
	sessions []*session
	terminal int
}

// New returns a command line whose first configuration is that of a switch that was racked and can be managed.
func New(o Options) (*NOS, error) {
	if o.Tunnel == "" {
		o.Tunnel = "10.255.0.1"
	}
	if o.Pending == 0 {
		o.Pending = defaultPending
	}
	n := &NOS{o: o, grammar: newGrammar(), ports: make(map[string]bool), booted: time.Now()}
	for _, p := range o.Ports {
		n.ports[p] = true
	}
	n.base = n.clean()
	s := &shell{nos: n, privileged: true, config: &configMode{session: &session{candidate: n.base, state: pending}, stack: []frame{{mode: global}}}}
	for _, p := range o.Ports {
		if name, ok := interfaceName(p); !ok || name != p || kindOf(p) != ethernet {
			return nil, fmt.Errorf("port %q is not called as EOS calls a port", p)
		}
	}
	for _, text := range strings.Split(baseText(o), "\n") {
		var out bytes.Buffer
		if err := s.enter(&out, text); err != nil || out.Len() > 0 {
			return nil, fmt.Errorf("base configuration: %q: %s %w", text, out.Bytes(), err)
		}
	}
	return n, nil
}

// clean is the configuration of a switch of which nothing has been said.
func (n *NOS) clean() *config {
	e := &edit{config: new(config)}
	for _, p := range n.o.Ports {
		e.ensure(&e.config.line, &call{command: n.grammar.ethernet, words: []string{"interface", p}, args: []string{p}})
	}
	return e.config
}

func baseText(o Options) string {
	return strings.Join([]string{
		"hostname " + o.Name,
		"spanning-tree mode mstp",
		"username admin privilege 15 role network-admin secret sha512 $6$lab$notarealhash",
		"interface Loopback0",
		"description tunnels",
		"ip address " + o.Tunnel + "/32",
		"interface Management1",
		"ip address 192.0.2.10/24",
		"interface Vxlan1",
		"vxlan source-interface Loopback0",
		"vxlan udp-port 4789",
		"ip routing",
		"router bgp 65000",
		"router-id " + o.Tunnel,
		"neighbor 192.0.2.1 remote-as 65000",
		"neighbor 192.0.2.1 description route reflector",
		"management ssh",
		"idle-timeout 60",
	}, "\n")
}

// Native implements [cli.Device].
func (n *NOS) Native() any { return n.base }

// Attach implements [cli.Device].
func (n *NOS) Attach(sw *switchd.Switch) error {
	n.sw = sw
	return n.install(n.base)
}

// Show implements [cli.Device].
func (n *NOS) Show(native any) []byte { return append(native.(*config).text(), "end\n"...) }

// Reboot loses all sessions and an unconfirmed commit, as a power cycle does.
func (n *NOS) Reboot() {
	n.mu.Lock()
	n.sessions, n.booted = nil, time.Now()
	n.mu.Unlock()
	n.sw.Reboot()
	if n.o.Rebooted != nil {
		n.o.Rebooted()
	}
}

// Text is the running configuration, and after it the candidate of each session that is open: everything that a user
// could leave behind.
func (n *NOS) Text() []byte {
	text := n.Show(n.running())
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, s := range n.sessions {
		if s.state == pending {
			text = append(fmt.Appendf(text, "session %s\n", s.name), s.candidate.text()...)
		}
	}
	return text
}

func (n *NOS) running() *config {
	c, ok := n.sw.Native().(*config)
	if !ok {
		return n.base
	}
	return c
}

// Style implements [cli.NOS].
func (n *NOS) Style() cli.Style { return cli.Style{More: " --More-- "} }

// Open implements [cli.NOS].
func (n *NOS) Open(t *cli.Terminal) cli.Shell {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.terminal++
	return &shell{nos: n, term: t, user: t.User(), line: fmt.Sprintf("vty%d", n.terminal), privileged: !n.o.Unprivileged}
}

// Exec implements [cli.NOS]: the lines of the command are executed one after another. EOS gives no status that tells
// whether they were refused.
func (n *NOS) Exec(e *cli.Exec) int {
	s := &shell{nos: n, user: e.User, line: "ssh", privileged: !n.o.Unprivileged}
	defer s.Close()
	for _, text := range strings.Split(e.Command, "\n") {
		var out bytes.Buffer
		err := s.enter(&out, text)
		if errors.Is(err, switchd.ErrCut) {
			e.Cut = true
			return 0
		}
		if _, werr := e.Stdout.Write(out.Bytes()); err != nil || werr != nil {
			return 0
		}
	}
	return 0
}

// install makes a configuration run.
func (n *NOS) install(c *config) error {
	return n.sw.Install(c, func(e *tree.Edit) error { return n.translate(c, e) })
}

func (n *NOS) installConfirmed(name string, d time.Duration, c *config) error {
	return n.sw.InstallConfirmed(name, d, c, func(e *tree.Edit) error { return n.translate(c, e) })
}
