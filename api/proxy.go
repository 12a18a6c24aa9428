package api

import (
	"time"

	"github.com/lanyardhq/lanyard/material"
)

// The schemas of proxies and VOs.
const (
	SchemaProxy         = "lanyard/v1/proxy" // a Credential of the kind proxy
	SchemaProxies       = "lanyard/v1/proxy.list"
	SchemaProxyMaterial = "lanyard/v1/proxy.material"
	SchemaVO            = "lanyard/v1/vo"
	SchemaVOs           = "lanyard/v1/vo.list"
	SchemaVOMember      = "lanyard/v1/vo.member"
	SchemaVOMembers     = "lanyard/v1/vo.member.list"
)

// The ways by which the server comes to a proxy.
const (
	WayUpload      = "upload"      // a proxy made elsewhere, key included
	WayDelegation  = "delegation"  // the server makes the key, the user signs its request
	WayCertificate = "certificate" // the server's own certification authority signs
	WaySecrets     = "secrets"     // REANA's: certificate, encrypted key, passphrase and VO
)

// Where the private key of a proxy is.
const (
	KeyAtServer = "server" // sealed in the server's database
	KeyAtClient = "client" // on the user's machine; the server never had it
)

// ProxyOrder says by which way a proxy comes, and what for. Certificates and requests are PEM.
type ProxyOrder struct {
	Way string `json:"way"` // upload, delegation, certificate, secrets
	// VOMS are the attributes to hand out with it, in this order; none means none.
	VOMS    []VOMS `json:"voms,omitempty"`
	Limited bool   `json:"limited,omitempty"` // hand out limited proxies only
	// Request is a signing request, for the way certificate with a key that stays where it is.
	Request string `json:"request,omitempty"`
	// Chain is the proxy file (upload), or the user's certificate and what issued it (secrets).
	// The private key may stand in it or in Key.
	Chain material.Secret `json:"chain,omitempty"`
	Key   material.Secret `json:"key,omitempty"`
	// Passphrase opens Key, for the way secrets. It is base64, as REANA keeps it.
	Passphrase material.Secret `json:"passphrase,omitempty"`
}

// VOMS are attributes of one virtual organisation.
type VOMS struct {
	VO string `json:"vo"`
	// FQANs begin with the primary one. In an order none means what the VO gives unasked.
	FQANs []string `json:"fqans,omitempty"`
}

// Proxy is what a credential of the kind proxy has beyond the others. Names are in slash form.
type Proxy struct {
	Way      string `json:"way"`
	Identity string `json:"identity,omitempty"` // subject of the end-entity certificate
	Subject  string `json:"subject,omitempty"`  // of the first certificate
	Issuer   string `json:"issuer,omitempty"`   // of the end-entity certificate
	VOMS     []VOMS `json:"voms,omitempty"`
	Limited  bool   `json:"limited,omitempty"`
	KeyPlace string `json:"key_place"` // server, client
	// ChainExpiresAt is when what the server holds ends, AttributesExpiresAt when the first of the
	// attribute certificates in it does.
	ChainExpiresAt      time.Time `json:"chain_expires_at,omitzero"`
	AttributesExpiresAt time.Time `json:"attributes_expires_at,omitzero"`
	// Request is the PEM signing request of a delegation: sign it and send the chain, once to begin
	// and again to renew.
	Request string `json:"request,omitempty"`
	// Certificates are the PEM chain, without key: the first certificate, then what issued it.
	Certificates string   `json:"certificates,omitempty"`
	Warnings     []string `json:"warnings,omitempty"`
}

// ProxyChain answers the signing request of a delegation.
type ProxyChain struct {
	// Chain is PEM: the certificate for the request's key, then what issued it, without the CA.
	Chain string `json:"chain"`
}

// ProxyRetrieval asks for a fresh proxy below a credential. Zero fields mean the credential's own.
type ProxyRetrieval struct {
	// Request is a PEM signing request. With it the answer has no private key, without it the
	// server makes one.
	Request string `json:"request,omitempty"`
	Life    int64  `json:"life,omitempty"` // seconds
	Limited bool   `json:"limited,omitempty"`
	VOMS    []VOMS `json:"voms,omitempty"`
}

