package ixapi

import "github.com/ixagent/ixagent/models/rest"

// What a ProblemError, or another error of the client, is one of.
var (
	ErrUnauthenticated  = rest.ErrUnauthenticated
	ErrSignatureExpired = rest.ErrSignatureExpired
	ErrPermission       = rest.ErrPermission
	ErrNotFound         = rest.ErrNotFound
	ErrValidation       = rest.ErrValidation
	ErrUnfulfillable    = rest.ErrUnfulfillable
	ErrConflict         = rest.ErrConflict
	ErrUnavailable      = rest.ErrUnavailable

	// ErrTooLarge says that an answer exceeds Options.MaxBody or MaxList.
	ErrTooLarge = rest.ErrTooLarge

	// ErrIncomplete says that a list could not be read to its provable end.
	ErrIncomplete = rest.ErrIncomplete
)

// ProblemError is an answer of the exchange other than success.
type ProblemError = rest.ProblemError

// ProblemProperty is one field the exchange found invalid.
type ProblemProperty = rest.ProblemProperty

// IncompleteError is an ErrIncomplete.
type IncompleteError = rest.IncompleteError

// IncompleteReason says how a list showed that it is not whole.
type IncompleteReason = rest.IncompleteReason
