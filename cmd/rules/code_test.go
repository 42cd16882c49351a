package rules

import (
	"go/ast"
	"regexp"
	"slices"
	"strings"
)

// called returns the name a call is made by: "panic" or "os.Exit".
func called(call *ast.CallExpr) string {
	switch fun := call.Fun.(type) {
	case *ast.Ident:
		return fun.Name
	case *ast.SelectorExpr:
		if on, ok := fun.X.(*ast.Ident); ok {
			return on.Name + "." + fun.Sel.Name
		}
		return "." + fun.Sel.Name
	}
	return ""
}

// calls visits every call of a file, with the nodes around it from the outside in.
func calls(f *file, visit func(call *ast.CallExpr, name string, around []ast.Node)) {
	ast.PreorderStack(f.File, nil, func(n ast.Node, around []ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			visit(call, called(call), around)
		}
		return true
	})
}

// within reports whether one of the nodes is a call of such a name.
func within(around []ast.Node, such func(name string) bool) bool {
	return slices.ContainsFunc(around, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		return ok && such(called(call))
	})
}

func nothingRunsBeforeMain(r *repo) []finding {
	var all []finding
	for _, f := range r.code {
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" && !f.generated {
				all = append(all, r.at(f, fn.Pos(), "func init: a package that acts when it is imported cannot be made twice or left out; hand over what it needs"))
			}
		}
	}
	return all
}

var ends = regexp.MustCompile(`^(panic|os\.Exit|log\.(Fatal|Panic)(f|ln)?)$`)

func onlyMainEndsTheProcess(r *repo) []finding {
	var all []finding
	for _, f := range r.code {
		// A program outside of cmd is one that go generate runs.
		program := f.Name.Name == "main" && (strings.HasSuffix(f.path, "/main.go") || room(f.dir) != "cmd")
		if f.test || f.generated || program {
			continue
		}
		calls(f, func(call *ast.CallExpr, name string, _ []ast.Node) {
			if ends.MatchString(name) {
				all = append(all, r.at(f, call.Pos(), "%s: one bad record must not stop the provisioning of the others; return an error", name))
			}
		})
	}
	return all
}

var leftover = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)

func nothingIsLeftToDo(r *repo) []finding {
	var all []finding
	for _, f := range r.code {
		for _, group := range f.Comments {
			for _, c := range group.List {
				if word := leftover.FindString(c.Text); word != "" && !f.generated {
					all = append(all, r.at(f, c.Pos(), "%s: finish it, or file an issue", word))
				}
			}
		}
	}
	return all
}

// skips are the packages whose tests may skip whatever is required, with the reason.
var skips = map[string]string{
	"drivers/drivertest": "what a driver does not claim to do is not tested, whatever the machine",
}

var skip = regexp.MustCompile(`\.(Skip|Skipf|SkipNow)$`)

func nothingIsSkippedInSilence(r *repo) []finding {
	var all []finding
	for _, f := range r.code {
		if _, ok := skips[f.dir]; ok || !f.test {
			continue
		}
		calls(f, func(call *ast.CallExpr, name string, around []ast.Node) {
			if !skip.MatchString(name) || within(around, fuzzes) || rapidly(name, around) {
				return
			}
			for _, n := range around {
				if fn, ok := n.(*ast.FuncDecl); ok && asks(fn, `"IXAGENT_REQUIRE"`) {
					return
				}
			}
			all = append(all, r.at(f, call.Pos(), "%s: a check that can be skipped must fail when IXAGENT_REQUIRE is all, otherwise a green run proves nothing", name))
		})
	}
	return all
}

func fuzzes(name string) bool { return strings.HasSuffix(name, ".Fuzz") }

// asks reports whether that literal occurs in a function.
func asks(fn *ast.FuncDecl, literal string) bool {
	found := false
	ast.Inspect(fn, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		found = found || ok && lit.Value == literal
		return !found
	})
	return found
}

// rapidly reports whether a skip is of a *rapid.T, which draws other values instead.
func rapidly(name string, around []ast.Node) bool {
	on, _, _ := strings.Cut(name, ".")
	for _, n := range slices.Backward(around) {
		var params *ast.FieldList
		switch fn := n.(type) {
		case *ast.FuncLit:
			params = fn.Type.Params
		case *ast.FuncDecl:
			params = fn.Type.Params
		default:
			continue
		}
		for _, p := range params.List {
			for _, id := range p.Names {
				if id.Name != on {
					continue
				}
				star, ok := p.Type.(*ast.StarExpr)
				if !ok {
					return false
				}
				sel, ok := star.X.(*ast.SelectorExpr)
				if !ok {
					return false
				}
				pkg, ok := sel.X.(*ast.Ident)
				return ok && pkg.Name == "rapid"
			}
		}
	}
	return false
}

// bubbles are the functions of each folder that run what they are given in a bubble of its own time.
func bubbles(r *repo) map[string][]string {
	in := make(map[string][]string)
	for _, f := range r.code {
		calls(f, func(_ *ast.CallExpr, name string, around []ast.Node) {
			if fn, ok := around[1].(*ast.FuncDecl); ok && name == "synctest.Test" && !strings.HasPrefix(fn.Name.Name, "Test") {
				in[f.dir] = append(in[f.dir], fn.Name.Name)
			}
		})
	}
	return in
}

func nothingSleeps(r *repo) []finding {
	var all []finding
	bubbles := bubbles(r)
	for _, f := range r.code {
		isBubble := func(name string) bool { return name == "synctest.Test" || slices.Contains(bubbles[f.dir], name) }
		calls(f, func(call *ast.CallExpr, name string, around []ast.Node) {
			switch {
			case name != "time.Sleep" || within(around, isBubble):
			case f.test:
				all = append(all, r.at(f, call.Pos(), "time.Sleep outside of synctest.Test: a test that waits for the clock is slow on one machine and wrong on another"))
			default:
				all = append(all, r.at(f, call.Pos(), "time.Sleep: nobody can interrupt it; wait for a timer and the context"))
			}
		})
	}
	return all
}
