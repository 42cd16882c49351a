package switchd

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/ixagent/ixagent/lab/switchd/tree"
)

// Harm makes changes of configuration hurt somebody they need not touch: a port, or each member of a LAG, is down for as
// long as the running configuration is another than now. It comes up again with a revert, or with the same
// configuration written back, and goes down with the next change. An empty name ends it.
func (s *Switch) Harm(name string) error { return s.store.setHarm(name) }

// harm is who is hurt, and the configuration that does not hurt.
type harm struct {
	name     string
	harmless *tree.Tree
}

// setHarm changes who is hurt, which nobody is at first.
func (s *store) setHarm(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.snapshot()
	running := c.tree
	if name != "" && !running.At("interfaces", "interface").Entry(name).Exists() {
		return fmt.Errorf("there is no port or LAG %q", name)
	}
	if s.follow != nil {
		if err := s.follow(running, nil); err != nil {
			return err
		}
	}
	s.harm = nil
	if name != "" {
		s.harm = &harm{name, running}
	}
	s.publish(c, nil)
	return nil
}

// hurt returns the ports that are down because of a configuration. The caller holds mu.
func (s *store) hurt(t *tree.Tree) []string {
	if s.harm == nil || bytes.Equal(configuration(t), configuration(s.harm.harmless)) {
		return nil
	}
	ports := []string{s.harm.name}
	for _, c := range []*tree.Tree{s.harm.harmless, t} {
		for i := range c.At("interfaces", "interface").Entries() {
			if i.Text("ethernet", "config", "aggregate-id") == s.harm.name {
				ports = append(ports, i.Key(0))
			}
		}
	}
	return ports
}

func configuration(t *tree.Tree) []byte {
	text, _ := t.Root().AppendJSON(nil, tree.Config)
	return text
}

// hurting is the operational state of a switch of which ports may be down.
type hurting struct {
	Operational
	store *store
}

func (h hurting) down(port string) bool {
	h.store.now.RLock()
	defer h.store.now.RUnlock()
	return slices.Contains(h.store.down, port)
}

// LinkUp implements [Operational].
func (h hurting) LinkUp(port string) bool { return !h.down(port) && h.Operational.LinkUp(port) }

// LACP implements [Operational].
func (h hurting) LACP(lag, port string) (LACPState, bool) {
	s, ok := h.Operational.LACP(lag, port)
	if h.down(port) {
		s.InSync, s.Collecting, s.Distributing = false, false, false
	}
	return s, ok
}
