package ovs

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ixagent/ixagent/models/switchcfg"
)

// found is what was read of a switch.
type found struct {
	*config                   // rows and flows that are ours
	numbers map[string]int    // OpenFlow ports that interfaces of the hub ask for
	taken   map[int]bool      // all that are in use there, also in flows
	lost    map[string]bool   // interfaces that have another OpenFlow port than they ask for
	errs    map[string]string // interfaces that could not be opened, by what is said of them
	foreign map[string]string // physical interfaces that are not ours, by their bridge
	guests  map[string]string // ports that are not ours in bridges that are, by their bridge
	odd     []string          // flows in the hub that are not ours
	opaque  bool              // some of our rows are not understood
}

// answer is one result of a transaction (RFC 7047 5.2.2).
type answer struct {
	Rows    []map[string]json.RawMessage `json:"rows"`
	Error   string                       `json:"error"`
	Details string                       `json:"details"`
}

// tables returns the operations that select everything of concern, in one transaction.
func tables() string {
	const selects = `{"op":"select","table":%q,"where":[],"columns":[%s]}`
	list := func(columns string) string { return `"` + strings.ReplaceAll(columns, " ", `","`) + `"` }
	return `["Open_vSwitch",` + strings.Join([]string{
		fmt.Sprintf(selects, tableSwitch, list("other_config external_ids")),
		fmt.Sprintf(selects, tableBridge, list("name ports datapath_type fail_mode flood_vlans other_config external_ids")),
		fmt.Sprintf(selects, tablePort, list("_uuid name interfaces lacp bond_mode protected tag trunks vlan_mode other_config external_ids")),
		fmt.Sprintf(selects, tableInterface, list("_uuid name type options other_config ofport ofport_request mtu_request external_ids error admin_state link_state statistics")),
	}, ",") + `]`
}

// database reads the answer to tables.
func database(text []byte) ([]answer, error) {
	var all []answer
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, fmt.Errorf("the database: %w", err)
	}
	for _, a := range all {
		if a.Error != "" {
			return nil, fmt.Errorf("the database: %s: %s", a.Error, a.Details)
		}
	}
	if len(all) != 4 || len(all[0].Rows) != 1 {
		return nil, errors.New("the database: the answer does not have what was asked for")
	}
	return all, nil
}

// value reads a value of a column (RFC 7047 5.1): a string, number or boolean, a slice of them, or a map.
func value(raw json.RawMessage) (any, error) {
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		return nil, err
	}
	pair, ok := v.([]any)
	if !ok {
		return v, nil
	}
	if len(pair) != 2 {
		return nil, fmt.Errorf("%s is no value", raw)
	}
	list, _ := pair[1].([]any)
	switch pair[0] {
	case "uuid":
		return pair[1], nil
	case "set":
		for i, e := range list {
			if p, ok := e.([]any); ok && len(p) == 2 {
				list[i] = p[1]
			}
		}
		return list, nil
	case "map":
		m := make(map[string]string, len(list))
		for _, e := range list {
			p, ok := e.([]any)
			if !ok || len(p) != 2 {
				return nil, fmt.Errorf("%s is no map", raw)
			}
			m[fmt.Sprint(p[0])] = fmt.Sprint(p[1])
		}
		return m, nil
	}
	return nil, fmt.Errorf("%s is no value", raw)
}

// record is a row with its columns read.
type record map[string]any

func (a answer) records() ([]record, error) {
	out := make([]record, len(a.Rows))
	for i, raw := range a.Rows {
		out[i] = make(record, len(raw))
		for c, v := range raw {
			x, err := value(v)
			if err != nil {
				return nil, fmt.Errorf("the database: column %s: %w", c, err)
			}
			out[i][c] = x
		}
	}
	return out, nil
}

func (r record) text(column string) string { s, _ := r[column].(string); return s }

func (r record) entry(column, key string) string {
	m, _ := r[column].(map[string]string)
	return m[key]
}

