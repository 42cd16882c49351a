package config

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/switchcfg"
)

var update = flag.Bool("update", false, "write the golden files anew")

// testDrivers are two kinds of device: one that can do everything, and one with less.
func testDrivers() drivers.Registry {
	full := drivers.Capabilities{
		Forms:     []switchcfg.Form{switchcfg.Untagged, switchcfg.Single, switchcfg.Double},
		TPIDs:     switchcfg.TPIDs(),
		TPIDScope: drivers.PortScope,
		Services:  []switchcfg.ServiceType{switchcfg.ServiceLAN, switchcfg.ServiceLine, switchcfg.ServiceTree},
		LACP:      true, VLANTags: true, VXLAN: true, Filters: true, RateIn: true, RateOut: true, StormControl: true,
	}
	vlans := full
	vlans.ServiceVLAN = true
	plain := drivers.Capabilities{Forms: full.Forms[:2], TPIDs: full.TPIDs[:1], Limits: drivers.Limits{MaxMTU: 9216}}
	return drivers.Registry{
		"openconfig": {Name: "openconfig", Transport: "gnmi", DefaultPort: 9339, Profiles: []drivers.Profile{{Name: "ixlab", Capabilities: full}, {Name: "plain", Capabilities: plain}, {Name: "vlans", Capabilities: vlans}}},
		"srlinux":    {Name: "srlinux", Transport: "ssh", DefaultPort: 22, Profiles: []drivers.Profile{{Name: "default", Capabilities: plain}}},
	}
}

// parseFiles parses the first file; the others can be included.
func parseFiles(files []txtar.File) (*Config, error) {
	read := func(path string) ([]byte, error) {
		for _, f := range files {
			if f.Name == path {
				return f.Data, nil
			}
		}
		return nil, os.ErrNotExist
	}
	return Parse(files[0].Name, files[0].Data, read, testDrivers())
}

func report(err error) string {
	if err == nil {
		return "valid\n"
	}
	var b strings.Builder
	for _, f := range err.(Faults) {
		b.WriteString(f.Error() + "\n")
		if f.Hint != "" {
			b.WriteString("\thint: " + f.Hint + "\n")
		}
	}
	return b.String()
}

func TestEveryFaultIsReportedWithItsPlace(t *testing.T) {
	cases, err := filepath.Glob("testdata/faults/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases")
	}
	for _, name := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			last := len(a.Files) - 1
			if a.Files[last].Name != "faults" {
				a.Files = append(a.Files, txtar.File{Name: "faults"})
				last++
			}
			_, err = parseFiles(a.Files[:last])
			got := report(err)
			if *update {
				a.Files[last].Data = []byte(got)
				if err := os.WriteFile(name, txtar.Format(a), 0o666); err != nil {
					t.Fatal(err)
				}
				return
			}
			if want := string(a.Files[last].Data); got != want {
				t.Errorf("faults:\n%swant:\n%s", got, want)
			}
		})
	}
}

func TestExampleIsValid(t *testing.T) {
	c, err := parseFiles([]txtar.File{{Name: "ixagent.yaml", Data: Example()}})
	if err != nil {
		t.Fatal(report(err))
	}
	d, ok := c.Inventory.Device("fra2-sw1")
	if !ok || d.Address.String() != "192.0.2.21:9339" || d.LAGName(7) != "Port-Channel7" || len(d.Ports) != 2 {
		t.Errorf("fra2-sw1 is %+v", d)
	}
}
