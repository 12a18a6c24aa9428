package config

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/lanyardhq/lanyard/material"
)

// internal tells where plain HTTP is allowed.
type internal struct {
	networks []netip.Prefix
	names    []string
}

func (d judge) networks(list []string) (in internal) {
	for i, s := range list {
		p, ok := network(s)
		switch {
		case ok:
			in.networks = append(in.networks, p)
		case hostName(s):
			in.names = append(in.names, s)
		default:
			d.Wrong(fmt.Sprintf("internal_networks[%d]", i), "%q is neither a network (10.0.0.0/8), an address nor a host name", s)
		}
	}
	return in
}

// network reads a network, or an address as a network of its own.
func network(s string) (netip.Prefix, bool) {
	p, err := netip.ParsePrefix(s)
	if a, addrErr := netip.ParseAddr(s); addrErr == nil && a.Zone() == "" {
		p, err = a.Prefix(a.BitLen())
	}
	return p.Masked(), err == nil
}

// proxies refuses what would let strangers say where they come from. Addresses are compared as IPv4
// where they are IPv4.
func (d judge) proxies(list []string) {
	for i, s := range list {
		key := fmt.Sprintf("trusted_proxies[%d]", i)
		switch p, ok := network(s); {
		case !ok || p.Addr().Is4In6():
			d.Wrong(key, "%q is neither a network (10.0.0.0/8) nor an address", s)
		case p.Bits() == 0:
			d.Wrong(key, "%s is everybody, who could then pretend to come from anywhere: name the proxies alone", s)
		}
	}
}

// plain reports whether plain HTTP may be spoken at host.
func (in internal) plain(host string) bool {
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(in.names, host) {
		return true
	}
	a, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	return a.IsLoopback() || slices.ContainsFunc(in.networks, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}

func hostName(s string) bool {
	if len(s) == 0 || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		ok := len(label) > 0 && len(label) < 64 && label[0] != '-' && label[len(label)-1] != '-' &&
			strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
		if !ok {
			return false
		}
	}
	return true
}

func (d judge) listeners(c Config, in internal) {
	seen := map[string]string{}
	for _, l := range []struct {
		key, address string
		tls          TLS
	}{{"portal", c.Portal.Listen, c.Portal.TLS}, {"s3", c.S3.Listen, c.S3.TLS}, {"metrics", c.Metrics.Listen, TLS{}}} {
		key := l.key + ".listen"
		if l.address == "" && l.key == "metrics" {
			continue
		}
		host, port, err := net.SplitHostPort(l.address)
		if n, convErr := strconv.Atoi(port); err != nil || convErr != nil || n < 0 || n > 65535 {
			d.Wrong(key, "%q is not host:port, such as 127.0.0.1:8080", l.address)
			continue
		}
		if other := seen[l.address]; other != "" && port != "0" {
			d.Wrong(key, "%s is used by %s too", l.address, other)
		}
		seen[l.address] = key
		if host == "" {
			host = "0.0.0.0"
		}
		if l.key == "metrics" { // it tells no secrets
			continue
		}
		if l.tls.Cert == "" && !in.plain(host) {
			d.Wrong(key, "plain HTTP at %s would send keys and sessions in clear: give %s.tls, listen on loopback, or name the network under internal_networks", l.address, l.key)
		}
		d.tls(l.key+".tls", l.tls)
	}
}

func (d judge) tls(at string, t TLS) {
	if (t.Cert == "") != (t.Key == "") {
		d.Wrong(at, "cert and key belong together")
		return
	}
	if t.Cert != "" {
		key, err := t.Key.Read()
		if err == nil {
			err = pair(t.Cert, key)
		}
		if err != nil {
			d.Wrong(at, "%s", err)
		}
	}
}

// hosts holds portal and gateway apart: an object that somebody uploaded must never run in the
// portal's origin.
func (d judge) hosts(c Config, in internal) {
	portal := d.address("portal.url", c.Portal.URL, in)
	s3 := d.address("s3.url", c.S3.URL, in)
	for i, h := range append([]string{s3}, c.S3.MoreHosts...) {
		key := fmt.Sprintf("s3.hosts[%d]", i-1)
		if i == 0 {
			key = "s3.url"
		} else if !hostName(h) {
			d.Wrong(key, "%q is not a host name in lower case", h)
			continue
		}
		if portal != "" && (h == portal || h != "" && strings.HasSuffix(portal, "."+h)) {
			d.Wrong(key, "the portal's host (%s) is %s or below it; what people upload would run in the portal's name, so give each a host name of its own", portal, h)
		}
	}
	if c.S3.Region == "" || strings.ContainsAny(c.S3.Region, "/ \t\r\n") {
		d.Wrong("s3.region", "%q is not a region: it goes into signatures, so use letters, digits and dashes", c.S3.Region)
	}
}

// address checks a public URL and returns its host.
func (d judge) address(key, s string, in internal) string {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		d.Wrong(key, "%q is not an address: write https://HOST", s)
		return ""
	case u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		d.Wrong(key, "write scheme and host only, without path, slash at the end, query or user")
	case u.Scheme == "http" && !in.plain(strings.ToLower(u.Hostname())):
		d.Wrong(key, "plain HTTP at %s would send keys and sessions in clear: use https, or name the host under internal_networks", u.Host)
	}
	return strings.ToLower(u.Hostname())
}

// pair says why the certificate file and the key cannot serve.
func pair(file string, key material.Secret) error {
	cert, err := os.ReadFile(file) //nolint:gosec // the operator names it
	if err != nil {
		return err
	}
	if _, err := tls.X509KeyPair(cert, []byte(key.Reveal())); err != nil {
		return fmt.Errorf("%s and its key cannot be used together: %w", file, err)
	}
	return nil
}
