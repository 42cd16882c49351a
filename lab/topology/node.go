package topology

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// The files a node's first process is started with, next to the usual three.
const (
	nodeOrder  = 3 // a line of nodeOrders; then, when the program may start, another line
	nodeReport = 4 // lines of nodeReports; its end says that the program runs
	nodeProc   = 5 // the /proc of whoever brought the lab up
)

// nodeOrders is what the supervisor tells a node.
type nodeOrders struct {
	Node     Node   `json:"node"`
	Program  string `json:"program"`
	Rootless bool   `json:"rootless"`
}

// nodeReports is one line of what a node tells the supervisor.
type nodeReports struct {
	PID     int    `json:"pid,omitempty"` // as whoever brought the lab up sees it
	Warning string `json:"warning,omitempty"`
	Error   string `json:"error,omitempty"`
}

// becomeNode is the first process of a node, in the node's own namespaces. It makes the node's file system, waits
// until eth0 is there, and becomes the node's program. It returns only with an error.
func becomeNode() error {
	for _, fd := range []int{nodeOrder, nodeReport, nodeProc} {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
			return errors.New("a node is started by ixlab up only")
		}
	}
	report := json.NewEncoder(os.NewFile(nodeReport, "report"))
	err := node(bufio.NewReader(os.NewFile(nodeOrder, "order")), report)
	report.Encode(nodeReports{Error: err.Error()}) // the supervisor has gone if nobody reads it
	return err
}

func node(orders *bufio.Reader, report *json.Encoder) error {
	var o nodeOrders
	if err := readLine(orders, &o); err != nil {
		return err
	}
	pid, err := outerPID(nodeProc)
	if err != nil {
		return err
	}
	if err := report.Encode(nodeReports{PID: pid}); err != nil {
		return err
	}
	if _, err := unix.Setsid(); err != nil {
		return fmt.Errorf("new session: %w", err)
	}
	if err := unix.Sethostname([]byte(o.Node.Name)); err != nil {
		return fmt.Errorf("host name: %w", err)
	}
	if err := makeRoot(o.Program); err != nil {
		return fmt.Errorf("file system: %w", err)
	}
	// eth0 and lo are there when this line comes. Settings of eth0 can be given like those of all interfaces.
	if _, err := orders.ReadString('\n'); err != nil {
		return fmt.Errorf("supervisor: %w", err)
	}
	if err := setSysctls(o.Node.Sysctls, func(key string, err error) error {
		if o.Rootless && errors.Is(err, fs.ErrPermission) {
			return report.Encode(nodeReports{Warning: fmt.Sprintf("sysctl %s needs root: %v", key, err)})
		}
		return fmt.Errorf("sysctl %s: %w", key, err)
	}); err != nil {
		return err
	}
	runtime.LockOSThread() // its capabilities are those that the program gets
	if !o.Node.Privileged {
		if err := bindReadOnly("/proc/sys", "/proc/sys"); err != nil {
			return err
		}
		if err := keepOnly(o.Node.CapAdd); err != nil {
			return fmt.Errorf("capabilities: %w", err)
		}
	}
	err = syscall.Exec(programPath, append([]string{programPath}, o.Node.Args...), environment(o.Node))
	return fmt.Errorf("start %s: %w", programPath, err)
}

// programPath is where a node finds its program, as in the image.
const programPath = "/ixlab"

func readLine(r *bufio.Reader, into any) error {
	line, err := r.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("orders: %w", err)
	}
	if err := json.Unmarshal(line, into); err != nil {
		return fmt.Errorf("orders: %w", err)
	}
	return nil
}

// outerPID returns what the calling process is called in an open /proc, which may be that of an outer PID namespace.
func outerPID(proc int) (int, error) {
	var buf [32]byte
	n, err := unix.Readlinkat(proc, "self", buf[:])
	if err != nil {
		return 0, fmt.Errorf("own process id: %w", err)
	}
	var pid int
	if _, err := fmt.Sscanf(string(buf[:n]), "%d", &pid); err != nil {
		return 0, fmt.Errorf("own process id: %w", err)
	}
	return pid, nil
}

