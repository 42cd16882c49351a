// Package switchdtest gives tests a gNMI client that nobody here wrote.
package switchdtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// GNMIClient builds gnmi_cli from the gNMI project's own source, as pinned in go.tool.mod, and returns its path. The
// test is skipped if it cannot be built, and fails if IXAGENT_REQUIRE is all.
func GNMIClient(t testing.TB) string {
	t.Helper()
	mod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	tools := filepath.Join(filepath.Dir(strings.TrimSpace(string(mod))), "go.tool.mod")
	bin := filepath.Join(t.TempDir(), "gnmi_cli")
	build := exec.Command("go", "build", "-modfile="+tools, "-o", bin, "github.com/openconfig/gnmi/cmd/gnmi_cli")
	if msg, err := build.CombinedOutput(); err != nil {
		if os.Getenv("IXAGENT_REQUIRE") == "all" {
			t.Fatalf("required and missing: gnmi_cli: %v\n%s", err, msg)
		}
		t.Skipf("SKIPPED, gnmi_cli cannot be built: %v\n%s", err, msg)
	}
	return bin
}
