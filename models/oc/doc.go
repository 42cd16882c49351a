// Package oc holds Go types, enumerations and the schema of the part of
// OpenConfig that carries an exchange's circuits: interfaces with LAGs and
// VLAN matches, LACP, layer 2 network instances, filters and policers, plus
// ixagent's own augmentation (ixagent-openconfig-ext.yang).
//
// The types are written by ygot with compressed paths and configuration
// preferred over state, from the models trimmed by
// ixagent-openconfig-trim.yang.
package oc

//go:generate go run ./gen oc.go
