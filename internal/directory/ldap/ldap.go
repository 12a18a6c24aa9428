// Package ldap reads from an LDAP directory who belongs to a virtual organisation: people with the
// subject of their certificate, and the groups that list them. It only reads; what becomes of it
// the authority decides. It imports fault and material of row 0.
package ldap

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	ldap "github.com/go-ldap/ldap/v3"

	"github.com/lanyardhq/lanyard/material"
)

// Config says where people and groups are. URL and Base are required.
type Config struct {
	// URL is ldaps://HOST, ldap://HOST or ldapi://PATH. Over ldap the connection is encrypted by
	// StartTLS, unless Plain says that it must not be.
	URL   string `yaml:"url"`
	Plain bool   `yaml:"plain"`
	// CA is a PEM file of the authorities that sign for the directory; empty means the system's.
	CA string `yaml:"ca"`
	// BindDN is who asks; empty asks anonymously. Its password comes with Open.
	BindDN string `yaml:"bind_dn"`
	// Base and Filter select people; the filter asks for the subject attribute if it is empty.
	Base   string `yaml:"base"`
	Filter string `yaml:"filter"`
	// SubjectAttribute holds the subject of a person's certificate, in slash form or by RFC 4514,
	// IssuerAttribute that of the CA. Empty: voPersonCertificateDN and voPersonCertificateIssuerDN.
	SubjectAttribute string `yaml:"subject_attribute"`
	IssuerAttribute  string `yaml:"issuer_attribute"`
	// Issuer is the CA of people whose entry names none.
	Issuer string  `yaml:"issuer"`
	Groups []Group `yaml:"groups"`
}

// Group gives members of a group in the directory an attribute of the VO.
type Group struct {
	// DN is the group's entry; its member, uniqueMember and memberUid count.
	DN string `yaml:"dn"`
	// FQAN is what they get: /vo/group or /vo/group/Role=role.
	FQAN string `yaml:"fqan"`
}

// A Person is one certificate of somebody in the directory.
type Person struct {
	Subject, Issuer string // as the directory writes them
	FQANs           []string
}

// Bounds of what is read of a directory.
const (
	pageSize  = 500
	maxPeople = 200_000
	patience  = 30 * time.Second // for each answer
)

// People returns everybody that the directory of c lists with a certificate, in its order. It
// returns an error rather than a part: who is missing from the answer loses the membership.
func People(ctx context.Context, c Config, password material.Secret) ([]Person, error) {
	conn, err := dial(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("reach %s: %w", c.URL, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	conn.SetTimeout(patience)
	if c.BindDN != "" {
		if err := conn.Bind(c.BindDN, password.Reveal()); err != nil {
			return nil, fmt.Errorf("sign in to %s as %s: %w", c.URL, c.BindDN, err)
		}
	}
	groups, err := members(conn, c.Groups)
	if err != nil {
		return nil, err
	}
	return people(conn, c, groups)
}

func dial(ctx context.Context, c Config) (*ldap.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	u, err := url.Parse(c.URL)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		text, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, err
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("%s holds no certificate", c.CA)
		}
	}
	dialer := &net.Dialer{Timeout: patience}
	if end, ok := ctx.Deadline(); ok {
		dialer.Deadline = end
	}
	conn, err := ldap.DialURL(c.URL, ldap.DialWithDialer(dialer), ldap.DialWithTLSConfig(config))
	if err != nil || u.Scheme != "ldap" || c.Plain {
		return conn, err
	}
	if err := conn.StartTLS(config); err != nil {
		conn.Close()
		return nil, fmt.Errorf("start TLS: %w", err)
	}
	return conn, nil
}

// members returns the FQANs of everybody that the groups list: by the folded name of their entry,
// and by their uid.
func members(conn *ldap.Conn, groups []Group) (map[string][]string, error) {
	held := map[string][]string{}
	for _, g := range groups {
		got, err := conn.Search(ldap.NewSearchRequest(g.DN, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 1, int(patience.Seconds()), false,
			"(objectClass=*)", []string{"member", "uniqueMember", "memberUid"}, nil))
		if err != nil {
			return nil, fmt.Errorf("read group %s: %w", g.DN, err)
		}
		if len(got.Entries) != 1 {
			return nil, fmt.Errorf("read group %s: %d entries", g.DN, len(got.Entries))
		}
		for _, name := range append(got.Entries[0].GetEqualFoldAttributeValues("member"), got.Entries[0].GetEqualFoldAttributeValues("uniqueMember")...) {
			held[entryKey(name)] = append(held[entryKey(name)], g.FQAN)
		}
		for _, uid := range got.Entries[0].GetEqualFoldAttributeValues("memberUid") {
			held["uid:"+uid] = append(held["uid:"+uid], g.FQAN)
		}
	}
	return held, nil
}

func people(conn *ldap.Conn, c Config, groups map[string][]string) ([]Person, error) {
	subject, issuer := cmp.Or(c.SubjectAttribute, "voPersonCertificateDN"), cmp.Or(c.IssuerAttribute, "voPersonCertificateIssuerDN")
	filter := cmp.Or(c.Filter, "("+subject+"=*)")
	found, err := conn.SearchWithPaging(ldap.NewSearchRequest(c.Base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, maxPeople, 0, false,
		filter, []string{subject, issuer, "uid"}, nil), pageSize)
	if err != nil {
		return nil, fmt.Errorf("search people below %s: %w", c.Base, err)
	}
	var all []Person
	for _, e := range found.Entries {
		subjects, issuers := e.GetEqualFoldAttributeValues(subject), e.GetEqualFoldAttributeValues(issuer)
		fqans := groups[entryKey(e.DN)]
		for _, uid := range e.GetEqualFoldAttributeValues("uid") {
			fqans = append(fqans[:len(fqans):len(fqans)], groups["uid:"+uid]...)
		}
		for i, s := range subjects {
			p := Person{Subject: s, Issuer: c.Issuer, FQANs: fqans}
			switch {
			case len(issuers) == len(subjects): // the directory keeps them in one order
				p.Issuer = issuers[i]
			case len(issuers) == 1:
				p.Issuer = issuers[0]
			case len(issuers) > 1:
				return nil, fmt.Errorf("entry %s has %d subjects and %d issuers: which belong together?", e.DN, len(subjects), len(issuers))
			}
			if p.Issuer == "" {
				return nil, fmt.Errorf("entry %s names no CA for its certificate, and the configuration names none for all", e.DN)
			}
			all = append(all, p)
		}
	}
	return all, nil
}

// entryKey folds the name of an entry, so that the ways in which groups write it are one.
func entryKey(name string) string {
	parsed, err := ldap.ParseDN(name)
	if err != nil {
		return strings.ToLower(name)
	}
	return strings.ToLower(parsed.String())
}

// Check returns what is wrong with c.
func (c Config) Check() error {
	u, err := url.Parse(c.URL)
	if err != nil || u.Scheme != "ldap" && u.Scheme != "ldaps" && u.Scheme != "ldapi" {
		return errors.New("url is ldaps://HOST, ldap://HOST or ldapi://PATH")
	}
	if _, err := ldap.ParseDN(c.Base); err != nil || c.Base == "" {
		return errors.New("base is the name of the entry that people are below")
	}
	if c.Filter != "" {
		if _, err := ldap.CompileFilter(c.Filter); err != nil {
			return fmt.Errorf("filter: %w", err)
		}
	}
	for _, g := range c.Groups {
		if _, err := ldap.ParseDN(g.DN); err != nil || g.DN == "" {
			return fmt.Errorf("group %q is not the name of an entry", g.DN)
		}
	}
	return nil
}
