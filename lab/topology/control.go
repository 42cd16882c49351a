package topology

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// answerTime bounds one question to a supervisor, which has everything it tells at hand.
const answerTime = 10 * time.Second

// socketName is the abstract Unix socket by which a lab is found, and which keeps its name from being used twice.
func socketName(owner int, lab string) string { return fmt.Sprintf("@ixlab/%d/%s", owner, lab) }

// peer returns the process and user at the other end, as the caller's PID and user namespace call them. What a
// supervisor shows is what it had when it began to listen.
func peer(c *net.UnixConn) (*unix.Ucred, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) { cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); err != nil {
		return nil, err
	}
	return cred, credErr
}

// listen takes the control socket over, and opens one of the same name in the lab's own management namespace.
func (s *supervisor) listen() (net.Listener, error) {
	// Whoever connects sees who called listen last; that shall be this process.
	if err := unix.Listen(supSocket, 64); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	file := os.NewFile(supSocket, "control")
	defer file.Close()
	outer, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	inner, err := net.Listen("unix", s.Socket)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return newListeners(outer, inner), nil
}

// listeners is several as one. It accepts only the user that the process runs as.
type listeners struct {
	all   []net.Listener
	conns chan net.Conn
	errs  chan error
}

func newListeners(all ...net.Listener) *listeners {
	l := &listeners{all: all, conns: make(chan net.Conn), errs: make(chan error, len(all))}
	for _, one := range all {
		go func() {
			for {
				c, err := one.Accept()
				if err != nil {
					l.errs <- err
					return
				}
				uc, ok := c.(*net.UnixConn)
				if !ok {
					c.Close()
					continue
				}
				if cred, err := peer(uc); err != nil || int(cred.Uid) != os.Geteuid() {
					c.Close()
					continue
				}
				l.conns <- c
			}
		}()
	}
	return l
}

// Accept implements [net.Listener].
func (l *listeners) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case err := <-l.errs:
		return nil, err
	}
}

// Addr implements [net.Listener].
func (l *listeners) Addr() net.Addr { return l.all[0].Addr() }

// Close implements [net.Listener].
func (l *listeners) Close() error {
	var errs []error
	for _, one := range l.all {
		errs = append(errs, one.Close())
	}
	return errors.Join(errs...)
}

// serve answers questions until the server is closed. When it cannot any more, the lab ends.
func (s *supervisor) serve(l net.Listener, fail func(error)) *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(s.status())
	})
	mux.HandleFunc("GET /logs", func(w http.ResponseWriter, r *http.Request) {
		for _, m := range s.members {
			if m.Name == r.FormValue("node") {
				w.Header().Set("Content-Type", "text/plain; charset=utf-8")
				w.Write(m.out.tail())
				return
			}
		}
		http.Error(w, "no such node", http.StatusNotFound)
	})
	server := &http.Server{Handler: mux, ReadTimeout: answerTime, WriteTimeout: answerTime}
	go func() { fail(server.Serve(l)) }()
	return server
}

// sockets returns the owner and name of each lab that the network namespace of the caller knows, by the sockets that
// exist. Anybody can open a socket of any name.
func sockets() ([]Lab, error) {
	f, err := os.Open("/proc/self/net/unix")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []Lab
	for lines := bufio.NewScanner(f); ; {
		if !lines.Scan() {
			if err := lines.Err(); err != nil {
				return nil, err
			}
			break
		}
		_, name, ok := strings.Cut(lines.Text(), "@ixlab/")
		if !ok {
			continue
		}
		owner, name, _ := strings.Cut(name, "/")
		uid, err := strconv.Atoi(owner)
		l := Lab{Name: name, Owner: uid}
		same := func(o Lab) bool { return o.Name == l.Name && o.Owner == l.Owner }
		if err != nil || uid < 0 || CheckName(name) != nil || slices.ContainsFunc(all, same) {
			continue
		}
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b Lab) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// dial connects to the supervisor of a lab, and refuses whoever only pretends to be one. Root connects as the lab's
// owner, because the supervisor answers nobody else.
func (l *Lab) dial(ctx context.Context) (*net.UnixConn, *unix.Ucred, error) {
	as := os.Geteuid()
	become := as == 0 && l.Owner != 0 && knows(l.Owner)
	runtime.LockOSThread() // the user that connects is the thread's
	if become {
		as = l.Owner
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(as), ^uintptr(0)); errno != 0 {
			runtime.UnlockOSThread()
			return nil, nil, fmt.Errorf("act as user %d: %w", as, errno)
		}
	}
	c, err := new(net.Dialer).DialContext(ctx, "unix", socketName(l.Owner, l.Name))
	if become {
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), 0, ^uintptr(0)); errno != 0 {
			// The thread stays locked, so that it ends with the goroutine.
			return nil, nil, errors.Join(err, fmt.Errorf("act as root again: %w", errno))
		}
	}
	runtime.UnlockOSThread()
	if err != nil {
		if errors.Is(err, unix.ECONNREFUSED) {
			err = errors.New("it is still coming up")
		}
		return nil, nil, fmt.Errorf("lab %s: %w", l.Name, err)
	}
	uc, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, nil, fmt.Errorf("lab %s: not a Unix socket", l.Name)
	}
	cred, err := peer(uc)
	if err == nil && int(cred.Uid) != as {
		err = fmt.Errorf("its socket belongs to user %d", cred.Uid)
	}
	if err == nil && cred.Pid == 0 {
		err = errors.New("it runs in a PID namespace that is not seen from here")
	}
	if err != nil {
		c.Close()
		return nil, nil, fmt.Errorf("lab %s: %w", l.Name, err)
	}
	return uc, cred, nil
}

// knows reports whether the caller's user namespace has a user of that number.
func knows(uid int) bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	var inside, outside, n int
	for line := range strings.Lines(string(text)) {
		if _, err := fmt.Sscan(line, &inside, &outside, &n); err == nil && uid >= inside && uid-inside < n {
			return true
		}
	}
	return false
}

// ask gets an answer of the lab's supervisor.
func (l *Lab) ask(ctx context.Context, path string, query url.Values) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			c, cred, err := l.dial(ctx)
			if err != nil {
				return nil, err
			}
			if l.pid != 0 && int(cred.Pid) != l.pid {
				c.Close()
				return nil, fmt.Errorf("lab %s: another one has taken its name", l.Name)
			}
			return c, nil
		},
	}}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://lab"+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(r)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 64<<20))
	if err != nil {
		return nil, fmt.Errorf("lab %s: %w", l.Name, err)
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("lab %s: %s", l.Name, strings.TrimSpace(string(body)))
	}
	return body, nil
}
