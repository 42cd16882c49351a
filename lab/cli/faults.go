package cli

import (
	"slices"
	"strings"
	"sync"
	"time"
)

// Kind is a way in which a command goes wrong.
type Kind uint8

// The kinds of faults. Those with an offset strike after [Fault.At] octets of the command's output.
const (
	Mute      Kind = iota + 1 // after the login nothing is ever sent; Command is not looked at
	CutBefore                 // the connection is cut before the command takes effect
	CutAfter                  // the connection is cut after it took effect and before anything is answered
	Cut                       // at the offset the connection is cut
	Stop                      // at the offset the output stops for ever
	End                       // at the offset the session ends as after an exit
	Truncate                  // from the offset on the output is missing; the prompt follows
	Omit                      // a line that holds Text is missing, with the lines indented deeper below it
	Insert                    // at the offset stands Text, as of a message to all terminals
	Ask                       // before the command Text is asked, and unless the answer is yes, the command is not run
	Answer                    // the command is not run and Text is what it says
	Meanwhile                 // before the command takes effect Do is called
)

// Fault is what goes wrong with commands.
type Fault struct {
	Kind    Kind
	Command string // the beginning of the line, or of the exec command; empty for every one
	At      int
	Text    string
	Do      func() // called by the session of the command, and not with a lock held
	Count   int    // how often; 0 for every time
}

// Noise is what a device sends although nothing is wrong with it.
type Noise struct {
	Banner string        // shown after the login; may look like a prompt
	Chunk  int           // output comes in chunks of random length up to this many octets; 0 for as it comes
	Pause  time.Duration // up to this much time between two chunks
	ANSI   bool          // on a terminal, control sequences around prompts, the echo and lines
}

// Faults makes command lines misbehave. The zero value is a healthy device; its methods may be called while it runs.
type Faults struct {
	mu    sync.Mutex
	list  []*Fault
	noise Noise
}

// Add lets a fault strike from now on. Of several that fit a command the first added strikes.
func (f *Faults) Add(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, &fault)
}

// SetNoise says what the device sends beside what it was asked.
func (f *Faults) SetNoise(n Noise) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.noise = n
}

// Clear ends all faults and noise. What has stopped does not go on.
func (f *Faults) Clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list, f.noise = nil, Noise{}
}

func (f *Faults) current() Noise {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.noise
}

// take returns the fault of a command, the zero Fault for none, and counts it down.
func (f *Faults) take(line string) Fault {
	return f.first(func(x *Fault) bool { return x.Kind != Mute && strings.HasPrefix(line, x.Command) })
}

func (f *Faults) muted() bool {
	return f.first(func(x *Fault) bool { return x.Kind == Mute }).Kind == Mute
}

func (f *Faults) first(fits func(*Fault) bool) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.list, fits)
	if i < 0 {
		return Fault{}
	}
	x := f.list[i]
	if x.Count == 1 {
		f.list = slices.Delete(f.list, i, i+1)
	}
	if x.Count > 1 {
		x.Count--
	}
	return *x
}

// strike carries out a fault on the output of one command.
type strike struct {
	Fault
	sent   int
	indent int // of the line that Omit has left out; -1 for none
}

func newStrike(f Fault) *strike { return &strike{Fault: f, indent: -1} }

// pass returns what is left of a line of output, which may lack its end, and whether the fault's time has come.
func (k *strike) pass(line string) (left string, now bool) {
	if k == nil {
		return line, false
	}
	before := k.sent
	k.sent += len(line)
	switch k.Kind {
	case Cut, Stop, End:
		if k.sent >= k.At {
			return line[:max(k.At-before, 0)], true
		}
	case Truncate:
		return line[:min(max(k.At-before, 0), len(line))], false
	case Insert:
		if before <= k.At && k.At < k.sent {
			return line[:k.At-before] + k.Text + line[k.At-before:], false
		}
	case Omit:
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if k.indent >= 0 && indent > k.indent {
			return "", false
		}
		k.indent = -1
		if strings.Contains(line, k.Text) {
			k.indent = indent
			return "", false
		}
	}
	return line, false
}
