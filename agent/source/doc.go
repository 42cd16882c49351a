// Package source reads an exchange, again and again, and hands on what it says as snapshots.
//
// A [Snapshot] is complete or there is none. What a read may not do is take records away by mistake, since a
// record that is gone is a member that is cut off. So a read is refused, and the snapshot before it stays, when a
// list could not be read to its end, when it holds a record without an id, when the exchange kept changing while
// it was read, and when more records vanished or lost their substance than an exchange loses in a day's work. The
// last of these an operator can allow: see [ShrinkError].
//
// A nudge may name records. Those are read one by one and put into the latest snapshot, where they can add, change
// or end a record, but never take one away: see [Source.Reread].
//
// A read that finds nothing new is cheap: lists are compared by digest, and only those that changed are decoded.
package source
