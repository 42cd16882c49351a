package host

import "time"

// Seal returns the checksum of what follows the ethertype of a stream's frame.
func Seal(payload []byte) uint32 { return seal(payload) }

// Take has a frame arrive at a port.
func (h *Host) Take(port string, f []byte) {
	h.do(func() { h.receive(time.Now(), h.port(port), f) })
}
