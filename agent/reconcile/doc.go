// Package reconcile brings one switch to its intent.
//
// A [Transaction] makes one plan real: it refuses a stale plan, proves the plan on what it observes, applies it so
// that the switch takes it back by itself where the switch can, observes again, compares, and only then confirms.
// A [Worker] does that for one switch again and again, woken by new intent, by the switch and by the clock.
package reconcile
