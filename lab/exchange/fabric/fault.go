package fabric

import (
	"errors"
	"net/http"
	"strings"
)

// The error codes of Fabric v4, as far as they are given here.
const (
	codeUser          = "EQ-3000039"
	codeProfile       = "EQ-3001001"
	codeAccessPoint   = "EQ-3001015"
	codeNotSeller     = "EQ-3001033"
	codeCustomField   = "EQ-3001026"
	codeAccount       = "EQ-3040032"
	codeNotAllowed    = "EQ-3045003"
	codeNotFound      = "EQ-3045811"
	codeStore         = "EQ-3045004"
	codeVLANTaken     = "EQ-3142102"
	codeEncapsulation = "EQ-3142103"
	codeBandwidth     = "EQ-3142104"
	codeNoProfile     = "EQ-3142301"
	codeMetro         = "EQ-3142302"
	codeSpeedBand     = "EQ-3142306"
	codeKey           = "EQ-3142308"
	codeMetadata      = "EQ-3142309"
	codeRedundancy    = "EQ-3142515"
	codeNoGroup       = "EQ-3142514"
	codeGroup         = "EQ-3142516"
	codeInput         = "EQ-3142501"
	codeDeleted       = "EQ-3142509"
	codeTransient     = "EQ-3142510"
	codeMethod        = "EQ-3142569"
	codeSyntax        = "EQ-3143004"
	codeNoMetro       = "EQ-3143113"
	codeNoInterface   = "EQ-3143132"
	codePortUsed      = "EQ-3143253"
	codeSearch        = "EQ-3046112"
	codeNotProvided   = "EQ-3142599"
)

// A fault is one error of an answer.
type fault struct {
	Code          string     `json:"errorCode"`
	Message       string     `json:"errorMessage"`
	CorrelationID string     `json:"correlationId,omitempty"`
	Details       string     `json:"details,omitempty"`
	Info          []property `json:"additionalInfo,omitempty"`
}

// A property is what of a request a fault is about: a JSON pointer.
type property struct {
	Property string `json:"property,omitempty"`
	Reason   string `json:"reason,omitempty"`
}

// A refusal is why a request was not carried out.
type refusal struct {
	status int
	faults []fault
}

func (r *refusal) Error() string {
	var texts []string
	for _, f := range r.faults {
		texts = append(texts, f.Message)
	}
	return strings.Join(texts, "; ")
}

func faultAt(code, pointer, message string) fault {
	f := fault{Code: code, Message: message}
	if pointer != "" {
		f.Info = []property{{Property: pointer, Reason: message}}
	}
	return f
}

// refuse says what is wrong with a request.
func refuse(code, pointer, message string) *refusal {
	return &refusal{http.StatusBadRequest, []fault{faultAt(code, pointer, message)}}
}

// missing says that there is nothing, or nothing that the caller sees.
func missing(details string) *refusal {
	return &refusal{http.StatusNotFound, []fault{{Code: codeNotFound, Message: "uuid not found", Details: details}}}
}

// forbid says that the caller must not do what it asks for.
func forbid(details string) *refusal {
	return &refusal{http.StatusForbidden, []fault{{Code: codeNotAllowed, Message: "operation not allowed", Details: details}}}
}

// faults collects what is wrong with a request.
type faults []fault

func (f *faults) add(code, pointer, message string) { *f = append(*f, faultAt(code, pointer, message)) }

// take adds the faults of a refusal below a pointer; any other error is returned.
func (f *faults) take(err error) error {
	var refused *refusal
	if errors.As(err, &refused) && refused.status == http.StatusBadRequest {
		*f = append(*f, refused.faults...)
		return nil
	}
	return err
}

// refusal returns the faults as an error, nil when there are none.
func (f faults) refusal() error {
	if len(f) == 0 {
		return nil
	}
	return &refusal{http.StatusBadRequest, f}
}

// fail answers with an error.
func fail(w http.ResponseWriter, err error) {
	var refused *refusal
	if !errors.As(err, &refused) {
		refused = &refusal{http.StatusServiceUnavailable, []fault{{Code: codeStore, Message: "the exchange cannot do anything now"}}}
	}
	for i := range refused.faults {
		refused.faults[i].CorrelationID = mint()
	}
	if refused.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	answer(w, refused.status, refused.faults)
}
