package config

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/config/strict"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/wlcg"
)

// judge finds what only the whole configuration shows.
type judge struct{ *strict.Decoder }

func (d judge) all(c Config) {
	d.oneOf("reveal", c.Reveal, "once", "always")
	d.oneOf("database.driver", c.Database.Driver, "sqlite", "postgres")
	d.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	d.oneOf("log.format", c.Log.Format, "text", "json")
	if u, err := url.Parse(c.Help); c.Help != "" && (err != nil || u.Scheme != "https" && u.Scheme != "mailto") {
		d.Wrong("help", "%q is not an address: write https://… or mailto:…", c.Help)
	}
	if len(c.Roles) == 0 {
		d.Wrong("roles", "at least one is needed")
	}
	for i, r := range c.Roles {
		d.oneOf(fmt.Sprintf("roles[%d]", i), string(r), string(PortalRole), string(APIRole), string(IssuerRole), string(AARole), string(GatewayRole), string(WorkerRole))
	}
	inside := d.networks(c.InternalNetworks)
	d.proxies(c.TrustedProxies)
	d.listeners(c, inside)
	d.hosts(c, inside)
	d.storage(c, inside)
	d.projects(c.Projects, c.Lifetimes.S3Key.Max)
	for _, l := range []struct {
		kind string
		Lifetime
	}{{"s3key", c.Lifetimes.S3Key}, {"proxy", c.Lifetimes.Proxy}, {"grant", c.Lifetimes.Grant}} {
		d.lifetime("lifetimes."+l.kind, l.Default, l.Max)
		if l.Max <= 0 {
			d.Wrong("lifetimes."+l.kind+".max", "a maximum is needed: write 7d, for example")
		}
	}
	for _, l := range []struct {
		key string
		n   int
	}{{"keys_per_account", c.Limits.KeysPerAccount}, {"keys_per_hour", c.Limits.KeysPerHour}, {"api_per_minute", c.Limits.APIPerMinute}} {
		if l.n < 0 {
			d.Wrong("limits."+l.key, "%d is negative; 0 means no limit", l.n)
		}
	}
	d.signIn(c)
	d.clients(c.Clients)
	d.tokens(c)
	d.grid(c)
}

func (d judge) oneOf(key, value string, allowed ...string) {
	if slices.Contains(allowed, value) {
		return
	}
	text := fmt.Sprintf("%q is not possible here; use %s", value, strings.Join(allowed, " or "))
	if len(allowed) > 2 {
		text = fmt.Sprintf("%q is not possible here; use one of %s", value, strings.Join(allowed, ", "))
	}
	d.Wrong(key, "%s", text)
}

func (d judge) storage(c Config, in internal) {
	if c.Database.Driver == "postgres" && c.Database.URLFile == "" {
		d.Wrong("database.url_file", "PostgreSQL needs a file with its URL, such as postgres://lanyard:…@db.example.org/lanyard?sslmode=verify-full")
	}
	d.secret("database.url_file", c.Database.URLFile)
	if _, err := c.MasterKeyFile.Read(); err != nil && !errors.Is(err, fs.ErrNotExist) { // it is made at the first start
		d.Wrong("master_key_file", "%s", err)
	}
	if c.Upstream.Endpoint == "" {
		if c.Upstream.AccessKeyFile != "" || c.Upstream.SecretKeyFile != "" {
			d.Wrong("upstream", "keys are given without an endpoint")
		}
		return
	}
	d.address("upstream.endpoint", c.Upstream.Endpoint, in)
	if c.Upstream.AccessKeyFile == "" || c.Upstream.SecretKeyFile == "" {
		d.Wrong("upstream", "an endpoint needs access_key_file and secret_key_file")
	}
	d.secret("upstream.access_key_file", c.Upstream.AccessKeyFile)
	d.secret("upstream.secret_key_file", c.Upstream.SecretKeyFile)
}

func (d judge) projects(ps []Project, longest Duration) {
	seen := map[string]bool{}
	for i, p := range ps {
		key := fmt.Sprintf("projects[%d]", i)
		if err := project.CheckName(p.Name); err != nil {
			d.Wrong(key+".name", "%s", err)
		}
		if seen[p.Name] {
			d.Wrong(key+".name", "project %s stands twice", p.Name)
		}
		seen[p.Name] = true
		if p.QuotaBuckets < 0 {
			d.Wrong(key+".quota_buckets", "%d is negative; 0 means no limit", p.QuotaBuckets)
		}
		d.lifetime(key, p.DefaultLife, p.MaxLife)
		if p.MaxLife > longest {
			d.Wrong(key+".max_life", "%s is more than the installation's maximum, %s", words(p.MaxLife), words(longest))
		}
		members := map[Member]bool{}
		for j, m := range p.Members {
			d.member(fmt.Sprintf("%s.members[%d]", key, j), m)
			m.Role = ""
			if members[m] {
				d.Wrong(fmt.Sprintf("%s.members[%d]", key, j), "%s stands twice in this project", m.Subject)
			}
			members[m] = true
		}
	}
}

