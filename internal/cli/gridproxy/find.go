package gridproxy

import (
	"bytes"
	"crypto"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
)

// The files of a host's own certificate, which root uses.
const (
	hostCert = "/etc/grid-security/hostcert.pem"
	hostKey  = "/etc/grid-security/hostkey.pem"
)

// Find tells which files Init would take as the person's credential, and checks their modes and
// owner. It looks where the C client looks and then where the Java client does: the files of the
// options; X509_USER_CERT and X509_USER_KEY; for root the host's; usercert.pem and userkey.pem in
// ~/.globus; X509_USER_CRED, PKCS12_USER_CERT, usercred.p12 and usercert.p12 in ~/.globus.
func Find(c Config, o Options) (Source, error) {
	s, err := locate(c, o)
	if err != nil {
		return Source{}, err
	}
	for _, path := range []string{s.Cert, s.Key} {
		if err := readable(path, s.Proxy); err != nil {
			return s, err
		}
	}
	if s.Cert != s.Key {
		if err := proxycert.CheckCertFile(s.Cert); err != nil {
			return s, badMode(s.Cert, err)
		}
	}
	if err := proxycert.CheckKeyFile(s.Key, c.UID); err != nil {
		return s, badMode(s.Key, err)
	}
	return s, nil
}

func locate(c Config, o Options) (Source, error) {
	if o.NoRegen {
		path := first(o.Cert, ProxyPath(c, ""))
		return Source{Cert: path, Key: path, Proxy: true}, nil
	}
	if cert := first(o.Cert, c.Getenv("X509_USER_CERT")); cert != "" {
		return pair(cert, first(o.Key, c.Getenv("X509_USER_KEY"), cert)), nil
	}
	if c.UID == 0 && exists(hostCert) {
		return pair(hostCert, first(o.Key, hostKey)), nil
	}
	globus := filepath.Join(c.Home, ".globus")
	if cert := filepath.Join(globus, "usercert.pem"); exists(cert) {
		return pair(cert, first(o.Key, c.Getenv("X509_USER_KEY"), filepath.Join(globus, "userkey.pem"))), nil
	}
	for _, path := range []string{c.Getenv("X509_USER_CRED"), c.Getenv("PKCS12_USER_CERT"),
		filepath.Join(globus, "usercred.p12"), filepath.Join(globus, "usercert.p12")} {
		if path != "" && exists(path) {
			return Source{Cert: path, Key: path, PKCS12: true}, nil
		}
	}
	return Source{}, &Error{Reason: NoCertificate, Fault: fault.New(fault.NotFound, "there is no certificate in %s", globus).
		WithHint("put usercert.pem and userkey.pem there, or name your files with --cert and --key")}
}

// pair names a certificate and its key. PKCS#12 files have both.
func pair(cert, key string) Source {
	switch strings.ToLower(filepath.Ext(cert)) {
	case ".p12", ".pfx":
		return Source{Cert: cert, Key: cert, PKCS12: true}
	}
	return Source{Cert: cert, Key: key}
}

// first returns the first text that is not empty.
func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// readable says in words why a file cannot be read.
func readable(path string, proxy bool) error {
	f, err := os.Open(path) //nolint:gosec // the person names it
	if err == nil {
		return f.Close()
	}
	switch {
	case errors.Is(err, fs.ErrNotExist) && proxy:
		return &Error{Reason: NoProxy, Path: path, Fault: fault.New(fault.NotFound, "there is no proxy file %s", path).
			WithHint("make one first").WithCause(err)}
	case errors.Is(err, fs.ErrNotExist):
		return &Error{Reason: NoCertificate, Path: path, Fault: fault.New(fault.NotFound, "there is no file %s", path).
			WithHint("name your certificate and key with --cert and --key").WithCause(err)}
	}
	return unreadable(path, err)
}

func unreadable(path string, err error) *Error {
	text, hint := err.Error(), "see whether the file is whole"
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		text, hint = p.Err.Error(), "make it readable for yourself: chmod 600 "+path
	}
	return &Error{Reason: Unreadable, Path: path,
		Fault: fault.New(fault.Invalid, "%s cannot be read: %s", path, text).WithHint("%s", hint).WithCause(err)}
}

