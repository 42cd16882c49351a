package main

import (
	"crypto/tls"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/eos"
	"github.com/ixagent/ixagent/drivers/junos"
	"github.com/ixagent/ixagent/drivers/openconfig"
	"github.com/ixagent/ixagent/lab/cli"
	"github.com/ixagent/ixagent/lab/dataplane/frame"
	"github.com/ixagent/ixagent/lab/sandbox"
	"github.com/ixagent/ixagent/lab/switchd"
	"github.com/ixagent/ixagent/models/secret"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// system is a network OS: how the lab switch is configured that has it, and the driver that does so.
type system struct {
	name    string
	spec    drivers.Spec
	profile string
	ports   func(n int) []string // the names of the first ports
	lag     string               // the name of a LAG
	changes int                  // how many are made beside a bystander
	partner bool                 // the driver tells the LACP system of a partner

	// start makes the switch and what else listens for it, until the test ends, and says how the driver finds it.
	start func(t testing.TB, o switchd.Options, lab switchd.Secret) (*switchd.Switch, drivers.Device)
}

// systems are all whose frames are tried.
func systems() []system {
	all := []system{
		overGNMI(), overSSH("eos", "eos", "Port-Channel10", eos.Spec()), overSSH("eos", "eos-switchport", "Port-Channel10", eos.Spec()),
		overSSH("junos", "mx", "ae10", junos.Spec()),
	}
	all[1].partner, all[2].partner, all[2].name = true, true, "eos-switchport"
	return all
}

// overGNMI is the lab switch as it is configured in OpenConfig.
func overGNMI() system {
	return system{
		name: "openconfig", spec: openconfig.Spec(), profile: "ixlab", lag: "lag1", changes: 1000, partner: true,
		ports: sandbox.PortNames,
		start: func(t testing.TB, o switchd.Options, lab switchd.Secret) (*switchd.Switch, drivers.Device) {
			sw := startSwitch(t, o)
			ca, err := lab.Authority()
			if err != nil {
				t.Fatal(err)
			}
			client, err := ca.Issue("ixagent")
			if err != nil {
				t.Fatal(err)
			}
			return sw, drivers.Device{
				Address: sw.Addr().String(), Username: switchd.SecretUser, Password: secret.New(lab.Password()),
				TLS: &tls.Config{RootCAs: ca.Pool(), Certificates: []tls.Certificate{client}},
			}
		},
	}
}

// overSSH is the lab switch as it is configured by the command line of a network OS.
func overSSH(nos, profile, lag string, spec drivers.Spec) system {
	return system{
		name: nos, spec: spec, profile: profile, lag: lag, changes: 60,
		ports: func(n int) []string { return sandbox.DevicePorts(nos, n) },
		start: func(t testing.TB, o switchd.Options, lab switchd.Secret) (*switchd.Switch, drivers.Device) {
			device, err := sandbox.NewDevice(nos, o.Name, o.Ports, 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			o.Native = device.Native()
			sw := startSwitch(t, o)
			if err := device.Attach(sw); err != nil {
				t.Fatal(err)
			}
			key, err := ssh.NewSignerFromKey(lab.HostKey(o.Name))
			if err != nil {
				t.Fatal(err)
			}
			server, err := cli.New(cli.Options{Name: o.Name, Listen: o.Listen, NOS: device, HostKey: key, Users: o.Users})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(server.Close)
			server.Start()
			return sw, drivers.Device{
				Address: server.Addr().String(), Username: switchd.SecretUser, Password: secret.New(lab.Password()),
				SSH: &drivers.SSH{KnownHosts: []byte(server.KnownHost())},
			}
		},
	}
}

func startSwitch(t testing.TB, o switchd.Options) *switchd.Switch {
	t.Helper()
	sw, err := switchd.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sw.Close)
	sw.Start()
	return sw
}

// capabilities are what the driver can carry to the switch.
func (s system) capabilities(t testing.TB) drivers.Capabilities {
	t.Helper()
	p, ok := s.spec.Profile(s.profile)
	if !ok {
		t.Fatalf("the driver of %s has no profile %s", s.name, s.profile)
	}
	return p.Capabilities
}

// carries reports whether the switch can have objects.
func (x *wired) carries(objects ...switchcfg.Object) bool {
	for _, o := range objects {
		if x.caps.Carry(o) != nil {
			return false
		}
	}
	return true
}

// portTPID is what a port or LAG has to say where its circuits have an outer ethertype.
func (x *wired) portTPID(tpid switchcfg.TPID) switchcfg.TPID {
	switch {
	case x.caps.TPIDScope != drivers.PortScope:
		return 0
	case x.caps.TPIDDefault:
		return max(tpid, switchcfg.TPIDCustomer)
	}
	return tpid
}

// unit is the number of the subinterface with a match, which is n if the match has a tag.
func (x *wired) unit(m switchcfg.Match, n uint32) uint32 {
	if m.Form == switchcfg.Untagged {
		return x.caps.UntaggedUnit
	}
	return n
}

// service is a service, of a VLAN of its own where it takes one.
func (x *wired) service(name string, kind switchcfg.ServiceType, vlan switchcfg.VLANID) *switchcfg.Service {
	s := &switchcfg.Service{Name: name, Type: kind}
	if x.caps.ServiceVLAN && (kind != switchcfg.ServiceLine || x.caps.LineVLAN) {
		s.VLAN = vlan
	}
	return s
}

// portName is the name of the n-th port, from 1.
func (x *wired) portName(n int) string { return x.ports(n)[n-1] }

// port is the n-th port, whose circuits have an outer ethertype, or none if that is 0.
func (x *wired) port(n int, what string, tpid switchcfg.TPID) *switchcfg.Interface {
	return &switchcfg.Interface{Name: x.portName(n), Description: what, TPID: x.portTPID(tpid)}
}

// tags are as many as there are at most on a circuit, and match one of a port whose ethertype is that of services.
func (x *wired) tags(outer, inner switchcfg.VLANID) (switchcfg.Match, []frame.Tag) {
	all := []frame.Tag{{TPID: frame.STag, TCI: uint16(outer)}, {TPID: frame.CTag, TCI: uint16(inner)}}
	if !x.caps.Form(switchcfg.Double) {
		return switchcfg.MatchSingle(switchcfg.TPIDService, outer), all[:1]
	}
	return switchcfg.MatchDouble(switchcfg.TPIDService, outer, inner), all
}

// circuit is one of a parent in a service.
func (x *wired) circuit(parent string, n uint32, m switchcfg.Match, service string) *switchcfg.Circuit {
	return &switchcfg.Circuit{Parent: parent, Unit: x.unit(m, n), Match: m, Service: service}
}
