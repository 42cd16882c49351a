// Package ecx reads an exchange through the API of Equinix Fabric, version 4, formerly ECX: the wire types of the
// records that decide what a switch carries, their decoding, and a read-only client.
//
// It is lenient and strict as models/ixapi is. Fields it does not know are ignored, values it does not know are kept
// verbatim, a record of the wrong shape is kept and marked Faulty; a list that is not provably whole is never returned.
package ecx
