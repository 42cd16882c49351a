package config

import (
	"encoding"
	"fmt"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// sameFile compares what two configurations say, not where they say it.
var sameFile = cmp.Options{
	cmp.Comparer(func(a, b Path) bool { return a.name == b.name }),
	cmp.Comparer(func(a, b SecretRef) bool { return a.scheme == b.scheme && a.name == b.name }),
	cmp.Comparer(func(a, b TimeZone) bool { return a.String() == b.String() }),
	cmpopts.EquateComparable(netip.Addr{}, netip.AddrPort{}),
	cmpopts.EquateEmpty(),
	cmpopts.IgnoreUnexported(Inventory{}, Device{}),
}

// word draws names that are easily mistaken for something else in YAML.
func word(t *rapid.T, label string) string {
	return rapid.SampledFrom([]string{"a", "true", "null", "0123", "1e3", "0x10", "~", "- x", "a: b", "#", "Ethernet 1/1", "ü", "'", `"`, "<<", "*a"}).Draw(t, label)
}

func drawConfig(t *rapid.T) *Config {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	secret := func(label string) SecretRef {
		return rapid.SampledFrom([]SecretRef{{scheme: "env", name: "A"}, {scheme: "file", name: "/a b"}, {scheme: "credential", name: "c"}}).Draw(t, label)
	}
	tls := func() *TLS {
		return rapid.SampledFrom([]*TLS{nil, {}, {CA: Path{name: "/ca"}, ServerName: word(t, "server")}, {Cert: Path{name: "/c"}, Key: Path{name: "/k"}, InsecureSkipVerify: true}}).Draw(t, "tls")
	}
	ssh := rapid.SampledFrom([]*SSH{
		nil,
		{InsecureIgnoreHostKey: true},
		{KnownHosts: Path{name: "/known_hosts"}, Key: Path{name: "/key"}, Passphrase: secret("passphrase"), Agent: Path{name: "/agent"}},
		{HostKeys: []string{"SHA256:" + strings.Repeat("+", 43)}},
	}).Draw(t, "ssh")
	c := &Config{
		StateDir: Path{name: "/state"},
		Listen:   netip.AddrPortFrom(netip.IPv6Loopback(), rapid.Uint16().Draw(t, "listen")),
		Limits: Limits{
			DeletesPerHour: rapid.IntRange(0, 9).Draw(t, "deletes per hour"), MembersPerHour: rapid.IntRange(0, 9).Draw(t, "members per hour"),
			MaxDeletes: rapid.IntRange(0, 1000).Draw(t, "deletes"), MaxDeletePercent: Percent(rapid.IntRange(0, 100).Draw(t, "percent")),
			ConfirmWindow: time.Duration(rapid.IntRange(10, 3600).Draw(t, "window")) * time.Second, Parallel: rapid.IntRange(1, 1024).Draw(t, "parallel"),
		},
		Policy: Policy{
			Testing:   Testing{ExchangeLAN: rapid.SampledFrom([]TestPolicy{TestProduction, TestNothing}).Draw(t, "lan"), Other: TestNothing},
			HealDrift: rapid.Bool().Draw(t, "heal"), PrestageAllocated: rapid.Bool().Draw(t, "prestage"),
		},
		Credentials: map[string]*Credentials{rapid.SampledFrom([]string{"lab", "0123", "true", "a: b"}).Draw(t, "credentials"): {Username: word(t, "username"), Password: secret("password"), TLS: tls(), SSH: ssh}},
	}
	s := &Source{Name: "exchange", Type: SourceFile, Path: Path{name: "/records"}, Poll: time.Second, StaleAfter: time.Hour, MaxShrink: 5, ShrinkAllowance: rapid.IntRange(0, 9).Draw(t, "allowance")}
	if rapid.Bool().Draw(t, "ixapi") {
		s.Type, s.Path, s.URL, s.TLS = SourceIXAPI, Path{}, "https://ixapi.example.net/api/v2", tls()
		s.Auth = &Auth{Type: AuthOAuth2, Key: secret("key"), Secret: secret("secret"), TokenURL: "https://login.example.net/", Scopes: []string{word(t, "scope")}}
	}
	c.Sources = []*Source{s}
	if rapid.Bool().Draw(t, "witness") {
		c.Sources = append(c.Sources, &Source{
			Name: "witness", Type: SourceFile, Path: Path{name: "/other"}, Poll: time.Second, StaleAfter: time.Hour, Witness: true,
			IDs:       IDs{Devices: map[string]ixapi.ID{"sw0": word(t, "device there")}, ExchangeLANs: map[string]ixapi.ID{"peering": word(t, "lan there")}},
			CannotSay: []Matter{MatterQinQ, MatterServices},
		})
	}
	c.Events.Token = secret("events")
	if rapid.Bool().Draw(t, "webhook") {
		c.Report.Webhook = &Webhook{URL: "https://backoffice.example.net/", Token: secret("webhook"), TLS: tls(), Timeout: time.Duration(rapid.IntRange(1, 120).Draw(t, "timeout")) * time.Second}
	}
	inv := &c.Inventory
	inv.Fabric.Type = rapid.SampledFrom([]FabricType{FabricNone, FabricVLAN, FabricVXLAN}).Draw(t, "fabric")
	inv.Pools = Pools{VLAN: []Range{{2000, 2999}, {5, 5}}, VNI: []Range{{100000, 199999}}}
	inv.StormControl = switchcfg.Kbps(rapid.Uint64().Draw(t, "storm"))
	inv.ExchangeLANs = []*ExchangeLAN{{NetworkService: word(t, "lan"), Name: "peering", VLAN: 100, VNI: 10100, MTU: 1500, Quarantine: &Quarantine{Name: "q", VLAN: 999, VNI: 10999}}}
	for i := range rapid.IntRange(1, 4).Draw(t, "devices") {
		d := &Device{
			Name: fmt.Sprintf("sw%d", i), ID: fmt.Sprint(i, word(t, "device")), Driver: "openconfig", Profile: "ixlab",
			Address: Address{fmt.Sprintf("2001:db8::%d", i+1), 9339}, Mode: rapid.SampledFrom([]Mode{Observe, Approve, Enforce}).Draw(t, "mode"),
			HealDrift: rapid.SampledFrom([]*bool{nil, new(bool)}).Draw(t, "heal"), Adopt: rapid.Bool().Draw(t, "adopt"), TunnelAddress: netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), MTU: 9000, Site: word(t, "site"),
			Timeout: time.Duration(rapid.IntRange(1, 600).Draw(t, "timeout of device")) * time.Second,
			LAGs:    LAGs{Prefix: "ae", Range: Range{10, 20}},
		}
		for name := range c.Credentials {
			d.Credentials = name
		}
		if rapid.Bool().Draw(t, "override") {
			no, some := false, 8
			d.Override = Override{Encapsulations: []Encapsulation{EncapQinQ}, TPIDs: switchcfg.TPIDs(), LACP: &no, MaxLAGMembers: &some}
		}
		for j := range rapid.IntRange(0, 3).Draw(t, "ports") {
			p := &Port{ID: fmt.Sprint(word(t, "port"), i, j), Interface: fmt.Sprintf("Ethernet %d/1", j)}
			if rapid.Bool().Draw(t, "by name") {
				p.ID, p.Name = "", p.ID
			}
			d.Ports = append(d.Ports, p)
		}
		inv.Devices = append(inv.Devices, d)
	}
	c.Guard.Protected = []ixapi.ID{word(t, "protected")}
	for i := range rapid.IntRange(0, 2).Draw(t, "windows") {
		c.Guard.Windows = append(c.Guard.Windows, &Window{
			Name: fmt.Sprint("w", i), Sites: []string{inv.Devices[0].Site}, Devices: []string{"sw0"},
			Days: rapid.SampledFrom([][]Day{nil, {Day(time.Monday), Day(time.Sunday)}}).Draw(t, "days"),
			From: TimeOfDay(rapid.IntRange(0, 1439).Draw(t, "from")), To: TimeOfDay(rapid.IntRange(0, 1439).Draw(t, "to")),
			TimeZone:   TimeZone{rapid.SampledFrom([]*time.Location{time.UTC, berlin}).Draw(t, "zone")},
			Disruption: plan.Disruption(rapid.IntRange(0, 4).Draw(t, "disruption")),
		})
	}
	inv.NNIs = []*NNI{{ServiceProvider: word(t, "provider"), Handover: 1, Device: "sw0", Interface: "Ethernet48", Ethertype: switchcfg.TPIDService}}
	return c
}