// environment is what a container engine sets in an image without users, and what the file adds.
func environment(n Node) []string {
	env := map[string]string{
		"PATH":     "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOSTNAME": n.Name,
		"HOME":     "/",
	}
	maps.Copy(env, n.Env)
	all := make([]string, 0, len(env))
	for _, k := range slices.Sorted(maps.Keys(env)) {
		all = append(all, k+"="+env[k])
	}
	return all
}

// setSysctls sets what containerlab sets in every node, and then what the file says. The names are in order, so that
// "all" comes before "default".
func setSysctls(set map[string]string, failed func(key string, err error) error) error {
	all := map[string]string{"net.ipv6.conf.all.disable_ipv6": "0"}
	maps.Copy(all, set)
	for _, key := range slices.Sorted(maps.Keys(all)) {
		name := filepath.Join("/proc/sys", strings.ReplaceAll(key, ".", "/"))
		if err := os.WriteFile(name, []byte(all[key]), 0); err != nil {
			var path *fs.PathError
			if errors.As(err, &path) {
				err = path.Err
			}
			if err := failed(key, err); err != nil {
				return err
			}
		}
	}
	return nil
}

// makeRoot makes the calling process's root a file system like that of a container from scratch: the program, /proc,
// a few devices and /tmp.
func makeRoot(program string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	// What the new root is made of is opened first, because the new root is mounted over /dev, a folder that is
	// always there.
	const root = "/dev"
	type file struct {
		path string
		from int
	}
	sources := []file{{programPath, -1}}
	for _, name := range []string{"null", "zero", "full", "random", "urandom"} {
		sources = append(sources, file{"/dev/" + name, -1})
	}
	for i := range sources {
		from := sources[i].path
		if i == 0 {
			from = program
		}
		fd, err := unix.Open(from, unix.O_PATH|unix.O_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("open %s: %w", from, err)
		}
		sources[i].from = fd
	}
	if err := unix.Mount("tmpfs", root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size=64m"); err != nil {
		return fmt.Errorf("mount tmpfs: %w", err)
	}
	for dir, mode := range map[string]os.FileMode{"proc": 0o555, "dev": 0o755, "tmp": 0o777 | os.ModeSticky} {
		path := filepath.Join(root, dir)
		if err := os.Mkdir(path, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(path, mode); err != nil {
			return err
		}
	}
	for i, f := range sources {
		path := filepath.Join(root, f.path)
		if err := os.WriteFile(path, nil, 0o755); err != nil {
			return err
		}
		from := fmt.Sprintf("/proc/self/fd/%d", f.from)
		var err error
		if i == 0 {
			err = bindReadOnly(from, path)
		} else {
			err = unix.Mount(from, path, "", unix.MS_BIND, "")
		}
		if err != nil {
			return fmt.Errorf("mount %s: %w", f.path, err)
		}
		unix.Close(f.from)
	}
	for name, to := range map[string]string{"fd": "", "stdin": "/0", "stdout": "/1", "stderr": "/2"} {
		if err := os.Symlink("/proc/self/fd"+to, filepath.Join(root, "dev", name)); err != nil {
			return err
		}
	}
	if err := unix.Mount("proc", filepath.Join(root, "proc"), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	// Both names are the same folder: the old root lies on the new one until it is taken off, pivot_root(2).
	if err := os.Chdir(root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount the old root: %w", err)
	}
	return os.Chdir("/")
}

// bindReadOnly mounts what is at from over to, for reading. What the mount forbids already stays forbidden, as a user
// namespace demands.
func bindReadOnly(from, to string) error {
	if err := unix.Mount(from, to, "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mount over %s: %w", to, err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(to, &st); err != nil {
		return fmt.Errorf("look at %s: %w", to, err)
	}
	// The ST_ flags of statfs(2) have the values of the MS_ flags of mount(2), except that of relatime.
	flags := uintptr(st.Flags) & (unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME)
	if st.Flags&unix.ST_RELATIME != 0 {
		flags |= unix.MS_RELATIME
	}
	if err := unix.Mount("", to, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|flags, ""); err != nil {
		return fmt.Errorf("make %s read-only: %w", to, err)
	}
	return nil
}
