package exchange

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// Resellers sell what they order. There are two ways for it, beside the accounts of IX-API:
//
// An account gives its authorization key, which POST accounts/ID/authorization-key makes and DELETE ends, to a reseller.
// With it in the header Authorization-Key, the reseller orders for the account: it may name it as consuming and as billing
// account.
//
// An account that a reseller manages has credentials of its own, which POST accounts/ID/credentials makes, and orders for
// itself what the reseller allows it: PUT accounts/ID/permissions says which operations in which collections, on which
// connections of the reseller, and whether the reseller pays for it.

// The collections of what belongs to accounts and is no record of IX-API. None of them is served as a list.
const (
	grants      = "account-permissions"
	keys        = "account-keys"
	credentials = "account-credentials"
)

// keyHeader carries the authorization key of the account that something is ordered for.
const keyHeader = "Authorization-Key"

// A grant is what those who manage an account allow it.
type grant struct {
	// Operations are those in each collection: read, create, update, remove. All are allowed where it is nil.
	Operations map[string][]string `json:"operations"`
	// Connections are those of its manager that it may order on.
	Connections []string `json:"connections"`
	// Billing lets its manager pay for what it orders.
	Billing bool `json:"billing"`
}

// grantsOf returns the grants of an account and of those above it.
func grantsOf(at *store.Snapshot, account string) (all []grant) {
	for range maxLevels {
		g := grant{Connections: []string{}}
		if r := at.Get(grants, account); r != nil && json.Unmarshal(r.Raw, &g) != nil {
			g = grant{Operations: map[string][]string{}} // nothing is allowed by what is not understood
		}
		all = append(all, g)
		r := at.Get("accounts", account)
		if r == nil {
			break
		}
		above, managed := r.Text("managing_account")
		if !managed {
			break
		}
		account = above
	}
	return all
}

// granted reports whether everybody above a party allows it an operation. Its own account it sees always.
func (by principal) granted(collection, operation string) bool {
	if collection == "accounts" && operation == "read" {
		return true
	}
	return !slices.ContainsFunc(by.grants, func(g grant) bool {
		return g.Operations != nil && !slices.Contains(g.Operations[collection], operation)
	})
}

// assigned reports whether those above a party, whose connection it is, let it order on it.
func (by principal) assigned(at *store.Snapshot, connection *store.Record) bool {
	if len(by.grants) == 0 || !slices.Contains(by.grants[0].Connections, connection.ID) {
		return false
	}
	owner, ok := connection.Text("managing_account")
	return ok && within(at, by.account, owner)
}

