package adopt

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ixagent/ixagent/agent/compile"
	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// Kind is a way not to fit.
type Kind string

// The kinds, in the order in which they are told.
const (
	Open      Kind = "open"      // a person has to say where it is
	Unsold    Kind = "unsold"    // configured, and not sold
	Missing   Kind = "missing"   // sold, and not configured
	Different Kind = "different" // sold in another way than it is configured
	Refused   Kind = "refused"   // sold, and it cannot be provisioned
)

// Report is what was found. Its JSON form is stable: fields are only added.
type Report struct {
	Switches []SwitchReport `json:"switches"`
	Exchange []Item         `json:"exchange,omitempty"` // what does not fit and is of no single switch
}

// SwitchReport is what was found on one switch.
type SwitchReport struct {
	Device   string `json:"device"`
	Ports    int    `json:"ports"`    // of the exchange that have a place
	LAGs     int    `json:"lags"`     // likewise
	Circuits int    `json:"circuits"` // that stand for what is sold
	Marks    int    `json:"marks"`    // objects that get the agent's mark, and are otherwise as they should be
	Alone    int    `json:"alone"`    // objects that are left alone
	Items    []Item `json:"items,omitempty"`
}

// Item is one thing that does not fit.
type Item struct {
	Kind    Kind     `json:"kind"`
	Key     string   `json:"key,omitempty"`     // of the object on the switch
	Record  string   `json:"record,omitempty"`  // at the exchange
	Account ixapi.ID `json:"account,omitempty"` // whose it is
	Why     string   `json:"why,omitempty"`     // one sentence without a full stop
	Is      []string `json:"is,omitempty"`      // what is configured
	Sold    []string `json:"sold,omitempty"`    // what should be
	Places  []string `json:"places,omitempty"`  // to choose from, with what speaks for each
}

// Fits reports whether nothing was left to a person.
func (r *Report) Fits() bool {
	open := func(all []Item) bool { return slices.ContainsFunc(all, func(i Item) bool { return i.Kind == Open }) }
	return !open(r.Exchange) && !slices.ContainsFunc(r.Switches, func(s SwitchReport) bool { return open(s.Items) })
}

// report compares the switches with what the inventory that was found makes of the records.
func (w *work) report(c *config.Config) Report {
	compiler := compile.New(&c.Inventory, c.Policy, compile.NewAllocations(nil, compile.Cooling))
	compiler.Set(w.Records, w.Faults, w.Now)
	var r Report
	for _, d := range c.Inventory.Devices {
		r.Switches = append(r.Switches, w.reportSwitch(c, d, compiler))
	}
	w.reportExchange(&r)
	for _, x := range compiler.Rejections() {
		if !x.Refused() || x.Tag == compile.TagPortUnmapped || x.Tag == compile.TagConnectionRefused {
			continue // what it comes from is told
		}
		item := Item{Kind: Refused, Record: string(x.Collection) + " " + x.ID, Account: x.Account, Why: string(x.Tag) + ": " + x.Message}
		i := slices.IndexFunc(r.Switches, func(s SwitchReport) bool { return s.Device == x.Device })
		if i < 0 {
			r.Exchange = append(r.Exchange, item)
			continue
		}
		r.Switches[i].Items = append(r.Switches[i].Items, item)
	}
	for i := range r.Switches {
		sortItems(r.Switches[i].Items)
	}
	sortItems(r.Exchange)
	return r
}

func sortItems(all []Item) {
	kinds := []Kind{Open, Unsold, Missing, Different, Refused}
	slices.SortStableFunc(all, func(a, b Item) int { return cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind)) })
}

func (w *work) reportSwitch(c *config.Config, d *config.Device, compiler *compile.Compiler) SwitchReport {
	observed, m := w.found[d.Name].State, w.match[d.Name]
	r := SwitchReport{Device: d.Name}
	for _, c := range m.ports {
		if c.place != "" {
			r.Ports++
		}
	}
	for _, c := range m.lags {
		if c.place != "" {
			r.LAGs++
		}
	}
	for _, p := range w.pairs {
		if p.sale.device == d.Name {
			r.Circuits++
		}
	}
	open := w.reportOpen(d.Name, &r)
	intent := compiler.Intent(d.Name)
	p := plan.Build(plan.Input{Device: d.Name, Observed: observed, Intent: *intent, Scope: d.Scope(), Traits: d.Capabilities().Traits})
	told := make(map[switchcfg.Key]bool)
	for _, c := range p.Changes {
		told[c.Key] = true
		w.reportChange(c, observed, intent.State, &r)
	}
	for _, x := range p.Withheld {
		told[x.Key] = true
		r.Items = append(r.Items, Item{Kind: Different, Key: x.Key.String(), Record: x.Cause.Record, Account: x.Cause.Account, Why: string(x.Reason) + ": " + x.Detail})
	}
	services, providers := make(map[string]bool), make(map[string]bool)
	for _, n := range c.Inventory.NNIs {
		providers[n.Interface] = providers[n.Interface] || n.Device == d.Name
	}
	for _, c := range w.names {
		services[c.place] = true
	}
	for _, k := range observed.Keys() {
		if intent.State[k] != nil || told[k] {
			continue
		}
		if o, ok := observed[k].(*switchcfg.Opaque); ok && d.Scope().Covers(k) {
			r.Items = append(r.Items, Item{Kind: Different, Key: k.String(), Why: "what is configured there is not understood, and left alone: " + o.Why, Is: o.Text})
			continue
		}
		if why, ok := unsold(observed[k], d.Scope(), services); ok && !open[k.Name] && !held(intent, k) && (k.Kind == switchcfg.KindCircuit || !providers[k.Name]) {
			r.Items = append(r.Items, Item{Kind: Unsold, Key: k.String(), Why: why, Is: observed[k].Lines()})
			continue
		}
		r.Alone++
	}
	return r
}

