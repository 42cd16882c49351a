// Package testdata carries the data sets of an exchange, each a folder of IX-API records.
package testdata

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed exchange/*/*.json
var files embed.FS

// Exchange returns the data set of that name: "metro", a whole metro with its odd records, or "guide", the example
// connection of the IX-API guide. Every collection is a JSON array in a file of its own, named as its API path.
func Exchange(set string) (fs.FS, error) {
	folder := "exchange/" + set
	if _, err := fs.Stat(files, folder); err != nil {
		return nil, fmt.Errorf("data set %q: %w", set, fs.ErrNotExist)
	}
	return fs.Sub(files, folder)
}
