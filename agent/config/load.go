package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/ixagent/ixagent/drivers"
)

// maxFile bounds one file in bytes.
const maxFile = 32 << 20

// Load reads the configuration at path, and the inventories that it includes. The drivers are those a device may
// name. The error is [Faults].
func Load(path string, known drivers.Registry) (*Config, error) {
	text, err := readFile(path)
	if err != nil {
		fault := Fault{Position: Position{File: path}, Message: err.Error()}
		if errors.Is(err, fs.ErrNotExist) {
			fault.Hint = "name the configuration with --config; ixagent check config --example prints one"
		}
		return nil, Faults{fault}
	}
	return Parse(path, text, readFile, known)
}

// Parse is [Load] of a text that came from path. The inventories it includes are fetched with read, or from disk
// where read is nil.
func Parse(path string, text []byte, read func(path string) ([]byte, error), known drivers.Registry) (*Config, error) {
	if read == nil {
		read = readFile
	}
	l := &loader{decoder: newDecoder(), read: read, files: map[string]Position{path: {File: path}}}
	c := new(Config)
	if doc := l.parse(path, text); doc != nil && l.decode(doc, c) {
		l.include(&c.Inventory)
		l.finish(c)
		l.check(c, known)
	}
	if err := l.faults.err(); err != nil {
		return nil, err
	}
	return c, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, plain(err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, plain(err)
	}
	return text, nil
}

// loader is one run of Parse.
type loader struct {
	*decoder
	read  func(string) ([]byte, error)
	files map[string]Position // what was read, and where it is asked for
}

// include decodes into inv the files it names, and those they name.
func (l *loader) include(inv *Inventory) {
	todo := inv.Include
	var done Paths
	for len(todo) > 0 {
		p := todo[0]
		todo, done = todo[1:], append(done, p)
		if p.IsZero() {
			continue
		}
		if at, again := l.files[p.name]; again {
			why := "is already included at " + at.String()
			if at.Line == 0 {
				why = "is the configuration itself"
			}
			l.fault(Fault{Position: p.at, Message: p.name + " " + why})
			continue
		}
		l.files[p.name] = p.at
		text, err := l.read(p.name)
		if err != nil {
			l.fault(Fault{Position: p.at, Message: fmt.Sprintf("%s: %v", p.name, plain(err))})
			continue
		}
		inv.Include = nil
		l.forget(&inv.Include)
		if doc := l.parse(p.name, text); doc != nil {
			l.decode(doc, inv)
		}
		todo = append(todo, inv.Include...)
	}
	inv.Include = done
}
