package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const slapdConfiguration = `include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
attributetype ( 1.3.6.1.4.1.34998.3.3.1.3 NAME 'voPersonCertificateDN' EQUALITY distinguishedNameMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.12 )
objectclass ( 1.3.6.1.4.1.34998.3.3.1 NAME 'voPerson' AUXILIARY MAY voPersonCertificateDN )
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCertificateFile %[1]s/host.pem
TLSCertificateKeyFile %[1]s/host.key
database mdb
suffix "dc=lanyard,dc=test"
rootdn "cn=admin,dc=lanyard,dc=test"
rootpw s3cr3t-word
directory %[1]s/db
`

const slapdEntries = `dn: dc=lanyard,dc=test
objectClass: domain
dc: lanyard

dn: cn=ocean,dc=lanyard,dc=test
objectClass: groupOfNames
cn: ocean
member: uid=ada,dc=lanyard,dc=test
member: uid=eve,dc=lanyard,dc=test
`

// newDirectory starts slapd with some of the fixtures' people, and returns its URL and what changes it.
func newDirectory(t *testing.T, dir string) (url string, change func(ldif string)) {
	t.Helper()
	write := func(name, text string) string {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if err := os.Mkdir(filepath.Join(dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	hostCertificate(t, dir, "localhost")
	entries := slapdEntries
	for uid, name := range map[string]string{"ada": "Ada Tester", "bob": "Bob Builder", "eve": "Eve"} {
		entries += fmt.Sprintf("\ndn: uid=%[1]s,dc=lanyard,dc=test\nobjectClass: inetOrgPerson\nobjectClass: voPerson\nuid: %[1]s\ncn: %[2]s\nsn: %[2]s\nvoPersonCertificateDN: CN=%[2]s,OU=Users,DC=lanyard,DC=test\n", uid, name)
	}
	conf := write("slapd.conf", fmt.Sprintf(slapdConfiguration, dir))
	if out, err := exec.Command("/usr/sbin/slapadd", "-q", "-f", conf, "-l", write("all.ldif", entries)).CombinedOutput(); err != nil {
		t.Fatalf("slapadd: %v\n%s", err, out)
	}
	url = "ldap://localhost:" + freePorts(t, 1)[0]
	cmd := exec.Command("/usr/sbin/slapd", "-d", "0", "-h", url, "-f", conf)
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: make test installs slapd", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	modify := func(ldif string) error {
		cmd := exec.Command("ldapmodify", "-x", "-H", url, "-D", "cn=admin,dc=lanyard,dc=test", "-w", "s3cr3t-word")
		cmd.Stdin = strings.NewReader(ldif)
		out, err := cmd.CombinedOutput()
		if err != nil {
			return fmt.Errorf("ldapmodify: %w\n%s", err, out)
		}
		return nil
	}
	wait(t, patience, "slapd", func() bool { return modify("") == nil })
	return url, func(ldif string) {
		t.Helper()
		if err := modify(ldif); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDirectoryMembers has two servers on one PostgreSQL import the members of a VO from slapd: who
// is in it gets attributes, who leaves gets none, and every change happens once.
func TestDirectoryMembers(t *testing.T) {
	t.Parallel()
	g := newGridFiles(t)
	url, change := newDirectory(t, g.dir)
	password := filepath.Join(g.dir, "password")
	if err := os.WriteFile(password, []byte("s3cr3t-word\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ca, err := filepath.Abs(filepath.Join(fixtures, "pki/certs/fxca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	ports := freePorts(t, 2)
	server := func(listen string, o settings, more string) *site {
		o.extra = fmt.Sprintf(`grid: {certificates: %s, online_ca: {enabled: true}}
vos:
  - name: climate
    host: localhost
    port: %s
    listen: 127.0.0.1:%s
    groups: [{name: /climate/ocean}]
    ldap:
      {url: "%s", ca: %s, bind_dn: "cn=admin,dc=lanyard,dc=test", password_file: %s, base: "dc=lanyard,dc=test", issuer: %s, every: 1s,
       groups: [{dn: "cn=ocean,dc=lanyard,dc=test", fqan: /climate/ocean}]}
%s`, g.certDir, ports[0], listen, url, ca, password, fixtureCA, more)
		return newSite(t, o)
	}
	database := "  driver: postgres\n  url_file: " + postgres(t) + "\n"
	g.site = server(ports[0], settings{database: database}, "")
	two := server(ports[1], settings{database: database, upstream: "  directory: " + filepath.Join(g.site.dir, "data", "objects-two") + "\n"},
		"master_key_file: "+filepath.Join(g.site.dir, "data", "master.key")+"\n")
	g.install()

	proxy := filepath.Join(t.TempDir(), "proxy.pem")
	as := map[string][]string{"ada": g.as("ada"), "bob": g.as("bob")}
	ask := func(name string) result {
		return g.run(command{program: "voms-proxy-init2", args: []string{"-voms", "climate", "-vomses", g.vomses, "-out", proxy}, env: as[name]})
	}
	fqans := func() string {
		return g.run(command{program: "voms-proxy-info2", args: []string{"-fqan", "-file", proxy}, env: g.grid()}).ok(t)
	}
	wait(t, patience, "the import", func() bool { return ask("ada").code == 0 })
	if got, want := fqans(), "/climate/Role=NULL/Capability=NULL\n/climate/ocean/Role=NULL/Capability=NULL\n"; got != want {
		t.Errorf("ada has\n%s", got)
	}
	ask("bob").ok(t)
	if got, want := fqans(), "/climate/Role=NULL/Capability=NULL\n"; got != want {
		t.Errorf("bob has\n%s", got)
	}
	change("dn: cn=ocean,dc=lanyard,dc=test\nchangetype: modify\ndelete: member\nmember: uid=ada,dc=lanyard,dc=test\n")
	wait(t, patience, "ada to lose the group", func() bool { ask("ada").ok(t); return !strings.Contains(fqans(), "ocean") })
	change("dn: uid=bob,dc=lanyard,dc=test\nchangetype: delete\n")
	wait(t, patience, "bob to leave", func() bool { return ask("bob").code != 0 })
	ask("bob").fails(t, "User unknown to this VO")

	records := g.run(command{args: []string{"admin", "--socket", filepath.Join(g.site.dir, "data/admin.sock"), "audit", "--json"}}).ok(t)
	for action, want := range map[string]int{"vo.member.add": 3, "vo.member.change": 1, "vo.member.remove": 1} {
		if n := strings.Count(records, action); n != want {
			t.Errorf("%d records of %s, want %d", n, action, want)
		}
	}
	for _, s := range []*site{g.site, two} {
		if strings.Contains(s.log.String(), "level=ERROR") {
			t.Error("a server failed to import")
		}
	}
}
