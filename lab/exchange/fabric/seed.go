package fabric

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/google/uuid"

	"github.com/ixagent/ixagent/lab/exchange/metro"
	"github.com/ixagent/ixagent/lab/exchange/store"
)

// seedTime is when all of a seed was made.
const seedTime = "2026-03-02T09:00:00.000Z"

// ID returns the uuid of what a seed calls by a name: "port/buyer-lag", "profile/cloud", or an interface of a switch as in
// "fra1-sw1/Ethernet6". It is the same everywhere.
func ID(name string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("https://exchange.example/fabric/"+name)).String()
}

// An Interface is one of a switch, at which a customer of the exchange can be connected. Its UUID is that of the physical
// port that it is for whoever has it.
type Interface struct {
	UUID, Device, Name string
	Speed              int // Mbit/s
}

// Interfaces returns all interfaces of the metro for customers, in the order of its records.
func Interfaces() ([]Interface, error) {
	files, err := metro.Files()
	if err != nil {
		return nil, err
	}
	var ports []struct {
		ID     string `json:"id"`
		Device string `json:"device"`
		Speed  int    `json:"speed"`
	}
	if err := json.Unmarshal(files["ports.json"], &ports); err != nil {
		return nil, err
	}
	var out []Interface
	for _, p := range ports {
		device := strings.TrimPrefix(p.Device, "device:")
		name := "Ethernet" + p.ID[strings.LastIndexByte(p.ID, ':')+1:]
		out = append(out, Interface{UUID: ID(device + "/" + name), Device: device, Name: name, Speed: p.Speed})
	}
	return out, nil
}

// A Set is what an exchange begins with.
type Set struct {
	Users   []User
	Records map[string][]any // by collection of the store
	names   map[string]string
}

// The accounts of the metro.
const (
	exchangeAccount = 270000 + iota
	buyerAccount
	sellerAccount
	resellerAccount
	subAccount
	customerAccount
)

// Metro returns the metro of the lab, whose switches and interfaces are those of [metro], as Fabric has it: a buyer, a
// seller with profiles, a reseller with a sub-account, a customer that the seller knows by its key, and their ports.
func Metro() (*Set, error) {
	list, err := Interfaces()
	if err != nil {
		return nil, err
	}
	s := &Set{Records: map[string][]any{}, names: map[string]string{}}
	free := map[string]*place{}
	var places []*place
	for _, i := range list {
		p := &place{UUID: i.UUID, Device: i.Device, Name: i.Name, Speed: i.Speed, Metro: "FR", IBX: strings.ToUpper(i.Device[:4])}
		places = append(places, p)
		free[i.Device+"/"+i.Name] = p
	}
	s.people()
	for _, w := range []wish{
		{"buyer-lag", buyerAccount, "DOT1Q", "", []string{"fra1-sw1/Ethernet6", "fra1-sw1/Ethernet7", "fra1-sw1/Ethernet8"}},
		{"buyer-dot1q", buyerAccount, "DOT1Q", "", []string{"fra2-sw2/Ethernet14"}},
		{"buyer-qinq", buyerAccount, "QINQ", "34984", []string{"fra1-sw2/Ethernet11"}},
		{"buyer-epl-1", buyerAccount, "UNTAGGED", "", []string{"fra1-sw1/Ethernet1"}},
		{"buyer-epl-2", buyerAccount, "UNTAGGED", "", []string{"fra2-sw1/Ethernet1"}},
		{"buyer-ordered", buyerAccount, "DOT1Q", "", []string{"fra1-sw1/Ethernet14"}},
		{"seller-dot1q", sellerAccount, "DOT1Q", "", []string{"fra2-sw2/Ethernet6"}},
		{"seller-qinq-1", sellerAccount, "QINQ", "37120", []string{"fra1-sw1/Ethernet13"}},
		{"seller-qinq-2", sellerAccount, "QINQ", "34984", []string{"fra2-sw1/Ethernet8"}},
		{"reseller-lag", resellerAccount, "DOT1Q", "", []string{"fra1-sw2/Ethernet7", "fra1-sw2/Ethernet8"}},
		{"sub-dot1q", subAccount, "DOT1Q", "", []string{"fra2-sw1/Ethernet2"}},
		{"customer-dot1q", customerAccount, "DOT1Q", "", []string{"fra1-sw2/Ethernet3"}},
	} {
		if err := s.plug(w, free); err != nil {
			return nil, err
		}
	}
	for _, p := range places {
		s.Records[interfaces] = append(s.Records[interfaces], p)
	}
	s.offers()
	return s, nil
}

