package exchange

import (
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

const (
	// termsPath is where people read the terms of the exchange and accept them.
	termsPath = "/terms"
	// termsTag marks the status message of an account that has not done so.
	termsTag = "toc_required"
)

// termsURL is where the terms are accepted for an account. Whoever knows it may do so.
func (s *Server) termsURL(account string) string {
	path := termsPath + "/" + url.PathEscape(account) + "/" + s.termsKey(account)
	if s.listener == nil {
		return path
	}
	return s.origin() + path
}

func (s *Server) termsKey(account string) string { return s.signer.MAC("terms of " + account) }

// termsPage is what a person sees there.
const termsPage = `<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>Terms of the exchange</title>
<h1>Terms of the exchange</h1>
<p>This is a sandbox: nothing that is ordered here is delivered, and nothing is charged.</p>
{{if .Accepted}}<p>{{.Name}} has accepted them.</p>
{{else}}<form method="post"><button>Accept for {{.Name}}</button></form>
{{end}}</html>
`

// terms answers GET of the terms, and POST, which accepts them: the account is in production then.
func (s *Server) terms(w http.ResponseWriter, r *http.Request, path string) {
	escaped, key, _ := strings.Cut(path, "/")
	id, err := url.PathUnescape(escaped)
	if err != nil || !match(key, digest(s.termsKey(id))) || s.store.Now().Get("accounts", id) == nil {
		missing("there is nothing to accept here").write(w, r)
		return
	}
	if r.Method == http.MethodPost {
		if p := s.transact(principal{operator: true}, func(o *order) *problem { return o.accept(id) }); p != nil {
			p.write(w, r)
			return
		}
	}
	account := s.store.Now().Get("accounts", id)
	if account == nil {
		missing("there is nothing to accept here").write(w, r)
		return
	}
	object, err := account.Object()
	if err != nil {
		generic(http.StatusInternalServerError, err.Error()).write(w, r)
		return
	}
	name, _ := account.Text("name")
	page, err := template.New("terms").Parse(termsPage)
	if err != nil {
		generic(http.StatusInternalServerError, err.Error()).write(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Referrer-Policy", "no-referrer")
	_ = page.Execute(w, struct {
		Name     string
		Accepted bool
	}{name, !tagged(object, termsTag)})
}

// accept moves an account on that waits for nothing but its acceptance of the terms.
func (o *order) accept(id string) *problem {
	account := o.Get("accounts", id)
	if account == nil {
		return new(missing("there is no such record"))
	}
	record, err := account.Object()
	if err != nil || account.State() != "requested" {
		return nil
	}
	status, _ := record["status"].([]any)
	status = slices.DeleteFunc(status, func(v any) bool {
		message, _ := v.(map[string]any)
		return message["tag"] == termsTag
	})
	state, more := o.accepted(id)
	return o.edit("accounts", id, store.Object{"state": state, "status": append(append([]any{}, status...), more...)})
}
