// Package ixpmanager reads IXP Manager through its API for provisioning, version 4: which member is on which interface
// of which switch, in which VLANs. It is read only, and lenient and strict as models/ixapi is: fields it does not know
// are ignored, a record of the wrong shape is kept and marked Faulty, an answer that is cut short is an error.
//
// The SNMP community of a switch, which the API gives in clear, is not decoded.
package ixpmanager