// reportOpen tells of the ports and LAGs that are left to a person, and returns the places among which they are.
func (w *work) reportOpen(device string, r *SwitchReport) map[string]bool {
	m := w.match[device]
	places := make(map[string]bool)
	add := func(record string, account ixapi.ID, c *choice) {
		if c.place != "" || c.guess != "" && w.Guesses {
			return
		}
		item := Item{Kind: Open, Record: record, Account: account, Why: cmp.Or(c.note, "nothing on the switch speaks for any place")}
		for _, place := range sortedPlaces(c.among) {
			places[place] = true
			item.Places = append(item.Places, fmt.Sprintf("%s: %s", place, c.among[place].words("")))
		}
		if c.guess != "" {
			places[c.guess] = true
			item.Places = append(item.Places, c.guess+": a guess")
		}
		r.Items = append(r.Items, item)
	}
	for _, s := range m.sales {
		if s.isLAG() && len(m.lags[s].among) > 0 {
			add("connection "+s.conn.ID, s.conn.ConsumingAccount, m.lags[s])
		}
		for _, p := range s.ports {
			add("port "+p.ID, s.conn.ConsumingAccount, m.ports[p.ID])
		}
	}
	return places
}

// reportChange tells of a change of the first plan, or counts it where only a mark is added.
func (w *work) reportChange(c plan.Change, observed, intent switchcfg.State, r *SwitchReport) {
	item := Item{Key: c.Key.String(), Record: c.Cause.Record, Account: c.Cause.Account, Why: c.Reason}
	switch {
	case c.Before == nil:
		if c.Key.Kind == switchcfg.KindFilter || c.Key.Kind == switchcfg.KindPolicer {
			return // told with the circuit
		}
		item.Kind, item.Sold = Missing, c.After.Lines()
	case c.After == nil:
		item.Kind, item.Why, item.Is = Unsold, "the agent made it", c.Before.Lines()
	default:
		item.Is, item.Sold = differences(asMarked(c.Before, c.After, observed, intent), c.After)
		if len(item.Is)+len(item.Sold) == 0 {
			r.Marks++
			return
		}
		item.Kind = Different
	}
	r.Items = append(r.Items, item)
}

// asMarked returns an object with the mark that it is to have, and the name of its filter where that admits the same.
func asMarked(before, after switchcfg.Object, observed, intent switchcfg.State) switchcfg.Object {
	switch b := before.(type) {
	case *switchcfg.Interface:
		x := *b
		x.Description = switchcfg.Description(after)
		return &x
	case *switchcfg.LAG:
		x := *b
		x.Description = switchcfg.Description(after)
		x.MinLinks = max(x.MinLinks, 1) // none means one
		return &x
	case *switchcfg.Service:
		x := *b
		x.Description = switchcfg.Description(after)
		return &x
	case *switchcfg.Circuit:
		x := *b
		x.Description = switchcfg.Description(after)
		if a, ok := after.(*switchcfg.Circuit); ok && sameFilter(observed, b.Filter, intent, a.Filter) {
			x.Filter = a.Filter
		}
		return &x
	}
	return before
}

// sameFilter reports whether two filters admit the same.
func sameFilter(in switchcfg.State, name string, to switchcfg.State, other string) bool {
	a, ok := in[switchcfg.Key{Kind: switchcfg.KindFilter, Name: name}].(*switchcfg.Filter)
	b, ok2 := to[switchcfg.Key{Kind: switchcfg.KindFilter, Name: other}].(*switchcfg.Filter)
	return ok && ok2 && a.AnySource == b.AnySource && slices.Equal(a.Sources, b.Sources)
}

