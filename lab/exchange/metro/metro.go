// Package metro makes up an exchange of two sites, four switches and some forty members as a folder of IX-API records,
// the same bytes on every run. Most members are plain and healthy; a record that is odd on purpose, or whose state is
// not production, says so in its external_ref, as in "case:vlan-collision". The same exchange also comes in other sizes,
// where everything is plain: see [Sized].
package metro

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

//go:generate go run generate.go ../../../testdata/exchange/metro

const (
	area       = "metro:FRA"
	network    = "man:fra"
	exchangeID = "account:1000"
	stamp      = "2026-03-02T09:00:00Z"

	ctag   = "0x8100"
	stag   = "0x88a8"
	legacy = "0x9100"
)

// Files returns the data set: one JSON array per collection, one record per line, by file name.
func Files() (map[string][]byte, error) {
	b := &builder{}
	b.topology("fra1-sw1", "fra1-sw2", "fra2-sw1", "fra2-sw2")
	b.people()
	b.offerings()
	b.connections()
	b.exchangeLANs()
	b.multipoints()
	b.lines()
	b.clouds()
	b.lifecycle()
	b.cases()
	b.freePorts()
	return b.files()
}

func (b *builder) files() (map[string][]byte, error) {
	files := map[string][]byte{}
	return files, errors.Join(
		put(files, "accounts", b.accounts), put(files, "contacts", b.contacts), put(files, "roles", b.roles),
		put(files, "role-assignments", b.roleAssignments), put(files, "facilities", b.facilities), put(files, "pops", b.pops),
		put(files, "metro-areas", b.areas), put(files, "metro-area-networks", b.networks), put(files, "devices", b.devices),
		put(files, "ports", b.ports), put(files, "connections", b.conns), put(files, "product-offerings", b.offers),
		put(files, "network-services", b.services), put(files, "network-service-configs", b.configs),
		put(files, "network-features", b.features), put(files, "network-feature-configs", b.featureConfigs),
		put(files, "member-joining-rules", b.rules), put(files, "macs", b.macs), put(files, "ips", b.ips),
	)
}

func put[T any](files map[string][]byte, collection string, records []T) error {
	var out bytes.Buffer
	out.WriteString("[\n")
	for i, record := range records {
		line, err := json.Marshal(record)
		if err != nil {
			return fmt.Errorf("%s: %w", collection, err)
		}
		if i > 0 {
			out.WriteString(",\n")
		}
		out.Write(line)
	}
	out.WriteString("\n]\n")
	files[collection+".json"] = out.Bytes()
	return nil
}
