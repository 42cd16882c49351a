package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ixagent/ixagent/agent/config"
	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/all"
	"github.com/ixagent/ixagent/lab/exchange/fabric"
	"github.com/ixagent/ixagent/lab/sandbox"
	"github.com/ixagent/ixagent/lab/switchd"
	"github.com/ixagent/ixagent/lab/topology"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// lab is the exchange of a data set, on the loopback interface, and the configuration of an agent for it and its
// switches in a folder. The switches are in this process and on the loopback interface too, unless a topology has them.
type lab struct {
	*sandbox.Sandbox
	path    string // of the configuration
	config  *config.Config
	drivers drivers.Registry
	counts  *planeCounts // of switches with wires; nil where they cannot be asked
}

// newLab starts the lab of a data set and writes what an agent needs for it to dir. The switches are those of wires,
// which must be reachable, unless it is nil; they are in the lab of that name. Close must be called.
func newLab(ctx context.Context, set, dir string, wires *topology.Topology, in string, log *slog.Logger) (*lab, error) {
	l := &lab{path: filepath.Join(dir, "ixagent.yaml"), drivers: all.Registry()}
	if err := l.start(ctx, set, dir, wires, in, log); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *lab) start(ctx context.Context, set, dir string, wires *topology.Topology, in string, log *slog.Logger) error {
	records, text, err := dataset(set, dir)
	if err != nil {
		return err
	}
	draft, err := config.Parse(l.path, text, nil, l.drivers)
	if err != nil {
		return err
	}
	o := sandbox.Options{Dir: dir, Records: records, Logger: log}
	switch set {
	case "market":
		o.Customer = reseller
	case "ecx":
		if o.Fabric, err = fabric.Metro(); err != nil {
			return err
		}
	}
	if wires != nil {
		if o.Secret, err = secretOf(wires, draft); err != nil {
			return err
		}
		// A lab of containers is not known here, and its exchange has no counters.
		if l.counts, err = newPlaneCounts(ctx, in); err == nil {
			o.Counters = l.counts
		}
	}
	if l.Sandbox, err = sandbox.Start(o); err != nil {
		return err
	}
	moved := []string{origin(draft.Sources[0].URL), origin(l.Exchange.URL())}
	for _, d := range draft.Inventory.Devices {
		address, err := l.address(draft, d, wires)
		if err != nil {
			return err
		}
		session, err := draft.Session(d)
		if err != nil {
			return err
		}
		session.Address = address
		if err := furnish(ctx, l.drivers[d.Driver], session, handmade(&draft.Inventory, d.Name)); err != nil {
			return err
		}
		moved = append(moved, d.Address.String(), address)
	}
	if err := os.WriteFile(l.path, []byte(strings.NewReplacer(moved...).Replace(string(text))), 0o600); err != nil {
		return err
	}
	l.config, err = config.Load(l.path, l.drivers)
	return err
}

// origin returns the scheme and host of a URL.
func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Scheme + "://" + u.Host
}

// address returns where the switch of a device is, which is started unless wires have it.
func (l *lab) address(c *config.Config, d *config.Device, wires *topology.Topology) (string, error) {
	if wires != nil {
		_, port, err := net.SplitHostPort(d.Address.String())
		return net.JoinHostPort(wires.Node(d.Name).MgmtIPv4.String(), port), err
	}
	if l.drivers[d.Driver].Transport == "ssh" {
		s, err := l.AddCommandLine(d.Name, sandbox.DevicePorts(d.Driver, switchPorts), d.Driver)
		if err != nil {
			return "", err
		}
		return s.SSH.Addr().String(), nil
	}
	session, err := c.Session(d)
	if err != nil {
		return "", err
	}
	// The switch asks its clients for what the agent will show.
	client := sandbox.Client{Password: session.Username != "", Certificate: len(session.TLS.Certificates) > 0}
	s, err := l.AddSwitch(d.Name, sandbox.PortNames(switchPorts), client)
	if err != nil {
		return "", err
	}
	return s.Addr().String(), nil
}

// secretOf returns the secret of the switches of a topology, which must have all those of a configuration.
func secretOf(wires *topology.Topology, c *config.Config) (switchd.Secret, error) {
	var secret switchd.Secret
	for i, d := range c.Inventory.Devices {
		n := wires.Node(d.Name)
		switch {
		case n == nil:
			return "", fmt.Errorf("the topology %s has no switch %s", wires.Name, d.Name)
		case !n.MgmtIPv4.IsValid():
			return "", fmt.Errorf("the topology %s: switch %s has no management address", wires.Name, d.Name)
		}
		its := switchd.Secret(n.Env[switchd.SecretVariable])
		if its == "" || i > 0 && its != secret {
			return "", fmt.Errorf("the topology %s: the switches must have one %s", wires.Name, switchd.SecretVariable)
		}
		secret = its
	}
	return secret, nil
}

// furnish creates objects that are not there yet on a switch, as a person would, without the agent. A switch that was
// started a moment ago may still be on its way.
func furnish(ctx context.Context, spec drivers.Spec, device drivers.Device, objects []switchcfg.Object) error {
	if len(objects) == 0 {
		return nil
	}
	session, err := spec.Open(ctx, device)
	if err != nil {
		return err
	}
	defer session.Close()
	there, err := drivers.Retry(session, 30, 20*time.Millisecond).Observe(ctx)
	if err != nil {
		return err
	}
	var changes []plan.Change
	for _, o := range objects {
		if _, ok := there[o.Key()]; !ok {
			changes = append(changes, plan.Change{Verb: plan.Create, Key: o.Key(), After: o})
		}
	}
	if len(changes) == 0 {
		return nil
	}
	if _, err := session.Apply(ctx, changes); err != nil {
		return fmt.Errorf("configuring %s by hand: %w", device.Name, err)
	}
	return nil
}

// Close stops everything and waits for it.
func (l *lab) Close() (err error) {
	if l.Sandbox != nil {
		err = l.Sandbox.Close()
	}
	if l.counts != nil {
		err = errors.Join(err, l.counts.Close())
	}
	return err
}
