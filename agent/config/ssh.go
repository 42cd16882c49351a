package config

import (
	"errors"
	"os"

	"github.com/ixagent/ixagent/drivers"
	"github.com/ixagent/ixagent/drivers/ssh"
	"github.com/ixagent/ixagent/models/secret"
)

// maxKnownHosts bounds a file of known hosts in bytes.
const maxKnownHosts = 16 << 20

// sshHost is what SSH and Jump both say of a host.
type sshHost struct {
	knownHosts *Path
	hostKeys   *[]string
	anyKey     *bool
	key        *Path
	passphrase *SecretRef
	agent      *Socket
}

func (s *SSH) host() sshHost {
	return sshHost{&s.KnownHosts, &s.HostKeys, &s.InsecureAnyHostKey, &s.Key, &s.Passphrase, &s.Agent}
}

func (j *Jump) host() sshHost {
	return sshHost{&j.KnownHosts, &j.HostKeys, &j.InsecureAnyHostKey, &j.Key, &j.Passphrase, &j.Agent}
}

// verifies reports whether the host is verified, or need not be.
func (h sshHost) verifies() bool {
	return !h.knownHosts.IsZero() || len(*h.hostKeys) > 0 || *h.anyKey
}

// proves reports whether there is more than a password to prove who the agent is.
func (h sshHost) proves() bool { return !h.key.IsZero() || !h.agent.IsZero() }

// Config reads the files that s names and fetches its secrets. A nil SSH gives a configuration that verifies nothing, so
// that no session comes about. The error is a [Fault] or [Faults].
func (s *SSH) Config() (*drivers.SSH, error) {
	if s == nil {
		return new(drivers.SSH), nil
	}
	var faults Faults
	c := s.host().config(&faults)
	if j := s.Jump; j != nil {
		password, err := j.Password.Resolve()
		faults.add(err)
		c.Jump = &drivers.Jump{Address: j.Address.String(), Username: j.Username, Password: password, SSH: j.host().config(&faults)}
	}
	return &c, faults.err()
}

// check is Config with a look into the private keys, which takes long for those with a passphrase, as it should.
func (s *SSH) check() error {
	c, err := s.Config()
	if s == nil || err != nil {
		return err
	}
	var faults Faults
	s.host().opens(&faults, *c)
	if s.Jump != nil {
		s.Jump.host().opens(&faults, c.Jump.SSH)
	}
	return faults.err()
}

func (h sshHost) opens(faults *Faults, c drivers.SSH) {
	if c.Key.Empty() {
		return
	}
	if _, err := ssh.ParseKey(c.Key, c.Passphrase); err != nil {
		faults.add(h.key.fault(err))
	}
}

func (h sshHost) config(faults *Faults) drivers.SSH {
	c := drivers.SSH{HostKeys: *h.hostKeys, AnyHostKey: *h.anyKey}
	var err error
	if !h.knownHosts.IsZero() {
		c.KnownHosts, err = h.knownHosts.read()
		faults.add(err)
	}
	c.Passphrase, err = h.passphrase.Resolve()
	faults.add(err)
	if !h.key.IsZero() {
		text, err := readSecret(h.key.name)
		if err != nil {
			faults.add(h.key.fault(err))
		}
		c.Key = secret.New(text + "\n")
	}
	c.Agent, err = h.agent.find()
	faults.add(err)
	return c
}

// read returns the known hosts in the file.
func (p *Path) read() ([]byte, error) {
	info, err := os.Stat(p.name)
	if err == nil && info.Size() > maxKnownHosts {
		err = errors.New("larger than 16 MiB")
	}
	if err != nil {
		return nil, p.fault(plain(err))
	}
	text, err := os.ReadFile(p.name)
	if err != nil {
		return nil, p.fault(plain(err))
	}
	if _, err := ssh.KnownHosts(text); err != nil {
		return nil, p.fault(err)
	}
	return text, nil
}

// find returns the path of the socket, or "".
func (s Socket) find() (string, error) {
	if !s.byName {
		return s.path.name, nil
	}
	path := os.Getenv("SSH_AUTH_SOCK")
	if path == "" {
		return "", Fault{Position: s.path.at, Message: "$SSH_AUTH_SOCK is not set", Hint: "start an SSH agent, or write the path of its socket"}
	}
	return path, nil
}
