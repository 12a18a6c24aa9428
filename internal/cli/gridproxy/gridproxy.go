// Package gridproxy makes, reads and destroys proxy files on a person's machine: it finds their
// certificate and key, asks attribute authorities, signs the proxy and writes it. It is the engine
// of both "lanyard proxy" and the drop-in voms-proxy commands and prints nothing: what happens is
// told in events and typed errors. It imports rows 0 to 2.
package gridproxy

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"time"

	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/trust"
	"github.com/lanyardhq/lanyard/voms"
	"github.com/lanyardhq/lanyard/voms/protocol"
	"github.com/lanyardhq/lanyard/voms/vomses"
)

// Config is the person and the machine. Getenv and Now are required.
type Config struct {
	Home   string // the person's home folder
	UID    int
	Getenv func(string) string
	Now    func() time.Time
	// AskPass asks for the passphrase of the key in a source; nil where nobody can be asked.
	AskPass func(Source) ([]byte, error)
	// Hosts are the names of this machine, for attribute certificates that are made for some
	// hosts only.
	Hosts []string
}

// A VORequest asks for attributes of one VO.
type VORequest struct {
	Alias string   // as in the vomses file; a VO's name does as well
	FQANs []string // wanted, primary first; none: what the VO gives by default
	All   bool     // everything, roles included
}

// Options say which proxy Init shall make. The zero value is a full RFC proxy of 12 hours from the
// person's own certificate, without attributes.
//
// Repeated requests for one VO are put together; where one of them names no FQAN, the VO's root
// group stands in its place.
type Options struct {
	// Cert and Key are files; empty: the usual places, see Find. Cert may be PKCS#12 or a proxy.
	Cert, Key string
	// NoRegen takes the existing proxy as the issuing credential.
	NoRegen bool
	// Issuer, if set, is the issuing credential, and nothing is looked for.
	Issuer *proxycert.Credential

	Out        string         // the proxy file; empty: X509_USER_PROXY, then /tmp/x509up_u<uid>
	Bits       int            // of the RSA key; 0: 2048. SameBits: as in the certificate.
	Lifetime   time.Duration  // 0: DefaultLifetime
	Kind       proxycert.Kind // proxycert.None: RFC, or what the issuing proxy is
	Limited    bool
	PathLength *int // nil: unlimited
	Language   asn1.ObjectIdentifier
	Policy     []byte
	Extra      []pkix.Extension

	VOs        []VORequest
	ACLifetime time.Duration // 0: Lifetime. ServerLifetime: as long as servers allow.
	Order      []string      // FQANs to be put first
	Targets    []string      // hosts that alone shall accept the attributes
	ACs        [][]byte      // more attribute certificates to include (DER)
	SeparateAC string        // a file for the attribute certificates, instead of the proxy

	Vomses  []string        // files and folders with servers; none: the usual places
	Servers []vomses.Server // more servers, looked through first
	CertDir string          // empty: X509_CERT_DIR, then the usual places
	VomsDir string          // empty: X509_VOMS_DIR, then /etc/grid-security/vomsdir
	// Trust and Anchors, if set, stand in for CertDir and VomsDir.
	Trust   *trust.Store
	Anchors *voms.Anchors

	Timeout      time.Duration // for one server; 0: 60 s
	SkipHostname bool          // do not compare a server's host name with its certificate
	Legacy       protocol.LegacyMode
	UserAgent    string // as which servers are asked; empty: "lanyard"

	VerifyIssuer bool // verify the issuing credential before anything is done with it
	Verify       bool // verify the chain of the new proxy
	DontVerifyAC bool // take attribute certificates as they come
	FailOnWarn   bool // make no proxy when a server warns
}

// SameBits as Options.Bits makes a key as long as the certificate's.
const SameBits = -1

// ServerLifetime as Options.ACLifetime leaves the life of attributes to the servers.
const ServerLifetime = -1

// DefaultLifetime is that of a proxy of which nothing is said.
const DefaultLifetime = 12 * time.Hour

// A Source says where a person's credential is.
type Source struct {
	Cert, Key string // the same file for PKCS#12 and proxies
	PKCS12    bool
	Proxy     bool
}

// An AC is an attribute certificate that Init got.
type AC struct {
	Alias  string
	Server vomses.Server
	AC     *voms.AC
	Err    error // why it does not verify; nil also when it was not verified
}

// Result is what Init made. Where an error is returned beside a Path, the proxy was written.
type Result struct {
	Path       string // of the proxy; with SeparateAC of the attribute certificates
	Credential proxycert.Credential
	Identity   string    // slash form; known as soon as the certificate was read
	NotAfter   time.Time // of the proxy
	Clipped    bool      // the proxy ends with the issuing credential, earlier than asked for
	ACs        []AC
}
