package rules

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the golden files anew")

// rules are what holds for the repository, by the name of the test that checks it.
var rules = []struct {
	name  string
	check func(*repo) []finding
}{
	{"ImportsGoDown", importsGoDown},
	{"NetworkOSesStandAlone", networkOSesStandAlone},
	{"ModelsStayLight", modelsStayLight},
	{"TestSupportStaysInTests", testSupportStaysInTests},
	{"TopHoldsOnlyTheRooms", topHoldsOnlyTheRooms},
	{"PackageNamesSayWhatIsInside", packageNamesSayWhatIsInside},
	{"EveryPackageHasOneComment", everyPackageHasOneComment},
	{"EveryExportedNameIsExplained", everyExportedNameIsExplained},
	{"NothingRunsBeforeMain", nothingRunsBeforeMain},
	{"OnlyMainEndsTheProcess", onlyMainEndsTheProcess},
	{"NothingIsLeftToDo", nothingIsLeftToDo},
	{"NothingIsSkippedInSilence", nothingIsSkippedInSilence},
	{"NothingSleeps", nothingSleeps},
	{"NothingKnowsWhereItWasBuilt", nothingKnowsWhereItWasBuilt},
	{"PagesTellTheTruth", pagesTellTheTruth},
	{"EveryDependencyHasItsReason", everyDependencyHasItsReason},
}

func TestRepository(t *testing.T) {
	r := load(t, os.DirFS("../.."))
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			for _, f := range rule.check(r) {
				t.Error(f)
			}
		})
	}
}

// Each file of testdata is named as its rule and holds a tree that breaks it, with what is found.
func TestRulesFindWhatTheyForbid(t *testing.T) {
	for _, rule := range rules {
		t.Run(rule.name, func(t *testing.T) {
			golden := filepath.Join("testdata", rule.name+".txtar")
			archive, err := txtar.ParseFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			const want = "want"
			tree, wanted := make(fstest.MapFS), -1
			for i, f := range archive.Files {
				if f.Name == want {
					wanted = i
				} else {
					tree[f.Name] = &fstest.MapFile{Data: f.Data}
				}
			}
			if wanted < 0 {
				t.Fatalf("%s has no file %q", golden, want)
			}
			var got strings.Builder
			for _, f := range rule.check(load(t, tree)) {
				got.WriteString(f.String() + "\n")
			}
			if *update {
				archive.Files[wanted].Data = []byte(got.String())
				if err := os.WriteFile(golden, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if got.Len() == 0 {
				t.Error("nothing was found")
			}
			if diff := cmp.Diff(string(archive.Files[wanted].Data), got.String()); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}
