package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/ixagent/ixagent/models/secret"
)

// maxSecret bounds a secret in bytes.
const maxSecret = 64 << 10

// SecretRef says where a secret is kept; the secret itself never stands in a configuration. The zero SecretRef
// is none.
type SecretRef struct {
	scheme, name string
	at           Position
}

// The places of a secret.
const (
	schemeEnv        = "env"        // an environment variable
	schemeFile       = "file"       // a file that others cannot read
	schemeCredential = "credential" // a file in $CREDENTIALS_DIRECTORY, where systemd puts credentials
)

// errLiteral hides what was written, as it is probably the secret.
var errLiteral = errors.New("a secret cannot be written here")

func (r *SecretRef) place(at Position, text string) error {
	scheme, name, ok := strings.Cut(text, ":")
	if !ok || name == "" || scheme != schemeEnv && scheme != schemeFile && scheme != schemeCredential {
		return errLiteral
	}
	switch {
	case scheme == schemeFile:
		name = resolve(at.File, name)
	case scheme == schemeEnv && strings.ContainsAny(name, "= \t\x00"):
		return fmt.Errorf("%q is not the name of an environment variable", name)
	case scheme == schemeCredential && name != filepath.Base(name):
		return fmt.Errorf("%q is not the name of a credential", name)
	}
	*r = SecretRef{scheme, name, at}
	return nil
}

// IsZero reports whether there is no secret.
func (r SecretRef) IsZero() bool { return r.name == "" }

// String returns "env:NAME", "file:/path" or "credential:NAME".
func (r SecretRef) String() string {
	if r.IsZero() {
		return ""
	}
	return r.scheme + ":" + r.name
}

// MarshalText returns the form of [SecretRef.String].
func (r SecretRef) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// Resolve fetches the secret. A line end after it does not belong to it. The error is a [Fault]. The zero
// SecretRef gives the empty secret.
func (r SecretRef) Resolve() (secret.Text, error) {
	if r.IsZero() {
		return secret.Text{}, nil
	}
	text, hint, err := r.fetch()
	if err == nil && text == "" {
		err = errors.New("the secret is empty")
	}
	if err != nil {
		return secret.Text{}, Fault{Position: r.at, Message: r.String() + ": " + err.Error(), Hint: hint}
	}
	return secret.New(text), nil
}

func (r SecretRef) fetch() (text, hint string, err error) {
	switch r.scheme {
	case schemeEnv:
		text, ok := os.LookupEnv(r.name)
		if !ok {
			return "", "", errors.New("the environment variable is not set")
		}
		return text, "", nil
	case schemeCredential:
		dir := os.Getenv("CREDENTIALS_DIRECTORY")
		if dir == "" {
			return "", "set LoadCredential=" + r.name + ":FILE in the systemd unit", errors.New("$CREDENTIALS_DIRECTORY is not set")
		}
		text, err = readSecret(filepath.Join(dir, r.name))
		return text, "", err
	}
	text, err = readSecret(r.name)
	if errors.Is(err, errExposed) {
		hint = "chmod 600 " + r.name
	}
	return text, hint, err
}

var errExposed = errors.New("everybody on this machine can read or write the file")

// readSecret reads a regular file that others have no part in.
func readSecret(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", plain(err)
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return "", plain(err)
	case !info.Mode().IsRegular():
		return "", errors.New("not a regular file")
	case info.Mode().Perm()&0o007 != 0:
		return "", errExposed
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", plain(err)
	}
	if len(b) > maxSecret {
		return "", fmt.Errorf("larger than %d bytes", maxSecret)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(b), "\n"), "\r"), nil
}

// plain drops operation and path from an error whose place is told otherwise.
func plain(err error) error {
	if e := (*os.PathError)(nil); errors.As(err, &e) {
		return e.Err
	}
	return err
}