// list returns the elements of a set, which is no set where there is one.
func (r record) list(column string) []string {
	switch v := r[column].(type) {
	case nil:
		return nil
	case []any:
		out := make([]string, len(v))
		for i, e := range v {
			out[i] = number64(e)
		}
		return out
	default:
		return []string{number64(v)}
	}
}

func number64(v any) string {
	if f, ok := v.(float64); ok {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	return fmt.Sprint(v)
}

func (r record) number(column string) (int, bool) {
	l := r.list(column)
	if len(l) != 1 {
		return 0, false
	}
	n, err := strconv.Atoi(l[0])
	return n, err == nil
}

// plain copies columns of one value.
func (r record) plain(into map[string]string, columns ...string) {
	for _, c := range columns {
		if l := r.list(c); len(l) == 1 && l[0] != "" && l[0] != "false" {
			into[c] = l[0]
		}
	}
}

// keys copies keys of a column that is a map.
func (r record) keys(into map[string]string, column string, such func(string) bool) {
	m, _ := r[column].(map[string]string)
	for k, v := range m {
		if such(k) {
			name := k
			if strings.Contains(k, " ") {
				name = quoted(k)
			}
			into[column+":"+name] = quoted(v)
		}
	}
}

func (r record) set(into map[string]string, columns ...string) {
	for _, c := range columns {
		if l := r.list(c); len(l) > 0 {
			slices.SortFunc(l, switchcfg.CompareNames)
			into[c] = "[" + strings.Join(l, ",") + "]"
		}
	}
}

func only(keys ...string) func(string) bool {
	return func(k string) bool { return slices.Contains(keys, k) }
}

func noted(k string) bool { return k == "ixagent" || strings.HasPrefix(k, "ixagent ") }

// read makes what was found of the database.
func read(all []answer) (*found, error) {
	f := &found{
		config: newConfig(), numbers: make(map[string]int), taken: make(map[int]bool), lost: make(map[string]bool),
		errs: make(map[string]string), foreign: make(map[string]string), guests: make(map[string]string),
	}
	var tables [4][]record
	for i, a := range all {
		var err error
		if tables[i], err = a.records(); err != nil {
			return nil, err
		}
	}
	sw := &row{rowKey: rowKey{tableSwitch, "."}, columns: make(map[string]string)}
	tables[0][0].keys(sw.columns, "other_config", only("vlan-limit"))
	if sw.columns["other_config:vlan-limit"] == quoted("1") { // as without
		clear(sw.columns)
	}
	f.put(sw)

	bridgeOf, ours := make(map[string]string), make(map[string]bool)
	for _, b := range tables[1] {
		r := &row{rowKey: rowKey{tableBridge, b.text("name")}, columns: make(map[string]string)}
		for _, p := range b.list("ports") {
			bridgeOf[p] = r.name
		}
		if b.entry("external_ids", "ixagent") == "" {
			continue
		}
		ours[r.name] = true
		b.plain(r.columns, "datapath_type", "fail_mode")
		if r.columns["fail_mode"] == "standalone" { // as without
			delete(r.columns, "fail_mode")
		}
		b.set(r.columns, "flood_vlans")
		b.keys(r.columns, "other_config", only("forward-bpdu"))
		b.keys(r.columns, "external_ids", noted)
		f.put(r)
	}
	portOf, bridgeOfPort := make(map[string]string), make(map[string]string)
	for _, p := range tables[2] {
		r := &row{rowKey: rowKey{tablePort, p.text("name")}, columns: make(map[string]string), in: bridgeOf[p.text("_uuid")], uuid: p.text("_uuid")}
		bridgeOfPort[r.name] = r.in
		for _, i := range p.list("interfaces") {
			portOf[i] = r.name
		}
		if p.entry("external_ids", "ixagent") == "" {
			if ours[r.in] && r.in != r.name {
				f.guests[r.name] = r.in
			}
			continue
		}
		p.plain(r.columns, "lacp", "bond_mode", "protected", "tag", "vlan_mode")
		p.set(r.columns, "trunks")
		p.keys(r.columns, "other_config", only("lacp-time", "lacp-system-id"))
		p.keys(r.columns, "external_ids", noted)
		f.put(r)
	}
	for _, i := range tables[3] {
		r := &row{rowKey: rowKey{tableInterface, i.text("name")}, columns: make(map[string]string), in: portOf[i.text("_uuid")], uuid: i.text("_uuid")}
		bridge := bridgeOfPort[r.in]
		n, given := i.number("ofport")
		want, asked := i.number("ofport_request")
		if bridge == hub {
			f.taken[n], f.taken[want] = true, true
		}
		if i.entry("external_ids", "ixagent") == "" {
			if t := i.text("type"); t == "" || t == "system" {
				f.foreign[r.name] = bridge
			}
			continue
		}
		if bridge == hub && asked {
			f.numbers[r.name] = want
			f.lost[r.name] = given && n > 0 && n != want
		}
		if l := i.list("error"); len(l) > 0 {
			f.errs[r.name] = l[0]
		}
		i.plain(r.columns, "type", "ofport_request", "mtu_request")
		if r.columns["type"] == "system" {
			delete(r.columns, "type")
		}
		i.keys(r.columns, "other_config", only("lacp-aggregation-key"))
		i.keys(r.columns, "options", func(string) bool { return true })
		i.keys(r.columns, "external_ids", noted)
		f.put(r)
	}
	return f, nil
}

var (
	usesNumber = regexp.MustCompile(`in_port=([0-9]+)|reg0=0x([0-9a-f]+)`)
	aMeter     = regexp.MustCompile(`^meter=([0-9]+) kbps burst bands=$`)
	aBand      = regexp.MustCompile(`^type=drop rate=([0-9]+) burst_size=([0-9]+)$`)
)

// openflow reads what ovs-ofctl printed of the hub: flows, and meters after a line "meters". It ends with a line "end".
func (f *found) openflow(text string) error {
	flows, meters, both := strings.Cut("\n"+text, "\nmeters\n")
	meters, ok := strings.CutSuffix("\n"+meters, "\nend\n")
	if !ok || !both {
		return errors.New("the flows are not listed to their end")
	}
	for line := range strings.Lines(flows) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, cookie):
			f.flows[line] = nil
			if m := usesNumber.FindStringSubmatch(line); m != nil {
				n, _ := strconv.Atoi(m[1])
				reg, _ := strconv.ParseUint(m[2], 16, 32)
				f.taken[n+int(reg)] = true
			}
		case line != "":
			f.odd = append(f.odd, line)
		}
	}
	id := uint32(0)
	for line := range strings.Lines(meters) {
		line = strings.TrimSpace(line)
		if m := aMeter.FindStringSubmatch(line); m != nil {
			n, _ := strconv.ParseUint(m[1], 10, 32)
			id = uint32(n)
			f.meters[id] = meter{}
		} else if m := aBand.FindStringSubmatch(line); m != nil && id != 0 {
			rate, _ := strconv.ParseUint(m[1], 10, 64)
			burst, _ := strconv.ParseUint(m[2], 10, 64)
			f.meters[id] = meter{rate, burst}
		}
	}
	return nil
}

