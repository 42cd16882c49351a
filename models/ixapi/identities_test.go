package ixapi

import (
	"fmt"
	"slices"
	"testing"
)

// fullPage returns a page of n records of the size of a network service config.
func fullPage(n int) []byte {
	body := []byte("[")
	for i := range n {
		body = fmt.Appendf(body, `{"type":"exchange_lan","id":"nsc:%d","state":"production","status":[],"managing_account":"account:1","consuming_account":"account:1","external_ref":null,"billing_account":"account:1","purchase_order":"","contract_ref":null,"role_assignments":["c-impl:1","c-noc:1"],"network_service":"service:lan-peering","connection":"conn:1","vlan_config":{"vlan_type":"dot1q","vlan":101,"vlan_ethertype":"0x8100"},"network_feature_configs":[],"product_offering":"po:peering","asns":[64496],"macs":["mac:60001"],"ips":["ip:70001","ip:70002"],"listed":true},`, i)
	}
	return append(body[:len(body)-1], ']')
}

// BenchmarkIdentities reads the ids of a page of 100 records. The baseline is what faulty pages are read with.
func BenchmarkIdentities(b *testing.B) {
	body := fullPage(100)
	for _, c := range []struct {
		name string
		read func(Collection, int, []byte) ([]ID, int, error)
	}{{"whole", identities}, {"baseline", identitiesOneByOne}} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if ids, n, err := c.read(NetworkServiceConfigs, 0, body); err != nil || n != 100 || len(ids) != n {
					b.Fatal(n, err)
				}
			}
		})
	}
}

func FuzzPageReadAsAWholeIsThePageReadOneByOne(f *testing.F) {
	for _, body := range []string{`[]`, `null`, `[{"id": "a"}, null, {"ID": 7}]`, `[{"id": {}}, {"id": "b"}]`, `[1]`, `[{"id": "a"}`, `[{"id": "a"}] []`, `{"id": "a"}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		ids, n, err := identities(Ports, 0, body)
		slow, m, failed := identitiesOneByOne(Ports, 0, body)
		if n != m || !slices.Equal(ids, slow) || (err == nil) != (failed == nil) {
			t.Errorf("%q: %q of %d, %v; one by one %q of %d, %v", body, ids, n, err, slow, m, failed)
		}
	})
}