func (d judge) member(key string, m Member) {
	if m.Subject == "" {
		d.Wrong(key+".subject", "who is meant? Give the subject that the identity provider uses, or the name of a local user")
	}
	if identity.Role(m.Role).Rank() == 0 {
		d.oneOf(key+".role", m.Role, string(identity.User), string(identity.Deputy), string(identity.Manager))
	}
}

func (d judge) lifetime(key string, def, longest Duration) {
	if longest > 0 && def > longest {
		name := ".default"
		if strings.HasPrefix(key, "projects") {
			name = ".default_life"
		}
		d.Wrong(key+name, "the default (%s) is longer than the maximum (%s)", words(def), words(longest))
	}
}

func words(d Duration) string { return credential.Words(time.Duration(d)) }

func (d judge) secret(key string, f SecretFile) {
	if f == "" {
		return
	}
	if _, err := f.Read(); err != nil {
		d.Wrong(key, "%s", err)
	}
}

// signIn asks login itself about each provider and user, one at a time to know where each stands.
func (d judge) signIn(c Config) {
	seen := map[string]bool{}
	for i, p := range c.SignIn.Providers {
		key := fmt.Sprintf("sign_in.providers[%d]", i)
		if seen[p.ID] || seen[p.Issuer] {
			d.Wrong(key, "its id or issuer stands twice")
		}
		seen[p.ID], seen[p.Issuer] = true, true
		d.secret(key+".client_secret_file", p.ClientSecretFile)
		_, err := login.New(login.Config{URL: c.Portal.URL, Providers: []login.Provider{p.Provider}})
		d.faults(key, err)
	}
	names := map[string]bool{}
	for i, u := range c.SignIn.Local.Users {
		key := fmt.Sprintf("sign_in.local.users[%d]", i)
		if names[u.Name] {
			d.Wrong(key+".name", "%s stands twice", u.Name)
		}
		names[u.Name] = true
		_, err := login.New(login.Config{URL: c.Portal.URL, Local: login.Local{Users: []login.LocalUser{u}}})
		d.faults(key, err)
	}
}

// faults notes each of the errors that err joins.
func (d judge) faults(key string, err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			d.faults(key, e)
		}
		return
	}
	if err != nil {
		text := err.Error()
		if f, ok := errors.AsType[*fault.Fault](err); ok && f.Hint != "" {
			text += "; " + f.Hint
		}
		d.Wrong(key, "%s", text)
	}
}

func (d judge) clients(cs []Client) {
	seen := map[string]bool{}
	for i, c := range cs {
		key := fmt.Sprintf("clients[%d]", i)
		if c.ID == "" {
			d.Wrong(key+".id", "a client needs an id")
		}
		if seen[c.ID] {
			d.Wrong(key+".id", "client %s stands twice", c.ID)
		}
		seen[c.ID] = true
		if c.Algorithm != "" {
			d.oneOf(key+".algorithm", c.Algorithm, "RS256", "ES256")
		}
		if g := c.RefreshGrace; g != nil && time.Duration(*g) > 24*time.Hour {
			d.Wrong(key+".refresh_grace", "%s is more than a day", words(*g))
		}
		if len(c.RedirectURIs) == 0 {
			d.Wrong(key+".redirect_uris", "a client needs at least one address that people come back to")
		}
		for j, s := range c.RedirectURIs {
			u, err := url.Parse(s)
			if err != nil || u.Host == "" || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !(internal{}).plain(u.Hostname())) {
				d.Wrong(fmt.Sprintf("%s.redirect_uris[%d]", key, j), "%q is not an https address (http is for loopback only)", s)
			}
		}
		d.proof(key, c)
	}
}

// proof judges how a client proves who it is.
func (d judge) proof(key string, c Client) {
	d.secret(key+".secret_file", c.SecretFile)
	if c.JWKS == "" {
		return
	}
	if set, err := wlcg.ParseKeySet([]byte(c.JWKS)); err != nil || len(set.Keys) == 0 || c.SecretFile != "" {
		d.Wrong(key+".jwks", "this must be a JWK set with keys that sign, and stand without a secret")
	}
}
