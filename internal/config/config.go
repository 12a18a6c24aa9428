// Package config is the operator's one YAML file: what `lanyard serve` needs, with defaults for all
// of it, so that no file is needed. It decodes strictly, reports every mistake at once with line,
// column and key, and takes secrets by file name only. It imports rows 0 to 3, whose own
// configuration structs it fills.
package config

import (
	"path/filepath"

	"github.com/lanyardhq/lanyard/internal/config/strict"
	"github.com/lanyardhq/lanyard/internal/login"
)

// Config is everything that an operator decides. The keys are explained in docs/lanyard.yaml.
type Config struct {
	// Title is what the portal calls the installation.
	Title string `yaml:"title"`
	// Help is where people find help: every page links to it. Empty: nowhere.
	Help string `yaml:"help"`
	// DataDir holds the database, the master key, the administration socket and the embedded
	// object store, each unless it is placed elsewhere.
	DataDir       string     `yaml:"data_dir"`
	AdminSocket   string     `yaml:"admin_socket"`
	MasterKeyFile SecretFile `yaml:"master_key_file"`
	// Roles are the parts of the server that this process runs.
	Roles   []Role  `yaml:"roles"`
	Portal  Portal  `yaml:"portal"`
	S3      S3      `yaml:"s3"`
	Metrics Metrics `yaml:"metrics"`
	// InternalNetworks are addresses, networks (CIDR) and host names on which plain HTTP is
	// allowed beside loopback.
	InternalNetworks []string `yaml:"internal_networks"`
	// TrustedProxies are the addresses and networks of reverse proxies in front of portal and S3,
	// whose X-Forwarded-For is believed.
	TrustedProxies []string  `yaml:"trusted_proxies"`
	Database       Database  `yaml:"database"`
	Upstream       Upstream  `yaml:"upstream"`
	SignIn         SignIn    `yaml:"sign_in"`
	Projects       []Project `yaml:"projects"`
	Lifetimes      Lifetimes `yaml:"lifetimes"`
	// Reveal says whether owners see a secret again after creation: "once" or "always".
	Reveal  string   `yaml:"reveal"`
	Limits  Limits   `yaml:"limits"`
	Clients []Client `yaml:"clients"`
	// Providers are where people approve grants, for custody; Tokens is what we mint ourselves.
	Providers []TokenProvider `yaml:"providers"`
	Tokens    Tokens          `yaml:"tokens"`
	MyToken   MyToken         `yaml:"mytoken"`
	Grid      Grid            `yaml:"grid"`
	VOs       []VO            `yaml:"vos"`
	Log       Log             `yaml:"log"`
}

// What operators write: 36h or 7d; 150TB; 2027-12-31.
type (
	Duration = strict.Duration
	Size     = strict.Size
	Time     = strict.Time
)

// Role is a part of the server.
type Role string

// The roles.
const (
	PortalRole  Role = "portal"
	APIRole     Role = "api"
	IssuerRole  Role = "issuer"
	AARole      Role = "aa" // the attribute authorities of VOs
	GatewayRole Role = "gateway"
	WorkerRole  Role = "worker"
)

// Portal is the listener of the portal, the API and the issuer.
type Portal struct {
	Listen string `yaml:"listen"` // host:port
	URL    string `yaml:"url"`    // as people and programs reach it
	TLS    TLS    `yaml:"tls"`
}

// S3 is the gateway's listener.
type S3 struct {
	Listen string `yaml:"listen"`
	URL    string `yaml:"url"` // the endpoint that clients are configured with
	TLS    TLS    `yaml:"tls"`
	// MoreHosts are host names of the gateway beside that of the URL. Below each, <project>.HOST
	// and <bucket>.<project>.HOST name a project and a bucket.
	MoreHosts []string `yaml:"hosts"`
	Region    string   `yaml:"region"`
	// SigV2 admits clients that sign with AWS signature version 2.
	SigV2 bool `yaml:"sigv2"`
}

