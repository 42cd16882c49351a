// Package openconfig drives switches that take OpenConfig over gNMI.
//
// Ports and LAGs are interfaces, and a LAG goes to the device in one update with its members. A circuit is a
// subinterface with a VLAN match, a connection point of the network instance that is its service, and bindings of
// its filter (an ACL of type ACL_L2) and policers (scheduler policies of one rate and two colors). All changes of a
// plan are one SetRequest, which the device makes as a whole or not at all, and which names only what differs.
//
// The outer ethertype belongs to the port, inner tags always have 0x8100, and frames without a tag are those of the
// subinterface without a match. What OpenConfig has no words for (storm control, the address limit of a circuit,
// circuits that let further tags pass, the MTU of a service, E-Trees) is in ixagent's own augmentation, ixagent-openconfig-ext. What a kind of device lacks is data: see [Spec].
package openconfig
