// Package compile turns the records of an exchange and the inventory into what each switch should carry.
//
// It is pure: equal records, inventory, allocations and time give equal intents. What cannot be provisioned
// becomes a [Rejection], and whatever stands on a switch for it already is frozen there, so that no fault in
// the records ever takes a member down. Records are compiled by connection, then joined by service, then
// gathered by switch; a change of one record recompiles the connections, services and switches it touches
// and no others.
package compile
