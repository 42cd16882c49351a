// Package junos drives Juniper switches over SSH.
//
// The configuration is read and written as set statements. A read is one exec request, whose exit status proves that the
// answer is whole; changes are made in an exclusive candidate, which is checked and committed as one, or taken back. A
// circuit is a logical interface of encapsulation vlan-bridge in the bridge domain that is its service; the ethertypes of
// outer tags are declared on the port. A filter is one of family bridge whose terms count. What QFX and EX call
// otherwise is data: see [Spec].
//
// Of a line, the bridge domain learns no addresses, so that it hands everything to the other end. A local-switching pair
// of l2circuit is not used: it cannot exist with one end, and has no place for a mark. Nor is accept-source-mac, since a
// filter also stops the reserved addresses and counts what it stops. Of a tree, the bridge domain does not switch
// between its interfaces but to those that face the core, and these are the roots.
//
// `commit confirmed` counts in whole minutes, and the next commit of anybody confirms it. Its comment carries the id by
// which another process can confirm or revert it, and nothing is committed while one is pending.
package junos
