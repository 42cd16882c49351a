// Package ssh is one session with a device over SSH: its command line, and commands in exec channels beside it. Its
// errors are those of package drivers.
//
// A command line has no framing: where an answer ends is a guess, and a device's text can look like the end. So
// what an operation returns is proved. When a prompt, made of the name that the device has shown to be its own,
// stands at the end of what has come, and nothing more comes for a moment, the session sends a comment that nobody
// could foresee. A device works off what it is sent in order: the answer is what stands before that comment. Whatever
// is sent or found otherwise ends the session, and the operation fails. A driver still looks for the end marker of a
// configuration, which guards against what lies behind the device's own command line.
//
// The session stands on scrapligo: its platform definition, made of a [Platform], its network driver, its transport
// and its channel, which reads and queues what the device says. The channel's own ways of sending commands are not
// used. They take any line that looks like a prompt, wherever it stands, for the end of the output, and they delete
// such lines; they know no context, and go on after a timeout with whatever comes late.
package ssh
