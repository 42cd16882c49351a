package metro

import (
	"fmt"
	"strings"
)

// builder collects the records. Everything in it is handed out by counters, so the data set depends on nothing but
// the order in which the parts are built.
type builder struct {
	areas           []*metroArea
	networks        []*metroAreaNetwork
	facilities      []*facility
	pops            []*pop
	devices         []*device
	ports           []*port
	accounts        []*account
	contacts        []*contact
	roles           []*role
	roleAssignments []*roleAssignment
	offers          []*offering
	conns           []*connection
	services        []any
	configs         []*config
	features        []*feature
	featureConfigs  []*featureConfig
	rules           []*joiningRule
	macs            []*mac
	ips             []*ip

	members        []*member
	whole, trunks  []*connection // healthy connections: of one untagged config, and of many tagged ones
	peering, media *lan
	orders         int
}

// A member is an account of the exchange. One with a reseller is managed and billed by that reseller.
type member struct {
	number   int
	id       string
	name     string
	asn      uint32
	reseller *member
}

func ref[T any](v T) *T { return &v }

func site(device string) string { return device[:4] }

// topology builds the two sites and the named devices in them.
func (b *builder) topology(devices ...string) {
	b.areas = []*metroArea{{
		ID: area, UNLocode: "DEFRA", IATACode: "FRA", DisplayName: "Frankfurt am Main",
		Facilities: []string{"facility:fra1", "facility:fra2"}, Networks: []string{network},
	}}
	b.networks = []*metroAreaNetwork{{
		ID: network, Name: "FRA", MetroArea: area, ServiceProvider: "Mainbogen Exchange",
		PointsPresence: []string{"pop:fra1", "pop:fra2"},
	}}
	b.facilities = []*facility{
		{
			ID: "facility:fra1", Name: "Osthafen Datenhaus", MetroArea: area, Country: "DE", Locality: "Frankfurt am Main",
			Region: "HE", PostalCode: "60314", StreetAddress: "Musterkai 1", PeeringDBID: ref(90001),
			Organisation: "Osthafen Datenhaus GmbH", PointsPresence: []string{"pop:fra1"}, Latitude: 50.11, Longitude: 8.72,
		},
		{
			ID: "facility:fra2", Name: "Westhang Colo", MetroArea: area, Country: "DE", Locality: "Frankfurt am Main",
			Region: "HE", PostalCode: "65936", StreetAddress: "Beispielhang 22",
			Organisation: "Westhang Colo AG", PointsPresence: []string{"pop:fra2"}, Latitude: 50.13, Longitude: 8.59,
		},
	}
	for _, s := range []string{"fra1", "fra2"} {
		b.pops = append(b.pops, &pop{ID: "pop:" + s, Name: strings.ToUpper(s), Facility: "facility:" + s, Network: network})
	}
	for _, name := range devices {
		d := &device{ID: "device:" + name, Name: name, Pop: "pop:" + site(name), Facility: "facility:" + site(name)}
		b.devices = append(b.devices, d)
		for _, p := range b.pops {
			if p.ID == d.Pop {
				p.Devices = append(p.Devices, d.ID)
			}
		}
	}
}

var memberNames = []string{
	"Aldersee Netz", "Birkenfunk", "Cobaltwelle Networks", "Dreistrom Carrier", "Ebbsand Hosting", "Falkenried Data",
	"Glasbach Fiber", "Hollerkamp IT", "Ibiskraut Media", "Jadekliff Systems", "Kieselpfad Net", "Larkmoor Streaming",
	"Moosgrund Finanz-IT", "Nebelzinne Delivery", "Ortolan Games", "Pfeilkraut Telecom", "Quellgrund Access",
	"Rotmilan Research", "Silbertau Mobile", "Tannenzapf Voice", "Uferlicht Access", "Vogelbeer Transit",
	"Wacholder Wholesale", "Xenoturm Labs", "Ysopfeld Health", "Zirbelhang Commerce", "Ampferweg Radio",
	"Blausternhof Logistics", "Cyanfeld Regional", "Distelfink Schools", "Eibenhag Insurance", "Farnkrug Press",
	"Ginsterhof Energy", "Heidelerch Retail", "Wolkenbruch Cloud",
}

