package clitext

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/diff"
)

// sizes of the configurations: so many circuits, of which every nth differs, none for 0.
type size struct {
	name     string
	circuits int
	nth      int
}

func sizes() []size {
	return []size{
		{"10000circuits/same", 10_000, 0},
		{"10000circuits/one", 10_000, 10_000},
		{"10000circuits/1percent", 10_000, 100},
		{"10000circuits/10percent", 10_000, 10},
		{"10000circuits/all", 10_000, 1},
		{"1000circuits/10percent", 1_000, 10},
		{"50000circuits/10percent", 50_000, 10},
	}
}

// eosText is a switch with 40 LAGs of two ports and n circuits on them, a fifth of them double-tagged, in about 7 n
// lines. Of the circuits that differ some have another service, some another VLAN, some another description and some
// another number.
func eosText(n, nth int) []byte {
	var b bytes.Buffer
	b.WriteString("! Command: show running-config\n! device: sw1 (vEOS-lab, EOS-4.36.1F)\n!\nhostname sw1\n!\n")
	for i := range 100 {
		fmt.Fprintf(&b, "vlan %d\n   !! ixagent ns:%d\n   name ix-%d\n!\n", 600+i, i, i)
	}
	for i := range 40 {
		fmt.Fprintf(&b, "interface Port-Channel%d\n   description ixagent conn:%d\n   no switchport\n!\n", i+1, i)
	}
	for i := range 80 {
		fmt.Fprintf(&b, "interface Ethernet%d\n   description ixagent port:%d\n   channel-group %d mode active\n!\n", i+1, i, i/2+1)
	}
	for i := range n {
		unit, vlan, service, account := i/40+1, i/40+1, 600+i%100, i/3
		if nth > 0 && i%nth == nth-1 {
			switch i / nth % 4 {
			case 0:
				service++
			case 1:
				vlan += 2000
			case 2:
				account += n
			case 3:
				unit += 5000
			}
		}
		fmt.Fprintf(&b, "interface Port-Channel%d.%d\n   description ixagent nsc:%d acct:%d\n   vlan id %d\n   encapsulation vlan\n", i%40+1, unit, i, account, service)
		if i%5 == 0 {
			fmt.Fprintf(&b, "      client dot1ad outer %d inner dot1q %d\n", vlan, i%4000+1)
		} else {
			fmt.Fprintf(&b, "      client dot1q %d\n", vlan)
		}
		fmt.Fprintf(&b, "   mac access-group ix-%d in\n!\n", i%50)
	}
	b.WriteString("end\n")
	return b.Bytes()
}

// junosText is the same switch with about 10 n lines.
func junosText(n, nth int) []byte {
	var b bytes.Buffer
	for i := range 80 {
		fmt.Fprintf(&b, "set interfaces xe-0/0/%d description \"ixagent port:%d\"\nset interfaces xe-0/0/%d gigether-options 802.3ad ae%d\n", i, i, i, i/2)
	}
	joined := make([][]string, 100)
	for lag := range 40 {
		fmt.Fprintf(&b, "set interfaces ae%d description \"ixagent conn:%d\"\nset interfaces ae%d flexible-vlan-tagging\n", lag, lag, lag)
		for i := lag; i < n; i += 40 {
			unit, vlan, service, account := i/40+1, i/40+1, i%100, i/3
			if nth > 0 && i%nth == nth-1 {
				switch i / nth % 4 {
				case 0:
					service = (service + 1) % 100
				case 1:
					vlan += 2000
				case 2:
					account += n
				case 3:
					unit += 5000
				}
			}
			u := fmt.Sprintf("set interfaces ae%d unit %d ", lag, unit)
			fmt.Fprintf(&b, "%sdescription \"ixagent nsc:%d acct:%d\"\n%sencapsulation vlan-bridge\n", u, i, account, u)
			if i%5 == 0 {
				fmt.Fprintf(&b, "%svlan-tags outer 0x88a8.%d\n%svlan-tags inner 0x8100.%d\n", u, vlan, u, i%4000+1)
			} else {
				fmt.Fprintf(&b, "%svlan-id %d\n", u, vlan)
			}
			fmt.Fprintf(&b, "%slayer2-policer input-policer ix-rate-100000k\n%slayer2-policer output-policer ix-rate-100000k\n", u, u)
			fmt.Fprintf(&b, "%sfamily bridge filter input ix-%d\n%sfamily bridge storm-control ix\n", u, i%50, u)
			name := fmt.Sprintf("ae%d.%d", lag, unit)
			joined[service] = append(joined[service], "interface "+name, "bridge-options interface "+name+" interface-mac-limit 8")
		}
	}
	for i, all := range joined {
		fmt.Fprintf(&b, "set bridge-domains ix-%d description \"ixagent ns:%d\"\n", i, i)
		for _, line := range all {
			fmt.Fprintf(&b, "set bridge-domains ix-%d %s\n", i, line)
		}
	}
	return b.Bytes()
}

