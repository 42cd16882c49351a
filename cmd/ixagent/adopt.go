package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/agent"
	"github.com/ixagent/ixagent/agent/adopt"
)

// adoptedFile is the name of the file that ixagent adopt writes.
const adoptedFile = "inventory.yaml"

func (a *app) adoptCmd() *cobra.Command {
	var write string
	var guesses, asJSON bool
	cmd := &cobra.Command{
		Use:   "adopt",
		Short: "Find out how a running exchange is configured, as an inventory",
		Long: `Read the exchange and the switches, and find the inventory under which the first plan is as small as it can be: which
port of the exchange is which interface, the numbers of LAGs and subinterfaces and the names and numbers of services as
they are, and ranges that nothing uses yet. The configuration needs the source, credentials, and of each switch its name,
driver and address; what else it says is kept. Nothing is changed anywhere.

What was found is told by switch: what is configured and not sold, sold and not configured, different, and what a person
has to decide because the evidence is not of one mind. The inventory has the evidence of each line as a comment; a
guess is commented out. With --write it is written to inventory.yaml in a folder, where none must be yet, or to standard
output for -, and then the report goes to standard error. To use it, put in place of what the configuration says of the
same things

  inventory:
    include: [FOLDER/inventory.yaml]

The exit code is 3 where something is left to a person.`,
		Example: `  ixagent adopt
  ixagent adopt --write adopted
  ixagent adopt --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var file string
			if write != "" && write != "-" {
				file = filepath.Join(write, adoptedFile)
				if _, err := os.Lstat(file); err == nil {
					return advised{fmt.Errorf("%s is there already, and is not overwritten", file), "name another folder"}
				}
			}
			found, err := a.adopt(cmd, guesses)
			if err != nil {
				return err
			}
			if file != "" {
				if err := create(file, found.Inventory); err != nil {
					return err
				}
			}
			to := a.out
			if write == "-" {
				if _, err := a.out.Write(found.Inventory); err != nil {
					return err
				}
				to = a.err
			}
			if asJSON {
				err = printJSON(to, found.Report)
			} else {
				_, err = to.Write(found.Report.AppendText(nil))
			}
			if err == nil && !found.Report.Fits() {
				err = exitPartial
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVarP(&write, "write", "w", "", "write the inventory to a `folder`, or to standard output for -")
	f.BoolVar(&guesses, "guesses", false, "take guesses, too")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// adopt reads the exchange and the switches. Switches that cannot be read are told one by one.
func (a *app) adopt(cmd *cobra.Command, guesses bool) (*adopt.Adoption, error) {
	p, err := a.quiet()
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(a.config)
	if err != nil {
		return nil, err
	}
	found, err := agent.Adopt(cmd.Context(), p, a.config, text, guesses)
	var unread *agent.UnreadError
	if errors.As(err, &unread) {
		for _, e := range unread.Switches {
			report(a.err, e)
		}
		return nil, exitPartial
	}
	return found, err
}

// create writes a file that is not there yet, for its owner and group to read: an inventory names addresses.
func create(path string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Sync(), f.Close())
}
