package namespace

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// defaultMTU is that of containerlab's links.
const defaultMTU = 9500

// Veth joins two namespaces with a pair of interfaces that are up, as containerlab does: the MTU is 9500 octets if mtu
// is 0, addresses begin with aa:c1:ab, and checksums are computed by the sender, because nobody behind a packet socket
// does it. The kernel's own IPv6 is off on both where the namespace lets it be.
func Veth(a *Namespace, nameA string, b *Namespace, nameB string, mtu int) error {
	if mtu == 0 {
		mtu = defaultMTU
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name, attrs.MTU, attrs.Namespace, attrs.HardwareAddr = nameA, mtu, netlink.NsFd(a.FD()), address()
	pair := &netlink.Veth{
		LinkAttrs: attrs, PeerName: nameB, PeerMTU: uint32(mtu), PeerNamespace: netlink.NsFd(b.FD()), PeerHardwareAddr: address(),
	}
	// The kernel makes the pair where it is asked to, and that needs to be a place that may be managed.
	if err := a.Do(func() error { return netlink.LinkAdd(pair) }); err != nil {
		return fmt.Errorf("veth %s, %s: %w", nameA, nameB, err)
	}
	for _, do := range []func() error{
		func() error { return a.Do(func() error { return finish(nameA) }) },
		func() error { return b.Do(func() error { return finish(nameB) }) },
		func() error { return a.Do(func() error { return settle(nameA) }) },
		func() error { return b.Do(func() error { return settle(nameB) }) },
	} {
		if err := do(); err != nil {
			return errors.Join(err, a.Do(func() error { return netlink.LinkDel(pair) }))
		}
	}
	return nil
}

// settle waits until the kernel lets frames out of an interface: for a moment after it has carrier, they are lost.
func settle(name string) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for range 5000 {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if link.Attrs().OperState == netlink.OperUp {
			return nil
		}
		<-tick.C
	}
	return fmt.Errorf("%s: it has no carrier", name)
}

func address() net.HardwareAddr {
	mac := net.HardwareAddr{0xaa, 0xc1, 0xab, 0, 0, 0}
	_, _ = rand.Read(mac[3:]) // never fails
	return mac
}

// finish makes an interface of the current namespace ready for use.
func finish(name string) error {
	// Where /proc/sys is read-only the kernel's own IPv6 stays, which says a little and disturbs nobody.
	_ = os.WriteFile("/proc/sys/net/ipv6/conf/"+name+"/disable_ipv6", []byte("1"), 0)
	if err := checksums(name); err != nil {
		return fmt.Errorf("%s: turning checksum offload off: %w", name, err)
	}
	link, err := netlink.LinkByName(name)
	if err == nil {
		err = netlink.LinkSetUp(link)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// checksums has an interface compute the checksums of what it sends (ETHTOOL_STXCSUM); with that segmentation offload
// goes off too.
func checksums(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	value := struct{ cmd, data uint32 }{cmd: unix.ETHTOOL_STXCSUM}
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // the union in struct ifreq is larger than a pointer
	}{data: unsafe.Pointer(&value)}
	copy(request.name[:unix.IFNAMSIZ-1], name)
	if _, _, no := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); no != 0 {
		return no
	}
	return nil
}