// What is measured is parsing both texts, comparing them and writing the commands in order.
func BenchmarkPatch(b *testing.B) {
	for _, nos := range []struct {
		name    string
		dialect *Dialect
		text    func(n, nth int) []byte
	}{{"eos", eos(), eosText}, {"junos", junos(Flat), junosText}} {
		for _, s := range sizes() {
			b.Run(nos.name+"/"+s.name, func(b *testing.B) {
				before, after := nos.text(s.circuits, 0), nos.text(s.circuits, s.nth)
				lines := bytes.Count(before, []byte("\n")) + bytes.Count(after, []byte("\n"))
				commands := 0
				b.ReportAllocs()
				begin := processorTime(b)
				for b.Loop() {
					x, err := Parse(nos.dialect, before)
					if err != nil {
						b.Fatal(err)
					}
					y, err := Parse(nos.dialect, after)
					if err != nil {
						b.Fatal(err)
					}
					commands = len(Patch(x, y))
				}
				b.ReportMetric((processorTime(b)-begin).Seconds()/float64(b.N), "cpu-s/op")
				b.ReportMetric(float64(lines)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
				b.ReportMetric(float64(commands), "commands")
			})
		}
	}
}

// processorTime returns what the process has used, the garbage collector too.
func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// The baseline: the paths of all lines of either text in a map, and those that only one has, sorted. It knows no
// order, no values and no blocks.
func BenchmarkBaselinePaths(b *testing.B) {
	for _, s := range sizes() {
		b.Run("eos/"+s.name, func(b *testing.B) {
			before, after := eosText(s.circuits, 0), eosText(s.circuits, s.nth)
			b.ReportAllocs()
			for b.Loop() {
				x, y := paths(before), paths(after)
				var only []string
				for p := range x {
					if !y[p] {
						only = append(only, "no "+p)
					}
				}
				for p := range y {
					if !x[p] {
						only = append(only, p)
					}
				}
				slices.Sort(only)
			}
		})
	}
}

func paths(text []byte) map[string]bool {
	all := make(map[string]bool)
	var blocks []string
	for line := range strings.SplitSeq(string(text), "\n") {
		trimmed := strings.TrimLeft(line, " ")
		if depth := (len(line) - len(trimmed)) / 3; trimmed != "" && trimmed != "!" && depth <= len(blocks) {
			blocks = append(blocks[:depth], trimmed)
			all[strings.Join(blocks, " / ")] = true
		}
	}
	return all
}

// A baseline of another kind: a text difference, as a person is shown it.
func BenchmarkBaselineText(b *testing.B) {
	for _, s := range sizes() {
		b.Run("eos/"+s.name, func(b *testing.B) {
			before, after := eosText(s.circuits, 0), eosText(s.circuits, s.nth)
			b.ReportAllocs()
			for b.Loop() {
				diff.Diff("before", before, "after", after)
			}
		})
	}
}

// Large configurations of which every circuit differs lead from one to the other, too.
func TestLargeConfigurationsArePatchedWhole(t *testing.T) {
	for _, nth := range []int{1, 10} {
		d := eos()
		a, b := parse(t, d, eosText(2000, 0)), parse(t, d, eosText(2000, nth))
		applied(t, applied(t, a, Patch(a, b), b), Patch(b, a), a)
		d = junos(Flat)
		a, b = parse(t, d, junosText(2000, 0)), parse(t, d, junosText(2000, nth))
		applied(t, applied(t, a, Patch(a, b), b), Patch(b, a), a)
	}
}
