// Package eos drives switches with Arista EOS over their command line.
//
// A circuit is a subinterface of a routed port or Port-Channel with a flexible encapsulation. One that matches a single tag
// takes what has further tags too, and leaves those as they are. It joins a VLAN, which is the service, by `vlan id`; a line
// within the switch has no VLAN and is a patch of the patch panel. Filters are MAC access lists, policers policy maps of one
// class, and peers of a tunnel a flood list per VLAN on the operator's own Vxlan1.
//
// On a platform without flexible encapsulation a circuit is a VLAN of a switchport: the access VLAN, or one of a trunk with
// an exact list, whose tag is translated where it is another number. Filters and rates are those of the whole port there,
// and which circuits it has is said in the comment of its block.
//
// The whole State is rendered before and after a plan, and the commands are the difference of the two trees; what is not
// the agent's is in neither and is never touched. They are made in a configuration session, which takes effect at once and
// as a whole. A session is a snapshot that would undo what somebody else changed since it was opened, so the running
// configuration is read again right before the commit, and is the one the plan was made for or the session is aborted. What
// comes in the moment between the two cannot be kept out. Sessions are named after the commit's id, so that any process can
// confirm or take back what another has begun. What is committed for good is also saved for the next start.
package eos