// noteText returns the note of a row.
func (r *row) noteText() string {
	s, err := strconv.Unquote(r.columns[note])
	if err != nil {
		return ""
	}
	return s
}

// state returns what is on the switch.
func (f *found) state() switchcfg.State {
	s := f.noted()
	numbers, taken := make(map[string]int), make(map[int]bool)
	for k, v := range f.numbers {
		numbers[k] = v
	}
	for k := range f.taken {
		taken[k] = true
	}
	legal := make(switchcfg.State, len(s))
	for k, o := range s {
		if _, odd := o.(*switchcfg.Opaque); odd {
			f.opaque = true
		} else {
			legal[k] = o
		}
	}
	want, errs := render(legal, numbers, taken)
	differs := make(map[switchcfg.Key]string) // from what it is rendered to
	for k, w := range want.rows {
		switch have := f.rows[k]; {
		case have == nil:
			differs[w.owner] = k.table + " " + k.name + " is missing"
		case !have.same(w):
			differs[w.owner] = k.table + " " + k.name + " is not as it was made"
		case f.lost[k.name] && k.table == tableInterface:
			differs[w.owner] = k.name + " has another OpenFlow port"
		}
	}
	base := true
	for line, owners := range want.flows {
		if _, ok := f.flows[line]; ok {
			continue
		}
		base = base && len(owners) > 0
		for _, k := range owners {
			differs[k] = "a flow is missing"
		}
	}
	_, hubDiffers := differs[switchcfg.Key{}]
	open := f.open()
	for k, o := range legal {
		if err := errs[k]; err != nil {
			s[k], f.opaque = &switchcfg.Opaque{At: k, Why: err.Error()}, true
			continue
		}
		why, odd := differs[k]
		switch o := o.(type) {
		case *switchcfg.Service:
			if odd {
				s[k], f.opaque = &switchcfg.Opaque{At: k, Why: why}, true
			}
		case *switchcfg.Interface:
			x := *o
			x.Shutdown = !o.Shutdown && odd || o.Shutdown && !open[k]
			s[k] = &x
		case *switchcfg.LAG:
			x := *o
			x.Shutdown = !o.Shutdown && odd || o.Shutdown && !open[k]
			s[k] = &x
		case *switchcfg.Circuit:
			x := *o
			x.Shutdown = !o.Shutdown && (odd || hubDiffers || !base) || o.Shutdown && !open[k]
			s[k] = &x
		}
	}
	for name, bridge := range f.foreign {
		k := switchcfg.Key{Kind: switchcfg.KindInterface, Name: name}
		why := "it is a port of bridge " + bridge + ", which ixagent has not made"
		if f.guests[name] != "" {
			why = "somebody has added it to bridge " + bridge
		}
		s.Put(&switchcfg.Opaque{At: k, Why: why})
	}
	if len(f.odd) > 0 {
		slices.Sort(f.odd)
		s.Put(&switchcfg.Opaque{At: switchcfg.Key{Kind: switchcfg.KindFilter, Name: "openflow"}, Why: "bridge " + hub + " has flows that ixagent has not made", Text: f.odd})
	}
	return s
}

