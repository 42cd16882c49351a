package metrics

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/goccy/go-yaml"
	"github.com/prometheus/client_golang/prometheus"
)

// rule is one of alerts.yaml.
type rule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func rules(t *testing.T) []rule {
	t.Helper()
	var file struct {
		Groups []struct {
			Name  string `yaml:"name"`
			Rules []rule `yaml:"rules"`
		} `yaml:"groups"`
	}
	if err := yaml.UnmarshalWithOptions(Alerts(), &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	var all []rule
	for _, g := range file.Groups {
		all = append(all, g.Rules...)
	}
	if len(all) == 0 {
		t.Fatal("there are no alerts")
	}
	return all
}

// panel is one of the dashboard.
type panel struct {
	ID          int
	Type, Title string
	GridPos     struct{ H, W, X, Y int }
	Targets     []struct{ Expr, LegendFormat string }
}

func panels(t *testing.T) []panel {
	t.Helper()
	var file struct{ Panels []panel }
	if err := json.Unmarshal(Dashboard(), &file); err != nil {
		t.Fatal(err)
	}
	return file.Panels
}

// expressions are those of the dashboard by where they stand, as Prometheus gets them.
func expressions(t *testing.T) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for _, p := range panels(t) {
		for i, q := range p.Targets {
			out[fmt.Sprintf("panel %d %q, query %d", p.ID, p.Title, i+1)] = strings.ReplaceAll(q.Expr, "$__rate_interval", "5m")
		}
	}
	if len(out) == 0 {
		t.Fatal("the dashboard asks for nothing")
	}
	return out
}

// known are the labels of each metric that there is, by name as in an expression.
func known(t *testing.T) map[string]map[string]bool {
	t.Helper()
	out := map[string]map[string]bool{ // of the process, and of Prometheus itself
		"up": {}, "process_start_time_seconds": {}, "process_resident_memory_bytes": {}, "process_cpu_seconds_total": {},
	}
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewPedanticRegistry()
		everything(New(reg))
		families, err := reg.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			labels, histogram := make(map[string]bool), false
			for _, m := range f.Metric {
				histogram = m.Histogram != nil
				for _, l := range m.Label {
					labels[l.GetName()] = true
				}
			}
			out[f.GetName()] = labels
			if histogram {
				buckets := maps.Clone(labels)
				buckets["le"] = true
				out[f.GetName()+"_bucket"], out[f.GetName()+"_sum"], out[f.GetName()+"_count"] = buckets, labels, labels
			}
		}
	})
	for _, labels := range out {
		labels["job"], labels["instance"] = true, true // Prometheus gives them to all
	}
	return out
}

var (
	selector      = regexp.MustCompile(`\b([a-z_]+)(?:\{([^}]*)\}|\[| |\)|$)`)
	matcher       = regexp.MustCompile(`([a-z_]+)\s*(?:=~|!~|!=|=)\s*"`)
	grouping      = regexp.MustCompile(`\b(by|on)\s*\(([^)]*)\)`)
	keyword       = regexp.MustCompile(`^(sum|and|or|unless|offset)$`)
	histogramPart = regexp.MustCompile(`_(bucket|sum|count)$`)
	placehold     = regexp.MustCompile(`\{\{\s*(?:\$labels\.)?([a-z_]+)\s*\}\}|\$labels\.([a-z_]+)`)
)

// used returns the metrics of an expression, and complains of those that there are not, and of their labels.
func used(expr string, known map[string]map[string]bool) (metrics []string, faults []string) {
	groups := grouping.FindAllStringSubmatch(expr, -1)
	bare := grouping.ReplaceAllString(expr, " ")
	labels := make(map[string]bool)
	for _, m := range selector.FindAllStringSubmatch(bare, -1) {
		name := m[1]
		if keyword.MatchString(name) {
			continue
		}
		of, ok := known[name]
		if !ok {
			faults = append(faults, "there is no metric "+name)
			continue
		}
		metrics = append(metrics, name)
		maps.Copy(labels, of)
		for _, l := range matcher.FindAllStringSubmatch(m[2], -1) {
			if !of[l[1]] {
				faults = append(faults, fmt.Sprintf("%s has no label %s", name, l[1]))
			}
		}
	}
	for _, g := range groups {
		for _, l := range strings.Split(g[2], ",") {
			if l = strings.TrimSpace(l); !labels[l] {
				faults = append(faults, fmt.Sprintf("none of %v has the label %s", metrics, l))
			}
		}
	}
	if len(metrics) == 0 {
		faults = append(faults, "it uses no metric")
	}
	return metrics, faults
}