func badMode(path string, err error) *Error {
	f, ok := errors.AsType[*proxycert.FileError](err)
	if !ok {
		return unreadable(path, err)
	}
	return &Error{Reason: FileMode, Path: path, Fault: fault.New(fault.Denied, "%s", f.Error()).WithHint("%s", f.Fix).WithCause(err)}
}

// readFile reads what may be a certificate, a key or a proxy.
func readFile(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the person names it
	if err != nil {
		return nil, unreadable(path, err)
	}
	defer f.Close() // only read
	data, err := io.ReadAll(io.LimitReader(f, proxycert.MaxFile+1))
	if err == nil && len(data) > proxycert.MaxFile {
		err = errors.New("it is too long for a certificate")
	}
	if err != nil {
		return nil, unreadable(path, err)
	}
	return data, nil
}

// A locked credential has its certificates read, and its key not yet.
type locked struct {
	proxycert.Credential
	source   Source
	cert     []byte // the content of source.Cert
	password keyfile.Passphrase
	unasked  *error // why there was no answer to the question for a passphrase
}

// lock reads the certificates of s. A PKCS#12 file hides them until it is unlocked.
func lock(c Config, s Source) (locked, error) {
	data, err := readFile(s.Cert)
	if err != nil {
		return locked{}, err
	}
	l := locked{source: s, cert: data, unasked: new(error)}
	if c.AskPass != nil {
		l.password = func() (answer []byte, err error) {
			answer, *l.unasked = c.AskPass(s)
			return answer, *l.unasked
		}
	}
	if s.PKCS12 {
		return l, nil
	}
	l.Credential, err = proxycert.Parse(withoutKey(data), nil)
	if err != nil {
		return l, unreadable(s.Cert, err)
	}
	return l, nil
}

// withoutKey blanks the armour of private keys, so that the certificates around them are read
// without asking for a passphrase.
func withoutKey(data []byte) []byte {
	var out []byte
	for {
		begin := bytes.Index(data, []byte("-----BEGIN "))
		if begin < 0 {
			return out
		}
		data = data[begin:]
		end := bytes.Index(data[1:], []byte("-----BEGIN "))
		block := data
		if end >= 0 {
			block = data[:end+1]
		}
		if line, _, _ := bytes.Cut(block, []byte("\n")); !bytes.Contains(line, []byte("PRIVATE KEY")) {
			out = append(out, block...)
		}
		data = data[len(block):]
	}
}

// unlock reads the key.
func (l locked) unlock() (proxycert.Credential, error) {
	cred, err := l.Credential, error(nil)
	switch data := l.cert; {
	case l.source.PKCS12:
		cred.Key, cred.Chain, err = keyfile.PKCS12(data, l.password)
		if len(cred.Chain) > 1 {
			cred.Chain = cred.Chain[:1] // the others are authorities
		}
	default:
		if l.source.Key != l.source.Cert {
			if data, err = readFile(l.source.Key); err != nil {
				return cred, err
			}
		}
		cred.Key, err = keyfile.Key(data, l.password)
	}
	if unasked := *l.unasked; unasked != nil {
		return cred, &Error{Reason: Passphrase, Path: l.source.Key,
			Fault: fault.New(fault.Invalid, "there is no passphrase for %s: %v", l.source.Key, unasked).
				WithHint("type it when you are asked, or give it as a line of the input with --pwstdin").WithCause(unasked)}
	}
	if errors.Is(err, keyfile.ErrPassphrase) {
		return cred, &Error{Reason: Passphrase, Path: l.source.Key,
			Fault: fault.New(fault.Invalid, "the passphrase of %s is wrong or missing", l.source.Key).
				WithHint("it is the one that you chose when you saved the certificate, not that of an account").WithCause(err)}
	}
	if err != nil {
		return cred, unreadable(l.source.Key, err)
	}
	if public, ok := cred.Chain[0].PublicKey.(interface{ Equal(crypto.PublicKey) bool }); !ok || !public.Equal(cred.Key.Public()) {
		return cred, &Error{Reason: Mismatch, Path: l.source.Key,
			Fault: fault.New(fault.Invalid, "the key in %s does not belong to the certificate in %s", l.source.Key, l.source.Cert).
				WithHint("use the key that the certificate was asked for with")}
	}
	return cred, nil
}
