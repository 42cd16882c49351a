package switchcfg_test

import (
	"net"
	"testing"

	"github.com/ixagent/ixagent/models/switchcfg"
)

// BenchmarkParseMAC reads an address as switches write it. The baseline is the standard library, which knows more forms.
func BenchmarkParseMAC(b *testing.B) {
	const text = "02:1a:00:00:9c:41"
	b.Run("switchcfg", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := switchcfg.ParseMAC(text); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("baseline", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := net.ParseMAC(text); err != nil {
				b.Fatal(err)
			}
		}
	})
}