// written returns v as an operator would write it: without what is left at zero.
func written(t *rapid.T, v reflect.Value) any {
	if scalar(v.Type()) {
		switch x := v.Interface().(type) {
		case time.Duration:
			return x.String()
		case encoding.TextMarshaler:
			text, err := x.MarshalText()
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		return v.Interface()
	}
	switch v.Kind() {
	case reflect.Pointer:
		return written(t, v.Elem())
	case reflect.Slice:
		list := []any{}
		for i := range v.Len() {
			list = append(list, written(t, v.Index(i)))
		}
		return list
	case reflect.Map:
		keys := make(map[string]any)
		for it := v.MapRange(); it.Next(); {
			keys[it.Key().String()] = written(t, it.Value())
		}
		return keys
	}
	keys := make(map[string]any)
	for _, f := range newDecoder().fieldsOf(v.Type()) {
		if field := v.Field(f.index); f.standard != "" || f.required || !field.IsZero() {
			keys[f.key] = written(t, field)
		}
	}
	return keys
}

func TestConfigSurvivesYAMLAndBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawConfig(t)
		text, err := yaml.Marshal(written(t, reflect.ValueOf(want).Elem()))
		if err != nil {
			t.Fatal(err)
		}
		got, err := parseFiles([]txtar.File{{Name: "/c.yaml", Data: text}})
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		if d := cmp.Diff(want, got, sameFile); d != "" {
			t.Fatalf("(-want +got)\n%s\n%s", d, text)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(Example())
	f.Add([]byte(minimal))
	cases, err := os.ReadDir("testdata/faults")
	if err != nil {
		f.Fatal(err)
	}
	for _, c := range cases {
		a, err := txtar.ParseFile("testdata/faults/" + c.Name())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(a.Files[0].Data)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseFiles([]txtar.File{{Name: "c.yaml", Data: text}})
		if err == nil {
			if _, ok := c.Inventory.Device(c.Inventory.Devices[0].Name); !ok || len(c.Sources) == 0 {
				t.Error("valid without a device or source")
			}
			return
		}
		lines := 1
		for _, b := range text {
			if b == '\n' || b == '\r' {
				lines++
			}
		}
		for _, f := range err.(Faults) {
			if f.Message == "" || f.File == "" || f.Line < 0 || f.Line > lines+1 {
				t.Errorf("fault without a place: %+v", f)
			}
		}
	})
}

