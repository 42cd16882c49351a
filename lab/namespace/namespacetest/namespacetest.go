// Package namespacetest gives tests network namespaces.
package namespacetest

import (
	"os"
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