// shown complains of labels that a text shows and that the metrics of an expression do not have.
func shown(text string, metrics []string, known map[string]map[string]bool) (faults []string) {
	for _, m := range placehold.FindAllStringSubmatch(text, -1) {
		label := m[1] + m[2]
		if label != "end" && !slices.ContainsFunc(metrics, func(name string) bool { return known[name][label] }) {
			faults = append(faults, fmt.Sprintf("%q shows the label %s, which none of %v has", text, label, metrics))
		}
	}
	return faults
}

func TestEveryMetricThatAlertsNameExists(t *testing.T) {
	known := known(t)
	for _, r := range rules(t) {
		metrics, faults := used(r.Expr, known)
		for _, text := range r.Annotations {
			faults = append(faults, shown(text, metrics, known)...)
		}
		for _, f := range faults {
			t.Errorf("%s: %s", r.Alert, f)
		}
	}
}

func TestEveryMetricThatTheDashboardNamesExists(t *testing.T) {
	known := known(t)
	for where, expr := range expressions(t) {
		if _, faults := used(expr, known); len(faults) > 0 {
			t.Errorf("%s: %s", where, strings.Join(faults, ", "))
		}
	}
	for _, p := range panels(t) {
		for _, q := range p.Targets {
			metrics, _ := used(strings.ReplaceAll(q.Expr, "$__rate_interval", "5m"), known)
			for _, f := range shown(q.LegendFormat, metrics, known) {
				t.Errorf("panel %q: %s", p.Title, f)
			}
		}
	}
}

func TestEveryMetricIsOnTheDashboard(t *testing.T) {
	var all strings.Builder
	for _, expr := range expressions(t) {
		all.WriteString(expr + "\n")
	}
	for name := range known(t) {
		base := histogramPart.ReplaceAllString(name, "")
		if strings.HasPrefix(name, "ixagent_") && !regexp.MustCompile(`\b`+base+`(_bucket)?\b`).MatchString(all.String()) {
			t.Errorf("%s is not shown", name)
		}
	}
}

func TestEveryAlertSaysWhatToDo(t *testing.T) {
	seen := make(map[string]bool)
	sentence := regexp.MustCompile("^[A-Z`{].*[.]$")
	for _, r := range rules(t) {
		if !regexp.MustCompile(`^Ixagent([A-Z]+[a-z]*)+$`).MatchString(r.Alert) || seen[r.Alert] {
			t.Errorf("%q is no name, or there twice", r.Alert)
		}
		seen[r.Alert] = true
		if s := r.Labels["severity"]; len(r.Labels) != 1 || s != "critical" && s != "warning" && s != "info" {
			t.Errorf("%s has labels %v", r.Alert, r.Labels)
		}
		if got := slices.Sorted(maps.Keys(r.Annotations)); !slices.Equal(got, []string{"description", "runbook", "summary"}) {
			t.Errorf("%s has annotations %v", r.Alert, got)
		}
		for name, text := range r.Annotations {
			if !sentence.MatchString(text) {
				t.Errorf("%s: %s is no sentence: %s", r.Alert, name, text)
			}
		}
	}
	for _, r := range rules(t) {
		if r.Alert == "IxagentInvariantViolated" && (r.For != "" || r.Labels["severity"] != "critical") {
			t.Error("a violated invariant is not the loudest alarm there is")
		}
	}
}

func TestEveryAlertIsSeenToFireAndToBeSilent(t *testing.T) {
	text, err := os.ReadFile("alerts_test.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Tests []struct {
			Name  string `yaml:"name"`
			Input []struct {
				Series string `yaml:"series"`
			} `yaml:"input_series"`
			Queries []struct {
				Samples []struct {
					Labels string `yaml:"labels"`
				} `yaml:"exp_samples"`
			} `yaml:"promql_expr_test"`
		} `yaml:"tests"`
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	known := known(t)
	fires := make(map[string]bool)
	healthy := make(map[string]bool) // metrics of the first case
	for i, c := range file.Tests {
		for _, s := range c.Input {
			name, _, _ := strings.Cut(s.Series, "{")
			if i == 0 {
				healthy[name] = true
			}
			if _, faults := used(s.Series, known); len(faults) > 0 {
				t.Errorf("%s: %s: %v", c.Name, s.Series, faults)
			}
		}
		for _, q := range c.Queries {
			for _, s := range q.Samples {
				if m := regexp.MustCompile(`alertname="(\w+)"`).FindStringSubmatch(s.Labels); m != nil {
					fires[m[1]] = true
				}
				if i == 0 {
					t.Errorf("%s: %s", c.Name, s.Labels)
				}
			}
		}
	}
	for _, r := range rules(t) {
		if !fires[r.Alert] {
			t.Errorf("%s never fires", r.Alert)
		}
		metrics, _ := used(r.Expr, known)
		for _, name := range metrics {
			if !healthy[name] {
				t.Errorf("%s is not seen to be silent: a good agent has no %s", r.Alert, name)
			}
		}
	}
}

