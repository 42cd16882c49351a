package exchange

import (
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// officePath is where the operator of the exchange does what IX-API leaves to its back office.
const officePath = "/lab/records"

// office answers PATCH of a record, by the operator: it changes any of its fields, and no rule of the exchange is asked.
func (s *Server) office(w http.ResponseWriter, r *http.Request, path string) {
	by, p := s.authenticate(r)
	if p != nil {
		p.write(w, r)
		return
	}
	if !by.operator {
		forbidden("only the operator of the exchange is let in here").write(w, r)
		return
	}
	only(func(w http.ResponseWriter, r *http.Request) {
		collection, escaped, _ := strings.Cut(path, "/")
		id, err := url.PathUnescape(escaped)
		if _, known := s.collections[collection]; !known || err != nil || s.store.Now().Get(collection, id) == nil {
			missing("there is no such record").write(w, r)
			return
		}
		body, p := bodyOf(r, false)
		if p != nil {
			p.write(w, r)
			return
		}
		delete(body, "id")
		if p := s.transact(by, func(o *order) *problem { return o.edit(collection, id, maps.Clone(body)) }); p != nil {
			p.write(w, r)
			return
		}
		text, err := s.Get(collection, id)
		if err != nil {
			missing(store.ErrNoRecord.Error()).write(w, r)
			return
		}
		s.send(w, collection, http.StatusOK, append(text, '\n'))
	}, http.MethodPatch)(w, r)
}
