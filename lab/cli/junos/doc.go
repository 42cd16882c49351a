// Package junos is the command line of Junos on an MX, as far as it takes to bridge Ethernet, served by a lab switch. It
// knows the statements of grammar.txt, which are a part of the vendor's schema, and refuses what it does not know in the
// vendor's words. A commit translates the whole configuration to what the switch does.
package junos
