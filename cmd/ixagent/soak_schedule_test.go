package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/ixagent/ixagent/lab/exchange"
	"github.com/ixagent/ixagent/models/ixapi"
	"github.com/ixagent/ixagent/models/plan"
	"github.com/ixagent/ixagent/models/switchcfg"
)

// schedule is what happens in a trial before all is calm. It follows from the seed.
type schedule struct {
	seed    uint64
	vendors [trialSwitches]vendor
	fresh   bool            // it begins while the switches are empty
	kills   []int           // see soakSupervisor
	outages []time.Duration // how long nothing runs after each end of an agent; 0: until no switch waits for a confirmation
	actions []action
}

type action struct {
	at   time.Duration // since the schedule began
	what string
	do   func(t *trial) error
}

// String returns the schedule, a line for each action.
func (s schedule) String() string {
	text := fmt.Appendf(nil, "seed %d, switches %q, fresh %t, kills %v, outages %v\n", s.seed, s.vendors, s.fresh, s.kills, s.outages)
	for _, a := range s.actions {
		text = fmt.Appendf(text, "%8v  %s\n", a.at, a.what)
	}
	return string(text)
}

// span is how long a schedule lasts.
const span = 3 * time.Second

// newSchedule throws the dice for a schedule. With lines, one switch is EOS, one Junos, and one takes OpenConfig.
func newSchedule(seed uint64, lines bool) schedule {
	r := &dice{rand.New(rand.NewPCG(seed, 1))}
	s := schedule{seed: seed, fresh: r.IntN(4) == 0}
	for range 3 {
		kill := 0
		if r.IntN(2) == 0 {
			kill = 1 + r.IntN(24)
		}
		s.kills = append(s.kills, kill)
	}
	for range 8 {
		outage := time.Duration(50+r.IntN(400)) * time.Millisecond
		if r.IntN(4) == 0 {
			outage = 0
		}
		s.outages = append(s.outages, outage)
	}
	orders, troubles := r.orders(), r.troubles()
	if lines {
		for i, k := range r.Perm(trialSwitches) {
			s.vendors[k] = []vendor{"", "eos", "junos"}[i]
		}
		troubles = append(troubles, r.lineTroubles(s.vendors)...)
	}
	for range 3 + r.IntN(5) {
		s.actions = append(s.actions, orders[r.IntN(len(orders))]())
	}
	for range 3 + r.IntN(6) {
		s.actions = append(s.actions, troubles[r.IntN(len(troubles))]())
	}
	for i := range s.actions {
		s.actions[i].at = time.Duration(r.Int64N(int64(span/time.Millisecond))) * time.Millisecond
	}
	slices.SortStableFunc(s.actions, func(a, b action) int { return int(a.at - b.at) })
	return s
}

// dice are thrown for what an action is about.
type dice struct{ *rand.Rand }

func (r *dice) number() int { return 1 + r.IntN(trialSwitches) }
func (r *dice) millis(least, most int) time.Duration {
	return time.Duration(least+r.IntN(most-least)) * time.Millisecond
}

func act(do func(t *trial) error, format string, args ...any) action {
	return action{what: fmt.Sprintf(format, args...), do: do}
}

