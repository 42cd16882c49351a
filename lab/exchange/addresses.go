package exchange

import (
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/ixagent/ixagent/lab/exchange/store"
)

// maxHosts bounds how far into a prefix the exchange looks for an address.
const maxHosts = 1 << 16

// macResource is what can be ordered of MAC addresses. They do not change.
func macResource() *resource {
	return &resource{
		prefix: "mac",
		fields: together(ownable(), []field{{name: "address", is: stationMAC, required: true}}, window()),
		create: orderMAC, remove: removeMAC, removed: http.StatusOK,
	}
}

// ipResource is what can be ordered of IP addresses. They do not go.
func ipResource() *resource {
	return &resource{
		prefix: "ip",
		fields: together(ownable(), []field{
			{name: "version", is: ipVersion, required: true},
			{name: "address", is: ipAddress, required: true},
			{name: "prefix_length", is: between(0, 128), required: true},
			{name: "fqdn", is: text(253), null: true},
		}, window()),
		create: orderIP, update: orderIP, updated: http.StatusOK,
	}
}

// window are the fields of what is valid for a time.
func window() []field {
	return []field{{name: "valid_not_before", is: moment, null: true}, {name: "valid_not_after", is: moment, null: true}}
}

// checkWindow finds a window that ends before it begins.
func (o *order) checkWindow() {
	from, _ := o.new.Text("valid_not_before")
	until, ends := o.new.Text("valid_not_after")
	if ends && o.fresh("valid_not_after") && !timeOf(until).After(o.now) {
		o.fault("valid_not_after", "is in the past")
	} else if ends && !timeOf(until).After(timeOf(from)) {
		o.fault("valid_not_after", "is not after valid_not_before")
	}
}

// timeOf returns a time of RFC 3339; one that is none is long ago.
func timeOf(text string) time.Time {
	t, _ := time.Parse(time.RFC3339, text)
	return t
}

// orderMAC registers an address: once for each account, as long as it is valid.
func orderMAC(o *order) *problem {
	o.checkWindow()
	address, _ := o.new.Text("address")
	account, _ := o.new.Text("consuming_account")
	for _, m := range o.List("macs") {
		other, _ := m.Text("address")
		owner, _ := m.Text("consuming_account")
		if until, ends := m.Text("valid_not_after"); other == address && owner == account && (!ends || timeOf(until).After(o.now)) {
			o.fault("address", "is registered for this account already")
			break
		}
	}
	return o.wrong()
}

// removeMAC removes an address that no config has any more.
func removeMAC(o *order) *problem {
	for _, c := range o.List("network-service-configs") {
		if slices.Contains(c.List("macs"), o.id) && inService(c) {
			p := unable("a network service config has this address")
			if o.find("network-service-configs", c.ID) != nil {
				p = unable("network service config %s has this address", c.ID)
			}
			return &p
		}
	}
	o.Remove(o.collection, o.id)
	o.new = nil
	return nil
}

// ipVersion is 4 or 6.
func ipVersion(o *order, path string, value any) any {
	n := between(4, 6)(o, path, value)
	if n == int64(5) {
		o.fault(path, "is neither 4 nor 6")
	}
	return n
}

// ipAddress is an address of either version, in its canonical form.
func ipAddress(o *order, path string, value any) any {
	s, _ := value.(string)
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" || a.Is4In6() {
		o.fault(path, "is not an IPv4 or IPv6 address")
		return value
	}
	return a.String()
}

// orderIP makes or changes an address of a network of the client's own. Those of the exchange's LANs it assigns itself.
func orderIP(o *order) *problem {
	o.checkWindow()
	text, _ := o.new.Text("address")
	address, _ := netip.ParseAddr(text)
	if version, _ := o.new.Int("version"); address.Is4() != (version == 4) {
		o.fault("address", "is of another version")
	}
	if bits, _ := o.new.Int("prefix_length"); int(bits) > address.BitLen() {
		o.fault("prefix_length", "is not between 0 and %d", address.BitLen())
	}
	if !o.fresh("version", "address", "prefix_length", "managing_account", "consuming_account") || o.by.operator && o.old != nil {
		return o.wrong()
	}
	was, _ := o.old.Text("address")
	if !o.by.operator {
		for _, lan := range o.List("network-services") {
			if kind, _ := lan.Text("type"); kind == "exchange_lan" && slices.ContainsFunc(subnetsOf(lan), func(n netip.Prefix) bool {
				old, err := netip.ParseAddr(was)
				return n.Contains(address) || err == nil && n.Contains(old)
			}) {
				o.fault("address", "is in an exchange LAN, where the exchange assigns addresses")
				break
			}
		}
	}
	for _, ip := range o.List("ips") {
		if other, _ := ip.Text("address"); other == text && ip.ID != o.id && o.held(ip, "") {
			o.fault("address", "is taken")
			break
		}
	}
	return o.wrong()
}

