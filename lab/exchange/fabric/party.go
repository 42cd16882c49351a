package fabric

import (
	"crypto/subtle"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// TokenPath is where a client logs in.
const TokenPath = "/oauth2/v1/token"

// A party is who asks: a user of an account, or the operator of the exchange.
type party struct {
	user     string
	email    string
	account  int64
	operator bool
}

// An account is that of a customer of the exchange. One with a Reseller is a sub-account of it.
type account struct {
	UUID         string `json:"uuid"` // its number, as text
	Number       int64  `json:"accountNumber"`
	Name         string `json:"accountName"`
	Org          int64  `json:"orgId"`
	Organization string `json:"organizationName"`
	Reseller     int64  `json:"reseller,omitempty"`
	// Keys are those by which sellers know the account. Whoever has one may order for the account at that seller.
	Keys []authorizationKey `json:"keys,omitempty"`
}

// An authorizationKey is that of a customer of a seller with a profile.
type authorizationKey struct {
	Profile string `json:"profile"`
	Key     string `json:"key"`
}

// An owner is an account, as it stands in records.
type owner struct {
	Number         int64  `json:"accountNumber,omitempty"`
	Name           string `json:"accountName,omitempty"`
	Org            int64  `json:"orgId,omitempty"`
	Organization   string `json:"organizationName,omitempty"`
	ResellerNumber int64  `json:"resellerAccountNumber,omitempty"`
	ResellerName   string `json:"resellerAccountName,omitempty"`
}

// accountOf returns an account, or nil.
func accountOf(at *store.Snapshot, number int64) (*account, error) {
	return load[account](at, accounts, strconv.FormatInt(number, 10))
}

// ownerOf returns an account as it stands in records.
func ownerOf(at *store.Snapshot, number int64) (*owner, error) {
	a, err := accountOf(at, number)
	if a == nil {
		return &owner{Number: number}, err
	}
	o := &owner{Number: a.Number, Name: a.Name, Org: a.Org, Organization: a.Organization}
	if a.Reseller != 0 {
		r, err := accountOf(at, a.Reseller)
		if err != nil {
			return nil, err
		}
		o.ResellerNumber = a.Reseller
		if r != nil {
			o.ResellerName = r.Name
		}
	}
	return o, nil
}

// manages reports whether the caller acts for an account: it is its own, or that of a customer it resells to.
func (c *call) manages(o *owner) bool {
	switch {
	case c.by.operator:
		return true
	case o == nil:
		return false
	}
	return o.Number == c.by.account || o.ResellerNumber == c.by.account
}

// subordinate reports whether the caller is a sub-account, which may only do what its reseller lets it.
func (c *call) subordinate() (bool, error) {
	if c.by.operator {
		return false, nil
	}
	a, err := accountOf(c.at, c.by.account)
	return a != nil && a.Reseller != 0, err
}

// tokenUse is what the tokens of this API are for.
const tokenUse = "fabric"

// login answers POST of the token path: the client credentials grant of OAuth 2, as a JSON object.
func (h *Handler) login(w http.ResponseWriter, r *http.Request, body []byte) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		fail(w, &refusal{http.StatusMethodNotAllowed, []fault{{Code: codeMethod, Message: "this method is not possible here"}}})
		return
	}
	var given struct {
		Grant  string `json:"grant_type"`
		ID     string `json:"client_id"`
		Secret string `json:"client_secret"`
	}
	c := &call{body: body}
	if err := c.read(&given); err != nil {
		fail(w, err)
		return
	}
	if given.Grant != "client_credentials" {
		fail(w, refuse(codeInput, "/grant_type", "the only grant is client_credentials"))
		return
	}
	for _, u := range h.options.Users {
		if subtle.ConstantTimeCompare([]byte(u.ClientID), []byte(given.ID))&subtle.ConstantTimeCompare([]byte(u.ClientSecret), []byte(given.Secret)) == 0 {
			continue
		}
		issued, err := h.signer.Issue(u.ClientID, tokenUse, h.options.Clock(), h.options.TokenLifetime)
		if err != nil {
			fail(w, err)
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		answer(w, http.StatusOK, map[string]any{
			"access_token": issued, "token_type": "Bearer", "user_name": u.ClientID,
			"token_timeout": strconv.Itoa(int(h.options.TokenLifetime / time.Second)), "expires_in": int(h.options.TokenLifetime / time.Second),
		})
		return
	}
	fail(w, unauthorized("the client is unknown or its secret is wrong"))
}

func unauthorized(details string) *refusal {
	return &refusal{http.StatusUnauthorized, []fault{{Code: codeUser, Message: "user not found in request or invalid", Details: details}}}
}

// authenticate returns whose request it is.
func (h *Handler) authenticate(r *http.Request) (party, error) {
	scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if bearer = strings.TrimSpace(bearer); !strings.EqualFold(scheme, "Bearer") || bearer == "" {
		return party{}, unauthorized("the request carries no bearer token")
	}
	is, err := h.signer.Verify(bearer, tokenUse, h.options.Clock())
	if err != nil {
		return party{}, unauthorized(err.Error())
	}
	for _, u := range h.options.Users {
		if u.ClientID == is.Subject {
			return party{user: u.ClientID, email: u.Email, account: u.Account, operator: u.Account == 0}, nil
		}
	}
	return party{}, unauthorized("whoever the token was given to is no longer known")
}
