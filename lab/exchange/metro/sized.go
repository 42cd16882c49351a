package metro

import "fmt"

// The bounds of [Sized]: an address for every member, and for every connection three ports in two of the switch's 52.
const (
	maxDevices  = 1000
	maxCircuits = 100
)

// Sized returns the exchange with as many devices as are asked for and as many circuits on each, and the configuration of
// an agent for it. All is plain and in production. Connections have five circuits each, and every other is a LAG. The first
// circuit of a connection is in the peering LAN, the others are ends of lines to the devices before and after its own.
func Sized(devices, circuits int) (files map[string][]byte, conf []byte, err error) {
	if devices < 2 || devices > maxDevices || circuits < 1 || circuits > maxCircuits {
		return nil, nil, fmt.Errorf("an exchange has 2 to %d devices with 1 to %d circuits each", maxDevices, maxCircuits)
	}
	names := make([]string, devices)
	for i := range names {
		names[i] = fmt.Sprintf("fra%d-sw%d", 1+i*2/devices, 1+i)
	}
	b := &builder{}
	b.topology(names...)
	b.operator()
	b.offerings()
	b.peering = b.exchangeLAN("service:lan-peering", "FRA Peering", "po:peering", "198.18.0.0/15", "2001:db8:100::/64", 2)
	const each = 5
	trunks := make([][]*connection, devices) // the same of every device
	for i := range trunks {
		for j := range (circuits + each - 1) / each {
			trunks[i] = append(trunks[i], b.sizedTrunk(i, j))
		}
	}
	for i, here := range trunks {
		for j, c := range here {
			far := trunks[(i+1)%devices][j]
			n := min(each, circuits-j*each)
			b.join(c, c.owner, b.peering, "dot1q", 0)
			for k := range (n - 1) / 2 { // and as many come from the device before
				b.line(c, far, []string{"dot1q", "qinq"}[k%2], []string{"dot1q", "qinq"}[(j+k)%2], 100)
			}
			if n%2 == 0 {
				b.join(c, c.owner, b.peering, "qinq", 500)
			}
		}
	}
	b.freePorts()
	files, err = b.files()
	return files, b.conf(), err
}

// sizedTrunk connects a member of its own, in turn with a LAG that speaks LACP, one port, a static LAG and one port.
func (b *builder) sizedTrunk(device, i int) *connection {
	n := len(b.members)
	b.person(&member{number: 1000 + n, id: fmt.Sprintf("account:%d", 1000+n), name: fmt.Sprintf("Member %d", n), asn: 4200000000 + uint32(n)})
	w := bundle{
		owner: n, device: device, mode: "standalone", ports: 1, speed: 10000, types: []string{"dot1q", "qinq"},
		ethertype: []string{ethertypes[i%3]}, state: "production",
	}
	switch i % 4 {
	case 0:
		w.mode, w.timeout, w.ports = "lag_lacp", "slow", 2
	case 2:
		w.mode, w.ports = "lag_static", 2
	}
	return b.connect(w)
}

// conf is the configuration of an agent for the devices. The exchange and the switches in it have addresses for
// documentation (RFC 5737).
func (b *builder) conf() []byte {
	text := []byte(`sources:
  - name: sandbox
    type: ixapi
    url: https://ixapi.example.net/api/v2
    auth: {type: token, key: "file:secrets/exchange-key", secret: "file:secrets/exchange-secret"}
    tls: {ca: tls/ca.pem}

state_dir: state
listen: 127.0.0.1:9809

credentials:
  lab:
    username: ixagent
    password: file:secrets/switch-password
    tls: {ca: tls/ca.pem, cert: tls/ixagent.pem, key: tls/ixagent-key.pem}

inventory:
  fabric: {type: vxlan}
  pools: {vni: [100000-999999]}
  storm_control: 10000
  exchange_lans:
    - {network_service: "service:lan-peering", name: peering, vni: 10100, mtu: 1500, quarantine: {name: peering-quarantine, vni: 10999}}
  devices:
`)
	for i, d := range b.devices {
		text = fmt.Appendf(text, `    - name: %s
      id: %s
      driver: openconfig
      profile: ixlab
      address: 192.0.2.1:%d
      credentials: lab
      mode: enforce
      tunnel_address: 10.255.%d.%d
      lags: {prefix: Port-Channel, range: 100-199}
      mtu: 9100
      site: %s
      ports:
`, d.Name, d.ID, 10001+i, i>>8, i&0xff, site(d.Name))
		for n := range d.used {
			text = fmt.Appendf(text, "        - {id: \"port:%s:%d\", interface: Ethernet%d}\n", d.Name, n+1, n+1)
		}
	}
	return text
}