// TLS names the files of a certificate chain and its key, PEM. Both empty means plain HTTP.
type TLS struct {
	Cert string     `yaml:"cert"`
	Key  SecretFile `yaml:"key"`
}

// Metrics is the listener for Prometheus and health probes. An empty address turns it off.
type Metrics struct {
	Listen string `yaml:"listen"`
}

// Database is where state is kept.
type Database struct {
	Driver string `yaml:"driver"` // sqlite or postgres
	// URLFile holds PostgreSQL's connection URL, password included.
	URLFile SecretFile `yaml:"url_file"`
}

// Upstream is the object store behind the gateway. Without an endpoint it is the embedded one.
type Upstream struct {
	Endpoint      string     `yaml:"endpoint"`
	Region        string     `yaml:"region"`
	AccessKeyFile SecretFile `yaml:"access_key_file"`
	SecretKeyFile SecretFile `yaml:"secret_key_file"`
	// Directory is where the embedded object store keeps its files.
	Directory string `yaml:"directory"`
}

// SignIn says how people prove who they are. Without any provider nobody can.
type SignIn struct {
	Providers []Provider  `yaml:"providers"`
	Local     login.Local `yaml:"local"`
}

// Provider is an identity provider, and where its client secret is.
type Provider struct {
	login.Provider
	ClientSecretFile SecretFile `yaml:"client_secret_file"` // empty for a public client
}

// Project is a project that this file decides about.
type Project struct {
	Name         string   `yaml:"name"`
	Title        string   `yaml:"title"`
	Description  string   `yaml:"description"`
	Quota        Size     `yaml:"quota"`
	QuotaBuckets int64    `yaml:"quota_buckets"`
	DefaultLife  Duration `yaml:"default_life"`
	MaxLife      Duration `yaml:"max_life"`
	EndsAt       Time     `yaml:"ends_at"`
	Members      []Member `yaml:"members"`
}

// Member gives an account a role in a project, also before its first sign-in.
type Member struct {
	Issuer  string `yaml:"issuer"` // "local" if empty
	Subject string `yaml:"subject"`
	Role    string `yaml:"role"` // user, deputy or manager
}

// Lifetimes are the rules by kind of credential.
type Lifetimes struct {
	S3Key Lifetime `yaml:"s3key"`
	Proxy Lifetime `yaml:"proxy"`
	Grant Lifetime `yaml:"grant"`
}

// Lifetime is how long credentials of a kind live.
type Lifetime struct {
	Default Duration `yaml:"default"`
	Max     Duration `yaml:"max"`
}

// Limits protect the server and people from accidents; 0 means none.
type Limits struct {
	KeysPerAccount int `yaml:"keys_per_account"` // live keys of one account in one project
	KeysPerHour    int `yaml:"keys_per_hour"`    // created by one account
	APIPerMinute   int `yaml:"api_per_minute"`   // requests of one token
}

// Client is an OAuth client of Lanyard beside its own command line.
type Client struct {
	ID           string     `yaml:"id"`
	RedirectURIs []string   `yaml:"redirect_uris"`
	SecretFile   SecretFile `yaml:"secret_file"` // empty for a public client
	// JWKS are the public keys of a client that signs instead of showing a secret, as JSON.
	JWKS      string `yaml:"jwks"`
	Algorithm string `yaml:"algorithm"` // of its ID tokens: RS256 if empty, or ES256
	// RefreshGrace is how long a refresh token that was spent yields its successor once more: a minute
	// if nil, never if 0, a day at most.
	RefreshGrace *Duration `yaml:"refresh_grace"`
}

// Log says how much is logged, and how.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn or error
	Format string `yaml:"format"` // text or json
}

// place fills in what lies in the data directory unless the operator put it elsewhere.
func (c *Config) place() {
	for _, p := range []struct {
		field *string
		name  string
	}{
		{&c.AdminSocket, "admin.sock"},
		{(*string)(&c.MasterKeyFile), "master.key"},
		{&c.Upstream.Directory, "objects"},
	} {
		if *p.field == "" {
			*p.field = filepath.Join(c.DataDir, p.name)
		}
	}
}
