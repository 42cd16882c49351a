package clitext

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// Each archive is a story in the dialects of EOS and Junos: a configuration, another, and the commands from one to
// the other. The commands are golden; that they lead there and back is checked.
func TestPatchesOfCasesThatToolsGetWrong(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("no cases", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			files := make(map[string][]byte)
			for _, f := range archive.Files {
				files[f.Name] = f.Data
			}
			out := &txtar.Archive{Comment: archive.Comment}
			for nos, d := range map[string]*Dialect{"eos": eos(), "junos": junos(Flat), "junos-braced": junos(Braced)} {
				if files[nos+"/before"] == nil {
					continue
				}
				before, after := parse(t, d, files[nos+"/before"]), parse(t, d, files[nos+"/after"])
				there, back := Patch(before, after), Patch(after, before)
				applied(t, before, there, after)
				applied(t, after, back, before)
				files[nos+"/patch"] = []byte(strings.Join(there, "\n") + "\n")
				files[nos+"/back"] = []byte(strings.Join(back, "\n") + "\n")
			}
			for _, nos := range []string{"eos", "junos", "junos-braced"} {
				for _, f := range []string{"/before", "/after", "/patch", "/back"} {
					if data := files[nos+f]; data != nil {
						out.Files = append(out.Files, txtar.File{Name: nos + f, Data: data})
					}
				}
			}
			got := txtar.Format(out)
			if *update {
				if err := os.WriteFile(name, got, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if d := diff.Diff("want", want, "got", got); d != nil {
				t.Errorf("%s", d)
			}
		})
	}
}

func parse(t testing.TB, d *Dialect, text []byte) *Tree {
	t.Helper()
	tree, err := Parse(d, text)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// applied checks that commands lead from one configuration to another.
func applied(t testing.TB, from *Tree, commands []string, to *Tree) *Tree {
	t.Helper()
	got, err := Apply(from, commands)
	if err != nil {
		t.Fatalf("%v in\n%s", err, strings.Join(commands, "\n"))
	}
	if !Equal(got, to) {
		t.Fatalf("from\n%s\n%s\nleads to\n%s\nnot to\n%s\nfrom which it still differs by\n%s", from.AppendText(nil),
			strings.Join(commands, "\n"), got.AppendText(nil), to.AppendText(nil), strings.Join(Patch(got, to), "\n"))
	}
	return got
}
