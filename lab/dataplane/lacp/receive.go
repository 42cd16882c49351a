package lacp

// begin enters INITIALIZE, and from there the state that the link is in.
func (m *Machine) begin(p *port) {
	p.selected = Unselected
	m.recordDefault(p)
	p.actor.State.set(Expired, false)
	p.receive = RxPortDisabled
	m.enable(p)
}

// enable enters PORT_DISABLED, which leaves the selection of the port as it is in case the same partner
// returns, or leaves it.
func (m *Machine) enable(p *port) {
	switch {
	case !p.up:
		p.receive = RxPortDisabled
		p.currentWhile = 0
		p.responses = nil
		p.partner.State.set(Synchronization, false)
	case m.conf.Mode == Static:
		p.receive = RxLACPDisabled
		p.selected = Unselected
		m.recordDefault(p)
		p.actor.State.set(Expired, false)
	default:
		m.lapse(p)
	}
}

// lapse enters EXPIRED.
func (m *Machine) lapse(p *port) {
	p.receive = RxExpired
	p.partner.State.set(Synchronization, false)
	p.partner.State.set(Timeout, true)
	p.actor.State.set(Expired, true)
	p.currentWhile = m.clock + ShortTimeoutTime
}

// expire runs the current_while timer.
func (m *Machine) expire(p *port) {
	if p.currentWhile == 0 || m.clock < p.currentWhile {
		return
	}
	if p.receive == RxCurrent {
		m.lapse(p)
		p.silent = true
		p.counters.Timeouts++
		p.lastTimeout = m.wall
		return
	}
	p.receive = RxDefaulted
	p.currentWhile = 0
	m.recordDefault(p) // and so the Selection logic does what update_Default_Selected would
	p.actor.State.set(Expired, false)
}

// hear enters CURRENT with a LACPDU.
func (m *Machine) hear(p *port, l LACPDU) {
	for _, q := range m.ports { // port_moved
		if q != p && !q.up && q.partner.System == l.Actor.System && q.partner.Port == l.Actor.Port {
			m.begin(q)
		}
	}
	if !l.Actor.same(p.partner, Aggregation) { // update_Selected
		p.selected = Unselected
	}
	if !l.Partner.same(p.actor, Activity|Timeout|Synchronization|Aggregation) { // update_NTT
		p.ntt = true
	}
	p.receive = RxCurrent
	m.record(p, l)
	p.currentWhile = m.clock + LongTimeoutTime
	if p.actor.State.Has(Timeout) {
		p.currentWhile = m.clock + ShortTimeoutTime
	}
	p.actor.State.set(Expired, false)
	if p.silent {
		p.silent = false
		p.counters.Timeouts++
		p.lastTimeout = m.wall
	}
}

// record is recordPDU (6.4.9). The partner is in synchronisation if it says so, of this port as it is now or of
// an individual link, and one of the two will go on sending.
func (m *Machine) record(p *port, l LACPDU) {
	p.partner = l.Actor
	p.actor.State.set(Defaulted, false)
	maintained := l.Actor.State.Has(Activity) || p.actor.State.Has(Activity) && l.Partner.State.Has(Activity)
	known := l.Partner.same(p.actor, Aggregation) || !l.Actor.State.Has(Aggregation)
	p.partner.State.set(Synchronization, l.Actor.State.Has(Synchronization) && known && maintained)
}

func (m *Machine) recordDefault(p *port) {
	p.partner = m.partnerDefault()
	p.actor.State.set(Defaulted, true)
}

// partnerDefault returns the administrative values of the partner: one that is passive, is to be sent to every
// second so that it is soon heard when it comes, and aggregates nothing. In static mode it is one that agrees.
func (m *Machine) partnerDefault() Info {
	if m.conf.Mode == Static {
		return Info{State: Aggregation | Synchronization | Collecting | Distributing}
	}
	return Info{State: Timeout}
}
