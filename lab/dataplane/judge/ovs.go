package judge

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/ixagent/ixagent/lab/namespace"
)

// OVS is an Open vSwitch that forwards in userspace.
type OVS struct {
	t      testing.TB
	ns     *namespace.Namespace
	dir    string   // its sockets, in a path short enough for them
	daemon *process // that forwards
}

// NewOVS starts an Open vSwitch of its own in a namespace. It knows two tags and has one bridge, br0.
func NewOVS(t testing.TB, ns *namespace.Namespace) *OVS {
	t.Helper()
	o := newOVS(t, ns)
	o.Vsctl("set", "Open_vSwitch", ".", "other_config:vlan-limit=2")
	o.Vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev")
	return o
}

// newOVS starts one with nothing in its database.
func newOVS(t testing.TB, ns *namespace.Namespace) *OVS {
	t.Helper()
	const schema = "/usr/share/openvswitch/vswitch.ovsschema"
	need(t, "openvswitch-switch", "ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-appctl", schema, "/dev/net/tun")
	dir, err := os.MkdirTemp("", "ovs")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	o := &OVS{t: t, ns: ns, dir: dir}
	in := func(name string) string { return filepath.Join(dir, name) }
	o.call("ovsdb-tool", "create", in("conf.db"), schema)
	o.start("ovsdb-server", in("conf.db"), "--remote=punix:"+in("db.sock"), "--unixctl="+in("db.ctl"))
	Poll(t, "ovsdb-server listens", func() bool { return exists(in("db.sock")) }, func() string { return o.log("ovsdb-server") })
	o.call("ovs-vsctl", "--timeout=30", "--db=unix:"+in("db.sock"), "--no-wait", "init")
	o.forward()
	return o
}

// forward starts the daemon that forwards.
func (o *OVS) forward() {
	o.t.Helper()
	o.daemon = o.start("ovs-vswitchd", "unix:"+filepath.Join(o.dir, "db.sock"), "--pidfile="+filepath.Join(o.dir, "ovs-vswitchd.pid"))
}

// Restart ends the daemon that forwards and starts it again, as after a fault: what is in no database is lost.
func (o *OVS) Restart() {
	o.t.Helper()
	o.daemon.end(syscall.SIGKILL)
	o.forward()
	o.Vsctl("show")
	Poll(o.t, "ovs-vswitchd has followed its database", func() bool {
		return strings.TrimSpace(o.Vsctl("get", "Open_vSwitch", ".", "cur_cfg")) == strings.TrimSpace(o.Vsctl("get", "Open_vSwitch", ".", "next_cfg"))
	}, func() string { return o.log("ovs-vswitchd") })
}

// Stall has the daemon that forwards do nothing, until the function that it returns is called.
func (o *OVS) Stall() (resume func()) {
	o.t.Helper()
	signal := func(s syscall.Signal) {
		if err := o.daemon.cmd.Process.Signal(s); err != nil {
			o.t.Error(err)
		}
	}
	signal(syscall.SIGSTOP)
	resume = sync.OnceFunc(func() { signal(syscall.SIGCONT) })
	o.t.Cleanup(resume)
	return resume
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func (o *OVS) environment() []string {
	return append(os.Environ(), "OVS_RUNDIR="+o.dir, "OVS_LOGDIR="+o.dir, "OVS_DBDIR="+o.dir)
}

func (o *OVS) start(name string, args ...string) *process {
	o.t.Helper()
	cmd := exec.Command(name, append(args, "--no-chdir", "--log-file="+filepath.Join(o.dir, name+".log"), "-vconsole:off")...)
	cmd.Env = o.environment()
	return start(o.t, o.ns, cmd)
}

func (o *OVS) log(name string) string {
	b, _ := os.ReadFile(filepath.Join(o.dir, name+".log")) // an empty one explains as much
	return string(b)
}

func (o *OVS) call(name string, args ...string) string {
	o.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = o.environment()
	out, err := cmd.CombinedOutput()
	if err != nil {
		o.t.Fatalf("%s %s: %v\n%s\n%s", name, strings.Join(args, " "), err, out, o.log("ovs-vswitchd"))
	}
	return string(out)
}

// Ofctl tells the running switch about flows with the arguments of ovs-ofctl, and returns what it said.
func (o *OVS) Ofctl(args ...string) string {
	o.t.Helper()
	return o.call("ovs-ofctl", append([]string{"--timeout=30", "--protocols=OpenFlow15"}, args...)...)
}

// Vsctl configures the switch with the arguments of ovs-vsctl, waits until it has followed, and returns what it said.
func (o *OVS) Vsctl(args ...string) string {
	o.t.Helper()
	return o.call("ovs-vsctl", append([]string{"--timeout=30", "--db=unix:" + filepath.Join(o.dir, "db.sock")}, args...)...)
}

// Appctl asks the running switch with the arguments of ovs-appctl.
func (o *OVS) Appctl(args ...string) string {
	o.t.Helper()
	return o.call("ovs-appctl", append([]string{"--timeout=30"}, args...)...)
}

// Bond is what Open vSwitch shows of a bond that speaks LACP.
type Bond struct {
	Status  string // as "active negotiated"
	System  string // its own system
	Members map[string]BondMember
}

// BondMember is a member of a [Bond].
type BondMember struct {
	State                          string // as "current attached"
	ActorSystem, PartnerSystem     string
	ActorKey, PartnerKey           int
	ActorPort, PartnerPort         int
	ActorState, PartnerState       string // the flags by name, apart by spaces
	ActorPriority, PartnerPriority int    // of the system
}

// Bond returns what lacp/show says of a bond.
func (o *OVS) Bond(name string) Bond {
	o.t.Helper()
	b := Bond{Members: map[string]BondMember{}}
	var member string
	for line := range strings.Lines(o.Appctl("lacp/show", name)) {
		key, value, found := strings.Cut(strings.TrimSpace(line), ": ")
		if head, ok := strings.CutPrefix(key, "member"); ok && strings.HasPrefix(head, ": ") || ok && found && head == "" {
			name, state, _ := strings.Cut(value, ": ")
			member = name
			b.Members[member] = BondMember{State: state}
			continue
		}
		if !found {
			continue
		}
		value = strings.TrimSpace(value)
		if member == "" {
			switch key {
			case "status":
				b.Status = value
			case "sys_id":
				b.System = value
			}
			continue
		}
		m := b.Members[member]
		number, _ := strconv.Atoi(value) // what is no number is none of these
		switch key {
		case "actor sys_id":
			m.ActorSystem = value
		case "partner sys_id":
			m.PartnerSystem = value
		case "actor key":
			m.ActorKey = number
		case "partner key":
			m.PartnerKey = number
		case "actor port_id":
			m.ActorPort = number
		case "partner port_id":
			m.PartnerPort = number
		case "actor sys_priority":
			m.ActorPriority = number
		case "partner sys_priority":
			m.PartnerPriority = number
		case "actor state":
			m.ActorState = value
		case "partner state":
			m.PartnerState = value
		}
		b.Members[member] = m
	}
	return b
}
