package ldap_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/directory/ldap"
	"github.com/lanyardhq/lanyard/material"
)

// The attributes are those of the voPerson schema, which Debian does not bring along.
const configuration = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
attributetype ( 1.3.6.1.4.1.34998.3.3.1.3 NAME 'voPersonCertificateDN' EQUALITY distinguishedNameMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 )
attributetype ( 1.3.6.1.4.1.34998.3.3.1.4 NAME 'voPersonCertificateIssuerDN' EQUALITY distinguishedNameMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 )
objectclass ( 1.3.6.1.4.1.34998.3.3.1 NAME 'voPerson' AUXILIARY MAY ( voPersonCertificateDN $ voPersonCertificateIssuerDN ) )
modulepath /usr/lib/ldap
moduleload back_mdb
sizelimit 10
TLSCertificateFile %[1]s/host.pem
TLSCertificateKeyFile %[1]s/host.key
database mdb
suffix "dc=lanyard,dc=test"
rootdn "cn=admin,dc=lanyard,dc=test"
rootpw s3cr3t-word
directory %[1]s/db
limits dn.exact="cn=admin,dc=lanyard,dc=test" size.soft=10 size.hard=unlimited size.prtotal=unlimited
access to * by anonymous auth by dn.exact="cn=admin,dc=lanyard,dc=test" read by * none
`

const entries = `dn: dc=lanyard,dc=test
objectClass: domain
dc: lanyard

dn: ou=people,dc=lanyard,dc=test
objectClass: organizationalUnit
ou: people

dn: uid=ada,ou=people,dc=lanyard,dc=test
objectClass: inetOrgPerson
objectClass: voPerson
uid: ada
cn: Ada Tester
sn: Tester
voPersonCertificateDN: CN=Ada Tester,OU=Users,DC=lanyard,DC=test
voPersonCertificateIssuerDN: CN=Lanyard Fixture CA,DC=lanyard,DC=test

dn: uid=bob,ou=people,dc=lanyard,dc=test
objectClass: inetOrgPerson
objectClass: voPerson
uid: bob
cn: Bob
sn: Bob
voPersonCertificateDN: CN=Bob,OU=Users,DC=lanyard,DC=test

dn: uid=eve,ou=people,dc=lanyard,dc=test
objectClass: inetOrgPerson
uid: eve
cn: No Certificate
sn: Eve

dn: cn=physics,dc=lanyard,dc=test
objectClass: groupOfNames
cn: physics
member: UID=Ada, ou=People,dc=lanyard,dc=test
member: uid=eve,ou=people,dc=lanyard,dc=test

