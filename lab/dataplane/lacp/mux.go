package lacp

// ready reports whether the wait of every port that is to be attached is over (Ready, 6.4.14.1).
func (m *Machine) ready() bool {
	for _, p := range m.ports {
		if p.mux == MuxWaiting && p.selected == Selected && m.clock < p.waitWhile {
			return false
		}
	}
	return true
}

// enough reports whether MinLinks links are in synchronisation at both ends. Synchronisation does not depend on
// it, so two ends that both want several links do not wait for each other.
func (m *Machine) enough() bool {
	n := 0
	for _, p := range m.ports {
		if p.synchronised() && p.mux >= MuxAttached {
			n++
		}
	}
	return n >= m.conf.MinLinks
}

// synchronised reports whether p is selected and its partner, as last heard, agrees.
func (p *port) synchronised() bool {
	return p.selected == Selected && p.partner.State.Has(Synchronization)
}

// multiplex is one step of the Mux machine with independent control (6.4.15). It reports whether p changed its
// state.
func (m *Machine) multiplex(p *port, ready, enough bool) bool {
	collect := p.synchronised() && enough
	distribute := collect && p.partner.State.Has(Collecting)
	was := p.mux
	switch p.mux {
	case MuxDetached:
		if p.selected != Unselected {
			p.mux = MuxWaiting
			p.waitWhile = m.clock
			if m.conf.Mode != Static {
				p.waitWhile += AggregateWaitTime
			}
		}
	case MuxWaiting:
		if p.selected == Unselected {
			p.mux = MuxDetached
		} else if p.selected == Selected && ready {
			p.mux = MuxAttached
		}
	case MuxAttached:
		if p.selected != Selected {
			p.mux = MuxDetached
		} else if collect {
			p.mux = MuxCollecting
		}
	case MuxCollecting:
		if !collect {
			p.mux = MuxAttached
		} else if distribute {
			p.mux = MuxDistributing
		}
	case MuxDistributing:
		if !distribute {
			p.mux = MuxCollecting
		}
	}
	if p.mux == was {
		return false
	}
	p.actor.State.set(Synchronization, p.mux >= MuxAttached)
	p.actor.State.set(Collecting, p.mux >= MuxCollecting)
	p.actor.State.set(Distributing, p.mux == MuxDistributing)
	p.ntt = p.ntt || p.mux != MuxWaiting && p.mux != MuxDistributing
	return true
}