// people are the accounts and their users.
func (s *Set) people() {
	s.Users = append(s.Users, User{ClientID: "operator", ClientSecret: "operator-secret", Email: "noc@mainbogen.example"})
	for _, w := range []struct {
		number, reseller int64
		name, user       string
	}{
		{exchangeAccount, 0, "Mainbogen Exchange", ""},
		{buyerAccount, 0, "Aldersee Netz", "buyer"},
		{sellerAccount, 0, "Wolkenbruch Cloud", "seller"},
		{resellerAccount, 0, "Wacholder Wholesale", "reseller"},
		{subAccount, resellerAccount, "Xenoturm Labs", "sub"},
		{customerAccount, 0, "Birkenfunk", "customer"},
	} {
		a := &account{UUID: strconv.FormatInt(w.number, 10), Number: w.number, Name: w.name, Org: w.number - 200_000, Organization: w.name + " GmbH", Reseller: w.reseller}
		if w.number == customerAccount {
			a.Keys = []authorizationKey{{ID("profile/cloud"), "birkenfunk-key"}}
		}
		s.Records[accounts] = append(s.Records[accounts], a)
		if w.user != "" {
			s.Users = append(s.Users, User{ClientID: w.user, ClientSecret: w.user + "-secret", Email: w.user + "@fabric.example", Account: w.number})
		}
	}
}

// ownerOf returns an account of the set as it stands in records.
func (s *Set) ownerOf(number int64) *owner {
	o := &owner{}
	for _, r := range s.Records[accounts] {
		a := r.(*account)
		if a.Number != number {
			continue
		}
		o.Number, o.Name, o.Org, o.Organization, o.ResellerNumber = a.Number, a.Name, a.Org, a.Organization, a.Reseller
		if a.Reseller != 0 {
			o.ResellerName = s.ownerOf(a.Reseller).Name
		}
	}
	return o
}

// A wish is what a port of a set is to be.
type wish struct {
	name          string
	account       int64
	encapsulation string
	tpid          tpid
	places        []string
}

func seedLog() changeLog {
	return changeLog{CreatedBy: "operator", Created: seedTime, UpdatedBy: "operator", Updated: seedTime}
}

// plug gives a customer a port. That of a wish named as ordered still waits for its cross connect.
func (s *Set) plug(w wish, free map[string]*place) error {
	var f faults
	p := &port{
		Type: "XF_PORT", UUID: ID("port/" + w.name), Name: w.name, Source: "COLO", Project: &project{ID: ID("project")}, State: "PENDING_CROSS_CONNECT",
		Account: s.ownerOf(w.account), Log: seedLog(), ServiceType: "MSP", ServiceCode: "CX", LAGEnabled: len(w.places) > 1,
		Encapsulation: encapsulation{Type: w.encapsulation, TPID: w.tpid}, Package: portPackage{Code: "STANDARD"}, Settings: settings{View: true, Order: true},
	}
	if w.encapsulation == "UNTAGGED" {
		p.ServiceType = "EPL"
	}
	p.Encapsulation.complete(&f, "/encapsulation")
	if err := f.refusal(); err != nil {
		return fmt.Errorf("%s: %w", w.name, err)
	}
	for _, name := range w.places {
		i := free[name]
		if i == nil || i.Port != "" {
			return fmt.Errorf("%s: %s is not free", w.name, name)
		}
		i.Port, p.Speed, p.Media = p.UUID, i.Speed, "10GBASE_LR"
		if i.Speed == 100_000 {
			p.Media = "100GBASE_LR4"
		}
		p.Device = &device{Name: i.Device}
		p.Location = location{MetroCode: i.Metro, MetroName: "Frankfurt", Region: "EMEA", IBX: i.IBX}
		p.Demarcation = i.IBX
		p.PhysicalPorts = append(p.PhysicalPorts, i.physical(p.Media))
	}
	p.bundle()
	if !strings.HasSuffix(w.name, "ordered") {
		p.connect("XC-"+w.name, seedTime)
	}
	s.Records[ports] = append(s.Records[ports], p)
	s.names[p.UUID] = w.name
	return nil
}