// open returns the objects whose frames enter, whatever is ordered.
func (f *found) open() map[switchcfg.Key]bool {
	out := make(map[switchcfg.Key]bool)
	numbers := make(map[string]bool)
	for line := range f.flows {
		if m := usesNumber.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			reg, _ := strconv.ParseUint(m[2], 16, 32)
			numbers[strconv.Itoa(n+int(reg))] = true
		}
	}
	for _, r := range f.rows {
		if n, ok := r.columns["ofport_request"]; !ok || !numbers[n] {
			continue
		}
		if o, err := decode(r); err == nil && o != nil {
			out[o.Key()] = true
		}
		if p := f.rows[rowKey{tablePort, r.in}]; p != nil {
			if o, err := decode(p); err == nil && o != nil {
				out[o.Key()] = true
			}
		}
	}
	for _, p := range f.sorted(tablePort) {
		if o, err := decode(p); err == nil && o != nil {
			near, _ := lagPatch(o.Key().Name)
			if n, ok := f.numbers[near]; ok && numbers[strconv.Itoa(n)] {
				out[o.Key()] = true
			}
		}
	}
	return out
}

// decode returns the object that a row stands for, if it stands for one.
func decode(r *row) (switchcfg.Object, error) {
	text := r.noteText()
	if text == "" || text == part {
		return nil, nil
	}
	var a switchcfg.Any
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return nil, err
	}
	if _, odd := a.Object.(*switchcfg.Opaque); odd || a.Object == nil {
		return nil, errors.New("its note holds no object")
	}
	return a.Object, nil
}

