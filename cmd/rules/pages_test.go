package rules

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

func everyPackageHasOneComment(r *repo) []finding {
	type pkg struct{ dir, name string }
	first := make(map[pkg]*file)
	comments := make(map[pkg][]*file)
	var all []finding
	for _, f := range r.code {
		if strings.HasSuffix(f.path, "_test.go") {
			continue
		}
		p := pkg{f.dir, f.Name.Name}
		if first[p] == nil {
			first[p] = f
		}
		if f.Doc == nil || f.generated {
			continue
		}
		comments[p] = append(comments[p], f)
		if want := "Package " + p.name + " "; p.name != "main" && !strings.HasPrefix(f.Doc.Text(), want) {
			all = append(all, r.at(f, f.Doc.Pos(), "the comment of a package begins with %q", want))
		}
	}
	for p, f := range first {
		switch n := len(comments[p]); {
		case n == 0:
			all = append(all, r.at(f, f.Package, "package %s has no comment: one sentence says what it is for", p.name))
		case n > 1:
			all = append(all, r.at(comments[p][1], comments[p][1].Package, "package %s has %d comments; the other is in %s", p.name, n, path.Base(comments[p][0].path)))
		}
	}
	return sorted(all)
}

// selfEvident are the methods that say nothing beyond the interface they satisfy.
var selfEvident = []string{"Error", "String", "Unwrap"}

func everyExportedNameIsExplained(r *repo) []finding {
	var all []finding
	for _, f := range r.code {
		if strings.HasSuffix(f.path, "_test.go") || f.generated || f.Name.Name == "main" {
			continue
		}
		explain := func(id *ast.Ident, docs ...*ast.CommentGroup) {
			if !id.IsExported() {
				return
			}
			for _, doc := range docs {
				if strings.TrimSpace(doc.Text()) != "" {
					return
				}
			}
			all = append(all, r.at(f, id.Pos(), "%s has no comment: say what a caller must know, with units, shapes and errors", id.Name))
		}
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				method := d.Recv != nil
				if method && (!ast.IsExported(receiver(d)) || slices.Contains(selfEvident, d.Name.Name)) {
					continue
				}
				explain(d.Name, d.Doc)
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						explain(spec.Name, spec.Doc, spec.Comment, d.Doc)
					case *ast.ValueSpec:
						for _, id := range spec.Names {
							explain(id, spec.Doc, spec.Comment, d.Doc)
						}
					}
				}
			}
		}
	}
	return all
}

// receiver is the name of the type a method belongs to.
func receiver(d *ast.FuncDecl) string {
	t := d.Recv.List[0].Type
	for {
		switch of := t.(type) {
		case *ast.StarExpr:
			t = of.X
		case *ast.IndexExpr:
			t = of.X
		case *ast.IndexListExpr:
			t = of.X
		case *ast.Ident:
			return of.Name
		default:
			return token.ILLEGAL.String()
		}
	}
}

// private is what only one machine or one network knows.
var private = regexp.MustCompile(`(^|[^\w./-])/(root|Users/\w+|home/\w+)/|(://|@)[\w.-]+\.(internal|corp|intranet|lan|local|home)\b`)

func nothingKnowsWhereItWasBuilt(r *repo) []finding {
	var all []finding
	for _, name := range slices.Sorted(maps.Keys(r.text)) {
		text := r.text[name]
		if bytes.IndexByte(text, 0) >= 0 {
			continue // not text
		}
		for _, at := range private.FindAllIndex(text, -1) {
			what := strings.TrimLeft(string(text[at[0]:at[1]]), " \t\n\"'`(=:@")
			all = append(all, finding{name, lineOf(text, at[1]), fmt.Sprintf("%s is a place only one machine or network knows", what)})
		}
	}
	return all
}

// pages are what a person reads first.
var pages = []string{"README.md", "ARCHITECTURE.md", "CHANGELOG.md"}

var (
	testName   = regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z]\\w*)`")
	makeTarget = regexp.MustCompile("(?m)(?:^|`)make ([a-z]+)")
	link       = regexp.MustCompile(`\]\(([^):#]+)\)`)
	folder     = regexp.MustCompile("`((?:cmd|agent|drivers|models|lab|testdata)(?:/[a-z0-9]+)+)/?`")
)

func pagesTellTheTruth(r *repo) []finding {
	funcs, folders := make(map[string]bool), make(map[string]bool)
	for _, f := range r.code {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && f.test {
				funcs[fn.Name.Name] = true
			}
		}
	}
	for name := range r.text {
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			folders[dir] = true
		}
	}
	isTarget := func(name string) bool {
		return regexp.MustCompile(`(?m)^` + name + `:`).Match(r.text["Makefile"])
	}
	isFile := func(name string) bool { return r.text[name] != nil || folders[path.Clean(name)] }

	var all []finding
	for _, page := range pages {
		text := r.text[page]
		look := func(re *regexp.Regexp, ok func(string) bool, why string) {
			for _, at := range re.FindAllSubmatchIndex(text, -1) {
				if name := string(text[at[2]:at[3]]); !ok(name) {
					all = append(all, finding{page, lineOf(text, at[2]), name + ": " + why})
				}
			}
		}
		look(testName, func(name string) bool { return funcs[name] }, "no test has this name")
		look(makeTarget, isTarget, "the Makefile has no such target")
		look(link, isFile, "the link leads nowhere")
		look(folder, isFile, "there is no such folder")
	}
	return sorted(all)
}

var (
	required = regexp.MustCompile(`(?m)^\t(\S+\.\S+/\S+) v`)
	reason   = regexp.MustCompile("(?m)^\\| `([^`]+)` \\| [^|]+ \\|$")
)

// everyDependencyHasItsReason compares the modules that are imported with the table of ARCHITECTURE.md.
func everyDependencyHasItsReason(r *repo) []finding {
	var modules []string
	for _, m := range required.FindAllSubmatch(r.text["go.mod"], -1) {
		modules = append(modules, string(m[1]))
	}
	const page = "ARCHITECTURE.md"
	text := r.text[page]
	start := max(0, bytes.Index(text, []byte("\n## Dependencies\n")))
	given := make(map[string]int)
	for _, at := range reason.FindAllSubmatchIndex(text[start:], -1) {
		given[string(text[start+at[2]:start+at[3]])] = lineOf(text, start+at[2])
	}

	used := make(map[string]bool)
	all := imports(r, func(_ *file, to string, _ bool, found func(string, ...any)) {
		owner := ""
		for _, m := range modules {
			if below(to, m) && len(m) > len(owner) {
				owner = m
			}
		}
		if owner == "" || used[owner] {
			return
		}
		used[owner] = true
		if given[owner] == 0 {
			found("the Dependencies of %s have no line for %s: a dependency has a reason", page, owner)
		}
	})
	for _, m := range slices.Sorted(maps.Keys(given)) {
		if !used[m] {
			all = append(all, finding{page, given[m], "nothing imports " + m})
		}
	}
	return sorted(all)
}
