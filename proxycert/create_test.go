package proxycert_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/proxycert"
)

// TestProxiesAreThoseOfTheCTools makes each proxy of the C client anew, from the same key and the
// same times. RSA signatures have no randomness, so every byte must be the same.
func TestProxiesAreThoseOfTheCTools(t *testing.T) {
	for name, want := range map[string]struct {
		user string
		t    proxycert.Template
	}{
		"g01-c-plain":            {"ada", proxycert.Template{}},
		"g03-c-legacy":           {"ada", proxycert.Template{Kind: proxycert.Legacy}},
		"g05-c-draft":            {"ada", proxycert.Template{Kind: proxycert.Draft}},
		"g07-c-voms":             {"ada", proxycert.Template{}},
		"g09-c-voms-two":         {"ada", proxycert.Template{}},
		"g11-c-voms-legacy":      {"ada", proxycert.Template{Kind: proxycert.Legacy}},
		"g13-c-bits4096":         {"ada", proxycert.Template{}},
		"g15-c-email":            {"uma", proxycert.Template{}},
		"g17-c-robot":            {"robot", proxycert.Template{}},
		"g19-c-bob-nonrep":       {"bob", proxycert.Template{}},
		"g21-fake-ga":            {"ada", proxycert.Template{PathLength: new(1)}}, // voms-proxy-fake's default
		"g23-fake-expired-proxy": {"ada", proxycert.Template{PathLength: new(1)}},
	} {
		theirs := parse(t, fixtures+"golden/"+name+".pem")
		leaf := theirs.Chain[0]
		want.t.NotBefore, want.t.NotAfter, want.t.Attributes = leaf.NotBefore, leaf.NotAfter, proxycert.Extension(leaf)
		ours, err := proxycert.Create(user(t, want.user), leaf.PublicKey, want.t)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !bytes.Equal(ours, leaf.Raw) {
			at := 0
			for at < min(len(ours), len(leaf.Raw)) && ours[at] == leaf.Raw[at] {
				at++
			}
			t.Errorf("%s: %d bytes, theirs %d; the first that differs is %d", name, len(ours), len(leaf.Raw), at)
		}
	}
}

// TestFilesAreThoseOfTheCTools writes what was read: order and encodings stay.
func TestFilesAreThoseOfTheCTools(t *testing.T) {
	for _, name := range []string{"g01-c-plain", "g03-c-legacy", "g09-c-voms-two"} {
		want := read(t, fixtures+"golden/"+name+".pem")
		if got, err := parse(t, fixtures+"golden/"+name+".pem").PEM(); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, err, got, want)
		}
	}
}