func TestDashboardIsWellFormed(t *testing.T) {
	d := json.NewDecoder(bytes.NewReader(Dashboard()))
	d.DisallowUnknownFields()
	type anything = json.RawMessage
	var file struct {
		Title, UID, Description, Refresh, Timezone string
		Tags                                       []string
		SchemaVersion, Version, GraphTooltip       int
		Editable                                   bool
		Time                                       struct{ From, To string }
		Templating                                 struct {
			List []struct {
				Name, Label, Type, Query, Definition, AllValue string
				Datasource                                     struct{ Type, UID string }
				Refresh, Sort                                  int
				Multi, IncludeAll                              bool
				Current                                        struct{ Text, Value string }
			}
		}
		Annotations struct{ List []anything }
		Panels      []struct {
			ID                            int
			Type, Title, Description      string
			Collapsed                     bool
			Panels                        []anything
			Datasource                    struct{ Type, UID string }
			GridPos, FieldConfig, Options anything
			Transformations               []anything
			Targets                       []struct {
				RefID, Expr, LegendFormat, Format string
				Instant                           bool
				Datasource                        struct{ Type, UID string }
			}
		}
	}
	if err := d.Decode(&file); err != nil {
		t.Fatal(err)
	}
	if d.More() {
		t.Error("there is something after the dashboard")
	}
	variables := make(map[string]bool)
	for _, v := range file.Templating.List {
		variables[v.Name] = true
	}
	for _, name := range []string{"datasource", "job", "instance", "device"} {
		if !variables[name] {
			t.Errorf("there is no variable %s", name)
		}
	}
	for _, m := range regexp.MustCompile(`\$\{?([a-z]\w*)`).FindAllStringSubmatch(string(Dashboard()), -1) {
		if !variables[m[1]] {
			t.Errorf("there is no variable %s", m[1])
		}
	}
	for _, p := range file.Panels {
		if p.Type != "row" && (p.Datasource.UID != "${datasource}" || len(p.Targets) == 0) {
			t.Errorf("panel %q has datasource %v and %d queries", p.Title, p.Datasource, len(p.Targets))
		}
		for _, q := range p.Targets {
			if q.Datasource.UID != "${datasource}" {
				t.Errorf("panel %q asks %v", p.Title, q.Datasource)
			}
		}
	}
	ids, taken := make(map[int]bool), make(map[[2]int]string)
	for _, p := range panels(t) {
		if p.ID == 0 || ids[p.ID] || p.Title == "" {
			t.Errorf("panel %d %q has no id and title of its own", p.ID, p.Title)
		}
		ids[p.ID] = true
		if p.GridPos.X+p.GridPos.W > 24 || p.GridPos.W == 0 || p.GridPos.H == 0 {
			t.Errorf("panel %q lies at %+v", p.Title, p.GridPos)
		}
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := [2]int{p.GridPos.X + x, p.GridPos.Y + y}
				if other := taken[at]; other != "" {
					t.Fatalf("panels %q and %q overlap", other, p.Title)
				}
				taken[at] = p.Title
			}
		}
	}
}

// promtool runs it, of Debian's package prometheus. Without it the test is skipped, or fails under IXAGENT_REQUIRE=all.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("IXAGENT_REQUIRE") == "all" {
			t.Fatalf("it needs promtool, of Debian's prometheus: %v", err)
		}
		t.Skipf("SKIPPED, it needs promtool, of Debian's prometheus: %v", err)
	}
	if out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestPrometheusTakesTheAlerts(t *testing.T) { promtool(t, "check", "rules", "alerts.yaml") }

func TestAlertsFireWhenTheyShould(t *testing.T) { promtool(t, "test", "rules", "alerts_test.yaml") }

func TestPrometheusTakesWhatTheDashboardAsks(t *testing.T) {
	type recording struct {
		Record string            `yaml:"record"`
		Expr   string            `yaml:"expr"`
		Labels map[string]string `yaml:"labels"`
	}
	type group struct {
		Name  string      `yaml:"name"`
		Rules []recording `yaml:"rules"`
	}
	all := group{Name: "dashboard"}
	for where, expr := range expressions(t) {
		all.Rules = append(all.Rules, recording{"dashboard:query", expr, map[string]string{"at": where}})
	}
	text, err := yaml.Marshal(map[string][]group{"groups": {all}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "dashboard.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", file)
}
