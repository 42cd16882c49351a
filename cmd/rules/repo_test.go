package rules

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/ixagent/ixagent"

// repo is the source of the repository, or of a part of it that a test made up.
type repo struct {
	fset *token.FileSet
	code []*file           // every Go file, in the order of their paths
	text map[string][]byte // every file by its path
	top  []string          // names at the top
}

// file is one Go file.
type file struct {
	*ast.File
	path      string // from the top of the repository, with slashes
	dir       string
	test      bool // seen by tests only: a _test.go file, or of a package that supports tests
	generated bool
}

// finding is one broken rule.
type finding struct {
	path string
	line int // 0 when the whole file is meant
	why  string
}

func (f finding) String() string {
	if f.line == 0 {
		return fmt.Sprintf("%s: %s", f.path, f.why)
	}
	return fmt.Sprintf("%s:%d: %s", f.path, f.line, f.why)
}

func (r *repo) at(f *file, pos token.Pos, format string, args ...any) finding {
	return finding{f.path, r.fset.Position(pos).Line, fmt.Sprintf(format, args...)}
}

// load reads the tree. What is built (bin), hidden, or made up for the tests of this package is no part of it.
func load(t *testing.T, tree fs.FS) *repo {
	t.Helper()
	r := &repo{fset: token.NewFileSet(), text: make(map[string][]byte)}
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		if !strings.Contains(name, "/") && name != "bin" {
			r.top = append(r.top, name)
		}
		if d.IsDir() {
			if strings.HasPrefix(d.Name(), ".") || name == "bin" || name == "cmd/rules/testdata" {
				return fs.SkipDir
			}
			return nil
		}
		src, err := fs.ReadFile(tree, name)
		if err != nil {
			return err
		}
		r.text[name] = src
		if path.Ext(name) != ".go" {
			return nil
		}
		parsed, err := parser.ParseFile(r.fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := path.Dir(name)
		r.code = append(r.code, &file{
			File:      parsed,
			path:      name,
			dir:       dir,
			test:      strings.HasSuffix(name, "_test.go") || supportsTests(dir),
			generated: ast.IsGenerated(parsed),
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// supportsTests reports whether the package in that folder is only for tests, as net/http/httptest is, or starts what
// judges the lab in them.
func supportsTests(dir string) bool {
	return strings.HasSuffix(dir, "test") || strings.HasSuffix(dir, "/judge")
}

// below reports whether dir is that folder or lies in it.
func below(dir, folder string) bool { return dir == folder || strings.HasPrefix(dir, folder+"/") }

// room is the part of a path that lies at the top.
func room(dir string) string {
	first, _, _ := strings.Cut(dir, "/")
	return first
}

func lineOf(text []byte, offset int) int { return 1 + bytes.Count(text[:offset], []byte("\n")) }

// sorted returns findings in the order of their places.
func sorted(all []finding) []finding {
	slices.SortStableFunc(all, func(a, b finding) int {
		if c := strings.Compare(a.path, b.path); c != 0 {
			return c
		}
		return a.line - b.line
	})
	return all
}
