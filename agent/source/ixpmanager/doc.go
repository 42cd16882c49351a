// Package ixpmanager maps what IXP Manager says of its switches to the records of IX-API: a virtual interface is a
// connection, its membership in a VLAN a config of a peering LAN, and VLANs are named by their tags.
//
// IXP Manager leaves out interfaces that wait for a cross connect, those without VLANs, uplinks of resellers and more. So
// nothing follows from what it does not say, and what it says of itself in two ways stays as it is.
package ixpmanager
