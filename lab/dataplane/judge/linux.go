package judge

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ixagent/ixagent/lab/namespace"
)

// Linux is a Linux kernel of its own, in user mode, with the modules for bonds and VLANs.
type Linux struct {
	t       testing.TB
	process *process
	in      io.Writer
	lines   chan string // of the console
	said    text        // all of the console
}

// linuxModules are loaded in this order.
func linuxModules() []string {
	return []string{
		"lib/crc-ccitt", "net/ipv6/ipv6", "net/llc/llc", "net/802/stp", "net/802/garp", "net/802/mrp", "net/8021q/8021q",
		"drivers/net/veth", "net/sched/act_mirred", "net/sched/cls_u32", "net/sched/sch_ingress", "drivers/net/bonding/bonding",
	}
}

// linuxInit runs each line of the console and closes its answer with its status.
const linuxInit = `#!/bin/busybox sh
export PATH=/sbin:/bin
busybox mount -t proc proc /proc
busybox mount -t sysfs sysfs /sys
busybox mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1
busybox stty -echo
for m in $MODULES; do
	parameter=
	[ "$m" = bonding ] && parameter=max_bonds=0
	busybox insmod /modules/$m.ko $parameter
done
/sbin/ip link set lo up
echo "<<ready>>"
while read -r line; do
	eval "$line"
	echo "<<$?>>"
done
busybox poweroff -f
`

// NewLinux boots a kernel in a namespace. Its interfaces m0, m1, ... are joined with the given interfaces of the
// namespace, so that whatever is sent at one end comes out behind the other. They are veths with a speed, because a bond
// needs one for LACP.
func NewLinux(t testing.TB, ns *namespace.Namespace, interfaces ...string) *Linux {
	t.Helper()
	need(t, "user-mode-linux", "linux.uml", "/dev/net/tun")
	need(t, "busybox-static", "/bin/busybox")
	need(t, "iproute2", "ip", "tc")
	dirs, _ := filepath.Glob("/usr/lib/uml/modules/*/kernel") // the pattern is well formed
	if len(dirs) != 1 {
		need(t, "user-mode-linux", "/usr/lib/uml/modules/VERSION/kernel")
	}
	args := []string{
		"mem=128M", "rootfstype=hostfs", "rootflags=" + linuxRoot(t, dirs[0]), "ro", "init=/init", "con=null", "con0=fd:0,fd:1", "quiet",
		// For what withoutExtendedState takes away: the C library must not use registers that nobody keeps.
		"GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX512BW,-AVX_Fast_Unaligned_Load",
		"umid=" + fmt.Sprintf("judge%d", time.Now().UnixNano()), "uml_dir=" + t.TempDir(),
	}
	for i, name := range interfaces {
		tap := fmt.Sprintf("tap%d", i)
		run(t, ns, "ip", "tuntap", "add", "dev", tap, "mode", "tap")
		run(t, ns, "ip", "link", "set", tap, "up", "mtu", "9500")
		for _, way := range [][2]string{{tap, name}, {name, tap}} {
			run(t, ns, "tc", "qdisc", "add", "dev", way[0], "ingress")
			run(t, ns, "tc", strings.Fields("filter add dev "+way[0]+" parent ffff: protocol all u32 match u8 0 0 action mirred egress redirect dev "+way[1])...)
		}
		args = append(args, fmt.Sprintf("vec%d:transport=tap,ifname=%s,depth=64,gro=0,mac=02:75:6d:6c:00:%02x", i, tap, i+1))
	}
	k := &Linux{t: t, lines: make(chan string, 1024)}
	cmd := exec.Command("linux.uml", args...)
	// Processes of the kernel are processes here too. They end with the first one of their namespace.
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, console := io.Pipe()
	cmd.Stdout, k.in = io.MultiWriter(console, &k.said), in
	k.process = start(t, ns, cmd, withoutExtendedState)
	go func() {
		defer close(k.lines)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			k.lines <- strings.TrimRight(lines.Text(), "\r")
		}
	}()
	t.Cleanup(func() { // before the process is ended by force
		_, _ = io.WriteString(in, "busybox poweroff -f\n") // it may have ended
		end := time.NewTimer(5 * time.Second)
		defer end.Stop()
		for {
			select {
			case <-k.lines:
				continue
			case <-k.process.done:
			case <-end.C:
			}
			break
		}
		_ = console.Close() // never fails
	})
	k.answer("boot")
	for i := range interfaces {
		k.Run(fmt.Sprintf("/sbin/ip link add m%d type veth peer name x%d && /sbin/ip link set x%d up && /sbin/ip link set vec%d up", i, i, i, i))
		for _, way := range [][2]string{{"x", "vec"}, {"vec", "x"}} {
			k.Run(fmt.Sprintf("/sbin/tc qdisc add dev %s%d ingress && /sbin/tc filter add dev %s%d parent ffff: protocol all u32 match u8 0 0 action mirred egress redirect dev %s%d",
				way[0], i, way[0], i, way[1], i))
		}
	}
	return k
}

var ended = regexp.MustCompile(`^<<(ready|\d+)>>$`)

// Run runs a line of shell in the kernel's init, which must succeed, and returns what it said.
func (k *Linux) Run(line string) string {
	k.t.Helper()
	if _, err := io.WriteString(k.in, line+"\n"); err != nil {
		k.t.Fatalf("%s: %v\n%s", line, err, k.said.String())
	}
	return k.answer(line)
}

