// Package rules checks what holds for the repository as a whole: which room may import which, how packages are
// named and documented, what code must not do, and that the pages at the top tell the truth.
//
// It holds tests only. Each rule reads the source of the whole tree, without compiling it, and says why it is there
// when it is broken.
package rules
