package config

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/authority/onlineca"
	"github.com/lanyardhq/lanyard/internal/directory/ldap"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/vo"
)

// Grid is about X.509 certificates and other people's VOs.
type Grid struct {
	// Certificates is a directory of trusted CAs with hashed names, as in
	// /etc/grid-security/certificates. Empty: only Lanyard's own CA is trusted.
	Certificates string `yaml:"certificates"`
	// RequireCRL refuses certificates of CAs without a valid revocation list.
	RequireCRL bool `yaml:"require_crl"`
	// Vomsdir and Vomses tell of VOs that others run: who speaks for them, and where.
	Vomsdir string   `yaml:"vomsdir"`
	Vomses  []string `yaml:"vomses"`
	// LegacyProxies accepts proxies older than RFC 3820.
	LegacyProxies bool `yaml:"legacy_proxies"`
	// StoredSecrets lets people store certificate, encrypted key and passphrase here.
	StoredSecrets bool     `yaml:"stored_secrets"`
	OnlineCA      OnlineCA `yaml:"online_ca"`
}

// OnlineCA is Lanyard's own certification authority.
type OnlineCA struct {
	Enabled bool `yaml:"enabled"`
	// Base is what names in its certificates begin with; empty: made of the portal's host name.
	Base   string `yaml:"base"`
	Policy string `yaml:"policy"` // object identifier of its certificate policy
}

// VO is a virtual organisation that Lanyard runs the attribute authority of.
type VO struct {
	Name  string `yaml:"name"`
	Title string `yaml:"title"`
	// Host and Port are what attribute certificates call the authority.
	Host string `yaml:"host"`
	Port int    `yaml:"port"`
	// Listen is where this machine answers; empty: on all addresses, at Port.
	Listen string `yaml:"listen"`
	// TLS is the authority's certificate; without one the online CA makes it.
	TLS TLS `yaml:"tls"`
	// Project is the name of the project whose managers decide about members.
	Project    string        `yaml:"project"`
	MaxLife    Duration      `yaml:"max_life"` // of attribute certificates: 24h if 0
	FQANs      string        `yaml:"fqans"`    // long, the default, or short
	Groups     []VOGroup     `yaml:"groups"`
	Members    []VORule      `yaml:"members"`
	Attributes []VOAttribute `yaml:"attributes"`
	LDAP       LDAP          `yaml:"ldap"`
}

// VOGroup is a group of a VO and its roles.
type VOGroup struct {
	Name  string   `yaml:"name"` // /vo/group; /vo for roles in the VO itself
	Title string   `yaml:"title"`
	Roles []string `yaml:"roles"`
}

// VORule gives a group or role to members of a project, or to people whose identity provider says so.
type VORule struct {
	FQAN    string `yaml:"fqan"` // the VO itself if empty
	Project string `yaml:"project"`
	Role    string `yaml:"role"` // the least role in the project: user if empty
	Issuer  string `yaml:"issuer"`
	Group   string `yaml:"group"` // a value of the groups claim
}

// VOAttribute is a generic attribute of all who hold what it hangs on: a group, a role, or the VO if
// that is empty.
type VOAttribute struct {
	Name  string `yaml:"name"`
	Value string `yaml:"value"`
	Group string `yaml:"group"`
}

// LDAP is a directory that members are imported from, unless it has no URL.
type LDAP struct {
	ldap.Config
	PasswordFile SecretFile `yaml:"password_file"`
	Every        Duration   `yaml:"every"` // 15m if 0
}