// answer returns what the console says up to a status.
func (k *Linux) answer(to string) string {
	k.t.Helper()
	end := time.NewTimer(patience)
	defer end.Stop()
	var said strings.Builder
	for {
		select {
		case line, more := <-k.lines:
			status := ended.FindStringSubmatch(line)
			switch {
			case !more:
				k.t.Fatalf("%s: the kernel has ended\n%s", to, k.said.String())
			case status == nil:
				said.WriteString(line + "\n")
			case status[1] == "0" || status[1] == "ready":
				return said.String()
			default:
				k.t.Fatalf("%s: status %s\n%s", to, status[1], said.String())
			}
		case <-end.C:
			k.t.Fatalf("%s: no answer within %v\n%s", to, patience, k.said.String())
		}
	}
}

// withoutExtendedState hides from the programs of the calling thread that ptrace(2) knows of registers that not every
// processor has. The kernel in user mode has room for those up to AVX-512 and ends on a processor that has more; where
// there are none it takes the older way, which all processors have.
func withoutExtendedState() error {
	const (
		offNumber, offRequest = 0, 16 // struct seccomp_data: the system call, and the low half of its first argument
		load                  = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal                 = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		answer                = unix.BPF_RET | unix.BPF_K
	)
	filter := []unix.SockFilter{
		{Code: load, K: offNumber},
		{Code: equal, K: unix.SYS_PTRACE, Jf: 3},
		{Code: load, K: offRequest},
		{Code: equal, K: unix.PTRACE_GETREGSET, Jf: 1},
		{Code: answer, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EINVAL)},
		{Code: answer, K: unix.SECCOMP_RET_ALLOW},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("PR_SET_NO_NEW_PRIVS: %w", err)
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return fmt.Errorf("PR_SET_SECCOMP: %w", err)
	}
	return nil
}

// linuxRoot makes the root of a kernel: busybox, ip and tc with their libraries, and the modules.
func linuxRoot(t testing.TB, modules string) string {
	t.Helper()
	root := t.TempDir()
	files := map[string]string{"/bin/busybox": "/bin/busybox"} // where to, from where
	for _, name := range []string{"ip", "tc"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		files["/sbin/"+name] = path
		out, err := exec.Command("ldd", path).Output()
		if err != nil {
			t.Fatalf("ldd %s: %v", path, err)
		}
		for _, lib := range regexp.MustCompile(`/\S+`).FindAllString(string(out), -1) {
			files[lib] = lib
		}
	}
	var names []string
	for _, m := range linuxModules() {
		name := filepath.Base(m)
		names = append(names, name)
		files["/modules/"+name+".ko"] = filepath.Join(modules, m+".ko")
	}
	for to, from := range files {
		copyFile(t, filepath.Join(root, to), from)
	}
	for _, dir := range []string{"proc", "sys", "dev"} {
		if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	init := strings.ReplaceAll(linuxInit, "$MODULES", strings.Join(names, " "))
	if err := os.WriteFile(filepath.Join(root, "init"), []byte(init), 0o755); err != nil {
		t.Fatal(err)
	}
	return root
}

func copyFile(t testing.TB, to, from string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o755)
	}
	if err == nil {
		err = os.WriteFile(to, b, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// LinuxBond is what the bonding driver shows of a bond in mode 802.3ad.
type LinuxBond struct {
	Aggregator    int    // the one in use
	Ports         int    // of it
	PartnerSystem string // of it
	Members       map[string]LinuxMember
}

// LinuxMember is a member of a [LinuxBond]. The states are octets of flags as in a LACPDU.
type LinuxMember struct {
	Aggregator                int
	ActorSystem               string
	ActorKey, PartnerKey      int
	ActorNumber, PartnerPort  int
	ActorState, PartnerState  int
	PartnerSystem             string
	PartnerPriority, Failures int
}

// Bond returns what /proc/net/bonding says of a bond.
func (k *Linux) Bond(name string) LinuxBond {
	k.t.Helper()
	b := LinuxBond{Members: map[string]LinuxMember{}}
	member, partner := "", false
	for line := range strings.Lines(k.Run("busybox cat /proc/net/bonding/" + name)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		number, _ := strconv.Atoi(value) // what is no number is none of these
		m := b.Members[member]
		switch key {
		case "Slave Interface":
			member, m = value, LinuxMember{}
		case "details actor lacp pdu":
			partner = false
		case "details partner lacp pdu":
			partner = true
		case "Aggregator ID":
			if member == "" {
				b.Aggregator = number
			}
			m.Aggregator = number
		case "Number of ports":
			b.Ports = number
		case "Partner Mac Address":
			b.PartnerSystem = value
		case "Link Failure Count":
			m.Failures = number
		case "system mac address":
			if partner {
				m.PartnerSystem = value
			} else {
				m.ActorSystem = value
			}
		case "system priority":
			if partner {
				m.PartnerPriority = number
			}
		case "port key":
			m.ActorKey = number
		case "oper key":
			m.PartnerKey = number
		case "port number":
			if partner {
				m.PartnerPort = number
			} else {
				m.ActorNumber = number
			}
		case "port state":
			if partner {
				m.PartnerState = number
			} else {
				m.ActorState = number
			}
		}
		if member != "" {
			b.Members[member] = m
		}
	}
	return b
}
