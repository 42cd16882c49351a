package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	gpb "github.com/openconfig/gnmi/proto/gnmi"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/ixagent/ixagent/agent"
	"github.com/ixagent/ixagent/lab/switchd/switchdtest"
)

// The example connection of the guide is one LAG of three ports with slow LACP, as a client that nobody here wrote
// sees it.
func TestGuideIsOneSlowLAGOfThreePorts(t *testing.T) {
	cli := switchdtest.GNMIClient(t)
	dir := t.TempDir()
	l, err := newLab(t.Context(), "guide", dir, nil, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	pass, err := agent.NewPass(t.Context(), agent.Options{Config: l.config, Drivers: l.drivers})
	if err != nil {
		t.Fatal(err)
	}
	defer pass.Close()
	const device = "edge2.moon"
	p, err := pass.Plan(t.Context(), device)
	if err != nil {
		t.Fatal(err)
	}
	if err := pass.Apply(t.Context(), p)[0].Err; err != nil {
		t.Fatal(err)
	}

	get := func(path string, into any) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		tls := filepath.Join(dir, "tls")
		cmd := exec.CommandContext(ctx, cli, "-address", l.Switches[device].Addr().String(), "-ca_crt", filepath.Join(tls, "ca.pem"),
			"-client_crt", filepath.Join(tls, "ixagent.pem"), "-client_key", filepath.Join(tls, "ixagent-key.pem"),
			"-get", "-proto", "encoding: JSON_IETF path: {"+path+"}")
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("gnmi_cli: %v\n%s", err, out)
		}
		var resp gpb.GetResponse
		if err := prototext.Unmarshal(out, &resp); err != nil {
			t.Fatalf("gnmi_cli: %v\n%s", err, out)
		}
		text := resp.GetNotification()[0].GetUpdate()[0].GetVal().GetJsonIetfVal()
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	}

	var interfaces struct {
		Interface []struct {
			Name     string
			Ethernet struct {
				Config struct {
					LAG string `json:"openconfig-if-aggregate:aggregate-id"`
				}
			} `json:"openconfig-if-ethernet:ethernet"`
			Aggregation struct {
				Config struct {
					Type string `json:"lag-type"`
				}
			} `json:"openconfig-if-aggregate:aggregation"`
		} `json:"openconfig-interfaces:interface"`
	}
	get(`elem: {name: "interfaces"}`, &interfaces)
	var members, types []string
	for _, i := range interfaces.Interface {
		if i.Ethernet.Config.LAG == "Port-Channel100" {
			members = append(members, i.Name)
		}
		if i.Name == "Port-Channel100" {
			types = append(types, i.Aggregation.Config.Type)
		}
	}
	slices.Sort(members)
	if diff := cmp.Diff([]string{"Ethernet23", "Ethernet42", "Ethernet5"}, members); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"LACP"}, types); diff != "" {
		t.Errorf("type (-want +got):\n%s", diff)
	}
	var lacp struct {
		Interval string `json:"openconfig-lacp:interval"`
		Mode     string `json:"openconfig-lacp:lacp-mode"`
	}
	get(`elem: {name: "lacp"} elem: {name: "interfaces"} elem: {name: "interface" key: {key: "name" value: "Port-Channel100"}} elem: {name: "config"}`, &lacp)
	if lacp.Interval != "SLOW" || lacp.Mode != "ACTIVE" {
		t.Errorf("LACP is %+v", lacp)
	}
}
