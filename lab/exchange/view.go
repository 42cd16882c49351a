package exchange

import "github.com/ixagent/ixagent/lab/exchange/store"

// A principal is who asks: an account, or the operator of the exchange.
type principal struct {
	account  string // "" for the operator
	operator bool
}

// visible reports whether a party sees a record.
func (s *Server) visible(by principal, at *store.Snapshot, collection string, r *store.Record) bool {
	return true
}

// view returns what a party sees of a record; ok is false when it does not see it.
func (s *Server) view(by principal, at *store.Snapshot, collection string, r *store.Record) (text []byte, ok bool) {
	if !s.visible(by, at, collection, r) {
		return nil, false
	}
	return r.Raw, true
}

// permit returns why a party must not change a record that it sees, or nil.
func (s *Server) permit(o *order, r *store.Record) *problem { return nil }
