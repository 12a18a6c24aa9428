package voms_test

import (
	"crypto"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/dn"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
	"github.com/lanyardhq/lanyard/proxycert/trust"
	"github.com/lanyardhq/lanyard/voms"
)

const (
	fixtures = "../testdata/voms"
	vomsdir  = fixtures + "/pki/vomsdir"
	cadir    = fixtures + "/pki/certificates"
)

// today is when the verdicts in the tables of the fixtures hold.
var today = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// certificate returns a certificate of the fixtures, such as "ada", and its key.
func certificate(t testing.TB, name string) (*x509.Certificate, crypto.Signer) {
	t.Helper()
	path := filepath.Join(fixtures, "pki/certs", name)
	certs, err := keyfile.Certificates(read(t, path+".pem"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := keyfile.Key(read(t, path+".key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return certs[0], key
}

// proxy returns a proxy of the fixtures, such as "golden/g01-c-plain".
func proxy(t testing.TB, name string) proxycert.Credential {
	t.Helper()
	c, err := proxycert.Parse(read(t, filepath.Join(fixtures, name+".pem")), nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// only returns the one AC of a proxy of the fixtures.
func only(t testing.TB, name string) *voms.AC {
	t.Helper()
	all, err := voms.FromChain(proxy(t, name).Chain)
	if err != nil || len(all) != 1 || all[0].Err != nil {
		t.Fatalf("%s: got %v, %v, want one AC", name, all, err)
	}
	return all[0].AC
}

func verifier(t testing.TB) voms.Verifier {
	t.Helper()
	store, err := trust.Load(cadir)
	if err != nil {
		t.Fatal(err)
	}
	return voms.Verifier{Trust: store, Anchors: voms.Anchors{Dir: vomsdir}, At: today}
}

// reason returns the reason of an error of this package, "" for nil.
func reason(t testing.TB, err error) voms.Reason {
	t.Helper()
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*voms.Error](err)
	if !ok {
		t.Fatalf("%v is no *voms.Error", err)
	}
	return e.Reason
}

// rows returns a table of the fixtures, without its head.
func rows(t testing.TB, path string) [][]string {
	t.Helper()
	var table [][]string
	for line := range strings.Lines(string(read(t, filepath.Join(fixtures, path)))) {
		table = append(table, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return table[1:]
}

// reasons are those for which the ACs of the fixtures are refused, in order. None: it has no AC.
var reasons = map[string][]voms.Reason{
	"v01-ac-basic":                         {""},
	"v03-ac-generic":                       {""},
	"v05-ac-in-middle":                     {""},
	"v07-aa-chain2":                        {""},
	"v09-target-noncritical":               {voms.Target},
	"v11-ac-sha1":                          {voms.Algorithm},
	"v13-ec-aa":                            {""},
	"v15-no-fqan":                          {voms.FQANs},
	"v17-email-holder":                     {""},
	"v19-multi-chain-lsc":                  {""},
	"v21-holder-proxy-serial-same-subject": {voms.HolderMismatch},
	"x02-ac-future":                        {voms.NotYetValid},
	"x04-fqan-tampered":                    {voms.Signature},
	"x06-holder-dn-wrong":                  {voms.HolderMismatch},
	"x08-self-issued":                      {voms.AnchorMismatch},
	"x10-other-ca-same-cn":                 {voms.AnchorMismatch},
	"x12-aa-revoked":                       {voms.Authority},
	"x14-no-lsc-for-host":                  {voms.NoAnchor},
	"x16-fqan-of-other-vo":                 {voms.FQANs},
	"x18-no-norevavail":                    {voms.Extensions},
	"x20-bad-aki":                          {voms.IssuerMismatch},
	"x22-unknown-noncritical":              {""},
	"x24-issuer-name-mismatch":             {voms.IssuerMismatch},
	"x26-extra-cert-in-chain":              {voms.AnchorMismatch},
	"x28-policyauthority-no-port":          {voms.Malformed},
	"x30-fqan-utf8string":                  {voms.Malformed},
	"x32-two-ietfattr":                     {voms.Malformed},
	"x34-version-v1":                       {voms.Version},
	"x36-holder-entityname":                {voms.Malformed},
	"x38-no-attributes":                    {voms.Malformed},
	"x40-second-ac-bad":                    {"", voms.Signature},
	"x42-critical-aki":                     {voms.Extensions},
	"x44-acseq-empty":                      {voms.Malformed}, // the list itself
	"x46-acs-critical":                     {""},
	"x48-newline-in-fqan":                  {voms.Malformed},
	"x50-ac-in-eec-chain-of-other":         {voms.HolderMismatch},

	"g07-c-voms":             {""},
	"g09-c-voms-two":         {"", ""},
	"g11-c-voms-legacy":      {""},
	"g13-c-bits4096":         {""},
	"g15-c-email":            {""},
	"g17-c-robot":            {""},
	"g19-c-bob-nonrep":       {""},
	"g21-fake-ga":            {""},
	"g23-fake-expired-proxy": {voms.Expired},
	"g25-fake-wrong-vo-fqan": {voms.FQANs},
	"g33-tampered-fqan":      {voms.Signature},
	"g42-j-voms-role":        {""},
	"g48-j-noregen-depth2":   {""},
}

// verdicts returns the reason for each AC of a file.
func verdicts(t *testing.T, v voms.Verifier, name string) []voms.Reason {
	t.Helper()
	c := proxy(t, name)
	all, err := voms.FromChain(c.Chain)
	if err != nil {
		return []voms.Reason{reason(t, err)}
	}
	var got []voms.Reason
	for _, one := range all {
		if one.Err == nil {
			one.Err = v.Verify(one.AC, c.EndEntity())
		}
		got = append(got, reason(t, one.Err))
	}
	return got
}

// TestHostile holds every attribute certificate that strangers might send against the verdict
// that the fixtures want.
func TestHostile(t *testing.T) {
	v := verifier(t)
	for _, row := range rows(t, "hostile/INDEX.tsv") {
		name, wanted := row[0], row[1]
		if name[0] != 'v' && name[0] != 'x' {
			continue // these have no AC: TestNoAC
		}
		t.Run(name, func(t *testing.T) {
			want, ok := reasons[name]
			if !ok {
				t.Fatal("the table has no row for this file")
			}
			refused := slices.ContainsFunc(want, func(r voms.Reason) bool { return r != "" })
			if wanted == "accept" && refused || wanted == "reject" && !refused {
				t.Fatalf("the table wants %q, the fixtures %s", want, wanted)
			}
			if got := verdicts(t, v, "hostile/"+name); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q (%s)", got, want, row[2])
			}
		})
	}
}

func TestNoAC(t *testing.T) {
	for _, index := range []string{"golden", "hostile"} {
		for _, row := range rows(t, index+"/INDEX.tsv") {
			if _, has := reasons[row[0]]; has {
				continue
			}
			c, err := proxycert.Parse(read(t, filepath.Join(fixtures, index, row[0]+".pem")), nil)
			if err != nil {
				continue // no proxy at all; proxycert has a table of these
			}
			if all, err := voms.FromChain(c.Chain); all != nil || err != nil {
				t.Errorf("%s: got %v, %v, want no AC and no error", row[0], all, err)
			}
		}
	}
}

// TestHostilePolicies holds the verdicts that the operator's settings decide.
func TestHostilePolicies(t *testing.T) {
	v := verifier(t)
	v.Options.AllowSHA1 = true
	if got := verdicts(t, v, "hostile/v11-ac-sha1"); !slices.Equal(got, []voms.Reason{""}) {
		t.Errorf("SHA-1 where it is allowed: got %q", got)
	}
	v = verifier(t)
	v.Hosts = []string{"elsewhere.test"}
	if got := verdicts(t, v, "hostile/v09-target-noncritical"); !slices.Equal(got, []voms.Reason{""}) {
		t.Errorf("on the target host: got %q", got)
	}
}

// block is what the field's tools show of an AC.
type block struct{ vo, subject, issuer, uri, attributes string }

// blocks reads the output of voms-proxy-info -all.
func blocks(text string) []block {
	var all []block
	for line := range strings.Lines(text) {
		label, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " : ")
		if strings.HasPrefix(label, "=== VO ") {
			all = append(all, block{})
		}
		if len(all) == 0 {
			continue
		}
		last := &all[len(all)-1]
		switch strings.TrimSpace(label) {
		case "VO":
			last.vo = value
		case "subject":
			last.subject = value
		case "issuer":
			last.issuer = value
		case "uri":
			last.uri = value
		case "attribute":
			last.attributes += value + "\n"
		}
	}
	return all
}

// TestGolden reads the ACs that the field's own servers and tools made as those tools read them.
func TestGolden(t *testing.T) {
	v := verifier(t)
	for _, row := range rows(t, "golden/INDEX.tsv") {
		name := row[0]
		want, ok := reasons[name]
		if !ok {
			continue
		}
		t.Run(name, func(t *testing.T) {
			if got := verdicts(t, v, "golden/"+name); !slices.Equal(got, want) {
				t.Errorf("verdict: got %q, want %q", got, want)
			}
			all, err := voms.FromChain(proxy(t, "golden/"+name).Chain)
			if err != nil {
				t.Fatal(err)
			}
			compared := 0
			for _, tool := range []string{"c", "java"} {
				shown := blocks(string(read(t, filepath.Join(fixtures, "golden", name+"."+tool+"-all.txt"))))
				if len(shown) == 0 {
					continue // the C tool shows none that it refuses
				}
				compare(t, tool, all, shown)
				compared++
			}
			if compared == 0 {
				t.Error("no tool shows an AC of this file")
			}
		})
	}
}

func compare(t *testing.T, tool string, all []voms.Parsed, shown []block) {
	t.Helper()
	if len(shown) != len(all) {
		t.Fatalf("%s shows %d ACs, we %d", tool, len(shown), len(all))
	}
	for i, b := range shown {
		ac := all[i].AC
		var attributes strings.Builder
		for _, fqan := range ac.FQANs {
			attributes.WriteString(fqan + "\n")
		}
		for _, a := range ac.Attributes {
			attributes.WriteString(a.String() + "\n")
		}
		if got := attributes.String(); got != b.attributes {
			t.Errorf("attributes:\n%s\n%s has\n%s", got, tool, b.attributes)
		}
		if ac.VO != b.vo || ac.URI() != b.uri {
			t.Errorf("got VO %s at %s, %s has %s at %s", ac.VO, ac.URI(), tool, b.vo, b.uri)
		}
		for _, names := range [][2]string{{ac.Holder.Name, b.subject}, {ac.Issuer, b.issuer}} {
			ours, err1 := dn.Parse(names[0])
			theirs, err2 := dn.Parse(names[1])
			if err1 != nil || err2 != nil || !ours.Equal(theirs) {
				t.Errorf("got the name %s, %s has %s", names[0], tool, names[1])
			}
		}
	}
}
