// Package drivers is the contract between the agent and the network operating systems of its switches.
//
// A [Driver] is one session with one switch. It reads what the switch carries as a [switchcfg.State] and makes
// the changes of a plan. What else a device can do is a small interface of its own ([Confirmer], [Renderer],
// [Previewer], [Watcher], [Operational]) that [As] finds through decorators. What a device is able to carry is
// data: [Capabilities].
package drivers
