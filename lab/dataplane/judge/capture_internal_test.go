package judge

import (
	"slices"
	"testing"
)

// tsharkOutput is in the form of tshark -T json, with a key that occurs twice.
const tsharkOutput = `[{"_index": "x", "_score": null, "_source": {"layers": {
	"eth": {"eth.dst": "ff:ff:ff:ff:ff:ff", "eth.dst_tree": {"eth.ig": "1"}, "eth.src": "02:00:00:00:00:01", "eth.type": "0x9100"},
	"vlan": {"vlan.priority": "5", "vlan.dei": "1", "vlan.id": "100", "vlan.etype": "0x88a8"},
	"ieee8021ad": {"ieee8021ad.priority": "4", "ieee8021ad.dei": "0", "ieee8021ad.id": "50", "ieee8021ah.etype": "0x8100"},
	"vlan": {"vlan.priority": "3", "vlan.dei": "0", "vlan.id": "20", "vlan.etype": "0x0800"},
	"ip": {"ip.src": "192.0.2.1", "ip.opt": ["a", "b"]},
	"eth": {"eth.dst": "inner", "eth.src": "inner", "eth.type": "0x88b5"}
}}}]`

func TestTagsAreReadInTheirOrder(t *testing.T) {
	ps, err := parsePackets([]byte(tsharkOutput))
	if err != nil || len(ps) != 1 {
		t.Fatal(ps, err)
	}
	dst, src, tags, ethertype := ps[0].Header()
	want := []Tag{{0x9100, 100, 5, 1}, {0x88a8, 50, 4, 0}, {0x8100, 20, 3, 0}}
	if dst != "ff:ff:ff:ff:ff:ff" || src != "02:00:00:00:00:01" || !slices.Equal(tags, want) || ethertype != 0x0800 {
		t.Error(dst, src, tags, ethertype)
	}
	if dst, _, tags, ethertype := ps[0].Inside("ip").Header(); dst != "inner" || len(tags) != 0 || ethertype != 0x88b5 {
		t.Error(dst, tags, ethertype)
	}
	if ip, ok := ps[0].Layer("ip"); !ok || ip.Number("ip.src") != -1 || ip.Fields["ip.opt"] != "a" {
		t.Error(ip, ok)
	}
}

// Whatever is read, every packet can be looked at; what is cut off is an error and not a shorter capture.
func FuzzPackets(f *testing.F) {
	f.Add([]byte(tsharkOutput))
	f.Add([]byte(`[{"_source": {"layers": {"eth": {"eth.type": 1, "x": [[null]]}, "vlan": 3}}}]`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, b []byte) {
		ps, err := parsePackets(b)
		if err != nil {
			return
		}
		for _, p := range ps {
			_, _, tags, _ := p.Header()
			if len(tags) > len(p) {
				t.Errorf("%d tags in %d layers", len(tags), len(p))
			}
			p.Inside("vxlan").Header()
		}
	})
}

func TestCutOutputIsAnError(t *testing.T) {
	for i := 1; i < len(tsharkOutput)-1; i++ {
		if ps, err := parsePackets([]byte(tsharkOutput[:i])); err == nil {
			t.Fatalf("cut at %d: %v", i, ps)
		}
	}
	if ps, err := parsePackets(nil); err != nil || ps != nil {
		t.Error(ps, err)
	}
}
