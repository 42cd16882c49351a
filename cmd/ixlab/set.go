package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ixagent/ixagent/lab/exchange/metro"
	"github.com/ixagent/ixagent/testdata"
)

// setUsage says which data sets there are.
const setUsage = "data set of the exchange: metro, vendors for the same with switches of several makes, metro-ixpmanager for the same read from an IXP Manager, guide for the example connection of the IX-API guide, market for one that has sold nothing yet, ecx for one that is ordered at and read through ECX, or a size such as 20x50, of switches and circuits on each"

// sized reports whether set is a size.
func sized(set string) (switches, circuits int, ok bool) {
	n, err := fmt.Sscanf(set, "%dx%d", &switches, &circuits)
	return switches, circuits, err == nil && n == 2 && set == fmt.Sprintf("%dx%d", switches, circuits)
}

// dataset returns the records of a data set and the configuration of an agent for it. The records of one that is made to
// size are written to a folder in dir.
func dataset(set, dir string) (records fs.FS, conf []byte, err error) {
	switches, circuits, ok := sized(set)
	if !ok {
		if conf, err = testdata.Config(set); err == nil {
			records, err = testdata.Exchange(set)
		}
		return records, conf, err
	}
	files, conf, err := metro.Sized(switches, circuits)
	if err != nil {
		return nil, nil, err
	}
	folder := filepath.Join(dir, "exchange")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, nil, err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(folder, name), text, 0o600); err != nil {
			return nil, nil, err
		}
	}
	return os.DirFS(folder), conf, nil
}
