package lacp

import "time"

// period is the Periodic Transmission machine (6.4.13). While it rests, there is no need to transmit either
// (6.4.16): of two passive ends neither begins.
func (p *port) period(now time.Duration) {
	speaks := p.receive != RxLACPDisabled && (p.actor.State | p.partner.State).Has(Activity)
	short := p.partner.State.Has(Timeout)
	switch {
	case !p.up || !speaks:
		p.periodic = NoPeriodic
		p.ntt = false
		return
	case p.periodic == NoPeriodic:
		p.startPeriod(now, true)
	case now >= p.periodicTimer, short && p.periodic == SlowPeriodic:
		p.ntt = true
		p.startPeriod(now, short)
	}
	if p.periodic == FastPeriodic && !short {
		p.startPeriod(now, false)
	}
}

func (p *port) startPeriod(now time.Duration, fast bool) {
	p.periodic, p.periodicTimer = SlowPeriodic, now+SlowPeriodicTime
	if fast {
		p.periodic, p.periodicTimer = FastPeriodic, now+FastPeriodicTime
	}
}

// mayTransmit reports whether a LACPDU is to be sent (6.4.16).
func (p *port) mayTransmit(now time.Duration) bool { return p.ntt && now >= p.free[0] }

func (p *port) transmitted(now time.Duration) {
	p.ntt = false
	copy(p.free[:], p.free[1:])
	p.free[burst-1] = now + FastPeriodicTime
	p.counters.Out++
}
