package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ixagent/ixagent/agent/journal"
)

func (a *app) journalCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "journal",
		Short: "Look after what the agent must remember: check it, copy it, restore a copy, make it smaller",
		Long: `Look after the journal, which has the numbers that were given, what the exchange last listed and the changes of
the past. All but restore may be used while the daemon runs, as the user it runs as or as root.`,
	}
	cmd.AddCommand(a.journalCheckCmd(), a.journalBackupCmd(), a.journalRestoreCmd(), a.journalCompactCmd())
	return cmd
}

// journal returns the journal of the configuration, which must be there.
func (a *app) journal() (*journal.Journal, error) {
	o, err := a.options()
	if err != nil {
		return nil, err
	}
	return journal.Existing(o.Config.StateDir.String())
}

// journalSum is a journal in JSON.
type journalSum struct {
	Path string `json:"path"`
	journal.Stats
}

func (a *app) journalCheckCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Look at every page and entry of the journal, and sum it up",
		Example: `  ixagent journal check
  ixagent journal check --json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			j, err := a.journal()
			if err == nil {
				err = j.Check()
			}
			if err != nil {
				return err
			}
			s, err := j.Stats()
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.out, journalSum{j.Path(), s})
			}
			_, err = fmt.Fprintf(a.out, "%s: good\n%s", j.Path(), sumText(s))
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// sumText returns what is in a journal as a person reads it.
func sumText(s journal.Stats) []byte {
	var b bytes.Buffer
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "  size\t%s, %s of it free\n", size(s.Bytes), size(s.FreeBytes))
	fmt.Fprintf(w, "  schema\t%d\n", s.Schema)
	fmt.Fprintf(w, "  history\t%s, %d not ended\n", count(s.Entries, "change", "changes"), s.Begun)
	for _, x := range s.Baselines {
		fmt.Fprintf(w, "  baseline\t%s, version %.12s, read %s\n", x.Source, x.Version, x.Read.Format(time.RFC3339))
	}
	for _, u := range s.Allocations {
		fmt.Fprintf(w, "  numbers\t%s: %d in use, %d cooling\n", u.Scope, u.InUse, u.Cooling)
	}
	w.Flush()
	return b.Bytes()
}

func size(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

// copied is the answer of backup in JSON.
type copied struct {
	File  string `json:"file"`
	Bytes int64  `json:"bytes"`
}

func (a *app) journalBackupCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Copy the journal, once it is found good",
		Long: `Copy the journal as it is at one moment to a new file that its owner alone can read, or to the standard output if
FILE is -. A journal that is damaged is not copied, and no file is written over.`,
		Example: `  ixagent journal backup monday.db
  ixagent journal backup - > tuesday.db`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			if args[0] == "-" && asJSON {
				return errors.New("--json does not go with a copy on the standard output")
			}
			j, err := a.journal()
			if err != nil {
				return err
			}
			if args[0] == "-" {
				_, err := j.Backup(a.out)
				return err
			}
			n, err := newFile(args[0], j.Backup)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.out, copied{args[0], n})
			}
			_, err = fmt.Fprintf(a.out, "%s: %s\n", args[0], size(n))
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// newFile writes a file that gets its name when it is complete and on disk, and only if nothing has that name.
func newFile(path string, write func(io.Writer) (int64, error)) (int64, error) {
	if _, err := os.Lstat(path); err == nil {
		return 0, fmt.Errorf("%s is there already", path)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".backup-*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	n, err := write(f)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return 0, err
	}
	if err = os.Link(f.Name(), path); errors.Is(err, fs.ErrExist) {
		err = fmt.Errorf("%s is there already", path)
	}
	return n, err
}

// restored is the answer of restore in JSON.
type restored struct {
	Path string `json:"path"`
	journal.Restored
}

func (a *app) journalRestoreCmd() *cobra.Command {
	var o journal.RestoreOptions
	var yes, asJSON bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Put a copy into the place of the journal",
		Long: `Put a copy that ixagent journal backup made, or the standard input if FILE is -, into the place of the journal,
once every page and entry of the copy is found good. The file that was there is kept beside it.

It is refused while somebody works with the journal. A daemon that waits because its journal cannot be used does
not, and goes on by itself within ten seconds. It is refused, too, if the present journal is good and has
numbers, changes or anything else that the copy lacks, unless --force says that they are to be lost: switches may
carry such numbers, and they may be given again.`,
		Example: `  ixagent journal restore monday.db --yes
  ixagent journal restore tuesday.db --force --yes`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			options, err := a.options()
			if err != nil {
				return err
			}
			from := a.in
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close()
				from = f
			}
			dir := options.Config.StateDir.String()
			if !yes {
				o.Agree = func(r journal.Restored) error {
					text := fmt.Appendf(nil, "%s is good:\n%s", args[0], sumText(r.Stats))
					if len(r.Lost) > 0 {
						text = fmt.Appendf(text, "%s\n", &journal.LossError{Lost: r.Lost})
					}
					return a.confirm(text, "Put it into the place of the journal in "+dir+"?", "nothing was restored")
				}
			}
			r, err := journal.Restore(dir, from, o)
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.out, restored{dir, r})
			}
			before := ""
			if r.Aside != "" {
				before = "; what was there is " + r.Aside
			}
			_, err = fmt.Fprintf(a.out, "%s: restored%s\n%s", dir, before, sumText(r.Stats))
			return err
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.Force, "force", false, "lose what the present journal has and the copy lacks")
	f.BoolVarP(&yes, "yes", "y", false, "do not ask")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// compacted is the answer of compact in JSON.
type compacted struct {
	Path string `json:"path"`
	journal.Compaction
}

func (a *app) journalCompactCmd() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "compact",
		Short: "Give back what the journal's file does not need",
		Long: `Write the journal anew without what holds nothing. It needs room for a copy, and whoever uses the journal waits
meanwhile. The daemon does it by itself when it starts and more than half of a file over 16 MiB holds nothing.`,
		Example: "  ixagent journal compact",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			j, err := a.journal()
			if err != nil {
				return err
			}
			c, err := j.Compact()
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(a.out, compacted{j.Path(), c})
			}
			_, err = fmt.Fprintf(a.out, "%s: %s, before %s\n", j.Path(), size(c.After), size(c.Before))
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}
