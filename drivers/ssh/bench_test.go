package ssh_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// BenchmarkRead reads a configuration of 70,000 lines.
func BenchmarkRead(b *testing.B) {
	var config strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&config, "interface Port-Channel%d.%d\n   description ixagent nsc:%d acc:%d\n   vlan id %d\n   encapsulation vlan\n      client dot1q %d\n   service-policy type qos input ix-rate-100000k\n!\n", i/250, i%250, i, i, i%4000, i%4000)
	}
	d := &device{answers: map[string]string{"show running-config": config.String()}}
	address := d.start(b, "127.0.0.1:0")
	address.Timeout = time.Minute
	s := dial(b, address)
	b.SetBytes(int64(config.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if out, err := s.Run(b.Context(), "observe", "show running-config"); err != nil || len(out) != config.Len() {
			b.Fatal(len(out), err)
		}
	}
}

// BenchmarkSend sends a thousand lines of configuration.
func BenchmarkSend(b *testing.B) {
	d := &device{}
	s := open(b, d)
	if _, err := s.Enter(b.Context(), "apply", "config", "configure"); err != nil {
		b.Fatal(err)
	}
	lines := make([]string, 1000)
	for i := range lines {
		lines[i] = fmt.Sprintf("description member %d", i)
	}
	for b.Loop() {
		if _, err := s.Send(b.Context(), "apply", lines); err != nil {
			b.Fatal(err)
		}
	}
}