// differences returns the lines of either object that the other has not.
func differences(a, b switchcfg.Object) (onlyA, onlyB []string) {
	x, y := a.Lines(), b.Lines()
	for _, l := range x {
		if !slices.Contains(y, l) {
			onlyA = append(onlyA, l)
		}
	}
	for _, l := range y {
		if !slices.Contains(x, l) {
			onlyB = append(onlyB, l)
		}
	}
	return onlyA, onlyB
}

// unsold says why an object that nothing is sold for is told of: it is at a place that is the agent's, or in a service that
// is.
func unsold(o switchcfg.Object, scope *plan.Scope, services map[string]bool) (why string, ok bool) {
	k := o.Key()
	c, isCircuit := o.(*switchcfg.Circuit)
	switch {
	case isCircuit && services[c.Service]:
		return "it joins " + c.Service + ", and nothing is sold for it", true
	case k.Kind == switchcfg.KindService && services[k.Name]: // it is kept for who joins it next
	case k.Kind != switchcfg.KindFilter && k.Kind != switchcfg.KindPolicer && scope.Covers(k):
		return "it is at a place of the exchange's, and nothing is sold for it", true
	}
	return "", false
}

// held reports whether what stands at k is left as it is because of its record.
func held(in *plan.Intent, k switchcfg.Key) bool {
	return slices.ContainsFunc(in.Frozen, func(f plan.Freeze) bool { return f.Key == k || f.Under && f.Key.Name == k.Name })
}

// reportExchange tells of services that are left to a person, and of devices that were not looked at.
func (w *work) reportExchange(r *Report) {
	known, told := make(map[ixapi.ID]bool), make(map[ixapi.ID]bool)
	for _, id := range w.sold.ids {
		known[id] = true
	}
	for _, p := range w.Records.Ports {
		if p.Device != "" && !known[p.Device] && !told[p.Device] {
			told[p.Device] = true
			r.Exchange = append(r.Exchange, Item{
				Kind: Different, Record: "device " + p.Device,
				Why: "it is no switch of the configuration: if it is one of the exchange's, the others would drop their tunnels to it",
			})
		}
	}
	for _, s := range w.order() {
		c := w.names[s]
		if c.place != "" || len(c.among) == 0 {
			continue
		}
		item := Item{Kind: Open, Record: "network service " + s.of.ID, Account: s.of.ConsumingAccount, Why: c.note, Places: sortedPlaces(c.among)}
		r.Exchange = append(r.Exchange, item)
	}
}

// AppendText appends the report as a person reads it.
func (r *Report) AppendText(b []byte) []byte {
	for _, s := range r.Switches {
		b = fmt.Appendf(b, "%s: %s, %s and %s found; %s nothing but the agent's mark; %s left alone\n", s.Device,
			count(s.Ports, "port"), count(s.LAGs, "LAG"), count(s.Circuits, "circuit"), needs(s.Marks), count(s.Alone, "object"))
		b = append(appendItems(b, s.Items), '\n')
	}
	if len(r.Exchange) > 0 {
		b = append(appendItems(append(b, "the exchange\n"...), r.Exchange), '\n')
	}
	return b
}

func needs(n int) string {
	if n == 1 {
		return "1 object needs"
	}
	return fmt.Sprintf("%d objects need", n)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

var titles = [...]struct {
	kind Kind
	text string
}{
	{Open, "for a person to decide"},
	{Unsold, "configured, not sold"},
	{Missing, "sold, not configured"},
	{Different, "different"},
	{Refused, "sold, and cannot be provisioned"},
}

func appendItems(b []byte, all []Item) []byte {
	for _, t := range titles {
		items := slices.DeleteFunc(slices.Clone(all), func(i Item) bool { return i.Kind != t.kind })
		if len(items) > 0 {
			b = fmt.Appendf(b, "  %s (%d):\n", t.text, len(items))
		}
		for _, i := range items {
			b = i.append(b)
		}
	}
	return b
}

func (i Item) append(b []byte) []byte {
	what := i.Key
	switch {
	case what == "":
		what = i.Record
	case i.Record != "":
		what += " (" + i.Record + ")"
	}
	b = fmt.Appendf(b, "    %s", comment(what))
	if i.Why != "" {
		b = fmt.Appendf(b, ": %s", comment(i.Why))
	}
	b = append(b, '\n')
	for _, p := range i.Places {
		b = fmt.Appendf(b, "      ? %s\n", comment(p))
	}
	if i.Kind != Different {
		if lines := append(slices.Clone(i.Is), i.Sold...); len(lines) > 0 {
			b = fmt.Appendf(b, "        %s\n", comment(strings.Join(lines, ", ")))
		}
		return b
	}
	for _, l := range i.Is {
		b = fmt.Appendf(b, "      - %s\n", comment(l))
	}
	for _, l := range i.Sold {
		b = fmt.Appendf(b, "      + %s\n", comment(l))
	}
	return b
}