dn: cn=pilots,dc=lanyard,dc=test
objectClass: posixGroup
cn: pilots
gidNumber: 1000
memberUid: ada
memberUid: bob
`

// directory starts slapd with the entries, and many more people if asked for.
func directory(t *testing.T, more int) ldap.Config {
	t.Helper()
	dir, err := os.MkdirTemp("", "ldap") // short, because a socket could lie in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	run := func(program string, args ...string) {
		t.Helper()
		if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", program, err, out)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.2",
		"-keyout", filepath.Join(dir, "host.key"), "-out", filepath.Join(dir, "host.pem"))
	var ldif strings.Builder
	ldif.WriteString(entries)
	for i := range more {
		fmt.Fprintf(&ldif, "\ndn: uid=u%d,ou=people,dc=lanyard,dc=test\nobjectClass: inetOrgPerson\nobjectClass: voPerson\nuid: u%d\ncn: U\nsn: U\nvoPersonCertificateDN: CN=U%d,DC=test\n", i, i, i)
	}
	conf := write("slapd.conf", fmt.Sprintf(configuration, dir))
	run("/usr/sbin/slapadd", "-q", "-f", conf, "-l", write("all.ldif", ldif.String()))

	// Nobody connects from this address, so that nothing takes the port before slapd does.
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cmd := exec.Command("/usr/sbin/slapd", "-d", "0", "-h", "ldap://"+address, "-f", conf)
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: make test installs slapd", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for { // until it answers; the test's own time limit ends this
		conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
		if err == nil {
			conn.Close()
			break
		}
		if t.Context().Err() != nil {
			t.Fatal(err)
		}
	}
	return ldap.Config{URL: "ldap://" + address, CA: filepath.Join(dir, "host.pem"), BindDN: "cn=admin,dc=lanyard,dc=test",
		Base: "ou=people,dc=lanyard,dc=test", Issuer: "/DC=test/DC=lanyard/CN=Other CA",
		Groups: []ldap.Group{{DN: "cn=physics,dc=lanyard,dc=test", FQAN: "/lanyard/physics"}, {DN: "cn=pilots,dc=lanyard,dc=test", FQAN: "/lanyard/Role=pilot"}}}
}

func TestPeople(t *testing.T) {
	c := directory(t, 0)
	got, err := ldap.People(t.Context(), c, "s3cr3t-word")
	if err != nil {
		t.Fatal(err)
	}
	want := []ldap.Person{
		{Subject: "CN=Ada Tester,OU=Users,DC=lanyard,DC=test", Issuer: "CN=Lanyard Fixture CA,DC=lanyard,DC=test", FQANs: []string{"/lanyard/physics", "/lanyard/Role=pilot"}},
		{Subject: "CN=Bob,OU=Users,DC=lanyard,DC=test", Issuer: "/DC=test/DC=lanyard/CN=Other CA", FQANs: []string{"/lanyard/Role=pilot"}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("people (-want +got):\n%s", d)
	}
}

// Directories answer a few entries at a time; a part must never be taken for the whole.
func TestManyPeople(t *testing.T) {
	got, err := ldap.People(t.Context(), directory(t, 1200), "s3cr3t-word")
	if err != nil || len(got) != 1202 {
		t.Errorf("%d people, %v, want 1202", len(got), err)
	}
}

func TestWhatFailsIsToldAndYieldsNobody(t *testing.T) {
	whole := directory(t, 0)
	for name, tc := range map[string]struct {
		change   func(*ldap.Config)
		password string
		want     string
	}{
		"password":    {func(*ldap.Config) {}, "hunter2", "Invalid Credentials"},
		"group":       {func(c *ldap.Config) { c.Groups[0].DN = "cn=nobody,dc=lanyard,dc=test" }, "s3cr3t-word", "cn=nobody"},
		"certificate": {func(c *ldap.Config) { c.CA = "" }, "s3cr3t-word", "certificate"},
		"issuer":      {func(c *ldap.Config) { c.Issuer = "" }, "s3cr3t-word", "uid=bob"},
		"base":        {func(c *ldap.Config) { c.Base = "ou=nowhere,dc=lanyard,dc=test" }, "s3cr3t-word", "ou=nowhere"},
		"address":     {func(c *ldap.Config) { c.URL = "ldap://127.0.0.1:1" }, "s3cr3t-word", "127.0.0.1:1"},
	} {
		c := whole
		c.Groups = append([]ldap.Group{}, whole.Groups...)
		tc.change(&c)
		got, err := ldap.People(t.Context(), c, material.Secret(tc.password))
		if err == nil || got != nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %d people, %v, want an error with %q", name, len(got), err, tc.want)
		}
		if err != nil && strings.Contains(err.Error(), tc.password) {
			t.Errorf("%s: the error shows the password", name)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ldap.People(ctx, whole, "s3cr3t-word"); err == nil {
		t.Error("nobody asked any more, and still it answers")
	}
}

func TestCheck(t *testing.T) {
	good := ldap.Config{URL: "ldaps://ldap.example.org", Base: "ou=people,dc=example", Filter: "(uid=*)", Groups: []ldap.Group{{DN: "cn=x", FQAN: "/x"}}}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*ldap.Config){
		"http":    func(c *ldap.Config) { c.URL = "http://example.org" },
		"no base": func(c *ldap.Config) { c.Base = "" },
		"base":    func(c *ldap.Config) { c.Base = "people" },
		"filter":  func(c *ldap.Config) { c.Filter = "uid=*" },
		"group":   func(c *ldap.Config) { c.Groups = []ldap.Group{{FQAN: "/x"}} },
	} {
		c := good
		change(&c)
		if c.Check() == nil {
			t.Errorf("%s: taken", name)
		}
	}
}
