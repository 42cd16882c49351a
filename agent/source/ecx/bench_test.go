package ecx

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/ixagent/ixagent/models/ecx"
)

// BenchmarkMap maps 10,000 lines over 2,000 ports, as a read does that found something new.
func BenchmarkMap(b *testing.B) {
	const ports, connections = 2000, 10_000
	lists := make(ecx.Lists)
	for i := range ports {
		lists[ecx.Ports] = append(lists[ecx.Ports], fmt.Appendf(nil, `{"uuid":"a0000000-0000-4000-8000-%012d","name":"port %[1]d",`+
			`"state":"ACTIVE","physicalPortsSpeed":10000,"account":{"accountNumber":%[1]d},"device":{"name":"sw%d"},`+
			`"location":{"metroCode":"FR","ibx":"FR1"},"encapsulation":{"type":"DOT1Q","tagProtocolId":"33024"},"lagEnabled":false}`, i, i%40))
	}
	side := func(port, vlan int) string {
		return fmt.Sprintf(`{"accessPoint":{"type":"COLO","port":{"uuid":"a0000000-0000-4000-8000-%012d"},"linkProtocol":{"type":"DOT1Q","vlanTag":%d}}}`, port, vlan)
	}
	for i := range connections {
		lists[ecx.Connections] = append(lists[ecx.Connections], json.RawMessage(fmt.Sprintf(`{"uuid":"c0000000-0000-4000-8000-%012d","type":"EVPL_VC",`+
			`"state":"ACTIVE","bandwidth":100,"operation":{"equinixStatus":"PROVISIONED","providerStatus":"AVAILABLE"},"aSide":%s,"zSide":%s}`,
			i, side(i%ports, 100+i/ports), side((i+7)%ports, 200+i/ports))))
	}
	records, faults := ecx.Decode(lists)
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			ecx.Decode(lists)
		}
	})
	b.Run("map", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, faults, err := Map(records, faults); len(faults) > 0 || err != nil {
				b.Fatal(faults, err)
			}
		}
	})
}
