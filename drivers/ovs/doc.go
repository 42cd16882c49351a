// Package ovs drives Open vSwitch, whose configuration is a database, through a shell behind OpenSSH.
//
// The agent has bridges of its own. In "ixagent" are the customer ports, and one end of a patch for each circuit; the other
// end is in the bridge of the circuit's service, which learns addresses and floods. Nothing passes "ixagent" but by flows:
// they know the frames of a circuit by port and tags, take the tags off, have the filter decide and hand them to the
// patch, and back. A LAG with LACP has a bridge too, because only there does a bond keep out what comes by a member that is
// not negotiated; a static one is an aggregate within "ixagent".
//
// Each object is kept with the row that stands for it, as JSON in external_ids:ixagent, and read back from there. It counts only as
// far as the rows and flows are those that it is rendered to: a circuit whose flows are lost passes nothing, so what
// is observed is one that is shut, and the next plan opens it again. Flows and meters are not in the database. They are lost
// when ovs-vswitchd restarts, which leaves all circuits closed, never open, until the agent has made its next plan.
//
// What the device cannot tell apart: the ethertypes 0x8100 and 0x88a8 on frames that come in, where both are tags of the same
// VLAN. Frames that go out have the one that was ordered. A port that is shut keeps its link.
package ovs
