package topology

import (
	"embed"
	"fmt"
	"io/fs"
)

//go:embed *.clab.yml
var files embed.FS

// Builtin returns the topology of that name which this package carries: "metro" has the switches of the metro's data
// set and the routers of some of its members. Without such a topology the error is [fs.ErrNotExist].
func Builtin(name string) (*Topology, error) {
	file := name + ".clab.yml"
	text, err := files.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("topology %q: %w", name, fs.ErrNotExist)
	}
	return Parse(file, text)
}
