package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/ixagent/ixagent/lab/dataplane"
	"github.com/ixagent/ixagent/lab/dataplane/wire"
	"github.com/ixagent/ixagent/lab/switchd"
	"github.com/ixagent/ixagent/lab/switchd/tree"
)

// switchControl is the abstract Unix socket, in the network namespace of a switch, that tells what the switch does
// and breaks it.
const switchControl = "@ixlab-switch"

// wiring joins the ports of a switch with network interfaces, which come and go: the first port is eth1.
type wiring struct {
	plane      *dataplane.Plane
	log        *slog.Logger
	ports      map[string]string       // port by interface
	interfaces map[string]string       // interface by port
	cores      map[string][]netip.Addr // tunnel endpoints by the interface to reach them over
	src        netip.Addr

	mu       sync.Mutex
	attached map[string]attached // by interface
	shut     map[string]bool     // interfaces whose ports are disabled by configuration
}

type attached struct {
	wire  *wire.Wire
	index int
}

func newWiring(p *dataplane.Plane, names []string, src netip.Addr, cores map[string][]netip.Addr, log *slog.Logger) *wiring {
	w := &wiring{
		plane: p, log: log, ports: make(map[string]string), interfaces: make(map[string]string), cores: cores, src: src,
		attached: make(map[string]attached), shut: make(map[string]bool),
	}
	for i, name := range names {
		eth := fmt.Sprintf("eth%d", i+1)
		w.ports[eth], w.interfaces[name] = name, eth
	}
	return w
}

// link follows a change of an interface.
func (w *wiring) link(l wire.Link) {
	if to := w.cores[l.Name]; to != nil && l.Present && l.Up {
		if err := w.route(l.Index, to); err != nil {
			w.log.Error("core link carries nothing", "interface", l.Name, "err", err)
		}
	}
	port := w.ports[l.Name]
	if port == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if have, ok := w.attached[l.Name]; ok && (!l.Present || have.index != l.Index) {
		w.plane.Link(port, false)
		w.plane.Detach(port)
		have.wire.Close()
		delete(w.attached, l.Name)
	}
	if !l.Present {
		return
	}
	if _, ok := w.attached[l.Name]; !ok {
		opened, err := wire.Open(l.Name)
		if err != nil {
			w.log.Error("port has no wire", "port", port, "err", err)
			return
		}
		w.attached[l.Name] = attached{opened, l.Index}
		w.plane.Attach(port, opened, opened.MAC())
	}
	if l.Up && w.shut[l.Name] { // by whoever laid the cable
		w.setUp(l.Name, false)
	}
	w.plane.Link(port, l.Up)
}

// route sends what is for other switches over a core interface.
func (w *wiring) route(index int, to []netip.Addr) error {
	var faults []error
	for _, a := range to {
		faults = append(faults, netlink.RouteReplace(&netlink.Route{
			LinkIndex: index, Scope: netlink.SCOPE_LINK, Src: w.src.AsSlice(),
			Dst: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())},
		}))
	}
	return errors.Join(faults...)
}

// commit shuts interfaces whose ports are disabled, so that members see their carrier fall, and opens them again.
func (w *wiring) commit(before, after *tree.Tree) {
	was, is := before.At("interfaces", "interface"), after.At("interfaces", "interface")
	w.mu.Lock()
	defer w.mu.Unlock()
	for a, b := range tree.Pairs(was, is) {
		name := w.interfaces[b.Key(0)]
		if a.Same(b) || name == "" {
			continue
		}
		shut := b.Text("config", "enabled") == "false"
		if shut == w.shut[name] {
			continue
		}
		w.shut[name] = shut
		if _, ok := w.attached[name]; ok {
			w.setUp(name, !shut)
		}
	}
}

func (w *wiring) setUp(name string, up bool) {
	if err := wire.SetUp(name, up); err != nil {
		w.log.Error("interface does not follow its port", "interface", name, "err", err)
	}
}

func (w *wiring) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, a := range w.attached {
		a.wire.Close()
	}
}

// tunnelEnd makes an address this switch's own and listens on it for the other switches.
func tunnelEnd(a netip.Addr) (*net.UDPConn, error) {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return nil, err
	}
	own := &netlink.Addr{IPNet: &net.IPNet{IP: a.AsSlice(), Mask: net.CIDRMask(a.BitLen(), a.BitLen())}}
	if err := errors.Join(netlink.AddrReplace(lo, own), netlink.LinkSetUp(lo)); err != nil {
		return nil, fmt.Errorf("tunnel address %s: %w", a, err)
	}
	return net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, dataplane.TunnelUDPPort)))
}