// The resellers are members 4 and 23; the members they brought are 27 to 30 and 31 to 34.
const dreistrom, wacholder = 4, 23

func (b *builder) people() {
	b.operator()
	for i, name := range memberNames {
		m := &member{number: 1001 + i, id: fmt.Sprintf("account:%d", 1001+i), name: name}
		switch {
		case i < 15:
			m.asn = 64496 + uint32(i)
		case i < 30:
			m.asn = 65536 + uint32(i-15)
		}
		switch {
		case i >= 26 && i < 30:
			m.reseller = b.members[dreistrom]
		case i >= 30 && i < 34:
			m.reseller = b.members[wacholder]
		}
		b.person(m)
	}
}

// operator files the exchange itself and the roles that people have.
func (b *builder) operator() {
	b.roles = []*role{
		{ID: "role:implementation", Name: "implementation", RequiredFields: []string{"name", "email"}},
		{ID: "role:noc", Name: "noc", RequiredFields: []string{"name", "email", "telephone"}},
		{ID: "role:peering", Name: "peering", RequiredFields: []string{"email"}},
	}
	b.person(&member{number: 1000, id: exchangeID, name: "Mainbogen Exchange", asn: 65551})
}

// person files a member under its number: members[0] is the exchange itself.
func (b *builder) person(m *member) {
	b.members = append(b.members, m)
	home := address{Country: "DE", Locality: "Frankfurt am Main", PostalCode: "60314", StreetAddress: fmt.Sprintf("Musterkai %d", m.number-998)}
	a := &account{
		ID: m.id, stateful: stateful{State: "production", Status: []message{}}, Name: m.name, LegalName: ref(m.name + " GmbH"),
		Discoverable: m.number%3 != 0, Presence: []string{network}, Address: home, ASNs: []uint32{},
	}
	switch {
	case m.reseller != nil:
		a.ManagingAccount = ref(m.reseller.id)
	case m.id != exchangeID:
		a.ManagingAccount = ref(exchangeID)
	}
	if m.reseller == nil {
		a.Billing = &billing{Name: m.name + " GmbH", Address: home}
	}
	if m.asn != 0 {
		a.ASNs = []uint32{m.asn}
	}
	b.accounts = append(b.accounts, a)
	for i, r := range []string{"impl", "noc"} {
		c := &contact{
			ID: fmt.Sprintf("contact:%d-%s", m.number, r), ownable: m.own(), Name: m.name + " " + strings.ToUpper(r),
			Email: fmt.Sprintf("%s@as%d.example.net", r, m.number), Telephone: ref(fmt.Sprintf("+49695550%d", m.number)),
		}
		b.contacts = append(b.contacts, c)
		b.roleAssignments = append(b.roleAssignments, &roleAssignment{ID: m.roles()[i], Role: b.roles[i].ID, Contact: c.ID})
	}
}

func (m *member) own() ownable {
	if m.reseller != nil {
		return ownable{ManagingAccount: m.reseller.id, ConsumingAccount: m.id}
	}
	return ownable{ManagingAccount: m.id, ConsumingAccount: m.id}
}

func (m *member) pays() invoiceable {
	if m.reseller != nil {
		return invoiceable{BillingAccount: m.reseller.id, ContractRef: ref(fmt.Sprintf("contract:%d", m.number))}
	}
	return invoiceable{BillingAccount: m.id}
}

func (m *member) roles() []string {
	return []string{fmt.Sprintf("c-impl:%d", m.number), fmt.Sprintf("c-noc:%d", m.number)}
}

func live() stateful { return stateful{State: "production", Status: []message{}} }