func TestNewProxiesVerify(t *testing.T) {
	k := keys()
	ec := ecKey(t, elliptic.P256())
	generic := []byte("only on Sundays")
	for name, want := range map[string]struct {
		issuer proxycert.Credential
		key    crypto.Signer
		t      proxycert.Template
		info   proxycert.Info
	}{
		"full":              {user(t, "ada"), k[0], day(), proxycert.Info{Kind: proxycert.RFC, Language: proxycert.LanguageInheritAll}},
		"EC key":            {user(t, "ada"), ec, day(), proxycert.Info{Kind: proxycert.RFC, Language: proxycert.LanguageInheritAll}},
		"EC issuer":         {user(t, "ecuser"), k[0], day(), proxycert.Info{Kind: proxycert.RFC, Language: proxycert.LanguageInheritAll}},
		"no extensions":     {user(t, "bare"), k[0], day(), proxycert.Info{Kind: proxycert.RFC, Language: proxycert.LanguageInheritAll}},
		"below a sub-CA":    {user(t, "sam"), k[0], day(), proxycert.Info{Kind: proxycert.RFC, Language: proxycert.LanguageInheritAll}},
		"UTF-8":             {user(t, "zoe"), k[0], day(), proxycert.Info{Kind: proxycert.RFC, Language: proxycert.LanguageInheritAll}},
		"UID":               {user(t, "uid"), k[0], day(), proxycert.Info{Kind: proxycert.RFC, Language: proxycert.LanguageInheritAll}},
		"limited":           {user(t, "ada"), k[0], with(func(t *proxycert.Template) { t.Limited = true }), proxycert.Info{Kind: proxycert.RFC, Limited: true, Language: proxycert.LanguageLimited}},
		"path length 0":     {user(t, "ada"), k[0], with(func(t *proxycert.Template) { t.PathLength = new(0) }), proxycert.Info{Kind: proxycert.RFC, Language: proxycert.LanguageInheritAll, PathLength: new(0)}},
		"path length 300":   {user(t, "ada"), k[0], with(func(t *proxycert.Template) { t.PathLength = new(300) }), proxycert.Info{Kind: proxycert.RFC, Language: proxycert.LanguageInheritAll, PathLength: new(300)}},
		"independent":       {user(t, "ada"), k[0], with(func(t *proxycert.Template) { t.Independent = true }), proxycert.Info{Kind: proxycert.RFC, Language: proxycert.LanguageIndependent}},
		"policy":            {user(t, "ada"), k[0], with(func(t *proxycert.Template) { t.Language, t.Policy = proxycert.LanguageGeneric, generic }), proxycert.Info{Kind: proxycert.RFC, Language: proxycert.LanguageGeneric, Policy: generic}},
		"legacy":            {user(t, "ada"), k[0], with(func(t *proxycert.Template) { t.Kind = proxycert.Legacy }), proxycert.Info{Kind: proxycert.Legacy, Name: "proxy"}},
		"legacy limited":    {user(t, "ada"), k[0], with(func(t *proxycert.Template) { t.Kind, t.Limited = proxycert.Legacy, true }), proxycert.Info{Kind: proxycert.Legacy, Limited: true, Name: "limited proxy"}},
		"draft path length": {user(t, "ada"), k[0], with(func(t *proxycert.Template) { t.Kind, t.PathLength = proxycert.Draft, new(1) }), proxycert.Info{Kind: proxycert.Draft, Language: proxycert.LanguageInheritAll, PathLength: new(1)}},
	} {
		c, err := proxycert.New(want.issuer, want.key, want.t)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		info := inspect(t, c.Chain[0])
		if want.info.Name == "" {
			want.info.Name = c.Chain[0].SerialNumber.String()
		}
		if !sameInfo(info, want.info) {
			t.Errorf("%s: %+v, want %+v", name, info, want.info)
		}
		v := verifier(t)
		v.AllowLegacy, v.AllowDraft, v.AllowIndependent = true, true, true
		r, err := v.Verify(c.Chain)
		if err != nil || r.Identity != want.issuer.Identity() || r.Limited != info.Limited || !r.ExpiresAt.Equal(want.t.NotAfter) ||
			r.Independent != (name == "independent" || name == "policy") {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		file, err := c.PEM()
		if err != nil {
			t.Fatal(err)
		}
		back, err := proxycert.Parse(file, nil)
		if err != nil || !back.Chain[0].Equal(c.Chain[0]) || len(back.Chain) != 2 || back.Key == nil {
			t.Errorf("%s: read back %+v, %v", name, back, err)
		}
	}
}

func sameInfo(a, b proxycert.Info) bool {
	return a.Kind == b.Kind && a.Limited == b.Limited && a.Language.Equal(b.Language) && bytes.Equal(a.Policy, b.Policy) && a.Name == b.Name &&
		(a.PathLength == nil) == (b.PathLength == nil) && (a.PathLength == nil || *a.PathLength == *b.PathLength)
}

// TestProxiesOfProxies walks the rules that come from above: kind and limits stay.
func TestProxiesOfProxies(t *testing.T) {
	k := keys()
	v := verifier(t)
	v.AllowLegacy, v.AllowDraft = true, true
	for _, kind := range []proxycert.Kind{proxycert.Legacy, proxycert.Draft, proxycert.RFC} {
		first := makeProxy(t, user(t, "ada"), k[0], with(func(t *proxycert.Template) { t.Kind = kind }))
		limited := makeProxy(t, first, k[1], with(func(t *proxycert.Template) { t.Limited = true }))
		below := makeProxy(t, limited, k[2], day())
		r, err := v.Verify(below.Chain)
		if err != nil || r.Kind != kind || !r.Limited || len(r.Chain) != 4 || !below.Limited() || !inspect(t, below.Chain[0]).Limited {
			t.Errorf("%s: %+v, %v", kind, r, err)
		}
		if r, err := v.Verify(first.Chain); err != nil || r.Limited || first.Limited() {
			t.Errorf("%s: a full proxy is limited: %+v, %v", kind, r, err)
		}
	}
}

func TestProxiesEndWithTheirIssuer(t *testing.T) {
	k := keys()
	ada := user(t, "ada")
	long := makeProxy(t, ada, k[0], with(func(t *proxycert.Template) { t.NotAfter = now.AddDate(100, 0, 0) }))
	if got, want := long.NotAfter(), ada.Chain[0].NotAfter; !got.Equal(want) || !long.Chain[0].NotAfter.Equal(want) {
		t.Errorf("the proxy ends at %s, its issuer at %s", long.Chain[0].NotAfter, want)
	}
	short := makeProxy(t, ada, k[0], day())
	below := makeProxy(t, short, k[1], with(func(t *proxycert.Template) { t.NotAfter = now.Add(24 * time.Hour) }))
	if got, want := below.Chain[0].NotAfter, now.Add(12*time.Hour); !got.Equal(want) {
		t.Errorf("the second proxy ends at %s, the first at %s", got, want)
	}
	tmpl := with(func(t *proxycert.Template) { t.NotBefore, t.NotAfter = now.Add(13*time.Hour), now.Add(14*time.Hour) })
	if _, err := proxycert.New(short, k[1], tmpl); reason(t, err) != proxycert.Expired {
		t.Errorf("a proxy of an expired proxy: %v", err)
	}
}

func TestSignatureHashFollowsTheIssuer(t *testing.T) {
	k := keys()
	ca := user(t, "fxca")
	for like, want := range map[x509.SignatureAlgorithm]x509.SignatureAlgorithm{
		x509.SHA1WithRSA: x509.SHA256WithRSA, x509.SHA256WithRSA: x509.SHA256WithRSA, x509.SHA384WithRSA: x509.SHA384WithRSA,
		x509.SHA512WithRSA: x509.SHA512WithRSA, x509.SHA512WithRSAPSS: x509.SHA512WithRSA,
	} {
		eec := forge(t, ca, k[0], x509.Certificate{SignatureAlgorithm: like, RawSubject: user(t, "ada").Chain[0].RawSubject})
		c := makeProxy(t, proxycert.Credential{Chain: eec.Chain[:1], Key: k[0]}, k[1], day())
		if got := c.Chain[0].SignatureAlgorithm; got != want {
			t.Errorf("below %s: %s, want %s", like, got, want)
		}
		if err := c.Chain[1].CheckSignature(want, c.Chain[0].RawTBSCertificate, c.Chain[0].Signature); err != nil {
			t.Error(err)
		}
	}
	eec := forge(t, ca, ecKey(t, elliptic.P384()), x509.Certificate{SignatureAlgorithm: x509.SHA384WithRSA, RawSubject: user(t, "ada").Chain[0].RawSubject})
	c := makeProxy(t, proxycert.Credential{Chain: eec.Chain[:1], Key: eec.Key}, k[1], day())
	if got := c.Chain[0].SignatureAlgorithm; got != x509.ECDSAWithSHA384 || c.Chain[1].CheckSignature(got, c.Chain[0].RawTBSCertificate, c.Chain[0].Signature) != nil {
		t.Errorf("%s below P-384", got)
	}
}

// TestTimesBeyond2049 has the issuer of the one case in which a proxy is not in UTCTime.
func TestTimesBeyond2049(t *testing.T) {
	eec := forge(t, user(t, "fxca"), keys()[0], x509.Certificate{RawSubject: user(t, "ada").Chain[0].RawSubject,
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(40, 0, 0)})
	eec.Chain = eec.Chain[:1]
	for end, general := range map[time.Time]bool{
		time.Date(2049, 12, 31, 23, 59, 59, 0, time.UTC): false,
		time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC):      true,
	} {
		c := makeProxy(t, eec, keys()[1], with(func(t *proxycert.Template) { t.NotAfter = end }))
		if got := bytes.Contains(c.Chain[0].RawTBSCertificate, []byte("20500101000000Z")); got != general || !c.Chain[0].NotAfter.Equal(end) {
			t.Errorf("%s: GeneralizedTime %t, ends %s", end, got, c.Chain[0].NotAfter)
		}
	}
}