// parseCores reads IF=ADDR,... pairs.
func parseCores(pairs []string) (map[string][]netip.Addr, error) {
	cores := make(map[string][]netip.Addr, len(pairs))
	for _, p := range pairs {
		name, list, ok := strings.Cut(p, "=")
		if !ok || name == "" {
			return nil, errors.New("--core wants INTERFACE=ADDRESS[,ADDRESS]")
		}
		for text := range strings.SplitSeq(list, ",") {
			a, err := netip.ParseAddr(text)
			if err != nil {
				return nil, fmt.Errorf("--core: %w", err)
			}
			cores[name] = append(cores[name], a)
		}
	}
	return cores, nil
}

// secretTLS proves the switch by the lab's authority, for its name and for whatever address a client has called, which
// may have come later than the switch.
func secretTLS(s switchd.Secret, name string) (*tls.Config, error) {
	ca, err := s.Authority()
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	issued := make(map[string]*tls.Certificate)
	return &tls.Config{
		ClientCAs: ca.Pool(),
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			host, _, err := net.SplitHostPort(hello.Conn.LocalAddr().String())
			if err != nil {
				return nil, err
			}
			host, _, _ = strings.Cut(host, "%")
			mu.Lock()
			defer mu.Unlock()
			if c := issued[host]; c != nil {
				return c, nil
			}
			c, err := ca.Issue(name, "localhost", host)
			if err != nil {
				return nil, err
			}
			issued[host] = &c
			return &c, nil
		},
	}, nil
}

// planeState is what a switch with wires tells of its plane.
type planeState struct {
	Ports    []dataplane.PortState    `json:"ports"`
	LAGs     []dataplane.LAGState     `json:"lags"`
	Circuits []dataplane.CircuitState `json:"circuits"`
	Members  map[string]string        `json:"members"` // LAG by port, as configured
	Tags     map[string][2]uint16     `json:"tags"`    // of circuits by PARENT.UNIT, outer and inner, as configured; 0 for none
}

// tellState returns what a plane does for its switch.
func tellState(p *dataplane.Plane, s *switchd.Switch) *planeState {
	all := &planeState{Circuits: p.CircuitStates(), Members: make(map[string]string), Tags: make(map[string][2]uint16)}
	for i := range s.Running().At("interfaces", "interface").Entries() {
		if port, ok := p.PortState(i.Key(0)); ok {
			all.Ports = append(all.Ports, port)
		}
		if lag := i.At("ethernet", "config", "aggregate-id"); lag.Exists() {
			all.Members[i.Key(0)] = lag.Text()
		}
		for sub := range i.At("subinterfaces", "subinterface").Entries() {
			match := sub.At("vlan", "match")
			single, double := match.At("single-tagged", "config"), match.At("double-tagged", "config")
			outer := vlanIn(single, "vlan-id") + vlanIn(double, "outer-vlan-id")
			all.Tags[i.Key(0)+"."+sub.Key(0)] = [2]uint16{outer, vlanIn(double, "inner-vlan-id")}
		}
		if lag, ok := p.LAGState(i.Key(0)); ok {
			all.LAGs = append(all.LAGs, lag)
		}
	}
	return all
}

// vlanIn returns a number of a match; 0 for none.
func vlanIn(of tree.Node, name string) uint16 {
	n, err := strconv.ParseUint(of.Text(name), 10, 16)
	if err != nil {
		return 0
	}
	return uint16(n)
}

// serveControl tells what a plane does, and lets its switch be broken, until ctx is done.
func serveControl(ctx context.Context, p *dataplane.Plane, s *switchd.Switch) error {
	lis, err := net.Listen("unix", switchControl)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v) // the client has gone if not
	}
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) { answer(w, tellState(p, s)) })
	mux.HandleFunc("GET /drops", func(w http.ResponseWriter, _ *http.Request) { answer(w, p.Drops()) })
	mux.HandleFunc("PUT /harm/{port...}", func(w http.ResponseWriter, r *http.Request) {
		if err := s.Harm(r.PathValue("port")); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(lis); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