// digest is what is kept of a key or a secret.
func digest(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// match reports whether a key or secret has a digest, in a time that does not depend on either.
func match(secret, of string) bool {
	return subtle.ConstantTimeCompare([]byte(digest(secret)), []byte(of)) == 1
}

// customerOf returns the account that has an authorization key, or "".
func customerOf(at *store.Snapshot, key string) (account string) {
	for _, r := range at.List(keys) {
		if o, err := r.Object(); err == nil {
			if of, _ := o.Text("digest"); match(key, of) {
				account = r.ID
			}
		}
	}
	return account
}

// renewKey gives an account another authorization key; the one that it had is worth nothing any more.
func renewKey(c *call) {
	ownKey(c, func(o *order, key string) *problem {
		return o.keep(keys, store.Object{"id": c.record.ID, "digest": digest(key)})
	})
}

// endKey takes the authorization key from an account: nobody orders for it any more.
func endKey(c *call) {
	ownKey(c, func(o *order, _ string) *problem {
		o.Remove(keys, c.record.ID)
		return nil
	})
}

func ownKey(c *call, do func(o *order, key string) *problem) {
	if !c.by.operator && c.by.account != c.record.ID {
		c.refuse(forbidden("the authorization key of an account is its own matter"))
		return
	}
	key := rand.Text()
	if !c.update(func(o *order) *problem { return do(o, key) }) {
		return
	}
	if c.r.Method == http.MethodDelete {
		c.answer(http.StatusOK, struct{}{})
		return
	}
	c.w.Header().Set("Cache-Control", "no-store")
	c.answer(http.StatusCreated, map[string]string{"account": c.record.ID, "authorization_key": key})
}

// credentialOf returns the account of a stored credential, and the digest of its secret.
func credentialOf(r *store.Record) (account, secret string) {
	o, err := r.Object()
	if err != nil {
		return "", ""
	}
	account, _ = o.Text("account")
	secret, _ = o.Text("digest")
	return account, secret
}

// addCredential gives an account a credential. Its secret is shown this once.
func addCredential(c *call) {
	key, secret := rand.Text(), rand.Text()+rand.Text()+rand.Text()+rand.Text()
	if !c.update(func(o *order) *problem {
		return o.keep(credentials, store.Object{"id": key, "account": c.record.ID, "digest": digest(secret)})
	}) {
		return
	}
	c.w.Header().Set("Cache-Control", "no-store")
	c.answer(http.StatusCreated, map[string]string{"account": c.record.ID, "api_key": key, "api_secret": secret})
}

// listCredentials answers with the keys of the credentials that an account was given.
func listCredentials(c *call) {
	all := []map[string]string{}
	for _, r := range c.server.store.Now().List(credentials) {
		if account, _ := credentialOf(r); account == c.record.ID {
			all = append(all, map[string]string{"account": account, "api_key": r.ID})
		}
	}
	c.answer(http.StatusOK, all)
}

// endCredential takes a credential from an account: DELETE accounts/ID/credentials/KEY. Tokens that it was given are
// worth nothing any more.
func endCredential(c *call) {
	done := c.update(func(o *order) *problem {
		if len(c.rest) == 1 {
			if r := o.Get(credentials, c.rest[0]); r != nil {
				if account, _ := credentialOf(r); account == c.record.ID {
					o.Remove(credentials, r.ID)
					return nil
				}
			}
		}
		return new(missing("there is no such credential"))
	})
	if done {
		c.answer(http.StatusOK, map[string]string{"account": c.record.ID, "api_key": c.rest[0]})
	}
}

// showGrant answers with what an account is allowed.
func showGrant(c *call) {
	c.answer(http.StatusOK, grantsOf(c.server.store.Now(), c.record.ID)[0])
}

// putGrant sets what an account is allowed. Those above it do, not itself.
func putGrant(c *call) {
	if !c.by.operator && c.by.account == c.record.ID {
		c.refuse(forbidden("an account does not choose what it is allowed"))
		return
	}
	body, p := bodyOf(c.r, false)
	if p != nil {
		c.refuse(*p)
		return
	}
	if !c.update(func(o *order) *problem {
		o.body, o.new = body, store.Object{}
		for _, f := range grantFields(o) {
			o.fill(o.new, f, f.name, body, true)
		}
		for i, id := range o.new.List("connections") {
			connection := o.Get("connections", id)
			if connection == nil || !o.by.operator && !o.server.manages(o.by, o.Tx.Now(), "connections", connection) {
				o.fault("connections."+strconv.Itoa(i), "is not managed by you")
			}
		}
		if p := o.wrong(); p != nil {
			return p
		}
		o.new["id"] = c.record.ID
		return o.keep(grants, o.new)
	}) {
		return
	}
	showGrant(c)
}

// grantFields are those of a grant. Every collection of what is ordered may be named.
func grantFields(o *order) []field {
	var collections []field
	for _, name := range slices.Sorted(maps.Keys(o.server.collections)) {
		if !catalogue(name) {
			collections = append(collections, field{name: name, is: each(choice("read", "create", "update", "remove"))})
		}
	}
	return []field{
		{name: "operations", is: object(collections...), null: true},
		{name: "connections", is: references("connections"), fallback: []any{}},
		{name: "billing", is: boolean, fallback: false},
	}
}