func TestCreateRefuses(t *testing.T) {
	k := keys()
	ada := user(t, "ada")
	proxy := func(issuer proxycert.Credential, change func(*proxycert.Template)) proxycert.Credential {
		return makeProxy(t, issuer, k[0], with(change))
	}
	none := func(*proxycert.Template) {}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	otherKey := proxycert.Credential{Chain: ada.Chain, Key: k[2]}
	noSignature := forge(t, ada, k[0], x509.Certificate{ExtraExtensions: []pkix.Extension{pci(inheritAll), {Id: keyUsageID, Critical: true, Value: []byte{3, 2, 5, 0x20}}}})
	for name, c := range map[string]struct {
		issuer proxycert.Credential
		change func(*proxycert.Template)
		want   proxycert.Reason // "" for an error about the template
	}{
		"below path length 0":        {proxy(ada, func(t *proxycert.Template) { t.PathLength = new(0) }), none, proxycert.PathLength},
		"below path length 1, twice": {proxy(proxy(ada, func(t *proxycert.Template) { t.PathLength = new(1) }), none), none, proxycert.PathLength},
		"RFC below legacy":           {proxy(ada, func(t *proxycert.Template) { t.Kind = proxycert.Legacy }), func(t *proxycert.Template) { t.Kind = proxycert.RFC }, proxycert.MixedKinds},
		"legacy below RFC":           {proxy(ada, none), func(t *proxycert.Template) { t.Kind = proxycert.Legacy }, proxycert.MixedKinds},
		"independent below limited":  {proxy(ada, func(t *proxycert.Template) { t.Limited = true }), func(t *proxycert.Template) { t.Independent = true }, proxycert.Unlimited},
		"policy below limited":       {proxy(ada, func(t *proxycert.Template) { t.Limited = true }), func(t *proxycert.Template) { t.Language = proxycert.LanguageAny }, proxycert.Unlimited},
		"without digitalSignature":   {noSignature, none, proxycert.KeyUsage},
		"by an authority":            {user(t, "fxca"), none, proxycert.Constraint},
		"with another key":           {otherKey, none, proxycert.KeyMismatch},
		"without a key":              {proxycert.Credential{Chain: ada.Chain}, none, proxycert.KeyMismatch},
		"without a certificate":      {proxycert.Credential{Key: k[0]}, none, proxycert.Incomplete},
		"from an expired one":        {user(t, "expired"), none, proxycert.Expired},
		"two kinds of limits":        {ada, func(t *proxycert.Template) { t.Limited, t.Independent = true, true }, ""},
		"limited under a language":   {ada, func(t *proxycert.Template) { t.Limited, t.Language = true, proxycert.LanguageAny }, ""},
		"below a mixed chain":        {forge(t, proxy(ada, func(t *proxycert.Template) { t.Kind = proxycert.Legacy }), k[0], x509.Certificate{ExtraExtensions: []pkix.Extension{usage, pci(inheritAll)}}), none, proxycert.MixedKinds},
		"inherit-all with a policy":  {ada, func(t *proxycert.Template) { t.Language, t.Policy = proxycert.LanguageInheritAll, []byte("x") }, ""},
		"policy without language":    {ada, func(t *proxycert.Template) { t.Policy = []byte("x") }, ""},
		"negative path length":       {ada, func(t *proxycert.Template) { t.PathLength = new(-1) }, ""},
		"legacy with path length":    {ada, func(t *proxycert.Template) { t.Kind, t.PathLength = proxycert.Legacy, new(1) }, ""},
		"end before beginning":       {ada, func(t *proxycert.Template) { t.NotAfter = t.NotBefore }, ""},
		"no times":                   {ada, func(t *proxycert.Template) { *t = proxycert.Template{} }, ""},
		"an extension twice":         {ada, func(t *proxycert.Template) { t.Extra = []pkix.Extension{pci(inheritAll)} }, ""},
	} {
		got, err := proxycert.New(c.issuer, k[1], with(c.change))
		if _, typed := errors.AsType[*proxycert.Error](err); err == nil || got.Chain != nil || got.Key != nil || typed != (c.want != "") || typed && reason(t, err) != c.want {
			t.Errorf("%s: %v, %v; want %q", name, got.Chain, err, c.want)
		}
	}
	weakEC := ecKey(t, elliptic.P224())
	if _, err := proxycert.Create(ada, weakEC.Public(), day()); reason(t, err) != proxycert.Algorithm {
		t.Errorf("P-224: %v", err)
	}
	ed, _, err := ed25519.GenerateKey(rand.Reader)
	if _, wrong := proxycert.Create(ada, ed, day()); err != nil || reason(t, wrong) != proxycert.Algorithm {
		t.Errorf("Ed25519, which no grid tool reads: %v, %v", err, wrong)
	}
	if _, err := proxycert.Create(ada, weak.Public(), day()); err != nil {
		t.Errorf("RSA 1024, which old services still need: %v", err)
	}
	if _, err := proxycert.New(ada, nil, day()); err == nil {
		t.Error("a proxy without a key was made")
	}
}

func TestExtraExtensionsFollowTheAttributes(t *testing.T) {
	include := asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 8005, 100, 100, 2}
	c := makeProxy(t, user(t, "ada"), keys()[0], with(func(t *proxycert.Template) {
		t.Attributes, t.Extra = []byte{0x30, 2, 0x30, 0}, []pkix.Extension{{Id: include, Value: []byte("hello\n")}}
	}))
	e := c.Chain[0].Extensions
	if len(e) != 6 || !bytes.Equal(proxycert.Extension(c.Chain[0]), []byte{0x30, 2, 0x30, 0}) || e[0].Critical || !e[1].Id.Equal(include) || !e[2].Id.Equal(keyUsageID) {
		t.Errorf("extensions %v", e)
	}
	if got := proxycert.Extension(c.Chain[1]); got != nil {
		t.Errorf("a certificate without attributes has %x", got)
	}
}
