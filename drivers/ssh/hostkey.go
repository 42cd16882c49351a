package ssh

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/ixagent/ixagent/drivers"
)

// errNoHostKey is the error of a device of which nothing is known.
var errNoHostKey = errors.New("nothing is known by which the device could be verified")

// verifier decides whether a host is the one that was meant.
type verifier struct {
	known gossh.HostKeyCallback // nil without known hosts
	text  []byte                // from which known was made
	pins  []string
	any   bool
	log   *slog.Logger

	refused gossh.PublicKey // by the last verify, if it refused one
	why     error
	final   bool // no other key of the host would do
}

// newVerifier returns the verifier of a device.
func newVerifier(s *drivers.SSH, log *slog.Logger) (*verifier, error) {
	v := &verifier{pins: s.HostKeys, any: s.AnyHostKey, log: log}
	if len(bytes.TrimSpace(s.KnownHosts)) > 0 {
		var err error
		if v.known, err = knownHosts(s.KnownHosts); err != nil {
			return nil, err
		}
		v.text = s.KnownHosts
	}
	if v.known == nil && len(v.pins) == 0 && !v.any {
		return nil, errNoHostKey
	}
	return v, nil
}

// knownHosts reads lines of known_hosts(5). A line that is not understood is an error: it may be the one that revokes
// a key.
func knownHosts(text []byte) (gossh.HostKeyCallback, error) {
	for i, line := range bytes.Split(text, []byte("\n")) {
		if line = bytes.TrimSpace(line); len(line) == 0 || line[0] == '#' {
			continue
		}
		if _, _, _, _, _, err := gossh.ParseKnownHosts(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	// The package reads files only, and on a full disk none can be written.
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	written := make(chan struct{})
	go func() {
		defer close(written)
		_, _ = w.Write(text) // what is not read was refused
		_ = w.Close()
	}()
	known, err := knownhosts.New(fmt.Sprintf("/dev/fd/%d", r.Fd()))
	_ = r.Close()
	<-written
	return known, err
}

// verify is the [gossh.HostKeyCallback].
func (v *verifier) verify(address string, remote net.Addr, key gossh.PublicKey) error {
	v.final = true
	v.refused, v.why = nil, v.decide(address, remote, key)
	if v.why != nil {
		v.refused = key
	}
	return v.why
}

func (v *verifier) decide(address string, remote net.Addr, key gossh.PublicKey) error {
	if v.any {
		v.log.Warn("host key of device is not verified", "key", fingerprint(key))
		return nil
	}
	if v.known != nil {
		err := v.known(address, remote, key)
		var unknown *knownhosts.KeyError
		switch {
		case err == nil && len(v.pins) == 0:
			return nil
		case err == nil:
		case errors.As(err, &unknown) && len(unknown.Want) == 0 && len(v.pins) > 0: // the fingerprints decide
		case errors.As(err, &unknown) && len(unknown.Want) == 0:
			return fmt.Errorf("the host is not among the known hosts; its key is %s", fingerprint(key))
		case errors.As(err, &unknown):
			return fmt.Errorf("the host key has changed: it is %s", fingerprint(key))
		default:
			return fmt.Errorf("host key %s: %w", fingerprint(key), err)
		}
	}
	if !slices.Contains(v.pins, fingerprint(key)) {
		v.final = false
		return fmt.Errorf("the host key %s is none of those that are pinned", fingerprint(key))
	}
	return nil
}

// fingerprint returns that of the key, or of the key in a certificate.
func fingerprint(key gossh.PublicKey) string {
	if cert, ok := key.(*gossh.Certificate); ok {
		key = cert.Key
	}
	return gossh.FingerprintSHA256(key)
}

// algorithms returns the algorithms of the host keys that are known of address, as a device with several keys shows
// the one that it is asked for, or nil if any will do.
func (v *verifier) algorithms(address string) []string {
	if v.known == nil || v.any {
		return nil
	}
	none, err := gossh.NewPublicKey(ed25519.PublicKey(make([]byte, ed25519.PublicKeySize)))
	if err != nil {
		return nil
	}
	var e *knownhosts.KeyError
	if !errors.As(v.known(address, &net.TCPAddr{IP: net.IPv4zero}, none), &e) {
		return nil
	}
	lines := bytes.Split(v.text, []byte("\n"))
	var certified, plain []string
	for _, w := range e.Want {
		if bytes.HasPrefix(bytes.TrimSpace(lines[w.Line-1]), []byte("@cert-authority")) {
			certified = certificateAlgorithms()
			continue
		}
		for _, a := range signatures(w.Key.Type()) {
			if !slices.Contains(plain, a) {
				plain = append(plain, a)
			}
		}
	}
	return append(certified, plain...)
}

func certificateAlgorithms() []string {
	return slices.DeleteFunc(gossh.SupportedAlgorithms().HostKeys, func(a string) bool { return !strings.Contains(a, "-cert-") })
}

// signatures returns the algorithms that a key of the type signs with.
func signatures(keyType string) []string {
	if keyType == gossh.KeyAlgoRSA {
		return []string{gossh.KeyAlgoRSASHA512, gossh.KeyAlgoRSASHA256}
	}
	return []string{keyType}
}

// others returns what is left of the algorithms, or of all, without those of the key that was refused. A fingerprint
// does not say which of a device's keys it is of.
func (v *verifier) others(algorithms []string) []string {
	if len(algorithms) == 0 {
		algorithms = gossh.SupportedAlgorithms().HostKeys
	}
	key := v.refused
	if cert, ok := key.(*gossh.Certificate); ok {
		key = cert.Key
	}
	not := signatures(key.Type())
	return slices.DeleteFunc(slices.Clone(algorithms), func(a string) bool {
		return slices.Contains(not, a) || strings.Contains(a, "-cert-")
	})
}
