package drivers

import (
	"context"
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/secret"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Driver is one session with one switch. Its methods are never called concurrently, and every one returns
// when ctx ends. An error is an *[Error].
type Driver interface {
	// Observe returns everything on the switch that is of a kind the model has, whoever made it, in canonical
	// form. What is found at such a place and cannot be expressed is a [switchcfg.Opaque]. A read that is not
	// provably complete is an error, never a smaller State.
	Observe(ctx context.Context) (switchcfg.State, error)
	// Apply makes the changes in their order: all or none of them where Capabilities.Traits.Atomic is set. They take
	// effect for good. It refuses, with fault [Stale], to change what is not as Before says where it can tell.
	Apply(ctx context.Context, changes []plan.Change) (Result, error)
	Close() error
}

// Result is what a device said of an applied plan.
type Result struct {
	Native   []byte   // what was sent, as text, secrets redacted
	Warnings []string // what the device remarked, one sentence each
}

// Confirmer is a driver whose device takes changes back by itself unless they are confirmed in time. The id is
// chosen by the caller and names the pending commit across sessions.
type Confirmer interface {
	// ApplyConfirmed makes the changes of [Driver.Apply] for the length of window. It fails with fault
	// [Unsupported], before anything is changed, if this device turns out not to keep its promise.
	ApplyConfirmed(ctx context.Context, id string, window time.Duration, changes []plan.Change) (Result, error)
	// Confirm makes the pending commit permanent. It is an error if there is none of that id.
	Confirm(ctx context.Context, id string) error
	// Revert takes the pending commit back at once. It is an error if there is none of that id.
	Revert(ctx context.Context, id string) error
}

// Renderer is a driver that can say exactly what it would send.
type Renderer interface {
	// Render returns the native payload of the changes as text, to a device that is as the last Observe has found it.
	// It does not talk to the device.
	Render(changes []plan.Change) ([]byte, error)
}

// Previewer is a driver whose device can show its own difference without making it.
type Previewer interface {
	// Preview returns the device's words and leaves no trace on it.
	Preview(ctx context.Context, changes []plan.Change) (string, error)
}

// Watcher is a driver whose device announces changes of its configuration.
type Watcher interface {
	// Watch calls changed once it hears announcements, and after each, until ctx ends or the session breaks. An announcement is a
	// nudge to observe again, not a fact. Unlike the other methods it may be called beside them.
	Watch(ctx context.Context, changed func()) error
}

// Operational is a driver that can read what its device does, as opposed to what it is told.
type Operational interface {
	Operational(ctx context.Context) (OperState, error)
}

// OperState is the operational state of a switch at one instant. A device that says nothing of circuits, stations or
// filters leaves their map nil, which is not the same as an empty one: there it says that there are none.
//
// Counters are totals of frames since some time in the past. They only grow, but for a device that restarts and an
// object that is made anew or changed, which may begin at 0.
type OperState struct {
	Ports    map[string]PortState           // interfaces and LAGs by name
	LACP     map[string]LACPState           // LAG members by interface name
	Circuits map[switchcfg.Key]CircuitState // subinterfaces by the key of the circuit
	Stations map[Station]switchcfg.Key      // the circuit each is behind; the zero Key is a tunnel to another switch
	Filters  map[string]FilterState         // by name, over all circuits that have the filter
}

// PortState is that of one interface or LAG.
type PortState struct {
	AdminUp, Up bool
	Members     []string // of a LAG: those that carry traffic
	InFrames    uint64
	OutFrames   uint64
}

// LACPState is that of one member of a LAG (IEEE 802.1AX-2020 6.4).
type LACPState struct {
	LAG          string
	InSync       bool
	Collecting   bool
	Distributing bool
	Partner      switchcfg.MAC // system identifier of the partner; zero if none was heard
}

// CircuitState is that of one circuit (OpenConfig: /interfaces/interface/subinterfaces/subinterface/state).
type CircuitState struct {
	AdminUp, Up bool
	Counted     bool   // the device counts its frames; if not, the counters mean nothing
	InFrames    uint64 // from the member; whether those that were dropped are in it, depends on the device
	OutFrames   uint64 // to the member
	Dropped     uint64 // refused in either direction: by filter or policer, or because they had nowhere to go
}

// Station is a MAC address that a service has learned (OpenConfig:
// /network-instances/network-instance/fdb/mac-table/entries/entry).
type Station struct {
	Service string
	MAC     switchcfg.MAC
}

// FilterState is how often the entries of a MAC filter decided (OpenConfig: matched-packets of
// /acl/acl-sets/acl-set/acl-entries/acl-entry/state, or of the entries under /acl/interfaces where a device counts there).
type FilterState struct {
	Permitted uint64
	Dropped   uint64
}

// Device is what a session is opened with.
type Device struct {
	Name         string // as in the inventory
	Address      string // "host:port", IPv6 in brackets
	Username     string
	Password     secret.Text
	TLS          *tls.Config // nil where the transport has none
	SSH          *SSH        // nil where the transport is another
	Capabilities Capabilities
	Timeout      time.Duration // for one operation; 0 is the driver's default
	MaxMessage   int           // largest answer in bytes; 0 is the driver's default
	Log          *slog.Logger
}

// SSH is how a device that is reached over SSH is verified, and how the agent proves who it is beside its password.
type SSH struct {
	KnownHosts []byte      // lines of known_hosts(5), with @cert-authority and @revoked, in which the device's address is looked up
	HostKeys   []string    // fingerprints "SHA256:..." of which the device must have one; without any, KnownHosts decides alone
	AnyHostKey bool        // accept any host key: for a lab only
	Key        secret.Text // private key of the agent in PEM or OpenSSH's form; empty for none
	Passphrase secret.Text // of the key
	Agent      string      // path of the socket of an SSH agent; empty for none
	Jump       *Jump       // the host through which the device is reached; nil for none
}

// Jump is a host through which devices are reached (ssh_config(5), ProxyJump).
type Jump struct {
	Address  string // "host:port", IPv6 in brackets
	Username string
	Password secret.Text
	SSH      SSH // Jump in it is not followed
}

// Spec is one entry of a [Registry]: a kind of device that can be driven.
type Spec struct {
	Name         string // "openconfig"
	Summary      string // one line for `ixagent drivers`
	Transport    string // "gnmi" or "ssh"
	DefaultPort  uint16
	Profiles     []Profile // the kinds of device it knows, first the default
	Open         func(ctx context.Context, d Device) (Driver, error)
	Experimental bool // not proved on a device or a faithful stand-in
}

// Profile names the capabilities of one kind of device or release.
type Profile struct {
	Name         string // "ixlab", "eos-4.36"
	Capabilities Capabilities
	Experimental bool // from documents only, not proved on a device
}

// Profile returns the profile of that name, or the default for "".
func (s Spec) Profile(name string) (Profile, bool) {
	for _, p := range s.Profiles {
		if p.Name == name || name == "" {
			return p, true
		}
	}
	return Profile{}, false
}

// Registry holds the drivers by name.
type Registry map[string]Spec

// As returns the first driver in the chain of decorators that starts at d which has type T. A decorator
// makes what it wraps known by a method Unwrap() Driver.
func As[T any](d Driver) (T, bool) {
	for d != nil {
		if t, ok := d.(T); ok {
			return t, true
		}
		w, ok := d.(interface{ Unwrap() Driver })
		if !ok {
			break
		}
		d = w.Unwrap()
	}
	var none T
	return none, false
}
