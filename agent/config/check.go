package config

import (
	"cmp"
	"maps"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// checker finds what is wrong between values that are right by themselves, and indexes the inventory on the way.
type checker struct {
	*decoder
	c     *Config
	inv   *Inventory
	known drivers.Registry
	lans  map[string]bool // names of services in the inventory
	vlans bool            // every service of the inventory has a VLAN, or a fault says that it lacks one
}

func (l *loader) check(c *Config, known drivers.Registry) {
	k := &checker{decoder: l.decoder, c: c, inv: &c.Inventory, known: known, lans: make(map[string]bool)}
	k.sources()
	if !c.Listen.Addr().IsLoopback() && c.WebConfig.IsZero() && k.given(&c.Listen) {
		k.faultAt(&c.Listen, "name a file with TLS and users as web_config, or listen on 127.0.0.1",
			"without web_config anybody who reaches %s could read all and reload the agent, so it must be a loopback address", c.Listen.Addr())
	}
	if w := c.Limits.ConfirmWindow; w < 10*time.Second || w > time.Hour {
		k.faultAt(&c.Limits.ConfirmWindow, "", "%s is not between 10s and 1h", w)
	} else if s := c.Limits.Soak; s < 0 || s > w/2 {
		k.faultAt(&c.Limits.Soak, "", "%s is not between 0s and half of confirm_window", s)
	}
	k.webhook(c.Report.Webhook)
	k.credentials()
	k.pools()
	k.exchangeLANs()
	k.devices()
	k.nnis()
	k.ids()
	k.virtualInterfaces()
	k.guard()
}

// fingerprint is the form in which OpenSSH shows the SHA-256 of a key.
var fingerprint = regexp.MustCompile(`^SHA256:[A-Za-z0-9+/]{43}$`)

// given reports whether the file sets the value that ptr points to.
func (k *checker) given(ptr any) bool {
	_, ok := k.marks[ptr]
	return ok
}

// first returns the first of ptrs that the file sets, to report a fault of a value that has a default.
func (k *checker) first(ptrs ...any) any {
	i := slices.IndexFunc(ptrs, k.given)
	return ptrs[max(0, i)]
}

// at returns where the value that ptr points to is.
func (k *checker) at(ptr any) Position { return k.marks[ptr].position() }

// needs reports a fault of the record owner if it lacks a value that its kind needs.
func (k *checker) needs(owner, ptr any, key, kind string) bool {
	if k.given(ptr) {
		return true
	}
	m := k.marks[owner]
	k.fault(Fault{m.position(), join(m.path(), key), "is missing, and " + kind + " needs it", ""})
	return false
}

// idle reports a fault of a value that has no effect on a record of its kind.
func (k *checker) idle(ptr any, kind string) {
	if k.given(ptr) {
		k.faultAt(ptr, "remove it", "has no effect on %s", kind)
	}
}

// unique notes who holds key and reports whether nobody did. The zero key is nobody's.
func unique[K comparable](k *checker, seen map[K]any, key K, ptr any, what string) bool {
	if key == *new(K) {
		return true
	}
	if other, taken := seen[key]; taken {
		k.faultAt(ptr, "", "%s %v is already taken at %s", what, key, k.at(other))
		return false
	}
	seen[key] = ptr
	return true
}

func (k *checker) sources() {
	names := make(map[string]any)
	for i, s := range k.c.Sources {
		unique(k, names, s.Name, &s.Name, "the name")
		k.witness(s, i == 0)
		if s.Poll < time.Second {
			k.faultAt(&s.Poll, "", "%s is less than 1s", s.Poll)
		} else if s.StaleAfter <= s.Poll {
			k.faultAt(k.first(&s.StaleAfter, &s.Poll), "", "a read is stale after %s, before the next one at %s", s.StaleAfter, s.Poll)
		}
		switch s.Type {
		case SourceIXAPI:
			k.needs(s, &s.URL, "url", "an ixapi source")
			k.idle(&s.Path, "an ixapi source")
			k.url(&s.URL, s.Auth != nil)
			k.tls(s.TLS)
			k.auth(s.Auth)
		case SourceECX:
			k.needs(s, &s.URL, "url", "an ecx source")
			k.idle(&s.Path, "an ecx source")
			k.url(&s.URL, s.Auth != nil)
			k.tls(s.TLS)
			k.fabricAuth(s.Auth)
		case SourceIXPManager:
			k.ixpManager(s)
		case SourceFile:
			k.needs(s, &s.Path, "path", "a file source")
			for _, ptr := range []any{&s.URL, &s.Auth, &s.TLS} {
				k.idle(ptr, "a file source")
			}
		}
	}
}

// url checks a URL which, if guarded, is sent credentials.
func (k *checker) url(s *string, guarded bool) {
	if *s == "" {
		return
	}
	u, err := url.Parse(*s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http":
		k.faultAt(s, "", "%q is not an https URL", *s)
	case u.User != nil:
		k.faultAt(s, "use auth", "a URL with credentials in it would be logged")
	case u.RawQuery != "" || u.Fragment != "":
		k.faultAt(s, "", "%q has a query or a fragment", *s)
	case guarded && u.Scheme == "http" && !loopback(u.Hostname()):
		k.faultAt(s, "use https", "credentials would be sent in the clear")
	}
}

func (k *checker) webhook(w *Webhook) {
	if w == nil {
		return
	}
	k.url(&w.URL, false)
	if u, err := url.Parse(w.URL); err == nil && u.Scheme == "http" && !loopback(u.Hostname()) {
		k.faultAt(&w.URL, "use https", "results would be sent in the clear")
	}
	k.tls(w.TLS)
	if w.Timeout < time.Second || w.Timeout > 2*time.Minute {
		k.faultAt(&w.Timeout, "", "%s is not between 1s and 2m", w.Timeout)
	}
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func (k *checker) auth(a *Auth) {
	if a == nil {
		return
	}
	switch a.Type {
	case AuthToken:
		k.needs(a, &a.Key, "key", "type token")
	case AuthOAuth2:
		k.needs(a, &a.Key, "key", "type oauth2")
		k.needs(a, &a.TokenURL, "token_url", "type oauth2")
		k.url(&a.TokenURL, true)
	case AuthStatic:
		k.idle(&a.Key, "type static")
	}
	if a.Type == AuthToken || a.Type == AuthStatic {
		k.idle(&a.TokenURL, "type "+string(a.Type))
		k.idle(&a.Scopes, "type "+string(a.Type))
	}
}

// fabricAuth checks how an ecx source authenticates: its server says where tokens are, and asks for no scopes.
func (k *checker) fabricAuth(a *Auth) {
	if a == nil {
		return
	}
	switch a.Type {
	case AuthToken:
		k.faultAt(&a.Type, "use oauth2", "an ecx source has no API keys")
	case AuthOAuth2:
		k.needs(a, &a.Key, "key", "type oauth2")
	case AuthStatic:
		k.idle(&a.Key, "type static")
	}
	k.idle(&a.TokenURL, "an ecx source")
	k.idle(&a.Scopes, "an ecx source")
}

func (k *checker) tls(t *TLS) {
	if t == nil {
		return
	}
	if k.given(&t.Cert) {
		k.needs(t, &t.Key, "key", "cert")
	}
	if k.given(&t.Key) {
		k.needs(t, &t.Cert, "cert", "key")
	}
}

func (k *checker) credentials() {
	for _, name := range slices.Sorted(maps.Keys(k.c.Credentials)) {
		c := k.c.Credentials[name]
		k.tls(c.TLS)
		k.ssh(c.SSH)
		switch {
		case k.given(&c.Password):
			k.needs(c, &c.Username, "username", "password")
		case c.SSH.proves():
			k.needs(c, &c.Username, "username", "ssh")
		case c.TLS == nil || !k.given(&c.TLS.Cert):
			k.faultAt(c, "give it a password, a certificate under tls, or a key under ssh", "has nothing to prove who the agent is")
		}
	}
}

func (k *checker) ssh(s *SSH) {
	if s == nil {
		return
	}
	if k.given(&s.Passphrase) {
		k.needs(s, &s.Key, "key", "passphrase")
	}
	for i := range s.HostKeys {
		if !fingerprint.MatchString(s.HostKeys[i]) {
			k.faultAt(&s.HostKeys[i], "ssh-keygen -lf FILE prints them", "%q is not the SHA256 fingerprint of a key", s.HostKeys[i])
		}
	}
	j := s.Jump
	if j == nil {
		return
	}
	if j.Address.Port == 0 {
		j.Address.Port = 22
	}
	switch c := k.c.Credentials[j.Credentials]; {
	case j.Credentials == "":
	case c == nil:
		k.faultAt(&j.Credentials, suggest(j.Credentials, slices.Sorted(maps.Keys(k.c.Credentials))), "no credentials are named %q", j.Credentials)
	case c.SSH != nil && c.SSH.Jump != nil:
		k.faultAt(&j.Credentials, "", "%s are for hosts behind a jump host, and the agent passes one", j.Credentials)
	default:
		k.verified(c, &j.Credentials, "the jump host "+j.Address.String())
	}
}

// proves reports whether s has a key of the agent.
func (s *SSH) proves() bool { return s != nil && !(s.Key.IsZero() && s.Agent.IsZero()) }

// verified checks that credentials say how a host that is reached over SSH is verified.
func (k *checker) verified(c *Credentials, at any, host string) {
	if s := c.SSH; s == nil || !k.given(&s.KnownHosts) && len(s.HostKeys) == 0 && !s.InsecureIgnoreHostKey {
		k.faultAt(at, "compare what ssh-keyscan prints with what the host shows on its console, and name the file as ssh.known_hosts of the credentials",
			"nothing says how %s is verified, which is reached over SSH", host)
	}
}

func (k *checker) pools() {
	p := &k.inv.Pools
	k.ranges(p.VLAN, 4094)
	k.ranges(p.VNI, 1<<24-1)
}

// ranges checks that no range passes most or overlaps another.
func (k *checker) ranges(list []Range, most uint32) {
	byFirst := make([]*Range, len(list))
	for i := range list {
		byFirst[i] = &list[i]
		if list[i].Last > most {
			k.faultAt(&list[i], "", "%s passes %d", list[i], most)
		}
	}
	slices.SortStableFunc(byFirst, func(a, b *Range) int { return cmp.Compare(a.First, b.First) })
	var widest *Range
	for _, r := range byFirst {
		if r.Empty() {
			continue
		}
		if widest != nil && widest.Overlaps(*r) {
			a, b := widest, r
			if k.at(b).compare(k.at(a)) < 0 {
				a, b = b, a
			}
			k.faultAt(b, "", "%s overlaps %s at %s", b, a, k.at(a))
		}
		if widest == nil || r.Last > widest.Last {
			widest = r
		}
	}
}

func (k *checker) exchangeLANs() {
	k.inv.index.lans = make(map[ixapi.ID]*ExchangeLAN)
	ids := make(map[ixapi.ID]any)
	seen := numbers{names: make(map[string]any), vlans: make(map[switchcfg.VLANID]any), vnis: make(map[uint32]any)}
	for _, lan := range k.inv.ExchangeLANs {
		unique(k, ids, lan.NetworkService, &lan.NetworkService, "network service")
		k.inv.index.lans[lan.NetworkService] = lan
		k.service(seen, lan, &lan.Name, &lan.VLAN, &lan.VNI)
		q := lan.Quarantine
		if q == nil {
			if k.c.Policy.Testing.ExchangeLAN == TestQuarantine {
				k.needs(lan, &lan.Quarantine, "quarantine", "policy.testing.exchange_lan: quarantine")
			}
			continue
		}
		k.service(seen, q, &q.Name, &q.VLAN, &q.VNI)
	}
	k.services(seen)
}

// numbers are the names and numbers of peering LANs that are taken.
type numbers struct {
	names map[string]any
	vlans map[switchcfg.VLANID]any
	vnis  map[uint32]any
}

// service checks a peering LAN or its quarantine.
func (k *checker) service(seen numbers, owner any, name *string, vlan *switchcfg.VLANID, vni *uint32) {
	if strings.HasPrefix(*name, switchcfg.Prefix) {
		k.faultAt(name, "", "names that begin with %s are those of services made per order", switchcfg.Prefix)
	}
	k.named(seen, name, vlan, vni)
	switch k.inv.Fabric.Type {
	case FabricVLAN:
		k.needs(owner, vlan, "vlan", "a vlan fabric")
	case FabricVXLAN:
		k.needs(owner, vni, "vni", "a vxlan fabric")
	}
}

// named checks that the name and numbers of a service are no other's, and gives the name to the agent.
func (k *checker) named(seen numbers, name *string, vlan *switchcfg.VLANID, vni *uint32) {
	unique(k, seen.names, *name, name, "the name")
	unique(k, seen.vlans, *vlan, vlan, "VLAN")
	unique(k, seen.vnis, *vni, vni, "VNI")
	k.lans[*name] = true
	k.outside(k.inv.Pools.VLAN, uint32(*vlan), vlan, "VLAN")
	k.outside(k.inv.Pools.VNI, *vni, vni, "VNI")
}

// outside checks that a number is not one that the agent hands out.
func (k *checker) outside(pool []Range, n uint32, ptr any, what string) {
	for i := range pool {
		if pool[i].Contains(n) {
			k.faultAt(ptr, "", "%s %d is in the pool %s at %s", what, n, pool[i], k.at(&pool[i]))
		}
	}
}

func (k *checker) devices() {
	inv := k.inv
	inv.index.names = make(map[string]*Device, len(inv.Devices))
	inv.index.ids = make(map[ixapi.ID]*Device, len(inv.Devices))
	inv.index.portIDs = make(map[ixapi.ID]Attachment)
	inv.index.portNames = make(map[portName]Attachment)
	if len(k.faults) == 0 && len(inv.Devices) == 0 {
		k.needs(inv, &inv.Devices, "devices", "the agent")
	}
	names, ids := make(map[string]any), make(map[ixapi.ID]any)
	addresses, tunnels := make(map[Address]any), make(map[netip.Addr]any)
	ports, portNames := make(map[ixapi.ID]any), make(map[portName]any)
	for _, d := range inv.Devices {
		if d.ID == "" {
			d.ID = d.Name
		}
		if unique(k, names, d.Name, &d.Name, "the name") {
			inv.index.names[d.Name] = d
			if unique(k, ids, d.ID, k.first(&d.ID, &d.Name), "device") {
				inv.index.ids[d.ID] = d
			}
		}
		k.driver(d)
		unique(k, addresses, d.Address, &d.Address, "the address")
		if c := d.Credentials; c != "" && k.c.Credentials[c] == nil {
			k.faultAt(&d.Credentials, suggest(c, slices.Sorted(maps.Keys(k.c.Credentials))), "no credentials are named %q", c)
		}
		if t := d.TunnelAddress; t.IsValid() && !t.IsGlobalUnicast() {
			k.faultAt(&d.TunnelAddress, "", "%s is not an address that others can reach", t)
		}
		unique(k, tunnels, d.TunnelAddress, &d.TunnelAddress, "tunnel address")
		if k.given(&d.Timeout) && (d.Timeout < time.Second || d.Timeout > 10*time.Minute) {
			k.faultAt(&d.Timeout, "", "%s is not between 1s and 10m", d.Timeout)
		}
		k.lags(d)
		k.pinned(d)
		k.ports(d, ports, portNames)
		d.derived.scope.Services = k.lans
		d.derived.scope.Adopt = d.Adopt
	}
}

// driver checks what d is against what its driver says of such devices.
func (k *checker) driver(d *Device) {
	spec, ok := k.known[d.Driver]
	if !ok {
		if d.Driver != "" {
			names := slices.Sorted(maps.Keys(k.known))
			k.faultAt(&d.Driver, cmp.Or(suggest(d.Driver, names), "the drivers are "+strings.Join(names, ", ")), "unknown driver %q", d.Driver)
		}
		return
	}
	profile, ok := spec.Profile(d.Profile)
	if !ok {
		var names []string
		for _, p := range spec.Profiles {
			names = append(names, p.Name)
		}
		k.faultAt(&d.Profile, cmp.Or(suggest(d.Profile, names), "it has "+strings.Join(names, ", ")), "driver %s has no profile %q", d.Driver, d.Profile)
		return
	}
	d.Profile = profile.Name
	if d.Address.Port == 0 && d.Address.Host != "" {
		d.Address.Port = spec.DefaultPort
	}
	d.derived.transport = spec.Transport
	if c := k.c.Credentials[d.Credentials]; spec.Transport == "ssh" && c != nil {
		k.verified(c, &d.Credentials, d.Name)
		if !k.given(&c.Password) && !c.SSH.proves() {
			k.faultAt(&d.Credentials, "give them a password, or a key under ssh", "credentials %s prove nothing to %s, which is reached over SSH", d.Credentials, d.Name)
		}
	}
	d.derived.caps = d.Override.apply(profile.Capabilities)
	caps := &d.derived.caps
	if caps.Limits.MaxMTU > 0 && d.MTU > caps.Limits.MaxMTU {
		k.faultAt(&d.MTU, "", "%d is more than the %d octets the device can carry", d.MTU, caps.Limits.MaxMTU)
	}
	if caps.ServiceVLAN {
		k.serviceVLANs(d)
	}
	if step := caps.Limits.StormStep; caps.StormControl && step > 0 && k.inv.StormControl%step != 0 {
		k.faultAt(&k.inv.StormControl, "", "%d is no multiple of the %d kbit/s in which %s counts", k.inv.StormControl, step, d.Name)
	}
	if i := slices.IndexFunc(k.inv.Devices, func(o *Device) bool { return o.TunnelAddress.Is6() }); caps.VXLANv4 && i >= 0 {
		k.faultAt(&k.inv.Devices[i].TunnelAddress, "", "%s has tunnels between IPv4 addresses only", d.Name)
	}
	switch k.inv.Fabric.Type {
	case FabricVLAN:
		if !caps.VLANTags {
			k.faultAt(&d.Driver, "", "profile %s of driver %s has no services in a vlan fabric", d.Profile, d.Driver)
		}
	case FabricVXLAN:
		if !caps.VXLAN {
			k.faultAt(&d.Driver, "", "profile %s of driver %s has no services in a vxlan fabric", d.Profile, d.Driver)
		}
		k.needs(d, &d.TunnelAddress, "tunnel_address", "a vxlan fabric")
	}
}

// serviceVLANs checks that every peering LAN has the VLAN that it is on d.
func (k *checker) serviceVLANs(d *Device) {
	if k.vlans || k.inv.Fabric.Type == FabricVLAN {
		return
	}
	k.vlans = true
	for _, lan := range k.inv.ExchangeLANs {
		k.needs(lan, &lan.VLAN, "vlan", "device "+d.Name)
		if q := lan.Quarantine; q != nil {
			k.needs(q, &q.VLAN, "vlan", "device "+d.Name)
		}
	}
}

func (k *checker) lags(d *Device) {
	if k.given(&d.LAGs) {
		prefix := k.needs(&d.LAGs, &d.LAGs.Prefix, "prefix", "range")
		numbers := k.needs(&d.LAGs, &d.LAGs.Range, "range", "prefix")
		if prefix && numbers {
			d.derived.scope.LAGPrefix = d.LAGs.Prefix
			d.derived.scope.LAGFirst, d.derived.scope.LAGLast = d.LAGs.Range.First, d.LAGs.Range.Last
		}
	}
}

func (k *checker) ports(d *Device, ids map[ixapi.ID]any, names map[portName]any) {
	scope := &d.derived.scope
	scope.Ports = make(map[string]bool, len(d.Ports))
	interfaces := make(map[string]any, len(d.Ports))
	for _, p := range d.Ports {
		at := Attachment{d, p}
		switch {
		case p.ID != "":
			if unique(k, ids, p.ID, &p.ID, "port") {
				k.inv.index.portIDs[p.ID] = at
			}
		case p.Name != "":
			key := portName{d.ID, p.Name}
			if unique(k, names, key, &p.Name, "port") {
				k.inv.index.portNames[key] = at
			}
		case !k.given(&p.ID) && !k.given(&p.Name):
			k.needs(p, &p.ID, "id", "a port without a name")
		}
		if p.Interface == "" {
			continue
		}
		unique(k, interfaces, p.Interface, &p.Interface, "interface")
		k.notLAG(d, &p.Interface)
		scope.Ports[p.Interface] = true
	}
}

// notLAG checks that an interface is not one of the LAGs that the agent makes.
func (k *checker) notLAG(d *Device, name *string) {
	key := switchcfg.Key{Kind: switchcfg.KindLAG, Name: *name}
	lags := plan.Scope{LAGPrefix: d.LAGs.Prefix, LAGFirst: d.LAGs.Range.First, LAGLast: d.LAGs.Range.Last}
	switch {
	case !d.LAGs.Range.Empty() && lags.Covers(key):
		k.faultAt(name, "", "%s is in the range of LAGs at %s", *name, k.at(&d.LAGs.Range))
	case d.derived.scope.LAGs[*name]:
		k.faultAt(name, "", "%s is the LAG of a connection at %s", *name, k.at(&d.LAGs.Numbers))
	}
}

func (k *checker) nnis() {
	k.inv.index.nnis = make(map[handover]*NNI)
	seen := make(map[handover]any)
	for _, n := range k.inv.NNIs {
		key := handover{n.Service, n.ProductOffering, n.ServiceProvider, n.Handover}
		which := 0
		for _, s := range []string{n.Service, n.ProductOffering, n.ServiceProvider} {
			if s != "" {
				which++
			}
		}
		if which != 1 {
			k.faultAt(n, "", "needs exactly one of service, product_offering and service_provider")
		} else if other, taken := seen[key]; taken {
			k.faultAt(n, "", "the same handover is already at %s", k.at(other))
		} else {
			seen[key] = n
			k.inv.index.nnis[key] = n
		}
		k.nniPort(n)
	}
	for _, n := range k.inv.NNIs {
		if d, ok := k.inv.Device(n.Device); ok {
			d.derived.scope.Ports[n.Interface] = true
		}
	}
}

func (k *checker) guard() {
	names, accounts := make(map[string]any), make(map[ixapi.ID]any)
	sites := make(map[string]bool)
	for _, d := range k.inv.Devices {
		sites[d.Site] = true
	}
	for _, w := range k.c.Guard.Windows {
		unique(k, names, w.Name, &w.Name, "the name")
		for i, s := range w.Sites {
			if s != "" && !sites[s] {
				k.faultAt(&w.Sites[i], suggest(s, slices.Sorted(maps.Keys(sites))), "no device is at site %q", s)
			}
		}
		for i, d := range w.Devices {
			if _, ok := k.inv.Device(d); !ok {
				k.faultAt(&w.Devices[i], suggest(d, slices.Sorted(maps.Keys(k.inv.index.names))), "no device is named %q", d)
			}
		}
	}
	for i, a := range k.c.Guard.Protected {
		unique(k, accounts, a, &k.c.Guard.Protected[i], "account")
	}
}

func (k *checker) nniPort(n *NNI) {
	d, ok := k.inv.Device(n.Device)
	if !ok {
		if n.Device != "" {
			k.faultAt(&n.Device, suggest(n.Device, slices.Sorted(maps.Keys(k.inv.index.names))), "no device is named %q", n.Device)
		}
		return
	}
	if i := slices.IndexFunc(d.Ports, func(p *Port) bool { return p.Interface == n.Interface && n.Interface != "" }); i >= 0 {
		k.faultAt(&n.Interface, "", "%s of %s is a customer port at %s", n.Interface, d.Name, k.at(&d.Ports[i].Interface))
	}
	k.notLAG(d, &n.Interface)
	if caps := &d.derived.caps; len(caps.TPIDs) > 0 && !caps.TPID(n.Ethertype) {
		k.faultAt(k.first(&n.Ethertype, n), "", "%s cannot carry ethertype %s", d.Name, n.Ethertype)
	}
}