// offers are the service profiles.
func (s *Set) offers() {
	offer := func(name string, account int64, p profile, config accessConfig, of ...string) {
		p.UUID, p.State, p.Account, p.Log = ID("profile/"+name), "ACTIVE", s.ownerOf(account), seedLog()
		if p.Type == "" {
			p.Type = "L2_PROFILE"
		}
		config.UUID, config.Type = ID("config/"+name), "COLO"
		var at profileMetro
		for _, r := range s.Records[ports] {
			if is := r.(*port); slices.Contains(of, is.Name) {
				p.Ports = append(p.Ports, profilePort{Type: "XF_PORT", UUID: is.UUID, Location: &location{MetroCode: is.Location.MetroCode, IBX: is.Location.IBX}})
				at.Code, at.Name = is.Location.MetroCode, is.Location.MetroName
				at.IBXs = append(at.IBXs, is.Location.IBX)
			}
		}
		if at.Code != "" {
			p.Metros = []profileMetro{at}
		}
		p.Configs = []accessConfig{config}
		s.Records[profiles] = append(s.Records[profiles], &p)
		s.names[p.UUID] = name
	}
	offer("cloud", sellerAccount, profile{
		Name: "Wolkenbruch Cloud Connect", Description: "A virtual network of the cloud, approved by its people", Visibility: "PUBLIC",
		CustomFields: []customField{{Label: "Tenant", DataType: "STRING", Required: true, IsRequired: true}},
	}, accessConfig{
		Bandwidths: []int{50, 100, 200, 500, 1000}, Key: &keyCondition{Required: true, Label: "Tenant key"},
	}, "seller-dot1q")
	offer("express", sellerAccount, profile{
		Name: "Wolkenbruch Cloud Express", Description: "The same without waiting", Visibility: "PUBLIC",
	}, accessConfig{
		CustomBandwidth: true, AutoApproval: true, API: &apiConfig{ManagedPort: true, ManagedVLAN: true, OverSubscriptionLimit: 1},
	}, "seller-dot1q")
	offer("backup", sellerAccount, profile{
		Name: "Wolkenbruch Backup", Description: "For those who are invited", Visibility: "PRIVATE", AllowedEmails: []string{"buyer@fabric.example"},
	}, accessConfig{
		CustomBandwidth: true, AutoApproval: true, LinkProtocol: &linkConfig{Strategy: "CTAGED", Encapsulation: "QINQ"},
	}, "seller-qinq-1", "seller-qinq-2")
	offer("peering", exchangeAccount, profile{
		Name: "Mainbogen Peering", Description: "The peering LAN of the exchange", Visibility: "PUBLIC", Type: "IX_PROFILE",
	}, accessConfig{CustomBandwidth: true})
}

// Put stores the set where a store has no accounts yet.
func (s *Set) Put(st *store.Store) error {
	return st.Update(func(tx *store.Tx) error {
		if len(tx.List(accounts)) > 0 {
			return nil
		}
		for _, collection := range []string{accounts, interfaces, ports, profiles} {
			for _, r := range s.Records[collection] {
				if _, err := tx.Put(collection, r); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// Print writes who may log in and what there is, as tables.
func (s *Set) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CLIENT ID\tCLIENT SECRET\tACCOUNT\tNAME")
	for _, u := range s.Users {
		name := "the operator of the exchange"
		if o := s.ownerOf(u.Account); o.Number != 0 {
			name = o.Name
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\n", u.ClientID, u.ClientSecret, u.Account, name)
	}
	fmt.Fprintln(t, "\nPORT\tUUID\tSTATE\tTAGS\tSWITCH\tINTERFACES")
	for _, r := range s.Records[ports] {
		p := r.(*port)
		var at []string
		for _, m := range p.PhysicalPorts {
			at = append(at, m.Interface.Name)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s %s\t%s\t%s\n", s.names[p.UUID], p.UUID, p.State, p.Encapsulation.Type, p.Encapsulation.TPID, p.Device.Name, strings.Join(at, " "))
	}
	fmt.Fprintln(t, "\nPROFILE\tUUID\tVISIBILITY\tNAME")
	for _, r := range s.Records[profiles] {
		p := r.(*profile)
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", s.names[p.UUID], p.UUID, p.Visibility, p.Name)
	}
	return t.Flush()
}