// held reports whether an address cannot be given to an account: it is somebody's, or was another's until lately.
func (o *order) held(ip *store.Record, account string) bool {
	until, ends := ip.Text("valid_not_after")
	if !ends {
		return true
	}
	at := timeOf(until)
	if owner, _ := ip.Text("consuming_account"); owner != account {
		at = at.Add(o.server.options.AddressRest)
	}
	return at.After(o.now)
}

// subnetsOf returns the prefixes of a LAN that can be read.
func subnetsOf(service *store.Record) (all []netip.Prefix) {
	for _, name := range []string{"subnet_v4", "subnet_v6"} {
		text, _ := service.Text(name)
		if n, err := netip.ParsePrefix(text); err == nil {
			all = append(all, n.Masked())
		}
	}
	return all
}

// giveAddresses gives a config an address of each prefix of its LAN.
func (o *order) giveAddresses() *problem {
	if _, has := o.new["ips"]; !has {
		return nil
	}
	id, _ := o.new.Text("network_service")
	service := o.Get("network-services", id)
	account, _ := o.new.Text("consuming_account")
	ids := []any{}
	for _, n := range subnetsOf(service) {
		address, ok := o.leastAddress(service, n, account)
		if !ok {
			return new(unable("no address of %s is free", n))
		}
		version := 4
		if !address.Is4() {
			version = 6
		}
		ip := store.Object{
			"id": o.name("ip"), "managing_account": o.new["managing_account"], "consuming_account": account, "external_ref": nil, "version": version,
			"address": address.String(), "prefix_length": n.Bits(), "fqdn": nil, "valid_not_before": nil, "valid_not_after": nil,
		}
		if p := o.keep("ips", ip); p != nil {
			return p
		}
		ids = append(ids, ip["id"])
	}
	o.new["ips"] = ids
	return nil
}

// leastAddress returns the least host address of a prefix of a service that can be given to an account.
func (o *order) leastAddress(service *store.Record, n netip.Prefix, account string) (netip.Addr, bool) {
	var taken [maxHosts / 64]uint64
	take := func(text string) {
		if a, err := netip.ParseAddr(text); err == nil && n.Contains(a) {
			if i, near := host(n, a); near {
				taken[i/64] |= 1 << (i % 64)
			}
		}
	}
	for _, f := range o.List("network-features") {
		if of, _ := f.Text("network_service"); of == service.ID {
			for _, name := range []string{"ip_v4", "ip_v6"} {
				address, _ := f.Text(name)
				take(address)
			}
		}
	}
	for _, ip := range o.addressesOf(service) {
		if o.held(ip, account) {
			address, _ := ip.Text("address")
			take(address)
		}
	}
	a := n.Addr().Next() // the first is that of the network, and of all its routers (RFC 4291 2.6.1)
	for i := 1; i < maxHosts && n.Contains(a); i, a = i+1, a.Next() {
		if taken[i/64]&(1<<(i%64)) == 0 && (a.Is6() || n.Contains(a.Next())) { // the last of IPv4 is for broadcasts
			return a, true
		}
	}
	return netip.Addr{}, false
}

// addressesOf returns the records of addresses that may be in the prefixes of a service: of a LAN of the exchange there
// is one network, while those of its members' services may have the same prefixes.
func (o *order) addressesOf(service *store.Record) (all []*store.Record) {
	if kind, _ := service.Text("type"); kind == "exchange_lan" {
		return o.List("ips")
	}
	for _, c := range o.List("network-service-configs") {
		if of, _ := c.Text("network_service"); of != service.ID {
			continue
		}
		for _, id := range c.List("ips") {
			if ip := o.Get("ips", id); ip != nil {
				all = append(all, ip)
			}
		}
	}
	return all
}

// host returns which address of a prefix it is, if it is near its beginning.
func host(n netip.Prefix, a netip.Addr) (int, bool) {
	first, at := n.Addr().As16(), a.As16()
	i := 0
	for b := range at {
		i = i<<8 + int(at[b]) - int(first[b])
		if i >= maxHosts {
			return 0, false
		}
	}
	return i, true
}

// handOver has the addresses of a config follow it to other accounts.
func (o *order) handOver() *problem {
	if !o.changed("managing_account") && !o.changed("consuming_account") {
		return nil
	}
	for _, id := range o.new.List("ips") {
		accounts := store.Object{"managing_account": o.new["managing_account"], "consuming_account": o.new["consuming_account"]}
		if o.Get("ips", id) == nil {
			continue
		}
		if p := o.edit("ips", id, accounts); p != nil {
			return p
		}
	}
	return nil
}

// releaseAddresses gives up the addresses of a config that has ended.
func releaseAddresses(o *order, config store.Object) *problem {
	for _, id := range config.List("ips") {
		ip := o.Get("ips", id)
		if ip == nil {
			continue
		}
		if until, ends := ip.Text("valid_not_after"); ends && !timeOf(until).After(o.now) {
			continue
		}
		if p := o.edit("ips", id, store.Object{"valid_not_after": o.now.UTC().Format(time.RFC3339)}); p != nil {
			return p
		}
	}
	return nil
}