func (b *builder) offerings() {
	common := func(kind, id, display, resource string) *offering {
		o := &offering{
			Type: kind, ID: id, Name: strings.TrimPrefix(id, "po:"), DisplayName: display, ResourceType: resource,
			HandoverNetwork: network, HandoverArea: area, ServiceProvider: "Mainbogen Exchange", DowngradeAllowed: true, UpgradeAllowed: true,
		}
		b.offers = append(b.offers, o)
		return o
	}
	for _, speed := range []int{10000, 100000} {
		o := common("connection", fmt.Sprintf("po:connection-%dg", speed/1000), fmt.Sprintf("%d GE connection", speed/1000), "connection")
		o.PortSpeed = ref(speed)
		o.connectionOffering = &connectionOffering{CrossConnectInitiator: "subscriber", MaximumPortQuantity: 8, RequiredContactRoles: []string{"role:implementation", "role:noc"}}
	}
	vc := func(kind, id, display, resource string, bandwidth *int) *offering {
		o := common(kind, id, display, resource)
		o.serviceOffering = &serviceOffering{ProviderVLANs: "single", ServiceNetwork: network, ServiceArea: area, BandwidthMax: bandwidth}
		return o
	}
	vc("exchange_lan", "po:peering", "Peering, as fast as the connection", "network_service_config", nil).ExchangeLAN = "service:lan-peering"
	vc("exchange_lan", "po:peering-1g", "Peering, 1 Gbit/s", "network_service_config", ref(1000)).ExchangeLAN = "service:lan-peering"
	vc("exchange_lan", "po:media", "Media LAN", "network_service_config", nil).ExchangeLAN = "service:lan-media"
	vc("p2p_vc", "po:line", "Private line", "network_service", nil)
	vc("p2p_vc", "po:line-2g", "Private line, 2 Gbit/s", "network_service", ref(2000))
	vc("p2mp_vc", "po:tree", "Distribution tree", "network_service", nil)
	vc("mp2mp_vc", "po:group", "Closed user group", "network_service", nil)
	cloud := vc("cloud_vc", "po:cloud", "Wolkenbruch Cloud access", "network_service", ref(5000))
	cloud.ServiceProvider = "Wolkenbruch Cloud"
	cloud.cloudOffering = &cloudOffering{Region: ref("wb-central-1"), ProviderPop: ref("FRA1"), Workflow: "exchange_first", DeliveryMethod: "shared", Diversity: 2}

	// What nobody has bought yet: connections at one site, with a contract, and some that are not sold at this time.
	for _, site := range []string{"fra1", "fra2"} {
		o := common("connection", "po:connection-10g-"+site, "10 GE connection at "+strings.ToUpper(site), "connection")
		o.PortSpeed, o.ContractTerms = ref(10000), ref("12 months, then from month to month")
		o.contract = &contract{InitialPeriod: "P12M", InitialNoticePeriod: "P3M", RenewalPeriod: "P1M", RenewalNoticePeriod: "P14D"}
		o.connectionOffering = &connectionOffering{
			CrossConnectInitiator: "exchange", HandoverPop: ref("pop:" + site), MaximumPortQuantity: 4,
			RequiredContactRoles: []string{"role:implementation"},
		}
	}
	old := common("connection", "po:connection-1g", "1 GE connection", "connection")
	old.PortSpeed, old.OrderableUntil, old.DowngradeAllowed = ref(1000), "2025-12-31T23:59:59Z", false
	next := common("connection", "po:connection-400g", "400 GE connection", "connection")
	next.PortSpeed, next.OrderableFrom, next.UpgradeAllowed = ref(400000), "2035-01-01T00:00:00Z", false
	for _, o := range []*offering{old, next} {
		o.connectionOffering = &connectionOffering{CrossConnectInitiator: "subscriber", MaximumPortQuantity: 8, RequiredContactRoles: []string{"role:implementation"}}
	}
	vc("p2p_vc", "po:line-fixed", "Private line, 500 Mbit/s, as it is", "network_service", ref(500)).settled()
}

// settled has an offering stay as it was ordered.
func (o *offering) settled() {
	o.BandwidthMin, o.DowngradeAllowed, o.UpgradeAllowed = o.BandwidthMax, false, false
}
