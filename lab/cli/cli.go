// Package cli serves the command line of a lab switch over SSH: who may log in, the terminal with its line editor and
// pager, and the ways in which real devices and networks are unpleasant. What the lines mean is a [NOS]'s matter.
package cli

import (
	"context"
	"io"

	"github.com/ixagent/ixagent/lab/switchd"
)

// NOS is a network operating system. Its methods are called from several goroutines.
type NOS interface {
	// Style says what the terminals of all sessions have in common.
	Style() Style
	// Open starts the command line of a session.
	Open(t *Terminal) Shell
	// Exec runs the command of a session that is an exec channel and returns its exit status.
	Exec(e *Exec) int
}

// Device is a NOS that configures a lab switch.
type Device interface {
	NOS
	// Native is the first configuration, for [switchd.Options].
	Native() any
	// Attach gives the NOS the switch that was made with Native, and makes that run. It comes before all else.
	Attach(sw *switchd.Switch) error
	// Show is the whole text of a configuration that [switchd.Switch.Native] returned, as users read it. It may be called
	// from an OnCommit function of the switch.
	Show(native any) []byte
	// Reboot loses what is not confirmed, and cuts all sessions, as a power cycle does.
	Reboot()
}

// Style is what terminals of a NOS have in common.
type Style struct {
	More   string // what the pager shows, such as "--More--"
	Length int    // lines of a page where the client's window does not say; 0 for 24
	NoExec bool   // exec channels are refused
}

// Shell is the command line of one session. Its methods are called one after another.
type Shell interface {
	// Prompt is what stands before the line that is typed. It may have several lines and is shown as it is.
	Prompt() string
	// Run executes a line that was entered, and writes its output to t. io.EOF ends the session; any other error is the
	// NOS's own fault and ends it too, without a farewell if it is [switchd.ErrCut].
	Run(t *Terminal, line string) error
	// Key is asked what a [special] key does, with what stands before the cursor. It must not write to the terminal.
	Key(line string, key byte) Reaction
	// Close is called once, when the session has ended for whatever reason.
	Close()
}

// Special keys, of which [Shell.Key] decides. They are what bytes injected in a line would be.
const (
	Question byte = '?'
	Tab      byte = '\t'
	Space    byte = ' '
	CtrlD    byte = 0x04 // only on an empty line; else the character under the cursor goes
	CtrlZ    byte = 0x1a
)

// Reaction is what a key does.
type Reaction struct {
	Text  string // shown below the line, after which prompt and line are shown again; empty for nothing
	Line  string // what stands before the cursor from now on
	Enter bool   // the line is entered, as by the Enter key
}

// Exec is a session that is an exec channel: one command and no terminal.
type Exec struct {
	Context context.Context
	User    string
	Command string
	Stdin   io.Reader
	Stdout  io.Writer
	Stderr  io.Writer

	Cut bool // set by [NOS.Exec]: the connection is to be cut without a farewell
}
