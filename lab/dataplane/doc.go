// Package dataplane is the forwarding plane of a lab switch: it takes Ethernet frames from the wires of ports,
// finds the circuit each belongs to, and passes them on as the service of that circuit says.
//
// A [Plane] follows a [Config]. [Plane.Configure] compiles it into one immutable table and publishes that with
// one pointer, so that a frame is forwarded entirely by the old configuration or entirely by the new one. What
// is learned, counted or saved up between frames lives beside the table: the addresses of a service, the tokens
// of a policer, the counters, the LACP machine of a LAG. It is carried over by name where what it depends on
// is unchanged, so that a change of one circuit is nothing to the others.
//
// Each port has one goroutine that reads a batch, forwards its frames one after another and writes what leaves
// by a port with one call, so that the frames of a port stay in order. In the steady state nothing is allocated.
//
// # The way of a frame
//
// A frame passes these in order; the first that refuses it is the [Reason] it is counted under.
//
//  1. The port and its LAG are enabled. A LACPDU or Marker PDU on a member of a LAG that speaks LACP goes to the
//     machine of the LAG and no further. Any other frame needs a member that is collecting.
//  2. Its tags are exactly those of a circuit: the outer ethertype is the one of the circuit, or of the port or LAG
//     if it has none of its own, and no other, the inner one 0x8100, and no further VLAN tag follows. VLAN 0 is not a
//     VLAN. To a circuit of one tag that lets others through, what follows it is payload, and so is all of a frame to a
//     circuit without a tag that does.
//  3. The circuit is enabled, the payload fits the port or LAG and the service, the filter accepts the addresses.
//  4. Storm control admits it if it is to a group or to a station that is not known, then the policer.
//  5. The source address is learned, if the limits allow another one. It is forgotten when its port or LAG loses the
//     last link.
//  6. The service says where it goes, and there the circuit, the port or LAG, the MTU and the policer are asked.
//
// Reserved group addresses, 01:80:c2:00:00:00 to -0f, are forwarded like any group address unless a filter
// refuses them. Exchange switches can leak them, which is why an exchange has filters, and a filter that is
// missing must show.
//
// # Several switches
//
// Services span switches over VXLAN (RFC 7348). A frame to a station that is not known is replicated at the head
// end to each remote tunnel endpoint, and never from one tunnel to another. The frame inside has no VLAN but those that
// it was let through with. Its priorities are kept in tags of VLAN 0: two if the outer and the inner differ, one if they
// are alike and not 0, or if a tag of VLAN 0 of its own follows.
// What a leaf of a tree sent is marked with a Group Policy ID of 1 (draft-smith-vxlan-group-policy, bit G), so that
// it does not reach a leaf on the other switch.
package dataplane
