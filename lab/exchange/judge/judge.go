// Package judge starts programs that nobody here wrote, for tests that hold the sandbox exchange against them: prism, a
// proxy that reports whatever violates the official schema, and a client that oapi-codegen makes of that schema.
//
// Each belongs to the test process and ends with the test. Where the schema or a program is missing the test is skipped,
// or fails if IXAGENT_REQUIRE is all.
package judge

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// patience is how long a program may take to start, on a machine that is busy.
const patience = 30 * time.Second

// lacks ends the test for want of something.
func lacks(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("IXAGENT_REQUIRE") == "all" {
		t.Fatalf("it needs %s", what)
	}
	t.Skipf("SKIPPED, it needs %s", what)
}

// root is the folder of the repository.
func root(t testing.TB) string {
	t.Helper()
	mod, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(strings.TrimSpace(string(mod)))
}

// schema is the official schema of IX-API 2.1.0, the newest one that is published whole. Its file lies beside the
// repository and is no part of it. By a slip it has lists where one facility and one metro area is read; these are set
// right.
func schema(t testing.TB) map[string]any {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), "../shared/reference/ixapi-openapi-2.1.0.json"))
	if err != nil {
		lacks(t, fmt.Sprintf("the official schema of IX-API: %v", err))
	}
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/facilities/{id}", "/metro-areas/{id}"} {
		content := doc
		for _, key := range []string{"paths", path, "get", "responses", "200", "content", "application/json"} {
			content, _ = content[key].(map[string]any)
		}
		list, _ := content["schema"].(map[string]any)
		if list["type"] != "array" {
			t.Fatalf("the schema of %s is not what it was: %v", path, list)
		}
		content["schema"] = list["items"]
	}
	return doc
}

// write puts the schema into a file of the test and returns its name.
func write(t testing.TB, doc map[string]any) string {
	t.Helper()
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "schema.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
