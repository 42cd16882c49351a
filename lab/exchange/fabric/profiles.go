package fabric

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// maxName bounds names, in characters.
const maxName = 50

// maxBandwidth bounds the bandwidth of a connection, in Mbit/s: it is the greatest that the schema lets an answer show.
const maxBandwidth = 10_000

// plain reports whether a text has something in it, is no longer than so many characters, and can be printed.
func plain(text string, longest int) bool {
	return strings.TrimSpace(text) != "" && len([]rune(text)) <= longest && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// sellsAs reports whether the caller is the seller of a profile.
func (c *call) sellsAs(p *profile) bool { return c.manages(p.Account) }

// buysFrom reports whether the caller may order from a profile: it is public, or somebody of its account is invited.
func (c *call) buysFrom(p *profile) bool {
	if p.State != "ACTIVE" {
		return false
	}
	if p.Visibility == "PUBLIC" || c.sellsAs(p) {
		return true
	}
	return slices.ContainsFunc(c.h.options.Users, func(u User) bool {
		return u.Account == c.by.account && u.Email != "" && slices.ContainsFunc(p.AllowedEmails, func(e string) bool { return strings.EqualFold(e, u.Email) })
	})
}

// showProfile returns what the caller sees of a profile. Ports, invitations and whom to notify are the seller's own.
func (c *call) showProfile(p *profile) *profile {
	p.Href = c.href(profiles, p.UUID)
	p.Self = !c.by.operator && c.sellsAs(p)
	if !c.sellsAs(p) {
		p.Ports, p.AllowedEmails, p.Notifications, p.Project = nil, nil, nil, nil
		p.Account = &owner{Name: p.Account.Name, Organization: p.Account.Organization}
		p.Log.CreatedBy, p.Log.UpdatedBy, p.Log.DeletedBy = "", "", ""
	}
	return p
}

// profileOf returns a profile that the caller sees, or nil.
func (c *call) profileOf(id string) (*profile, error) {
	p, err := load[profile](c.at, profiles, id)
	if err != nil || p == nil || !c.sellsAs(p) && !c.buysFrom(p) {
		return nil, err
	}
	return p, nil
}

// theProfile returns the profile of the path.
func (c *call) theProfile() (*profile, error) {
	p, err := c.profileOf(c.id)
	if err == nil && p == nil {
		return nil, missing("there is no such service profile")
	}
	return p, err
}

// theOffer returns the profile of the path, which is one of the caller's.
func (c *call) theOffer() (*profile, error) {
	p, err := c.theProfile()
	switch {
	case err != nil:
		return nil, err
	case !c.sellsAs(p):
		return nil, &refusal{http.StatusForbidden, []fault{{Code: codeNotSeller, Message: "only the seller changes a service profile"}}}
	case p.State == "DELETED":
		return nil, refuse(codeDeleted, "/uuid", "the service profile has been deleted")
	}
	return p, nil
}

// seenProfiles returns the profiles that the caller may order from, or those that it sells where the view point is zSide.
func (c *call) seenProfiles() ([]*profile, error) {
	view := c.r.URL.Query().Get("viewPoint")
	if view != "" && view != "aSide" && view != "zSide" {
		return nil, refuse(codeSearch, "viewPoint", "is neither aSide nor zSide")
	}
	out := []*profile{}
	for _, r := range c.at.List(profiles) {
		p, err := parse[profile](r)
		if err != nil {
			return nil, err
		}
		if p.State != "DELETED" && (view == "zSide" && c.sellsAs(p) || view != "zSide" && c.buysFrom(p)) {
			out = append(out, c.showProfile(p))
		}
	}
	return out, nil
}

func getProfile(c *call) (int, any, error) {
	p, err := c.theProfile()
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, c.showProfile(p), nil
}

func listProfiles(c *call) (int, any, error) {
	all, err := c.seenProfiles()
	if err != nil {
		return 0, nil, err
	}
	return page(c, all)
}

func searchProfiles(c *call) (int, any, error) {
	all, err := c.seenProfiles()
	if err != nil {
		return 0, nil, err
	}
	return search(c, known(all, func(p *profile) string { return p.UUID }), profileTerms())
}

func profileMetros(c *call) (int, any, error) {
	p, err := c.theProfile()
	if err != nil {
		return 0, nil, err
	}
	return page(c, p.Metros)
}

// fill checks what a seller says of a profile and takes it over.
func (c *call) fill(p, given *profile) error {
	var f faults
	if !plain(given.Name, maxName) {
		f.add(codeProfile, "/name", fmt.Sprintf("is not a name of 1 to %d characters", maxName))
	}
	if !plain(given.Description, 500) {
		f.add(codeProfile, "/description", "is required")
	}
	types := []string{"L2_PROFILE", "L3_PROFILE", "IA_PROFILE", "IX_PROFILE", "IC_PROFILE"}
	switch {
	case !slices.Contains(types, given.Type):
		f.add(codeProfile, "/type", "is not one of "+strings.Join(types, ", "))
	case p.Type != "" && given.Type != p.Type:
		f.add(codeProfile, "/type", "cannot change")
	case given.Type == "IX_PROFILE" && !c.by.operator && p.Type == "":
		f.add(codeProfile, "/type", "only the exchange offers its peering LANs")
	}
	given.Visibility = cmp.Or(given.Visibility, "PRIVATE")
	if given.Visibility != "PRIVATE" && given.Visibility != "PUBLIC" {
		f.add(codeProfile, "/visibility", "is neither PRIVATE nor PUBLIC")
	}
	emails(&f, "/allowedEmails", given.AllowedEmails)
	notifications(&f, given.Notifications, false)
	c.fillConfigs(&f, given)
	fillFields(&f, given)
	if err := c.fillPorts(&f, given); err != nil {
		return err
	}
	if err := f.refusal(); err != nil {
		return err
	}
	p.Type, p.Name, p.Description, p.Visibility, p.AllowedEmails = given.Type, given.Name, given.Description, given.Visibility, given.AllowedEmails
	p.Notifications, p.Tags, p.Configs, p.CustomFields = given.Notifications, given.Tags, given.Configs, given.CustomFields
	p.Marketing, p.Ports, p.Metros, p.Project = given.Marketing, given.Ports, given.Metros, given.Project
	return nil
}

func (c *call) fillConfigs(f *faults, given *profile) {
	if len(given.Configs) == 0 {
		given.Configs = []accessConfig{{Type: "COLO", CustomBandwidth: true}}
	}
	if len(given.Configs) > 1 {
		f.add(codeProfile, "/accessPointTypeConfigs", "the only access points are COLO, which can be there once")
	}
	for i := range given.Configs {
		k, at := &given.Configs[i], fmt.Sprintf("/accessPointTypeConfigs/%d", i)
		k.UUID = cmp.Or(k.UUID, mint())
		if k.Type != "COLO" {
			f.add(codeProfile, at+"/type", "is not COLO")
		}
		slices.Sort(k.Bandwidths)
		k.Bandwidths = slices.Compact(k.Bandwidths)
		if slices.ContainsFunc(k.Bandwidths, func(n int) bool { return n < 1 || n > maxBandwidth }) {
			f.add(codeSpeedBand, at+"/supportedBandwidths", fmt.Sprintf("are not between 1 and %d", maxBandwidth))
		}
		if len(k.Bandwidths) == 0 && !k.CustomBandwidth {
			f.add(codeSpeedBand, at+"/supportedBandwidths", "are required, unless any bandwidth is allowed")
		}
		if l := k.LinkProtocol; l != nil {
			if !slices.Contains([]string{"", "CTAGED", "BOTH", "NAMED"}, l.Strategy) {
				f.add(codeProfile, at+"/linkProtocolConfig/encapsulationStrategy", "is not one of CTAGED, BOTH, NAMED")
			}
			if (l.Strategy == "NAMED") != (len(l.NamedTags) > 0) {
				f.add(codeProfile, at+"/linkProtocolConfig/namedTags", "are given with the strategy NAMED, and with no other")
			}
			if len(l.NamedTags) > 64 {
				f.add(codeProfile, at+"/linkProtocolConfig/namedTags", "are more than 64")
			}
			l.Encapsulation = ""
		}
		if a := k.API; a != nil {
			a.OverSubscriptionLimit = cmp.Or(a.OverSubscriptionLimit, 1)
			if a.OverSubscriptionLimit < 1 || a.OverSubscriptionLimit > 20 {
				f.add(codeProfile, at+"/apiConfig/overSubscriptionLimit", "is not between 1 and 20")
			}
			if a.Available && a.Integration == "" {
				f.add(codeProfile, at+"/apiConfig/integrationId", "is required where the API is available")
			}
			if a.BandwidthFromAPI {
				f.add(codeProfile, at+"/apiConfig/bandwidthFromApi", "is not possible: no provider's API is asked")
			}
		}
	}
}

func fillFields(f *faults, given *profile) {
	seen := map[string]bool{}
	for i := range given.CustomFields {
		field, at := &given.CustomFields[i], fmt.Sprintf("/customFields/%d", i)
		field.Required = field.Required || field.IsRequired
		field.IsRequired = field.Required
		if !plain(field.Label, maxName) || seen[field.Label] {
			f.add(codeCustomField, at+"/label", "is not a label that no other field has")
		}
		seen[field.Label] = true
		switch field.DataType {
		case "STRING", "NUMBER":
		case "LIST":
			if len(field.Options) == 0 {
				f.add(codeCustomField, at+"/options", "are required of a LIST")
			}
		default:
			f.add(codeCustomField, at+"/dataType", "is not one of STRING, LIST, NUMBER")
		}
	}
}

// fillPorts checks the ports of a profile, and works out its metros from them where it has some.
func (c *call) fillPorts(f *faults, given *profile) error {
	metros := map[string]*profileMetro{}
	tagging, seen := "", map[string]bool{}
	for i := range given.Ports {
		of, at := &given.Ports[i], fmt.Sprintf("/ports/%d", i)
		p, err := c.portOf(of.UUID)
		if err != nil {
			return err
		}
		switch {
		case of.Type != "XF_PORT":
			f.add(codeAccessPoint, at+"/type", "is not XF_PORT")
		case p == nil || !c.rules(p):
			f.add(codeAccessPoint, at+"/uuid", "there is no such port")
		case p.Encapsulation.Type == "UNTAGGED":
			f.add(codeAccessPoint, at+"/uuid", "an EPL port cannot be shared by customers")
		case tagging != "" && p.Encapsulation.Type != tagging:
			f.add(codeAccessPoint, at+"/uuid", "the ports of a profile have the same encapsulation")
		case seen[of.UUID]:
			f.add(codeAccessPoint, at+"/uuid", "is there twice")
		default:
			tagging, seen[of.UUID] = p.Encapsulation.Type, true
			of.Location = &location{MetroCode: p.Location.MetroCode, IBX: p.Location.IBX}
			m := metros[p.Location.MetroCode]
			if m == nil {
				m = &profileMetro{Code: p.Location.MetroCode, Name: p.Location.MetroName, Regions: map[string]string{}}
				metros[m.Code] = m
			}
			if p.Location.IBX != "" && !slices.Contains(m.IBXs, p.Location.IBX) {
				m.IBXs = append(m.IBXs, p.Location.IBX)
			}
			if of.SellerRegion != "" {
				m.Regions[of.SellerRegion] = of.SellerRegion
			}
		}
	}
	if len(given.Ports) > 0 {
		given.Metros = nil
		for _, code := range slices.Sorted(maps.Keys(metros)) {
			given.Metros = append(given.Metros, *metros[code])
		}
	}
	if len(given.Configs) > 0 && given.Configs[0].LinkProtocol != nil {
		given.Configs[0].LinkProtocol.Encapsulation = tagging
	}
	return nil
}

// emails checks addresses.
func emails(f *faults, pointer string, list []string) {
	for i, e := range list {
		if a, err := mail.ParseAddress(e); err != nil || a.Address != e {
			f.add(codeInput, pointer+"/"+strconv.Itoa(i), "is not an e-mail address")
		}
	}
}

// notifications checks who is to be notified.
func notifications(f *faults, list []notification, required bool) {
	types := []string{"NOTIFICATION", "BANDWIDTH_ALERT", "CONNECTION_APPROVAL", "PROFILE_LIFECYCLE", "ALL", "SALES_REP_NOTIFICATIONS", "TECHNICAL", "ORDERING"}
	if required && len(list) == 0 {
		f.add(codeInput, "/notifications", "is required")
	}
	for i, n := range list {
		at := "/notifications/" + strconv.Itoa(i)
		if !slices.Contains(types, n.Type) {
			f.add(codeInput, at+"/type", "is not one of "+strings.Join(types, ", "))
		}
		if len(n.Emails) == 0 {
			f.add(codeInput, at+"/emails", "are required")
		}
		emails(f, at+"/emails", n.Emails)
	}
}

func createProfile(c *call) (int, any, error) {
	var given profile
	if err := c.read(&given); err != nil {
		return 0, nil, err
	}
	if sub, err := c.subordinate(); err != nil || sub {
		return 0, nil, cmp.Or(err, error(forbid("sub-accounts sell nothing")))
	}
	of, err := c.seller(given.Ports)
	if err != nil {
		return 0, nil, err
	}
	p := &profile{
		UUID: mint(), State: "ACTIVE", Account: of, Log: changeLog{CreatedBy: c.by.user, Created: c.stamp(), UpdatedBy: c.by.user, Updated: c.stamp()},
	}
	if err := c.fill(p, &given); err != nil {
		return 0, nil, err
	}
	if err := c.keep(profiles, p); err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, c.showProfile(p), nil
}

// seller returns whose a new profile is: the caller's, or where the operator makes it, that of its first port.
func (c *call) seller(of []profilePort) (*owner, error) {
	if c.by.operator && len(of) > 0 {
		p, err := load[port](c.at, ports, of[0].UUID)
		if err != nil || p != nil {
			return cmp.Or(p, &port{}).Account, err
		}
	}
	return ownerOf(c.at, c.by.account)
}

func putProfile(c *call) (int, any, error) {
	p, err := c.theOffer()
	if err != nil {
		return 0, nil, err
	}
	var given profile
	if err := c.read(&given); err != nil {
		return 0, nil, err
	}
	return c.replace(p, &given, http.StatusAccepted)
}

// replace gives a profile what a seller says of it.
func (c *call) replace(p, given *profile, status int) (int, any, error) {
	if err := c.fill(p, given); err != nil {
		return 0, nil, err
	}
	p.Log.UpdatedBy, p.Log.Updated = c.by.user, c.stamp()
	if err := c.keep(profiles, p); err != nil {
		return 0, nil, err
	}
	return status, c.showProfile(p), nil
}

// patchProfile applies a JSON patch (RFC 6902) to a profile.
func patchProfile(c *call) (int, any, error) {
	p, err := c.theOffer()
	if err != nil {
		return 0, nil, err
	}
	var patch []operation
	if err := c.read(&patch); err != nil {
		return 0, nil, err
	}
	record, err := plainly(p)
	if err != nil {
		return 0, nil, err
	}
	for _, o := range patch {
		if record, err = o.apply(record); err != nil {
			return 0, nil, err
		}
	}
	text, err := json.Marshal(record)
	if err != nil {
		return 0, nil, err
	}
	var given profile
	changed := *c
	changed.body = text
	if err := changed.read(&given); err != nil {
		return 0, nil, err
	}
	return c.replace(p, &given, http.StatusOK)
}

// apply carries an operation out.
func (o operation) apply(record any) (any, error) {
	path, ok := strings.CutPrefix(o.Path, "/")
	if !ok {
		return nil, refuse(codeInput, o.Path, "is not the path of a field")
	}
	var value any
	switch {
	case o.Op != "add" && o.Op != "remove" && o.Op != "replace":
		return nil, refuse(codeInput, o.Path, "only add, remove and replace are possible")
	case o.Op != "remove" && json.Unmarshal(o.Value, &value) != nil:
		return nil, refuse(codeInput, o.Path, "the operation has no value")
	}
	return o.within(record, strings.Split(path, "/"), value)
}

// within returns a value in which what a path leads to is another.
func (o operation) within(v any, path []string, value any) (any, error) {
	name := strings.NewReplacer("~1", "/", "~0", "~").Replace(path[0])
	lost := refuse(codeInput, o.Path, "leads nowhere")
	switch v := v.(type) {
	case map[string]any:
		old, there := v[name]
		switch {
		case len(path) > 1 && !there:
			return nil, lost
		case len(path) > 1:
			inner, err := o.within(old, path[1:], value)
			v[name] = inner
			return v, err
		case o.Op == "remove":
			delete(v, name)
		default: // fields that are empty are left out, so that replacing one that is not there is adding it
			v[name] = value
		}
		return v, nil
	case []any:
		i, err := strconv.Atoi(name)
		if name == "-" && o.Op == "add" && len(path) == 1 {
			return append(v, value), nil
		}
		if err != nil || i < 0 || i > len(v) || i == len(v) && (o.Op != "add" || len(path) > 1) {
			return nil, lost
		}
		switch {
		case len(path) > 1:
			inner, err := o.within(v[i], path[1:], value)
			v[i] = inner
			return v, err
		case o.Op == "add":
			return slices.Insert(v, i, value), nil
		case o.Op == "remove":
			return slices.Delete(v, i, i+1), nil
		}
		v[i] = value
		return v, nil
	}
	return nil, lost
}

// deleteProfile withdraws a profile that no connection needs any more.
func deleteProfile(c *call) (int, any, error) {
	p, err := c.theOffer()
	if err != nil {
		return 0, nil, err
	}
	if slices.ContainsFunc(c.at.List(connections), func(r *store.Record) bool {
		of, _ := r.Text("zSide.accessPoint.profile.uuid")
		return of == p.UUID && !ended(r.State())
	}) {
		return 0, nil, refuse(codeProfile, "/uuid", "the service profile has connections")
	}
	p.State = "DELETED"
	p.Log.DeletedBy, p.Log.Deleted = c.by.user, c.stamp()
	p.Log.UpdatedBy, p.Log.Updated = c.by.user, c.stamp()
	if err := c.keep(profiles, p); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, c.showProfile(p), nil
}

// number matches the value of a custom field that is a NUMBER.
const number = `^-?[0-9]+(\.[0-9]+)?$`

// answered checks what a buyer says for the custom fields of a profile.
func (p *profile) answered(f *faults, given []keyValue) {
	for _, field := range p.CustomFields {
		i := slices.IndexFunc(given, func(v keyValue) bool { return v.Key == field.Label })
		switch {
		case i < 0 || given[i].Value == "":
			if field.Required {
				f.add(codeMetadata, "/additionalInfo", fmt.Sprintf("the seller wants to know %q", field.Label))
			}
		case field.DataType == "LIST" && !slices.Contains(field.Options, given[i].Value):
			f.add(codeMetadata, "/additionalInfo", fmt.Sprintf("%q is not one of %s", field.Label, strings.Join(field.Options, ", ")))
		case field.DataType == "NUMBER" && !regexp.MustCompile(number).MatchString(given[i].Value):
			f.add(codeMetadata, "/additionalInfo", fmt.Sprintf("%q is not a number", field.Label))
		}
	}
}

// sells reports what is wrong with a bandwidth that somebody wants of a profile, "" when nothing is.
func (p *profile) sells(bandwidth int64) string {
	k := p.Configs[0]
	if k.CustomBandwidth || slices.Contains(k.Bandwidths, int(bandwidth)) {
		return ""
	}
	return fmt.Sprintf("is not one of %v, which the service profile offers", k.Bandwidths)
}