// AuthorityVOs are the VOs in authority's words.
func (c Config) AuthorityVOs() []vo.VO {
	var all []vo.VO
	for _, v := range c.VOs {
		one := vo.VO{Name: v.Name, Title: v.Title, Host: v.Host, Port: v.Port, Project: v.Project, ShortFQANs: v.FQANs == "short",
			MaxLife: cmp.Or(time.Duration(v.MaxLife), 24*time.Hour)}
		for _, g := range v.Groups {
			one.Groups = append(one.Groups, vo.Group{Name: g.Name, Title: g.Title, Roles: g.Roles})
		}
		for _, r := range v.Members {
			one.Rules = append(one.Rules, vo.Rule{FQAN: cmp.Or(r.FQAN, "/"+v.Name), Project: r.Project, Role: identity.Role(r.Role),
				Issuer: r.Issuer, Claim: r.Group})
		}
		for _, a := range v.Attributes {
			one.Attributes = append(one.Attributes, vo.Attribute{Name: a.Name, Value: a.Value, Group: a.Group})
		}
		all = append(all, one)
	}
	return all
}

// ListenAt is where this machine answers for the VO.
func (v VO) ListenAt() string { return cmp.Or(v.Listen, fmt.Sprintf(":%d", v.Port)) }

// CABase is what names in certificates of the online CA begin with.
func (c Config) CABase() string {
	if c.Grid.OnlineCA.Base != "" {
		return c.Grid.OnlineCA.Base
	}
	host := "localhost"
	if u, err := url.Parse(c.Portal.URL); err == nil && u.Hostname() != "" {
		host = u.Hostname()
	}
	labels := strings.Split(strings.ToLower(host), ".")
	if net.ParseIP(host) != nil {
		labels = []string{host}
	}
	slices.Reverse(labels)
	return "/DC=" + strings.Join(labels, "/DC=")
}

// ProviderTitles are the names of the identity providers, by issuer.
func (c Config) ProviderTitles() map[string]string {
	titles := map[string]string{localIssuer: cmp.Or(c.SignIn.Local.Title, c.Title)}
	for _, p := range c.SignIn.Providers {
		titles[p.Issuer] = cmp.Or(p.Title, p.ID)
	}
	return titles
}

// grid judges what is about X.509 and VOs.
func (d judge) grid(c Config) {
	if _, err := onlineca.CheckBase(c.CABase()); err != nil {
		d.faults("grid.online_ca.base", err)
	}
	names, listen := map[string]bool{}, map[string]string{c.Portal.Listen: "portal.listen", c.S3.Listen: "s3.listen", c.Metrics.Listen: "metrics.listen"}
	for i, v := range c.AuthorityVOs() {
		key, w := fmt.Sprintf("vos[%d]", i), c.VOs[i]
		for _, err := range v.Check() {
			d.faults(key, err)
		}
		if names[v.Name] {
			d.Wrong(key+".name", "VO %s stands twice", v.Name)
		}
		names[v.Name] = true
		if !hostName(v.Host) {
			d.Wrong(key+".host", "%q is not a host name in lower case: attribute certificates name it", v.Host)
		}
		if v.Port < 1 || v.Port > 65535 {
			d.Wrong(key+".port", "%d is not a port: VOMS servers usually have 15000 and up", v.Port)
		}
		d.oneOf(key+".fqans", cmp.Or(w.FQANs, "long"), "long", "short")
		if _, _, err := net.SplitHostPort(w.ListenAt()); err != nil {
			d.Wrong(key+".listen", "%q is not host:port, such as 0.0.0.0:15000", w.Listen)
		} else if other := listen[w.ListenAt()]; other != "" {
			d.Wrong(key+".listen", "%s is used by %s too", w.ListenAt(), other)
		}
		listen[w.ListenAt()] = key + ".listen"
		d.tls(key+".tls", w.TLS)
		if w.TLS.Cert == "" && !c.Grid.OnlineCA.Enabled {
			d.Wrong(key+".tls", "the attribute authority needs a certificate: name its files, or turn grid.online_ca on to have one made")
		}
		if w.LDAP.URL != "" {
			d.faults(key+".ldap", w.LDAP.Check())
			d.secret(key+".ldap.password_file", w.LDAP.PasswordFile)
		}
	}
}