// orders are what members and the exchange change.
func (r *dice) orders() []func() action {
	return []func() action{
		func() action {
			k := r.number()
			return act(func(t *trial) error {
				return t.order(
					revision{ixapi.Connections, connID(k, "late"), fields{"state": "production"}},
					revision{ixapi.NetworkServiceConfigs, configID("lan", "late", k), fields{"state": "production"}},
				)
			}, "sw%d: late comes", k)
		},
		func() action {
			k, state := r.number(), []string{"decommissioned", "archived"}[r.IntN(2)]
			return act(func(t *trial) error {
				return t.order(
					revision{ixapi.NetworkServiceConfigs, configID("lan", "plain", k), fields{"state": state}},
					revision{ixapi.Connections, connID(k, "plain"), fields{"state": state}},
				)
			}, "sw%d: plain goes, %s", k, state)
		},
		func() action {
			k, v := r.number(), 110+r.IntN(80)
			name := []string{"trunk", "static"}[r.IntN(2)]
			return act(func(t *trial) error {
				return t.order(revision{ixapi.NetworkServiceConfigs, configID("lan", name, k), fields{"vlan_config": dot1q(v)}})
			}, "sw%d: %s moves to VLAN %d", k, name, v)
		},
		func() action {
			k, outer, inner := r.number(), 201+r.IntN(3), 11+r.IntN(3)
			return act(func(t *trial) error {
				return t.order(revision{ixapi.NetworkServiceConfigs, configID("lan", "stacked", k), fields{"vlan_config": qinq(outer, inner)}})
			}, "sw%d: stacked moves to VLANs %d.%d", k, outer, inner)
		},
		func() action {
			k := r.number()
			return act(func(t *trial) error {
				a, b := configID("lan", "trunk", k), configID("lan", "test", k)
				x, y := t.world.get(ixapi.NetworkServiceConfigs, a)["vlan_config"], t.world.get(ixapi.NetworkServiceConfigs, b)["vlan_config"]
				return t.order(revision{ixapi.NetworkServiceConfigs, a, fields{"vlan_config": y}}, revision{ixapi.NetworkServiceConfigs, b, fields{"vlan_config": x}})
			}, "sw%d: trunk and test swap VLANs", k)
		},
		func() action {
			k, keep := r.number(), r.IntN(2) == 0
			name := []string{"trunk", "stacked", "static"}[r.IntN(3)]
			address := fmt.Sprintf("02:00:01:%02x:%02x:%02x", k, r.IntN(256), r.IntN(256))
			return act(func(t *trial) error {
				mac := t.world.mac(address)
				id, macs := configID("lan", name, k), []string{mac}
				if keep {
					macs = append(macs, t.world.get(ixapi.NetworkServiceConfigs, id)["macs"].([]string)...)
				}
				return t.order(revision{ixapi.MACs, mac, nil}, revision{ixapi.NetworkServiceConfigs, id, fields{"macs": macs}})
			}, "sw%d: %s gets address %s, keeps its others %t", k, name, address, keep)
		},
		func() action {
			k, capacity := r.number(), 100*(1+r.IntN(50))
			return act(func(t *trial) error {
				return t.order(revision{ixapi.NetworkServiceConfigs, configID("lan", "static", k), fields{"capacity": capacity}})
			}, "sw%d: static has %d Mbit/s", k, capacity)
		},
		func() action { return r.line("production") },
		func() action { return r.line("production") },
		func() action { return r.line("decommissioned") },
		func() action {
			k, timeout := r.number(), []string{"slow", "fast"}[r.IntN(2)]
			return act(func(t *trial) error {
				return t.order(revision{ixapi.Connections, connID(k, "trunk"), fields{"lacp_timeout": timeout}})
			}, "sw%d: trunk has lacp_timeout %s", k, timeout)
		},
		func() action {
			k := r.number()
			return act(func(t *trial) error {
				return t.order(revision{ixapi.NetworkServiceConfigs, configID("lan", "test", k), fields{"state": "production"}})
			}, "sw%d: test passes and moves to production", k)
		},
		func() action {
			k := r.number()
			name := []string{"trunk", "static"}[r.IntN(2)]
			return act(func(t *trial) error {
				return t.order(revision{ixapi.Connections, connID(k, name), fields{"state": "error"}})
			}, "sw%d: %s is in error until all is calm", k, name)
		},
	}
}

func (r *dice) line(state string) action {
	i := r.IntN(trialLines)
	return act(func(t *trial) error {
		var edits []revision
		for _, id := range t.world.order[ixapi.NetworkServiceConfigs] {
			if t.world.get(ixapi.NetworkServiceConfigs, id)["network_service"] == lineID(i) {
				edits = append(edits, revision{ixapi.NetworkServiceConfigs, id, fields{"state": state}})
			}
		}
		return t.order(edits...)
	}, "line%d is in %s", i, state)
}

