// Package testdata carries the data sets of an exchange, each a folder of IX-API records and the configuration of an
// agent for it.
package testdata

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed exchange/*/*.json *.yaml
var files embed.FS

// Exchange returns the data set of that name: "metro", a whole metro with its odd records, "vendors" and
// "metro-ixpmanager", which are the same, "guide", the example connection of the IX-API guide, or "market", an exchange
// that has sold nothing yet. Every collection is a JSON array in a file of its own, named as its API path. "ecx" has no
// records of IX-API.
func Exchange(set string) (fs.FS, error) {
	if set == "ecx" {
		return embed.FS{}, nil
	}
	folder := "exchange/" + set
	if set == "vendors" || set == "metro-ixpmanager" {
		folder = "exchange/metro"
	}
	if _, err := fs.Stat(files, folder); err != nil {
		return nil, fmt.Errorf("data set %q: %w", set, fs.ErrNotExist)
	}
	return fs.Sub(files, folder)
}

// Config returns the configuration and inventory of an agent for the data set of that name. The exchange and the
// switches in it have addresses for documentation (RFC 5737).
func Config(set string) ([]byte, error) {
	text, err := files.ReadFile(set + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("configuration of data set %q: %w", set, fs.ErrNotExist)
	}
	return text, nil
}
