// Package audit says where two sources of one exchange disagree about what its switches should carry.
//
// The records of both are compiled with the same inventory, and what comes of them is compared port by port and circuit
// by circuit. Ids mean nothing, since each source has its own; nor do numbers that the agent gives. What is left is what
// a switch would notice.
package audit