// troubles are what goes wrong.
func (r *dice) troubles() []func() action {
	collections := []ixapi.Collection{ixapi.Connections, ixapi.NetworkServiceConfigs, ixapi.MACs, ixapi.Ports}
	anywhere := func(f exchange.Fault, what string) action {
		f.Collection = ""
		if r.IntN(3) > 0 {
			f.Collection = string(collections[r.IntN(len(collections))])
		}
		f.Times = r.IntN(12)
		return act(func(t *trial) error { t.box.Exchange.Inject(f); return nil }, "exchange: %s %q, %d times", what, f.Collection, f.Times)
	}
	list := func(f exchange.Fault, what string) action {
		f.Collection, f.Times = string(collections[r.IntN(len(collections))]), r.IntN(6)
		return act(func(t *trial) error { t.box.Exchange.Inject(f); return nil }, "exchange: %s %q, %d times", what, f.Collection, f.Times)
	}
	of := func(do func(t *trial, name string), format string, args ...any) action {
		name := switchName(r.number())
		return act(func(t *trial) error { do(t, name); return nil }, name+": "+format, args...)
	}
	nothing := func() action {
		times := r.IntN(2) * (20 + r.IntN(60))
		return act(func(t *trial) error {
			t.box.Exchange.Inject(exchange.Fault{Kind: exchange.Empty, Times: times})
			return nil
		}, "exchange: lists nothing at all, %d times", times)
	}
	return []func() action{
		func() action { return anywhere(exchange.Fault{Kind: exchange.Failing}, "answers 500") },
		func() action {
			return anywhere(exchange.Fault{Kind: exchange.Failing, Status: 503, RetryAfter: time.Second}, "answers 503")
		},
		func() action {
			return anywhere(exchange.Fault{Kind: exchange.Slow, Delay: r.millis(10, 300)}, "is slow")
		},
		func() action { return anywhere(exchange.Fault{Kind: exchange.Reset}, "resets connections") },
		func() action { return anywhere(exchange.Fault{Kind: exchange.Interrupted}, "sends half of a page") },
		func() action { return anywhere(exchange.Fault{Kind: exchange.Truncated}, "cuts pages") },
		func() action { return anywhere(exchange.Fault{Kind: exchange.Page}, "shows a portal") },
		func() action { return list(exchange.Fault{Kind: exchange.Empty}, "lists nothing") },
		nothing, nothing, nothing,
		func() action {
			percent := 30 + r.IntN(70)
			return list(exchange.Fault{Kind: exchange.Shrunk, Percent: percent}, fmt.Sprintf("lists %d%% less", percent))
		},
		func() action { return list(exchange.Fault{Kind: exchange.Shifting}, "shifts pages") },
		func() action {
			versions := 1 + r.IntN(8)
			return anywhere(exchange.Fault{Kind: exchange.Stale, Versions: versions}, fmt.Sprintf("lags %d writes behind", versions))
		},
		func() action {
			n, code := 1+r.IntN(3), []codes.Code{codes.Aborted, codes.Internal, codes.Unavailable, codes.ResourceExhausted}[r.IntN(4)]
			return of(func(t *trial, name string) { t.box.Switches[name].Faults.RefuseSets(n, code) }, "answers %d Sets with %s", n, code)
		},
		func() action {
			d := r.millis(50, 3000)
			return of(func(t *trial, name string) { t.box.Switches[name].Faults.StallSets(d) }, "stalls each Set for %v", d)
		},
		func() action {
			return of(func(t *trial, name string) { t.box.Switches[name].Faults.StallSets(0) }, "stalls Sets until all is calm")
		},
		func() action {
			n := 1 + r.IntN(3)
			return of(func(t *trial, name string) { t.box.Switches[name].Faults.DropBeforeCommit(n) }, "drops the session before %d Sets", n)
		},
		func() action {
			n := 1 + r.IntN(3)
			return of(func(t *trial, name string) { t.box.Switches[name].Faults.DropAfterCommit(n) }, "drops the session after %d Sets", n)
		},
		func() action {
			n := 1 + r.IntN(3)
			return of(func(t *trial, name string) { t.box.Switches[name].Faults.TruncateGets(n) }, "cuts %d answers", n)
		},
		func() action {
			n := 1 + r.IntN(2)
			return of(func(t *trial, name string) { t.box.Switches[name].Faults.UndoSets(n) }, "undoes %d Sets", n)
		},
		func() action {
			return of(func(t *trial, name string) {
				t.on[name].forgetful.Store(true)
				t.box.Switches[name].Faults.IgnoreCommitExtension(true)
			}, "does not know confirmed commits")
		},
		func() action { return of(func(t *trial, name string) { t.box.Switches[name].Reboot() }, "reboots") },
		func() action {
			d := r.millis(0, 40)
			return of(func(t *trial, name string) {
				t.on[name].afterNextCommit(func() {
					pause(d)
					t.box.Switches[name].Reboot()
				})
			}, "reboots %v after the next commit", d)
		},
		func() action { return act(func(t *trial) error { return t.agent.kill() }, "the agent is killed") },
		func() action {
			d := r.millis(0, 40)
			return of(func(t *trial, name string) {
				t.on[name].afterNextCommit(func() {
					pause(d)
					_ = t.agent.kill()
				})
			}, "the agent is killed %v after the next commit", d)
		},
		func() action { return act(func(t *trial) error { return t.agent.fillDisk(true) }, "the disk is full") },
		func() action {
			return act(func(t *trial) error { return t.agent.fillDisk(false) }, "the disk has room")
		},
		func() action {
			const day = 24 * time.Hour
			jump := []time.Duration{-time.Hour, time.Hour, -40 * day, 40 * day, 3650 * day}[r.IntN(5)]
			if jump == 3650*day && !*soakWindows {
				jump = 400 * day
			}
			return act(func(t *trial) error { return setClock(t.dir, jump) }, "the clock is wrong by %v", jump)
		},
		func() action { return r.drift() },
		func() action { return r.drift() },
		func() action { return r.foreign() },
	}
}

