package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
)

// Range is a run of numbers, both ends included. The zero Range is empty.
type Range struct{ First, Last uint32 }

// Empty reports whether r holds no number.
func (r Range) Empty() bool { return r == Range{} }

// Contains reports whether n lies in r.
func (r Range) Contains(n uint32) bool { return !r.Empty() && n >= r.First && n <= r.Last }

// Overlaps reports whether a number lies in both r and o.
func (r Range) Overlaps(o Range) bool {
	return !r.Empty() && !o.Empty() && r.First <= o.Last && o.First <= r.Last
}

// Len returns how many numbers r holds.
func (r Range) Len() int {
	if r.Empty() {
		return 0
	}
	return int(r.Last-r.First) + 1
}

// String returns "100-199", or "100" for a single number.
func (r Range) String() string {
	if r.First == r.Last {
		return strconv.FormatUint(uint64(r.First), 10)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}

// MarshalText returns the form of [Range.String], and nothing for the empty Range.
func (r Range) MarshalText() ([]byte, error) {
	if r.Empty() {
		return nil, nil
	}
	return []byte(r.String()), nil
}

// UnmarshalText reads "100-199" or "100". Numbers begin at 1.
func (r *Range) UnmarshalText(b []byte) error {
	first, last, isRange := strings.Cut(string(b), "-")
	if !isRange {
		last = first
	}
	lo, err1 := strconv.ParseUint(strings.TrimSpace(first), 10, 32)
	hi, err2 := strconv.ParseUint(strings.TrimSpace(last), 10, 32)
	switch {
	case err1 != nil || err2 != nil:
		return fmt.Errorf("%q is not a range of numbers such as 100-199", b)
	case lo == 0:
		return fmt.Errorf("the range %s begins below 1", b)
	case lo > hi:
		return fmt.Errorf("the range %s is empty", b)
	}
	*r = Range{uint32(lo), uint32(hi)}
	return nil
}

// Percent is a part of a hundred, 0 to 100.
type Percent uint8

// String returns "10%".
func (p Percent) String() string { return strconv.Itoa(int(p)) + "%" }

// MarshalText returns the form of [Percent.String].
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads "10" or "10%".
func (p *Percent) UnmarshalText(b []byte) error {
	n, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(string(b), "%")), 10, 8)
	if err != nil || n > 100 {
		return fmt.Errorf("%q is not a percentage between 0 and 100", b)
	}
	*p = Percent(n)
	return nil
}

// Address is where a device is managed: a host name or IP address and a TCP port. Once loaded the port is never 0.
type Address struct {
	Host string
	Port uint16
}

// String returns "host:port", an IPv6 host in brackets.
func (a Address) String() string {
	if a.Port == 0 {
		return a.Host
	}
	return net.JoinHostPort(a.Host, strconv.Itoa(int(a.Port)))
}

// MarshalText returns the form of [Address.String].
func (a Address) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads "host", "host:port", an IPv6 address, or one in brackets with a port.
func (a *Address) UnmarshalText(b []byte) error {
	s := string(b)
	if ip, err := netip.ParseAddr(s); err == nil {
		*a = Address{Host: ip.String()}
		return nil
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		host, port = s, ""
	}
	n := uint64(0)
	if port != "" {
		n, err = strconv.ParseUint(port, 10, 16)
		if n == 0 || err != nil && !errors.Is(err, strconv.ErrRange) {
			host = ""
		}
	}
	if ip, notIP := netip.ParseAddr(host); notIP == nil {
		host = ip.String()
	} else if !hostName(host) {
		return fmt.Errorf("%q is not a host or host:port", s)
	}
	if errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("%q has no port between 1 and 65535", s)
	}
	*a = Address{host, uint16(n)}
	return nil
}

// hostName reports whether s is a host name of RFC 1123 2.1. One that ends in a number would be an IPv4 address.
func hostName(s string) bool {
	if len(s) > 253 {
		return false
	}
	labels := strings.Split(strings.TrimSuffix(s, "."), ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
		for _, r := range l {
			if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_') {
				return false
			}
		}
	}
	_, err := strconv.Atoi(labels[len(labels)-1])
	return err != nil
}

// Path names a file or folder. In the file it is relative to the file that has it; once loaded it is absolute
// or relative to the working directory, as the configuration's own path is.
type Path struct {
	name string
	at   Position
}

// String returns the path.
func (p Path) String() string { return p.name }

// IsZero reports whether there is no path.
func (p Path) IsZero() bool { return p.name == "" }

// MarshalText returns the path.
func (p Path) MarshalText() ([]byte, error) { return []byte(p.name), nil }

func (p *Path) place(at Position, text string) error {
	if text == "" {
		return fmt.Errorf("the path is empty")
	}
	*p = Path{resolve(at.File, text), at}
	return nil
}

// Socket is where an SSH agent listens: at a path, or where the environment says. The zero Socket is none.
type Socket struct {
	path   Path
	byName bool // $SSH_AUTH_SOCK names it
}

// IsZero reports whether there is none.
func (s Socket) IsZero() bool { return s == Socket{} }

// MarshalText returns "true", or the path.
func (s Socket) MarshalText() ([]byte, error) {
	if s.byName {
		return []byte("true"), nil
	}
	return s.path.MarshalText()
}

func (s *Socket) place(at Position, text string) error {
	*s = Socket{byName: text == "true"}
	if s.byName {
		s.path.at = at
		return nil
	}
	if text == "false" {
		return nil
	}
	return s.path.place(at, text)
}

// Paths is one path or a list of them.
type Paths []Path

// resolve returns path as seen from the folder of file.
func resolve(file, path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(filepath.Dir(file), path)
}
