// Package ovs drives Open vSwitch, whose configuration is a database, through a shell behind OpenSSH.
//
// The agent has bridges of its own, which forward in userspace. In "ixagent" are the customer ports, and one end of a patch for
// each circuit; the other end is in the bridge of the circuit's service, which learns addresses and floods. Leaves of a tree are
// protected ports there, and tunnels to other switches are ports too. Nothing passes "ixagent" but by flows: they know the frames
// of a circuit by port and tags, take the tags off, have the filter and the meter decide and hand them to the patch, and back. A
// LAG with LACP has a bridge as well, because only there a bond keeps out what comes by a member that is not negotiated; a
// static one is an aggregate within "ixagent".
//
// Each object is kept with the row that stands for it, as JSON in external_ids:ixagent, and read back from there. It counts only as
// far as the rows and flows are those that it is rendered to: a circuit whose flows are lost passes nothing, so what is observed
// is one that is shut, and the next plan opens it again. Flows and meters are not in the database. They are lost when
// ovs-vswitchd restarts, which leaves all circuits closed, never open, until the agent has made its next plan.
//
// A plan is one script, which the device runs to its end whatever becomes of the session: the flows of circuits that move are
// removed, the database is changed in one transaction, all other flows are in one bundle, and if anything is refused, all of it is
// taken back. A commit that waits for its confirmation is taken back by a process on the device.
//
// What an operator must know: other_config:vlan-limit of the switch has to be 1, its default, because with more tags in view
// Open vSwitch lets frames with two tags pass where it has seen such with one; the agent has it so. 0x8100 and 0x88a8 are not
// told apart on the outer tag of frames that come in, while those that go out have the one that was ordered. Tags behind
// the one of a circuit that lets them pass are not looked at, neither by the service. A port that is shut keeps its
// link. Reserved group addresses (IEEE 802.1Q-2022 8.6.3) never pass a service, with or without a filter.
package ovs
