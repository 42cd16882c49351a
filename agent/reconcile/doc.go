// Package reconcile brings switches to their intent.
//
// A [Transaction] makes the plans of one switch or of several real, or of none: it refuses a stale plan, proves each on
// what it observes, applies them so that the switches take them back by themselves where they can, observes again,
// compares, looks whether anybody else suffered, and only then confirms. A [Worker] does that for one switch again and
// again, woken by new intent, by the switch and by the clock. [Spans] brings workers together whose switches must change
// a service with each other.
package reconcile