// drift is what somebody changes by hand on what is the agent's.
func (r *dice) drift() action {
	name := switchName(r.number())
	kind := r.IntN(4)
	return act(func(t *trial) error {
		return t.byHand(name, func(s switchcfg.State) []plan.Change {
			for _, k := range s.Keys() {
				o := s[k]
				if !mine(o) {
					continue
				}
				switch o := o.(type) {
				case *switchcfg.Interface:
					if kind == 0 && o.TPID != 0 {
						x := *o
						x.Shutdown = !x.Shutdown
						return []plan.Change{{Verb: plan.Update, Key: k, Before: o, After: &x}}
					}
				case *switchcfg.LAG:
					if kind == 1 && o.Mode == switchcfg.ModeLACP {
						x := *o
						x.Rate = switchcfg.RateFast
						if o.Rate == x.Rate {
							x.Rate = switchcfg.RateSlow
						}
						return []plan.Change{{Verb: plan.Update, Key: k, Before: o, After: &x}}
					}
				case *switchcfg.Circuit:
					if kind == 2 && o.Service == "peering" {
						return []plan.Change{{Verb: plan.Delete, Key: k, Before: o}}
					}
				case *switchcfg.Filter:
					if kind == 3 && len(o.Sources) > 0 {
						x := *o
						x.Sources = append(slices.Clone(x.Sources), switchcfg.MAC{2, 0xba, 0xd0, 0, 0, 1})
						return []plan.Change{{Verb: plan.Update, Key: k, Before: o, After: &x}}
					}
				}
			}
			return nil
		})
	}, "%s: somebody changes %s of the agent's", name, []string{"a port", "a LAG", "a circuit", "a filter"}[kind])
}

// foreign is what somebody adds or changes by hand that is not the agent's.
func (r *dice) foreign() action {
	name := switchName(r.number())
	kind, n := r.IntN(4), 1+r.IntN(100)
	return act(func(t *trial) error {
		return t.byHand(name, func(s switchcfg.State) []plan.Change {
			var o switchcfg.Object
			v := t.on[name].vendor
			switch kind {
			case 0:
				o = &switchcfg.Interface{Name: v.spare(), Description: fmt.Sprint("lent to a friend ", n)}
			case 1:
				o = v.interconnect(fmt.Sprint(" ", n))
			case 2:
				o = &switchcfg.Circuit{Parent: v.lag(1), Unit: uint32(n), Description: "management", Match: switchcfg.MatchSingle(switchcfg.TPIDCustomer, switchcfg.VLANID(n)), Service: "management"}
			default:
				trunk := t.parent(s, connID(numberOf(name), "trunk"))
				if trunk == "" {
					return nil
				}
				o = &switchcfg.Circuit{Parent: trunk, Unit: uint32(900 + n), Description: "test of somebody", Match: switchcfg.MatchSingle(switchcfg.TPIDCustomer, switchcfg.VLANID(900+n)), Service: "management"}
			}
			if was, ok := s[o.Key()]; ok {
				return []plan.Change{{Verb: plan.Update, Key: o.Key(), Before: was, After: o}}
			}
			return []plan.Change{{Verb: plan.Create, Key: o.Key(), After: o}}
		})
	}, "%s: somebody configures %s", name, []string{"a spare port", "a LAG of theirs", "a circuit of theirs", "a circuit of theirs on a LAG of the agent's"}[kind])
}

// numberOf returns the number of a switch.
func numberOf(name string) int { return int(name[len(name)-1] - '0') }

// parent returns the LAG or port on a switch that stands for a connection, or nothing.
func (t *trial) parent(s switchcfg.State, conn string) string {
	for k, o := range s {
		if tag, ok := switchcfg.ParseTag(switchcfg.Description(o)); ok && k.Kind == switchcfg.KindLAG && tag.Record == switchcfg.NewTag("conn", conn, "").Record {
			return k.Name
		}
	}
	return ""
}

// byHand changes a switch as a person would, who writes every change down in the description of the uplink. A switch that
// refuses, as one does that waits for a confirmation, is asked again a few times.
func (t *trial) byHand(name string, change func(switchcfg.State) []plan.Change) error {
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	device, err := t.config.Session(t.on[name].device)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		if done, err := t.tryByHand(ctx, name, device, change); done {
			return nil
		} else if err != nil {
			t.note("%s: by hand: %v", name, err)
		}
		pause(50 * time.Millisecond)
	}
	t.note("%s: nothing was changed by hand", name)
	return nil
}
