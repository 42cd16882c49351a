package topology

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/ixagent/ixagent/lab/namespace"
)

// The first argument of a process that is a part of a lab.
const (
	superviseWord = "lab-supervisor"
	nodeWord      = "lab-node"
)

// Enter runs the part of a lab that the process was started to be, if it was: args are those of the process. A program
// that is given to [Up] calls it before anything else, and ends when it reports true.
func Enter(args []string) (bool, error) {
	if len(args) != 2 {
		return false, nil
	}
	switch args[1] {
	case superviseWord:
		return true, supervise()
	case nodeWord:
		return true, becomeNode()
	}
	return false, nil
}

// The files a supervisor is started with, next to the usual three.
const (
	supOrder  = 3 // a line of supOrders; then, when the lab shall outlive who brought it up, another line
	supReport = 4 // one line of supReports
	supSocket = 5 // the bound control socket
	supProc   = 6 // the /proc of whoever brings the lab up
)

// supOrders is what a supervisor is told.
type supOrders struct {
	Topology *Topology `json:"topology"`
	Program  string    `json:"program"`
	Socket   string    `json:"socket"` // the name of the control socket
	Owner    int       `json:"owner"`
	Rootless bool      `json:"rootless"`
}

// supReports is how bringing a lab up ended.
type supReports struct {
	Error string `json:"error,omitempty"`
}

// settle is how long the programs of all nodes must run before a lab counts as up. A program that refuses its
// arguments ends sooner.
const settle = 100 * time.Millisecond

// bridgeName is that of the management network's bridge in the host's namespace.
const bridgeName = "mgmt"

// supervisor is the first process of a lab.
type supervisor struct {
	supOrders
	pid     int // as whoever brought the lab up sees it
	proc    *os.File
	since   time.Time
	host    *namespace.Namespace
	members []*member
	ended   chan *member // programs that end while the lab comes up
}

// member is a node that runs.
type member struct {
	Node
	links []Interface
	cmd   *exec.Cmd
	pid   int // as whoever brought the lab up sees it
	ns    *namespace.Namespace
	out   output

	mu       sync.Mutex
	warnings []string
	ran      *os.ProcessState // nil while the program runs
}

// supervise is the supervisor's main function.
func supervise() error {
	for _, fd := range []int{supOrder, supReport, supSocket, supProc} {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
			return errors.New("a lab is started by ixlab up only")
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)

	orders := bufio.NewReader(os.NewFile(supOrder, "order"))
	report := os.NewFile(supReport, "report")
	s := &supervisor{since: time.Now(), proc: os.NewFile(supProc, "proc")}
	err := readLine(orders, &s.supOrders)
	if err == nil {
		// The end of the orders without a second line means that whoever wanted the lab is gone.
		go func() {
			if _, err := orders.ReadByte(); err != nil {
				fail(errors.New("whoever brought the lab up is gone"))
			}
		}()
		err = s.up(ctx)
	}
	var l net.Listener
	if err == nil {
		l, err = s.listen()
	}
	if err != nil {
		return errors.Join(err, json.NewEncoder(report).Encode(supReports{Error: err.Error()}))
	}
	serve := s.serve(l, fail)
	defer serve.Close()
	// What the runtime prints when the supervisor crashes was for whoever brought the lab up.
	if null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0); err == nil {
		unix.Dup2(int(null.Fd()), 2)
		null.Close()
	}
	if err := json.NewEncoder(report).Encode(supReports{}); err != nil {
		return err
	}
	report.Close()
	<-ctx.Done()
	return nil
}

