package exchange

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// maxLetter bounds a letter of authorisation, in bytes.
const maxLetter = 2 << 20

// pdf is the media type of the exchange's letters.
const pdf = "application/pdf"

// letters are the actions below a connection or a port reservation: the letter of authorisation (LOA) for its cross
// connects is downloaded or uploaded.
func letters() action {
	return action{http.MethodGet: download, http.MethodPost: upload}
}

// letterKey is where the store keeps the letter of a record: a line with its media type, and the letter.
func (c *call) letterKey() string { return "loa " + c.collection + " " + c.record.ID }

// download answers with the letter that was uploaded. Without one it is the exchange's, which allows the subscriber to
// order the cross connects to the ports that it got.
func download(c *call) {
	if len(c.rest) > 0 {
		c.refuse(missing("there is no such resource"))
		return
	}
	if !c.mayKnow(c.server.store.Now()) {
		return
	}
	kind, body := pdf, []byte(nil)
	if kept := c.server.store.Blob(c.letterKey()); kept != nil {
		line, letter, _ := bytes.Cut(kept, []byte("\n"))
		kind, body = string(line), letter
	} else if lines := c.server.authorise(c.collection, c.record); lines != nil {
		body = onePage(lines)
	} else {
		c.refuse(missing("there is no letter of authorisation"))
		return
	}
	c.w.Header().Set("Content-Type", kind)
	c.w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	c.w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": "loa-" + c.record.ID}))
	c.w.Header().Set("X-Content-Type-Options", "nosniff")
	_, _ = c.w.Write(body) // whether the client still listens is its own matter
}

// authorise returns the lines of the exchange's letter for a record, or nil where it writes none: the exchange orders
// the cross connects itself, or there is no port yet.
func (s *Server) authorise(collection string, r *store.Record) []string {
	at := s.store.Now()
	c, of := r, "connection "+r.ID
	if collection == "port-reservations" {
		id, _ := r.Text("connection")
		if c, of = at.Get("connections", id), "port reservation "+r.ID; c == nil {
			return nil
		}
	}
	offered, _ := c.Text("product_offering")
	offering := at.Get("product-offerings", offered)
	if offering == nil || !inService(r) {
		return nil
	}
	if by, _ := offering.Text("cross_connect_initiator"); by != "subscriber" {
		return nil
	}
	var ports []string
	for _, p := range at.List("port-reservations") {
		on, _ := p.Text("connection")
		demarc, given := p.Text("exchange_side_demarc")
		if given && inService(p) && (p.ID == r.ID || on == r.ID && collection == "connections") {
			ports = append(ports, demarc)
		}
	}
	if ports == nil {
		return nil
	}
	consumer, _ := c.Text("consuming_account")
	name := consumer
	if a := at.Get("accounts", consumer); a != nil {
		name, _ = a.Text("name")
	}
	pop, _ := c.Text("pop")
	provider, _ := offering.Text("service_provider")
	lines := []string{
		"Letter of authorisation", "", "for " + of, "",
		provider + " authorises " + name, "to order cross connects to its ports at " + pop + ":", "",
	}
	return append(lines, ports...)
}

// upload keeps a letter, which is the body of the request, or the first file of a form.
func upload(c *call) {
	if len(c.rest) > 0 {
		c.refuse(missing("there is no such resource"))
		return
	}
	kind, parameters, err := mime.ParseMediaType(orDefault(c.r.Header.Get("Content-Type"), "application/octet-stream"))
	if err != nil {
		c.refuse(invalid(property{Name: "Content-Type", Reason: err.Error()}))
		return
	}
	var from io.Reader = c.r.Body
	if kind == "multipart/form-data" {
		part, err := multipart.NewReader(c.r.Body, parameters["boundary"]).NextPart()
		if err != nil {
			c.refuse(invalid(property{Name: "body", Reason: "is a form without a file"}))
			return
		}
		from = part
		kind, _, err = mime.ParseMediaType(orDefault(part.Header.Get("Content-Type"), "application/octet-stream"))
		if err != nil {
			c.refuse(invalid(property{Name: "Content-Type", Reason: err.Error()}))
			return
		}
	}
	letter, err := io.ReadAll(from)
	switch p := unreadable(err); {
	case p != nil:
		c.refuse(*p)
	case len(letter) == 0:
		c.refuse(invalid(property{Name: "body", Reason: "is empty"}))
	case c.update(func(o *order) *problem {
		r := o.find(c.collection, c.record.ID)
		if r == nil {
			return new(missing("there is no such record"))
		}
		if p := o.changeable(r.State()); p != nil {
			return p
		}
		o.PutBlob(c.letterKey(), append([]byte(kind+"\n"), letter...))
		return nil
	}):
		c.answer(http.StatusOK, map[string]any{})
	}
}

// onePage is a PDF (ISO 32000-1) of one page with lines of text. Characters that its font does not have are left out.
func onePage(lines []string) []byte {
	var text strings.Builder
	text.WriteString("BT /F1 12 Tf 16 TL 72 770 Td\n")
	for _, line := range lines {
		text.WriteByte('(')
		for _, r := range line {
			switch {
			case r == '(' || r == ')' || r == '\\':
				text.WriteString(`\` + string(r))
			case r >= ' ' && r <= '~':
				text.WriteRune(r)
			}
		}
		text.WriteString(") Tj T*\n")
	}
	text.WriteString("ET")
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", text.Len(), text.String()),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	}
	var out bytes.Buffer
	out.WriteString("%PDF-1.4\n")
	table := fmt.Sprintf("xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for i, object := range objects {
		table += fmt.Sprintf("%010d 00000 n \n", out.Len())
		fmt.Fprintf(&out, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	at := out.Len()
	fmt.Fprintf(&out, "%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", table, len(objects)+1, at)
	return out.Bytes()
}
