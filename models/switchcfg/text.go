package switchcfg

import (
	"strconv"
	"strings"
)

// AppendText appends the canonical text of o to b: its key, then its attributes, each line ended by a newline.
func AppendText(b []byte, o Object) []byte {
	b = append(o.Key().append(b), '\n')
	return o.appendLines(b)
}

func lines(o Object) []string {
	text := strings.TrimSuffix(string(o.appendLines(nil)), "\n")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

// Lines implements [Object].
func (o *Interface) Lines() []string { return lines(o) }

// Lines implements [Object].
func (o *LAG) Lines() []string { return lines(o) }

// Lines implements [Object].
func (o *Circuit) Lines() []string { return lines(o) }

// Lines implements [Object].
func (o *Service) Lines() []string { return lines(o) }

// Lines implements [Object].
func (o *Filter) Lines() []string { return lines(o) }

// Lines implements [Object].
func (o *Policer) Lines() []string { return lines(o) }

// Lines implements [Object].
func (o *Opaque) Lines() []string { return lines(o) }

func str(b []byte, name, v string) []byte {
	if v == "" {
		return b
	}
	return append(append(append(append(b, name...), ' '), v...), '\n')
}

func num(b []byte, name string, n uint64) []byte {
	if n == 0 {
		return b
	}
	return append(strconv.AppendUint(append(append(b, name...), ' '), n, 10), '\n')
}

func rate(b []byte, name string, r Kbps) []byte {
	if r == 0 {
		return b
	}
	return append(r.append(append(append(b, name...), ' ')), '\n')
}

func flag(b []byte, name string, v bool) []byte {
	if !v {
		return b
	}
	return append(append(b, name...), '\n')
}

func tpid(b []byte, t TPID) []byte {
	if t == 0 {
		return b
	}
	return str(b, "tpid", t.String())
}

// quoted keeps a description on one line whatever a device holds in it.
func quoted(b []byte, name, v string) []byte {
	if v == "" {
		return b
	}
	return append(strconv.AppendQuote(append(append(b, name...), ' '), v), '\n')
}

func (o *Interface) appendLines(b []byte) []byte {
	b = quoted(b, "description", o.Description)
	b = flag(b, "shutdown", o.Shutdown)
	b = num(b, "mtu", uint64(o.MTU))
	b = tpid(b, o.TPID)
	return rate(b, "storm-control", o.StormControl)
}

func (o *LAG) appendLines(b []byte) []byte {
	b = quoted(b, "description", o.Description)
	b = flag(b, "shutdown", o.Shutdown)
	b = str(b, "mode", string(o.Mode))
	b = flag(b, "lacp passive", o.Passive)
	b = str(b, "lacp rate", string(o.Rate))
	if o.SystemID != (MAC{}) {
		b = str(b, "lacp system-id", o.SystemID.String())
	}
	b = num(b, "min-links", uint64(o.MinLinks))
	for _, m := range o.Members {
		b = str(b, "member", m)
	}
	b = num(b, "mtu", uint64(o.MTU))
	b = tpid(b, o.TPID)
	return rate(b, "storm-control", o.StormControl)
}

func (o *Circuit) appendLines(b []byte) []byte {
	b = quoted(b, "description", o.Description)
	b = flag(b, "shutdown", o.Shutdown)
	b = append(o.Match.append(append(b, "match "...)), '\n')
	b = str(b, "service", o.Service)
	b = str(b, "role", string(o.Role))
	b = str(b, "filter", o.Filter)
	b = rate(b, "rate in", o.RateIn)
	b = rate(b, "rate out", o.RateOut)
	return num(b, "mac-limit", uint64(o.MACLimit))
}

func (o *Service) appendLines(b []byte) []byte {
	b = quoted(b, "description", o.Description)
	b = str(b, "type", string(o.Type))
	b = num(b, "vlan", uint64(o.VLAN))
	b = num(b, "vni", uint64(o.VNI))
	for _, p := range o.Peers {
		b = str(b, "peer", p.String())
	}
	b = num(b, "mtu", uint64(o.MTU))
	return num(b, "mac-limit", uint64(o.MACLimit))
}

func (o *Filter) appendLines(b []byte) []byte {
	b = append(b, "drop control protocols\n"...)
	if o.AnySource {
		return append(b, "permit any source\n"...)
	}
	for _, m := range o.Sources {
		b = append(m.append(append(b, "permit source "...)), '\n')
	}
	return append(b, "drop any other source\n"...)
}

func (o *Policer) appendLines(b []byte) []byte { return rate(b, "rate", o.Rate) }

func (o *Opaque) appendLines(b []byte) []byte {
	b = quoted(b, "not understood:", o.Why)
	for _, t := range o.Text {
		b = quoted(b, "found", t)
	}
	return b
}