// noted returns the objects that rows stand for, before they are compared with what they are rendered to.
func (f *found) noted() switchcfg.State {
	s := make(switchcfg.State)
	for k, r := range f.rows {
		at := switchcfg.Key{Name: r.name}
		fits := func(switchcfg.Object) bool { return false }
		switch k.table {
		case tableBridge:
			at.Kind = switchcfg.KindService
			fits = func(o switchcfg.Object) bool {
				x, ok := o.(*switchcfg.Service)
				return ok && serviceBridge(x.Name) == r.name
			}
		case tablePort:
			at.Kind = switchcfg.KindLAG
			fits = func(o switchcfg.Object) bool {
				x, ok := o.(*switchcfg.LAG)
				return ok && x.Name == r.name
			}
		case tableInterface:
			at.Kind = switchcfg.KindInterface
			fits = func(o switchcfg.Object) bool {
				switch x := o.(type) {
				case *switchcfg.Interface:
					return x.Name == r.name
				case *switchcfg.Circuit:
					near, _ := circuitPatch(x.Key())
					return near == r.name
				}
				return false
			}
		}
		o, err := decode(r)
		switch {
		case err == nil && o == nil:
		case err != nil || !fits(o) || switchcfg.Validate(o) != nil:
			s.Put(&switchcfg.Opaque{At: at, Why: "its note in external_ids is not understood", Text: []string{r.noteText()}})
		default:
			s.Put(o)
		}
	}
	f.members(s)
	f.policers(s)
	f.filters(s)
	return s
}

// members has LAGs consist of what is in their ports.
func (f *found) members(s switchcfg.State) {
	in := make(map[string][]string)
	for k, r := range f.rows {
		if k.table == tableInterface && r.columns["type"] == "" {
			in[r.in] = append(in[r.in], r.name)
		}
	}
	for k, o := range s {
		if l, ok := o.(*switchcfg.LAG); ok {
			x := *l
			x.Members = in[k.Name]
			s.Put(&x)
		}
	}
}

// hubNotes calls do for each object that is only noted at the hub, with what is noted.
func (f *found) hubNotes(do func(k switchcfg.Key, text string)) {
	b := f.rows[rowKey{tableBridge, hub}]
	if b == nil {
		return
	}
	for c, v := range b.columns {
		name, ok := strings.CutPrefix(c, "external_ids:")
		key, err := strconv.Unquote(name)
		text, err2 := strconv.Unquote(v)
		key, ours := strings.CutPrefix(key, "ixagent ")
		if !ok || err != nil || err2 != nil || !ours {
			continue
		}
		if k, err := switchcfg.ParseKey(key); err == nil {
			do(k, text)
		}
	}
}

func (f *found) policers(s switchcfg.State) {
	f.hubNotes(func(k switchcfg.Key, _ string) {
		if rate, ok := switchcfg.ParsePolicerName(k.Name); ok && k.Kind == switchcfg.KindPolicer {
			s.Put(&switchcfg.Policer{Rate: rate})
		}
	})
}

var permits = regexp.MustCompile(fmt.Sprintf(`^%stable=%d, priority=200,(metadata=0x[0-9a-f]+),dl_src=([0-9a-f:]{17}) actions=goto_table:%d$`, cookie, tableFilter, tableLeave))

// filters reads what filters let pass from their flows.
func (f *found) filters(s switchcfg.State) {
	sources := make(map[string][]switchcfg.MAC)
	for line := range f.flows {
		if m := permits.FindStringSubmatch(line); m != nil {
			if mac, err := switchcfg.ParseMAC(m[2]); err == nil {
				sources[m[1]] = append(sources[m[1]], mac)
			}
		}
	}
	f.hubNotes(func(k switchcfg.Key, text string) {
		if k.Kind != switchcfg.KindFilter {
			return
		}
		any := filterFlows(&switchcfg.Filter{Name: k.Name, AnySource: true})
		_, control := f.flows[any[0]]
		_, all := f.flows[any[1]]
		x := &switchcfg.Filter{Name: k.Name, Sources: sources[filterMatch(k.Name)]}
		if x.AnySource = all; all {
			x.Sources = nil
		}
		// Without the flow that drops control protocols a filter is open to more than any that can be ordered, so it is made
		// to look like none that was.
		if open := all || len(x.Sources) > 0; open && !control {
			x.AnySource, x.Sources = text != "any", nil
		}
		s.Put(x)
	})
}
