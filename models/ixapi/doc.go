// Package ixapi reads an exchange through IX-API version 2, up to schema
// 2.7.1: the wire types of the records that decide what a switch carries, their
// decoding, and a read-only client.
//
// The package is lenient about what it can keep apart and strict about what it
// cannot. A field it does not know is ignored, an enumeration value it does not
// know is kept verbatim and reported, and a record of the wrong shape is kept,
// marked Faulty and reported, without costing the rest of the list. A list that
// is not provably whole is never returned at all, because the absence of a
// record is what removes a member from a switch.
//
// Contract paperwork, addresses, contacts and routing secrets are not decoded.
package ixapi
