// Package junos is the command line of Junos on an MX, as far as it takes to bridge Ethernet, on a lab switch: strict about
// what it is told, with a candidate that is shared, exclusive or private, and with a forwarding plane that does what the
// running configuration says.
//
// It knows the statements of grammar.txt, which are a part of the vendor's schema, and refuses all others in the vendor's
// words. A commit translates the whole configuration to the OpenConfig tree of the [switchd.Switch]. What the plane cannot
// do is refused then; what manages the box, and addresses, which nothing routes here, are kept and do nothing.
//
// It differs from Junos in this: there are no groups, no wildcards and no annotations; a configuration is loaded as set
// commands only; a commit waits for the one before it; and a commit that changes nothing has no entry in the history.
package junos
