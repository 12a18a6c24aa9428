package trust

import (
	"bytes"
	"crypto/md5"  //nolint:gosec // the name of a file
	"crypto/sha1" //nolint:gosec // as above
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lanyardhq/lanyard/proxycert/dn"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
)

// Hashes returns the eight digits that name the files of the authority with this DER encoded name:
// those of OpenSSL since 1.0, and the old ones, by which the Java tools go. Both are "" for what is
// no name.
func Hashes(rawName []byte) (new, old string) {
	canonical, err := dn.Canonical(rawName)
	if err != nil {
		return "", ""
	}
	digits := func(sum []byte) string { return fmt.Sprintf("%08x", binary.LittleEndian.Uint32(sum)) }
	now, before := sha1.Sum(canonical), md5.Sum(rawName) //nolint:gosec // the name of a file
	return digits(now[:]), digits(before[:])
}

// WriteCA writes ca into dir, which has to exist, under both of its hashes and with a signing policy
// that permits namespace: patterns like "/DC=org/DC=example/*", with blanks between several. Files
// of other authorities stay; a policy of this one is replaced. Files are written whole or not at
// all.
func WriteCA(dir string, ca *x509.Certificate, namespace string) error {
	policy, err := signingPolicy(ca, namespace)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw})
	current, old := Hashes(ca.RawSubject)
	for _, hash := range []string{current, old} {
		n, err := place(dir, hash, ca)
		if err != nil {
			return err
		}
		if err := write(filepath.Join(dir, fmt.Sprintf("%s.%d", hash, n)), text); err != nil {
			return err
		}
		if err := write(filepath.Join(dir, hash+".signing_policy"), policy); err != nil {
			return err
		}
	}
	return nil
}

// signingPolicy writes an entry in the language of Globus, which knows no escapes.
func signingPolicy(ca *x509.Certificate, namespace string) ([]byte, error) {
	name := dn.Slash(ca.RawSubject)
	patterns := strings.Fields(namespace)
	if len(patterns) == 0 || strings.ContainsAny(name+namespace, "'\"\r\n") {
		return nil, errors.New("signing policy: the name of the authority and its namespace must not be empty and not have quotes")
	}
	return fmt.Appendf(nil, "access_id_CA      X509    '%s'\npos_rights        globus  CA:sign\ncond_subjects     globus  '\"%s\"'\n",
		name, strings.Join(patterns, `" "`)), nil
}

// place returns the number behind the hash that ca has or can have.
func place(dir, hash string, ca *x509.Certificate) (int, error) {
	for n := range 100 {
		data, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%s.%d", hash, n))) //nolint:gosec // in the operator's directory
		if errors.Is(err, fs.ErrNotExist) {
			return n, nil
		}
		if err != nil {
			return 0, fmt.Errorf("write authority: %w", err)
		}
		if there, err := keyfile.Certificates(data); err == nil && bytes.Equal(there[0].Raw, ca.Raw) {
			return n, nil
		}
	}
	return 0, fmt.Errorf("write authority: %s has no free place for %s", dir, hash)
}

// write replaces a file, also where a link was.
func write(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("write authority: %w", err)
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()) // certificates and policies are public
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write authority: %w", errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}