func TestFileThatIsNoYAMLTextIsRefused(t *testing.T) {
	deep := func(s string, n int) string {
		var b []byte
		for range n {
			b = append(b, s...)
		}
		return string(b)
	}
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s*%c]\n", c, c, deep(fmt.Sprintf("*%c,", c-1), 9), c-1)
	}
	ports := "inventory:\n  devices:\n  - &sw\n    name: sw\n    ports: &p\n" + deep("    - {id: a, interface: b}\n", 2000)
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "c.yaml: the file is empty"},
		{"only a byte order mark", "\uFEFF", "c.yaml: the file is empty"},
		{"UTF-16", "\xff\xfes\x00", "c.yaml: the file is UTF-16"},
		{"Latin-1", "listen: a\nstate_dir: caf\xe9", "c.yaml:2:15: byte 0xe9 is not UTF-8"},
		{"NUL", "listen: \x00", "c.yaml:1:9: control character 0x00"},
		{"open brackets", deep("[", 1<<16), "c.yaml:1:65: nested deeper than 64 levels"},
		{"open braces", "a: " + deep("{a: ", 1<<16), "c.yaml:1:256: nested deeper than 64 levels"},
		{"dashes", deep("- ", 1<<16), "c.yaml:1:129: nested deeper than 64 levels"},
		{"question marks", deep("? ", 1<<16), "c.yaml:1:129: nested deeper than 64 levels"},
		{"too large", deep(" ", maxFile+1), "c.yaml: the file is larger than 32 MiB"},
		{"bomb of unknown keys", bomb, "c.yaml:1:1: a: unknown key"},
		{"bomb of ports", ports + deep("  - *sw\n", 2000), "c.yaml:2027:5: inventory.devices[22]: aliases stand for more than 262144 values"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parseFiles([]txtar.File{{Name: "c.yaml", Data: []byte(c.text)}})
			if err == nil {
				t.Fatal("accepted")
			}
			if !slices.ContainsFunc(err.(Faults), func(f Fault) bool { return f.Error() == c.want }) {
				t.Errorf("got %.1000s\nwant %s", err, c.want)
			}
		})
	}
}

func TestByteOrderMarkAndLineEndsOfWindowsAreAccepted(t *testing.T) {
	text := "\uFEFF" + minimal
	var crlf []byte
	for _, b := range []byte(text) {
		if b == '\n' {
			crlf = append(crlf, '\r')
		}
		crlf = append(crlf, b)
	}
	if _, err := parseFiles([]txtar.File{{Name: "c.yaml", Data: crlf}}); err != nil {
		t.Error(report(err))
	}
}
