package drivers

import (
	"context"
	"errors"
	"fmt"
)

// Fault is what sort of thing went wrong with a device, and so what may be done about it.
type Fault string

// The faults.
const (
	Transient   Fault = "transient"   // unreachable, timed out, session lost: try again later
	Rejected    Fault = "rejected"    // the device refused the change; nothing was changed
	Unsupported Fault = "unsupported" // the device or driver cannot do it
	Denied      Fault = "denied"      // credentials or certificate refused
	Stale       Fault = "stale"       // the device is not in the state the plan was made for
	Incomplete  Fault = "incomplete"  // a read was cut short or not understood
	Unknown     Fault = "unknown"     // whether the change took effect is not known: observe before anything else
)

// Error is a failure of an operation on a device.
type Error struct {
	Device string
	Op     string // "dial", "observe", "apply", "confirm", "revert"
	Fault  Fault
	Err    error
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s: %s: %v", e.Device, e.Op, e.Fault, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// FaultOf returns the fault of err: that of an [Error] in its chain, [Transient] for a deadline or a
// cancellation, else "".
func FaultOf(err error) Fault {
	var e *Error
	if errors.As(err, &e) {
		return e.Fault
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return Transient
	}
	return ""
}