// ProxyMaterial is a fresh proxy.
type ProxyMaterial struct {
	Schema       string `json:"schema"` // lanyard/v1/proxy.material
	CredentialID string `json:"credential_id"`
	Subject      string `json:"subject"`
	Identity     string `json:"identity"`
	VOMS         []VOMS `json:"voms,omitempty"`
	Limited      bool   `json:"limited,omitempty"`
	// PEM is the chain for a signing request, else the whole file: certificate, key, chain.
	PEM                 material.Secret `json:"pem"`
	ExpiresAt           time.Time       `json:"expires_at"`
	AttributesExpiresAt time.Time       `json:"attributes_expires_at,omitzero"`
	EndsInSeconds       int64           `json:"ends_in_seconds"`
	// Warnings are those of the VOs' servers.
	Warnings []string `json:"warnings,omitempty"`
}

// VO is a virtual organisation that the server knows.
type VO struct {
	Schema  string `json:"schema,omitempty"` // lanyard/v1/vo
	Name    string `json:"name"`
	Title   string `json:"title,omitempty"`
	Managed bool   `json:"managed"` // its members are decided on here
	// Servers give its attributes.
	Servers []VOServer `json:"servers"`
	// Groups and FQANs are told to members and to who manages the VO only. FQANs are those that
	// the caller may ask for.
	Groups []VOGroup `json:"groups,omitempty"`
	FQANs  []string  `json:"fqans,omitempty"`
	// Projects are the caller's through which that is so, by name.
	Projects []string `json:"projects,omitempty"`
}

// VOServer is one server of a VO, as a line of vomses and a file of the vomsdir would tell.
type VOServer struct {
	Alias   string `json:"alias"`
	Host    string `json:"host"`
	Port    int    `json:"port"`
	Subject string `json:"subject"`       // of its certificate, slash form
	LSC     string `json:"lsc,omitempty"` // the text of vomsdir's VO/HOST.lsc
}

// VOGroup is a group in a VO, with the roles that members may have in it.
type VOGroup struct {
	Name  string   `json:"name"` // /climate/ocean
	Title string   `json:"title,omitempty"`
	Roles []string `json:"roles,omitempty"`
}

// VOAttribute is a generic attribute of a member.
type VOAttribute struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Group string `json:"group,omitempty"` // empty: in the VO
}

// VOMember is one member of a VO: an account, or a certificate of another authority.
type VOMember struct {
	Schema     string        `json:"schema,omitempty"` // lanyard/v1/vo.member
	ID         string        `json:"id"`
	VO         string        `json:"vo"`
	AccountID  string        `json:"account_id,omitempty"`
	Name       string        `json:"name,omitempty"`
	Subject    string        `json:"subject,omitempty"` // of the certificate, slash form
	Issuer     string        `json:"issuer,omitempty"`  // of its CA; empty: any trusted one
	FQANs      []string      `json:"fqans"`             // groups and roles
	Attributes []VOAttribute `json:"attributes,omitempty"`
	State      string        `json:"state"` // active, suspended, expired
	Reason     string        `json:"reason,omitempty"`
	Source     string        `json:"source"`
	Since      time.Time     `json:"since"`
	ExpiresAt  time.Time     `json:"expires_at,omitzero"`
}

// VOMemberOrder makes or changes a member, who is named by AccountID or by Subject and Issuer.
type VOMemberOrder struct {
	AccountID  string        `json:"account_id,omitempty"`
	Subject    string        `json:"subject,omitempty"`
	Issuer     string        `json:"issuer,omitempty"`
	FQANs      []string      `json:"fqans,omitempty"` // none: member of the VO alone
	Attributes []VOAttribute `json:"attributes,omitempty"`
	Suspended  bool          `json:"suspended,omitempty"`
	Reason     string        `json:"reason,omitempty"` // of the suspension; the member reads it
	ExpiresAt  time.Time     `json:"expires_at,omitzero"`
}
