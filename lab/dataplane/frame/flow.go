package frame

// Ethertypes that [Header.Flow] looks into.
const (
	ipv4 = 0x0800
	ipv6 = 0x86dd
)

// Flow returns a number that is the same for all frames of a conversation, by which a link aggregation group
// chooses the member that sends them, so that they stay in order (IEEE 802.1AX-2020 6.2.4). It depends on the
// addresses, the VLAN ids, the ethertype and the IP addresses of the frame f that h was read from; not on the
// priority, and not on transport ports, which the later fragments of a packet do not carry.
func (h *Header) Flow(f []byte) uint32 {
	sum := hash(fnvOffset, f[:min(addresses, len(f))])
	for _, t := range h.Stack() {
		sum = hash(sum, []byte{byte(t.VID() >> 8), byte(t.VID())})
	}
	sum = hash(sum, []byte{byte(h.Type >> 8), byte(h.Type)})
	switch n := h.Size(); {
	case h.Type == ipv4 && len(f) >= n+20:
		sum = hash(sum, f[n+12:n+20])
	case h.Type == ipv6 && len(f) >= n+40:
		sum = hash(sum, f[n+8:n+40])
	}
	// The low bits of FNV of similar input are similar; a remainder would use few members.
	sum ^= sum >> 16
	sum *= 0x85ebca6b
	return sum ^ sum>>13
}

// Parameters of the 32 bit FNV-1a hash.
const (
	fnvOffset uint32 = 2166136261
	fnvPrime  uint32 = 16777619
)

func hash(sum uint32, b []byte) uint32 {
	for _, c := range b {
		sum = (sum ^ uint32(c)) * fnvPrime
	}
	return sum
}
