// Package lacp decides which ports of a link aggregation group carry frames: the Link Aggregation Control
// Protocol of IEEE 802.1AX-2020 clause 6, version 1, for one Aggregator.
//
// A [Machine] is a value driven by calls. It opens no socket, starts no goroutine and reads no clock: the time
// is an argument, and what it wants to say is an answer. A driver calls [Machine.LinkUp], [Machine.LinkDown]
// and [Machine.Receive] as things happen, and after each of them, and whenever the instant that it last named
// has come, [Machine.Tick], whose PDUs it sends. After any call [Machine.Port] and [Machine.Aggregator] say
// what the port may do; a port carries frames outwards only while it is distributing.
//
// The Selection logic (6.4.14) binds the Aggregator to one partner, a system with a key. Links to another
// partner stay out, and so do individual links, links looped back to the same Aggregator, and links whose
// partner has not been heard. Among several partners the one with more links in synchronisation wins, then the
// one with more links, then the one behind the port of better priority. A partner that frames are collected
// from is kept; one that does not get into synchronisation gives way, and all are tried in turn.
package lacp
