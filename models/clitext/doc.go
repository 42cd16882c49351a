// Package clitext is the configuration text of a command line as a tree, and the ordered commands that lead from
// one tree to another.
//
// [Parse] reads what a device prints, whole or not at all, and a [Tree] prints itself in one canonical form. [Patch]
// compares two trees and says what to enter. What a network OS does otherwise than others is data: a [Dialect] holds
// the style of the text and a [Rule] for each line or block that is not simply entered as it stands and taken away
// with "no" or "delete". [Apply] enters commands into a tree as a device would, so that tests can prove a patch.
//
// A patch touches only what is in one of the two trees. Blocks are not taken away as a whole unless a rule says that
// they are ours as a whole; what else stands in them stays.
package clitext
