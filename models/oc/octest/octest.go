// Package octest asks an independent judge, Debian's yanglint, whether data is
// valid OpenConfig.
package octest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// modules are loaded in this order. Modules that only define identities must
// be named too, otherwise their prefixes do not resolve.
var modules = []string{
	"iana-if-type",
	"openconfig-vlan-types",
	"openconfig-network-instance-types",
	"openconfig-qos-types",
	"openconfig-packet-match-types",
	"openconfig-interfaces",
	"openconfig-if-ethernet",
	"openconfig-if-aggregate",
	"openconfig-vlan",
	"openconfig-lacp",
	"openconfig-acl",
	"openconfig-qos",
	"openconfig-network-instance",
}

// Models returns the folder with the public YANG modules: $IXAGENT_YANG, or
// ../shared/yang beside the module. Without it the test is skipped, or fails
// when IXAGENT_REQUIRE is "all".
func Models(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("IXAGENT_YANG")
	if dir == "" {
		dir = filepath.Join(moduleRoot(t), "..", "shared", "yang")
	}
	if _, err := os.Stat(filepath.Join(dir, "openconfig", "openconfig-interfaces.yang")); err != nil {
		missing(t, "YANG modules (set IXAGENT_YANG): "+err.Error())
	}
	return dir
}

// Validate fails the test unless yanglint accepts data, an RFC 7951 JSON
// document, under the OpenConfig modules and ixagent's augmentation. The mode
// is yanglint's: "config" for a complete configuration, "edit" for a fragment
// whose references may lie outside of it. Further modules, such as a vendor's
// deviations, are given by file name. Without the tool or the modules the test
// is skipped, or fails when IXAGENT_REQUIRE is "all".
func Validate(t testing.TB, data []byte, mode string, more ...string) {
	t.Helper()
	if msg := Complaint(t, data, mode, more...); msg != "" {
		t.Errorf("yanglint -t %s refuses the tree:\n%s", mode, msg)
	}
}

// Complaint is what yanglint has against data, empty when it accepts it. See
// Validate for the arguments.
func Complaint(t testing.TB, data []byte, mode string, more ...string) string {
	t.Helper()
	dir := filepath.Join(Models(t), "openconfig")
	lint, err := exec.LookPath("yanglint")
	if err != nil {
		missing(t, "yanglint (Debian package libyang2-tools)")
	}
	own := filepath.Join(moduleRoot(t), "models", "oc")
	tree := filepath.Join(t.TempDir(), "tree.json")
	if err := os.WriteFile(tree, data, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-i", "-p", dir, "-t", mode, "-f", "json"}
	for _, m := range more {
		args = append(args, "-p", filepath.Dir(m))
	}
	for _, m := range modules {
		args = append(args, filepath.Join(dir, m+".yang"))
	}
	args = append(args, filepath.Join(own, "ixagent-openconfig-ext.yang"))
	args = append(append(args, more...), tree)
	var stderr bytes.Buffer
	cmd := exec.Command(lint, args...)
	cmd.Stderr = &stderr
	err = cmd.Run()
	if err == nil {
		return ""
	}
	var faults []string
	for line := range strings.Lines(stderr.String()) {
		if !strings.HasPrefix(line, "libyang warn:") {
			faults = append(faults, line)
		}
	}
	return err.Error() + "\n" + strings.Join(faults, "")
}

func missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("IXAGENT_REQUIRE") == "all" {
		t.Fatalf("required and missing: %s", what)
	}
	t.Skipf("SKIPPED, missing: %s", what)
}

func moduleRoot(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		t.Fatal("octest: no source path")
	}
	return filepath.Join(filepath.Dir(file), "..", "..", "..")
}
