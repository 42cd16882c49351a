package judge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/ixagent/ixagent/lab/namespace"
)

// Capture is a tcpdump on one interface, whose frames tshark reads.
type Capture struct {
	t       testing.TB
	process *process
	frames  text
}

// NewCapture starts to capture all frames of an interface, in both directions, that match a filter (pcap-filter(7)). It
// returns when it hears.
func NewCapture(t testing.TB, ns *namespace.Namespace, ifname string, filter ...string) *Capture {
	t.Helper()
	need(t, "tcpdump", "tcpdump")
	need(t, "tshark", "tshark")
	if b, err := os.ReadFile("/proc/self/setgroups"); err == nil && strings.TrimSpace(string(b)) == "deny" {
		lacks(t, "root: tcpdump wants to choose its groups, and a user namespace does not let it")
	}
	c := &Capture{t: t}
	cmd := exec.Command("tcpdump", append([]string{"-i", ifname, "-n", "-U", "--immediate-mode", "-B", "8192", "-s", "0", "-Z", "root", "-w", "-"}, filter...)...)
	cmd.Stdout = &c.frames
	c.process = start(t, ns, cmd)
	Poll(t, "tcpdump listens", func() bool {
		return c.process.ended() || strings.Contains(c.process.said.String(), "listening on")
	}, c.process.said.String)
	if c.process.ended() {
		t.Fatalf("tcpdump has ended: %s", c.process.said.String())
	}
	return c
}

var progress = regexp.MustCompile(`(\d+) packets? captured, (\d+) packets? received by filter`)

// Stop ends the capture and returns the frames that were seen before it was called, as tshark explains them.
func (c *Capture) Stop() []Packet {
	c.t.Helper()
	// tcpdump throws away what it has not read when it is told to end. It tells how far it is when it is asked.
	Poll(c.t, "tcpdump reads what it was given", func() bool {
		if c.process.cmd.Process.Signal(syscall.SIGUSR1) != nil {
			c.t.Fatalf("tcpdump has ended: %s", c.process.said.String())
		}
		all := progress.FindAllStringSubmatch(c.process.said.String(), -1)
		return len(all) > 1 && all[len(all)-1][1] == all[len(all)-1][2]
	}, c.process.said.String)
	c.process.end(syscall.SIGINT)
	ps, err := explain([]byte(c.frames.String()))
	if err != nil {
		c.t.Fatalf("%v\n%s", err, c.process.said.String())
	}
	return ps
}

// explain returns what tshark makes of a capture file.
func explain(pcap []byte) ([]Packet, error) {
	var said bytes.Buffer
	cmd := exec.Command("tshark", "-n", "-r", "-", "-T", "json")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(pcap), &said
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("tshark: %w: %s", err, said.String())
	}
	return parsePackets(out)
}

// Packet is a frame as tshark explains it: its layers from the outside in. A frame in a tunnel follows its tunnel.
type Packet []Layer

// Layer is a protocol in a frame, with its fields by tshark's names. Names are not unique; the first value counts.
type Layer struct {
	Name   string
	Fields map[string]string
}

// Number returns the value of a field that is a number or a truth value, or -1 without one.
func (l Layer) Number(field string) int {
	n, err := strconv.ParseInt(l.Fields[field], 0, 64)
	if err != nil {
		return -1
	}
	return int(n)
}

// Layer returns the first layer of a name, and whether there is one.
func (p Packet) Layer(name string) (Layer, bool) {
	for _, l := range p {
		if l.Name == name {
			return l, true
		}
	}
	return Layer{}, false
}

// Inside returns what follows the first layer of a name, nothing if there is none.
func (p Packet) Inside(name string) Packet {
	for i, l := range p {
		if l.Name == name {
			return p[i+1:]
		}
	}
	return nil
}

// Tag is a VLAN tag as tshark explains it.
type Tag struct {
	Type, VLAN, Priority, DropEligible int
}

// Header returns the ethernet addresses of the outermost frame, its tags, and the ethertype behind them.
func (p Packet) Header() (dst, src string, tags []Tag, ethertype int) {
	ethertype = -1
	for _, l := range p {
		switch {
		case l.Name == "eth" && dst == "":
			dst, src, ethertype = l.Fields["eth.dst"], l.Fields["eth.src"], l.Number("eth.type")
		case (l.Name == "vlan" || l.Name == "ieee8021ad") && dst != "":
			tags = append(tags, Tag{ethertype, l.Number(l.Name + ".id"), l.Number(l.Name + ".priority"), l.Number(l.Name + ".dei")})
			ethertype = max(l.Number("vlan.etype"), l.Number("ieee8021ah.etype")) // one of them is there
		case dst != "":
			return dst, src, tags, ethertype
		}
	}
	return dst, src, tags, ethertype
}

// parsePackets reads the output of tshark -T json, in which the keys of an object are neither unique nor in an order
// that does not matter.
func parsePackets(b []byte) ([]Packet, error) {
	if len(b) == 0 {
		return nil, nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	var all []Packet
	err := elements(d, func() error {
		return members(d, func(key string) error {
			if key != "_source" {
				return skip(d)
			}
			return members(d, func(key string) error {
				if key != "layers" {
					return skip(d)
				}
				var p Packet
				err := members(d, func(name string) error {
					l := Layer{name, map[string]string{}}
					err := collect(d, name, l.Fields)
					p = append(p, l)
					return err
				})
				all = append(all, p)
				return err
			})
		})
	})
	if err != nil {
		return nil, fmt.Errorf("tshark: %w", err)
	}
	return all, nil
}

func skip(d *json.Decoder) error {
	var any json.RawMessage
	return d.Decode(&any)
}

// elements calls f before each element of an array.
func elements(d *json.Decoder, f func() error) error {
	if err := open(d, '['); err != nil {
		return err
	}
	for d.More() {
		if err := f(); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

// members calls f before the value of each member of an object.
func members(d *json.Decoder, f func(key string) error) error {
	if err := open(d, '{'); err != nil {
		return err
	}
	return rest(d, f)
}

// rest is members for an object that has been opened.
func rest(d *json.Decoder, f func(key string) error) error {
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		if err := f(key.(string)); err != nil { // nothing else is a key
			return err
		}
	}
	_, err := d.Token()
	return err
}

func open(d *json.Decoder, want json.Delim) error {
	got, err := d.Token()
	if err == nil && got != want {
		err = fmt.Errorf("%v instead of %v", got, want)
	}
	return err
}

// collect puts all values under a key into fields, those of nested objects too.
func collect(d *json.Decoder, key string, fields map[string]string) error {
	v, err := d.Token()
	if err != nil {
		return err
	}
	switch v {
	case json.Delim('{'):
		return rest(d, func(key string) error { return collect(d, key, fields) })
	case json.Delim('['):
		for d.More() {
			if err := collect(d, key, fields); err != nil {
				return err
			}
		}
		_, err := d.Token()
		return err
	}
	if _, ok := fields[key]; !ok {
		fields[key] = fmt.Sprint(v)
	}
	return nil
}
