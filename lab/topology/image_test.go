package topology

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ixagent/ixagent/lab/dataplane/wire"
	"github.com/ixagent/ixagent/lab/namespace"
)

// docker runs the engine's client, and returns what it says.
func docker(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "docker", args...)
	cmd.Env = append(os.Environ(), "DOCKER_BUILDKIT=0") // the image has nothing that needs more
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// The image is built from the committed Dockerfile with the tests' program in it. A switch and two hosts of
// two.clab.yml run as containers with the capabilities of the file, get the veths of the file after they have started,
// as under containerlab, and a tagged frame passes from one host to the other through the switch.
func TestContainersForward(t *testing.T) {
	path := need(t)
	if out, err := exec.Command("docker", "info").CombinedOutput(); err != nil {
		if os.Getenv("IXAGENT_REQUIRE") == "all" {
			t.Fatalf("a container engine is needed: %v\n%s", err, out)
		}
		t.Skipf("SKIPPED, no container engine: %v", err)
	}
	text, err := os.ReadFile("two.clab.yml")
	if err != nil {
		t.Fatal(err)
	}
	lab, err := Parse("two.clab.yml", text)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	binary, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "ixlab"), binary, 0o755); err != nil {
		t.Fatal(err)
	}
	image := fmt.Sprintf("ixlab-test:%d", os.Getpid())
	docker(t, "build", "--quiet", "--tag", image, "--file", "Dockerfile", folder)
	cleanup := func(args ...string) {
		t.Cleanup(func() {
			if out, err := exec.Command("docker", args...).CombinedOutput(); err != nil {
				t.Errorf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
			}
		})
	}
	cleanup("rmi", image)

	of := make(map[string]*namespace.Namespace)
	for name, args := range map[string][]string{"sw1": {"forward", "eth1", "eth2"}, "m1": {"wait"}, "m2": {"wait"}} {
		run := []string{"run", "--detach", "--network", "none", "--restart", "no", "--hostname", name}
		n := lab.Node(name)
		if n.Privileged {
			t.Fatalf("%s is privileged", name)
		}
		for _, c := range n.CapAdd {
			run = append(run, "--cap-add", c)
		}
		for k, v := range n.Sysctls {
			run = append(run, "--sysctl", k+"="+v)
		}
		id := docker(t, append(append(run, image), args...)...)
		cleanup("rm", "--force", id)
		pid, err := strconv.Atoi(docker(t, "inspect", "--format", "{{.State.Pid}}", id))
		if err != nil {
			t.Fatal(err)
		}
		if of[name], err = namespace.Of(pid); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { of[name].Close() })
	}
	for _, l := range lab.Links {
		a, b := of[l.A.Node], of[l.B.Node]
		if a == nil || b == nil {
			continue
		}
		if err := namespace.Veth(a, l.A.Interface, b, l.B.Interface, l.MTU); err != nil {
			t.Fatal(err)
		}
	}
	wires := make(map[string]*wire.Wire)
	for _, name := range []string{"m1", "m2"} {
		if err := of[name].Do(func() (err error) {
			wires[name], err = wire.Open("eth1")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		defer wires[name].Close()
	}
	frame := append([]byte{
		0x02, 0x1a, 0, 0, 0, 2, 0x02, 0x1a, 0, 0, 0, 1, // from m1 to m2
		0x88, 0xa8, 0, 101, 0x81, 0, 0, 11, 0x88, 0xb5, // double tagged, of a local experimental ethertype
	}, make([]byte, 1500)...)
	got := make(chan error, 1)
	go func() {
		frames := wire.NewFrames(8)
		for {
			n, err := wires["m2"].Read(frames)
			if err != nil {
				got <- err
				return
			}
			for i := range frames[:n] {
				if bytes.Equal(frames[i].Bytes(), frame) {
					got <- nil
					return
				}
			}
		}
	}()
	// The switch opens its interfaces when they appear; what comes before that is lost.
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for deadline := time.After(patience); ; {
		select {
		case err := <-got:
			if err != nil {
				t.Fatal(err)
			}
			return
		case <-deadline:
			t.Fatal("no frame has passed")
		case <-ticker.C:
			if _, err := wires["m1"].Write([][]byte{frame}); err != nil {
				t.Fatal(err)
			}
		}
	}
}
