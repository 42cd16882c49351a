// Package namespacetest gives tests network namespaces, and tells them whether a machine has any.
package namespacetest

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"github.com/ixagent/ixagent/lab/namespace"
)

// New returns a namespace that is closed when the test ends. Where none may be made it skips the test, or fails it under
// IXAGENT_REQUIRE=all.
func New(t testing.TB) *namespace.Namespace {
	t.Helper()
	n, err := namespace.New()
	if err != nil {
		if os.Getenv("IXAGENT_REQUIRE") == "all" {
			t.Fatal(err)
		}
		t.Skipf("SKIPPED, it needs root, or unshare -Urn: %v", err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// Has is a condition of scripts: whether this machine has "namespaces", with a user namespace for who is not root, or
// else a program of that name. Under IXAGENT_REQUIRE=all it is an error if it has not.
func Has(what string) (bool, error) {
	_, err := exec.LookPath(what)
	if what == "namespaces" {
		try := exec.Command("true")
		try.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWPID}
		if uid := os.Getuid(); uid != 0 {
			try.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
			try.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		}
		err = try.Run()
	}
	if err != nil && os.Getenv("IXAGENT_REQUIRE") == "all" {
		return false, fmt.Errorf("%s: %w", what, err)
	}
	return err == nil, nil
}
