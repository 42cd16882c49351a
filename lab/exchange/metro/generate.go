//go:build ignore

// Generate writes the metro data set into the folder named on the command line.
package main

import (
	"log"
	"os"
	"path/filepath"

	"github.com/ixagent/ixagent/lab/exchange/metro"
)

func main() {
	files, err := metro.Files()
	if err != nil {
		log.Fatal(err)
	}
	if err := os.MkdirAll(os.Args[1], 0o755); err != nil {
		log.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(os.Args[1], name), text, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}