// up brings the lab up. It returns when all programs run and all links are there.
func (s *supervisor) up(ctx context.Context) error {
	var err error
	if s.pid, err = outerPID(int(s.proc.Fd())); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	if err := unix.Sethostname([]byte(s.Topology.Name)); err != nil {
		return fmt.Errorf("host name: %w", err)
	}
	if s.host, err = namespace.Current(); err != nil {
		return err
	}
	bridge, err := s.makeHost()
	if err != nil {
		return fmt.Errorf("management network: %w", err)
	}
	s.members = make([]*member, len(s.Topology.Nodes))
	s.ended = make(chan *member, len(s.members))
	for i, n := range s.Topology.Nodes {
		s.members[i] = &member{Node: n}
		for _, l := range s.Topology.Links {
			for _, e := range [2][2]Endpoint{{l.A, l.B}, {l.B, l.A}} {
				if e[0].Node == n.Name {
					s.members[i].links = append(s.members[i].links, Interface{e[0].Interface, e[1].String(), l.MTU})
				}
			}
		}
	}
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(4)
	for i, m := range s.members {
		group.Go(func() error {
			if err := groupCtx.Err(); err != nil {
				return err
			}
			if err := s.start(i, m, bridge); err != nil {
				return fmt.Errorf("node %s: %w", m.Name, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	s.proc.Close()
	if err := s.link(ctx); err != nil {
		return err
	}
	timer := time.NewTimer(settle)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case m := <-s.ended:
		return m.failure()
	case <-timer.C:
		return nil
	}
}

// makeHost makes the management bridge in the supervisor's own network namespace.
func (s *supervisor) makeHost() (*netlink.Bridge, error) {
	// Nobody is reached over IPv6 here; without it nothing talks that was not asked to.
	for _, name := range []string{"all", "default"} {
		path := "/proc/sys/net/ipv6/conf/" + name + "/disable_ipv6"
		if err := os.WriteFile(path, []byte("1"), 0); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return nil, err
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return nil, err
	}
	bridge := &netlink.Bridge{LinkAttrs: netlink.NewLinkAttrs()}
	bridge.Name = bridgeName
	if err := netlink.LinkAdd(bridge); err != nil {
		return nil, err
	}
	addr := &netlink.Addr{IPNet: ipNet(s.Topology.Mgmt, s.Topology.Mgmt.Gateway())}
	if err := netlink.AddrAdd(bridge, addr); err != nil {
		return nil, err
	}
	return bridge, netlink.LinkSetUp(bridge)
}

// start starts a node's program. Its eth0 is there by then, its links are not.
func (s *supervisor) start(i int, m *member, bridge *netlink.Bridge) error {
	orders, order, err := os.Pipe()
	if err != nil {
		return err
	}
	defer orders.Close()
	defer order.Close()
	reports, report, err := os.Pipe()
	if err != nil {
		return err
	}
	defer reports.Close()
	m.cmd = exec.Command(s.Program, nodeWord)
	m.cmd.Env = []string{} // nothing of this machine's
	m.cmd.Dir = "/"
	m.cmd.Stdout, m.cmd.Stderr = &m.out, &m.out
	m.cmd.ExtraFiles = []*os.File{orders, report, s.proc}
	m.cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS,
	}
	err = m.cmd.Start()
	report.Close()
	if err != nil {
		return err
	}
	go func() {
		m.cmd.Wait() // how the program ended is in ProcessState
		m.mu.Lock()
		m.ran = m.cmd.ProcessState
		m.mu.Unlock()
		s.ended <- m
	}()
	if err := json.NewEncoder(order).Encode(nodeOrders{m.Node, s.Program, s.Rootless}); err != nil {
		return err
	}
	if m.ns, err = namespace.Of(m.cmd.Process.Pid); err != nil {
		return err
	}
	if err := s.manage(i, m, bridge); err != nil {
		return fmt.Errorf("eth0: %w", err)
	}
	if _, err := order.WriteString("\n"); err != nil {
		return err
	}
	lines := json.NewDecoder(reports)
	for {
		var r nodeReports
		switch err := lines.Decode(&r); {
		case errors.Is(err, io.EOF) && m.pid != 0:
			return nil
		case err != nil:
			return fmt.Errorf("its first process: %w", err)
		case r.Error != "":
			return errors.New(r.Error)
		case r.Warning != "":
			m.warnings = append(m.warnings, r.Warning)
		case r.PID != 0:
			m.pid = r.PID
		}
	}
}

// manage brings lo up and makes eth0.
func (s *supervisor) manage(i int, m *member, bridge *netlink.Bridge) error {
	nl, err := netlink.NewHandleAt(m.ns.Handle(), unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer nl.Close()
	lo, err := nl.LinkByName("lo")
	if err != nil {
		return err
	}
	if err := nl.LinkSetUp(lo); err != nil {
		return err
	}
	if m.NetworkMode == "none" {
		return nil
	}
	port := m.Name
	if len(port) >= unix.IFNAMSIZ || port == bridgeName || port == "lo" {
		port = fmt.Sprintf("n.%d", i) // nodes have no dot in their names
	}
	veth := &netlink.Veth{LinkAttrs: netlink.NewLinkAttrs(), PeerName: "eth0", PeerMTU: 1500, PeerNamespace: netlink.NsFd(m.ns.FD())}
	veth.Name, veth.MTU, veth.MasterIndex = port, 1500, bridge.Index
	if err := netlink.LinkAdd(veth); err != nil {
		return err
	}
	if err := netlink.LinkSetUp(veth); err != nil {
		return err
	}
	eth0, err := nl.LinkByName("eth0")
	if err != nil {
		return err
	}
	if err := nl.AddrAdd(eth0, &netlink.Addr{IPNet: ipNet(s.Topology.Mgmt, m.MgmtIPv4)}); err != nil {
		return err
	}
	if err := nl.LinkSetUp(eth0); err != nil {
		return err
	}
	return nl.RouteAdd(&netlink.Route{LinkIndex: eth0.Attrs().Index, Gw: s.Topology.Mgmt.Gateway().AsSlice()})
}

func (s *supervisor) link(ctx context.Context) error {
	of := make(map[string]*namespace.Namespace, len(s.members))
	for _, m := range s.members {
		of[m.Name] = m.ns
	}
	for _, l := range s.Topology.Links {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := namespace.Veth(of[l.A.Node], l.A.Interface, of[l.B.Node], l.B.Interface, l.MTU); err != nil {
			return fmt.Errorf("link %s %s: %w", l.A, l.B, err)
		}
	}
	return nil
}

// failure says how a program ended.
func (m *member) failure() error {
	st := m.status()
	last := ""
	if len(st.LastLines) > 0 {
		last = ":\n  " + strings.Join(st.LastLines, "\n  ")
	}
	return fmt.Errorf("node %s: its program has ended: %s%s", m.Name, st.Exit, last)
}

// ipNet is an address of the management network with the network's prefix length.
func ipNet(m Mgmt, a netip.Addr) *net.IPNet {
	return &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(m.IPv4.Bits(), 32)}
}
