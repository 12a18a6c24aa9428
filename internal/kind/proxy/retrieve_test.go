package proxy_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/kind/proxy"
	"github.com/lanyardhq/lanyard/internal/kind/proxy/gridtest"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/voms"
)

// delegated is a delegation that ann completed until end.
func (w *world) delegated(ann proxycert.Credential, end time.Time, vos ...material.VO) thing {
	w.t.Helper()
	x := w.make(proxy.Wanted{Way: proxy.Delegation, VOMS: vos}, proxy.Secret{})
	w.check(w.complete(&x, w.grid.Answer(ann, w.seen(x).Request, proxycert.Template{NotAfter: end})))
	return x
}

func TestDelegation(t *testing.T) {
	w := newWorld(t)
	ann := w.grid.Person("Ann", 300*hour)
	x := w.make(proxy.Wanted{Way: proxy.Delegation, VOMS: vo("climate", "/climate/Role=production")}, proxy.Secret{})
	if x.Status != credential.Intended {
		t.Errorf("a delegation begins %s", x.Status)
	}
	if s := w.spec(x); s.Identity != "" || s.KeyPlace != proxy.AtServer || !s.ChainExpiresAt.IsZero() {
		t.Errorf("it begins as %+v", s)
	}
	request := w.seen(x).Request
	w.check(w.complete(&x, w.grid.Answer(ann, request, proxycert.Template{NotAfter: start.Add(100 * hour)})))
	s := w.spec(x)
	if s.Identity != "/DC=test/CN=Ann" || s.Issuer != "/DC=test/CN=Test CA" || !s.ChainExpiresAt.Equal(start.Add(100*hour)) || !x.ExpiresAt.Equal(s.ChainExpiresAt) {
		t.Errorf("it became %+v until %s", s, x.ExpiresAt)
	}
	if whose := w.grid.LinkedTo("/DC=test/CN=Ann"); whose != "usr_ann" {
		t.Errorf("the certificate is linked to %q", whose)
	}

	// Renewed by the same request, for longer.
	w.now = w.now.Add(50 * hour)
	if again := w.seen(x).Request; again != request {
		t.Error("the request changed")
	}
	w.check(w.complete(&x, w.grid.Answer(ann, request, proxycert.Template{NotAfter: start.Add(160 * hour)})))
	if s := w.spec(x); !s.ChainExpiresAt.Equal(start.Add(160*hour)) || !cmp.Equal(s.VOMS, vo("climate", "/climate/Role=production")) {
		t.Errorf("renewed, it is %+v", s)
	}
}

func TestAnswersThatAreRefused(t *testing.T) {
	w := newWorld(t)
	ann, ben := w.grid.Person("Ann", 300*hour), w.grid.Person("Ben", 300*hour)
	other := gridtest.New(t, func() time.Time { return start })
	sign := func(request string, c proxycert.Credential, tmpl proxycert.Template) string {
		return w.grid.Answer(c, request, tmpl)
	}
	for name, tc := range map[string]struct {
		renewal bool
		answer  func(request string) string
		text    string
	}{
		"nothing":       {false, func(string) string { return "" }, "cannot be read"},
		"rubbish":       {false, func(string) string { return "rubbish" }, "cannot be read"},
		"too much":      {false, func(string) string { return strings.Repeat("x", 2<<20) }, "1 MiB"},
		"the request":   {false, func(r string) string { return r }, ""},
		"a private key": {false, func(r string) string { return sign(r, ann, proxycert.Template{}) + keyOf(w, ann).Reveal() }, "private key in the answer"},
		"for another request": {false, func(string) string {
			r, _ := w.grid.Request()
			return sign(r, ann, proxycert.Template{})
		}, "does not belong"},
		"without what issued it": {false, func(r string) string {
			first, _, _ := strings.Cut(sign(r, ann, proxycert.Template{}), "-----END CERTIFICATE-----\n")
			return first + "-----END CERTIFICATE-----\n"
		}, "incomplete"},
		"by a stranger's authority": {false, func(r string) string { return other.Answer(other.Person("Ann", 300*hour), r, proxycert.Template{}) }, "signature"},
		"expired": {false, func(r string) string {
			return sign(r, ann, proxycert.Template{NotBefore: start.Add(-2 * hour), NotAfter: start.Add(-hour)})
		}, "expired"},
		"without room below": {false, func(r string) string { return sign(r, ann, proxycert.Template{PathLength: new(int)}) }, "no further proxies"},
		"of somebody else":   {true, func(r string) string { return sign(r, ben, proxycert.Template{NotAfter: start.Add(200 * hour)}) }, "/CN=Ben"},
		"that ends earlier":  {true, func(r string) string { return sign(r, ann, proxycert.Template{NotAfter: start.Add(10 * hour)}) }, "before the one that is held"},
	} {
		x := w.make(proxy.Wanted{Way: proxy.Delegation}, proxy.Secret{})
		request := w.seen(x).Request
		if tc.renewal {
			w.check(w.complete(&x, sign(request, ann, proxycert.Template{NotAfter: start.Add(100 * hour)})))
		}
		refused(t, name, w.complete(&x, tc.answer(request)), fault.Invalid, tc.text)
	}
	up := w.make(proxy.Wanted{Way: proxy.Upload}, proxy.Secret{Chain: material.Secret(w.grid.PEM(w.grid.Proxy(ann, proxycert.Template{})))})
	refused(t, "an upload", w.complete(&up, "x"), fault.Invalid, "waits for no chain")
}

func TestACertificateOfSomebodyElseIsNotLinked(t *testing.T) {
	w := newWorld(t)
	w.check(w.grid.Link(t.Context(), "usr_ben", "/DC=test/CN=Ann", ""))
	w.delegated(w.grid.Person("Ann", 300*hour), start.Add(100*hour))
	if whose := w.grid.LinkedTo("/DC=test/CN=Ann"); whose != "usr_ben" {
		t.Errorf("it is linked to %q now", whose)
	}
	broken := errors.New("no database")
	w.Link = func(context.Context, string, string, string) error { return broken }
	x := w.make(proxy.Wanted{Way: proxy.Delegation}, proxy.Secret{})
	if err := w.complete(&x, w.grid.Answer(w.grid.Person("Eve", hour), w.seen(x).Request, proxycert.Template{})); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

func TestFreshProxies(t *testing.T) {
	w := newWorld(t)
	ann := w.grid.Person("Ann", 300*hour)
	x := w.delegated(ann, start.Add(100*hour), vo("climate", "/climate/Role=production", "/climate")...)
	for name, tc := range map[string]struct {
		at    time.Duration
		wish  proxy.Wish
		life  time.Duration
		want  time.Duration // from start
		fqans []string
	}{
		"as usual":           {0, proxy.Wish{}, 0, 12 * hour, []string{"/climate/Role=production", "/climate"}},
		"for an hour":        {0, proxy.Wish{}, hour, hour, []string{"/climate/Role=production", "/climate"}},
		"for long":           {0, proxy.Wish{}, 90 * hour, 90 * hour, []string{"/climate/Role=production", "/climate"}},
		"for too long":       {0, proxy.Wish{}, 1000 * hour, 100 * hour, []string{"/climate/Role=production", "/climate"}},
		"near the end":       {95 * hour, proxy.Wish{}, 0, 100 * hour, []string{"/climate/Role=production", "/climate"}},
		"fewer attributes":   {0, proxy.Wish{VOMS: vo("climate", "/climate")}, 0, 12 * hour, []string{"/climate"}},
		"the VO, no details": {0, proxy.Wish{VOMS: vo("climate")}, 0, 12 * hour, []string{"/climate/Role=production", "/climate"}},
		"limited":            {0, proxy.Wish{Limited: true}, 0, 12 * hour, []string{"/climate/Role=production", "/climate"}},
	} {
		w.now = start.Add(tc.at)
		m, err := w.fetch(x, tc.wish, tc.life)
		w.check(err)
		c, r := w.judged(m.X509.PEM)
		if !m.ExpiresAt.Equal(start.Add(tc.want)) || !r.ExpiresAt.Equal(m.ExpiresAt) {
			t.Errorf("%s: ends at %s, want %s", name, m.ExpiresAt, start.Add(tc.want))
		}
		if c.Key == nil || len(c.Chain) != 3 || r.Identity != "/DC=test/CN=Ann" || r.Limited != tc.wish.Limited || m.X509.Limited != r.Limited {
			t.Errorf("%s: a chain of %d for %s, limited is %t", name, len(c.Chain), r.Identity, r.Limited)
		}
		if !cmp.Equal(m.X509.VOs, vo("climate", tc.fqans...)) || m.X509.AttributesExpireAt.IsZero() || !cmp.Equal(m.X509.Warnings, []string{"be quick"}) {
			t.Errorf("%s: says %v until %s, %q", name, m.X509.VOs, m.X509.AttributesExpireAt, m.X509.Warnings)
		}
		w.holds(name, r, tc.fqans)
	}
	w.now = start
	one, err := w.fetch(x, proxy.Wish{}, 0)
	w.check(err)
	two, err := w.fetch(x, proxy.Wish{}, 0)
	w.check(err)
	if one.X509.Subject == two.X509.Subject {
		t.Error("two proxies share a key")
	}
}

// holds checks that a verified chain carries attributes that count.
func (w *world) holds(name string, r proxycert.Result, fqans []string) {
	w.t.Helper()
	parsed, err := voms.FromChain(r.Chain)
	w.check(err)
	store, err := w.grid.Trust()
	w.check(err)
	if len(parsed) != 1 || parsed[0].Err != nil {
		w.t.Fatalf("%s: attributes %v", name, parsed)
	}
	v := voms.Verifier{Trust: store, Anchors: w.grid.Anchors(), At: w.now}
	if err := v.Verify(parsed[0].AC, r.EndEntity); err != nil || !cmp.Equal(parsed[0].AC.FQANs, fqans) {
		w.t.Errorf("%s: %v, %v", name, parsed[0].AC.FQANs, err)
	}
}

func TestAKeyOfTheAskers(t *testing.T) {
	w := newWorld(t)
	ann := w.grid.Person("Ann", 300*hour)
	attributes := w.grid.Extension(ann, "climate", 10*hour, "/climate")
	for name, x := range map[string]thing{
		"delegation": w.delegated(ann, start.Add(100*hour), vo("climate")...),
		"upload":     w.make(proxy.Wanted{Way: proxy.Upload}, proxy.Secret{Chain: material.Secret(w.grid.PEM(w.grid.Proxy(ann, proxycert.Template{Attributes: attributes})))}),
	} {
		request, key := w.grid.Request()
		m, err := w.fetch(x, proxy.Wish{Request: request}, 0)
		w.check(err)
		if n, keys := gridtest.Certificates(m.X509.PEM.Reveal()); n != 3 || keys != 0 {
			t.Errorf("%s: %d certificates and %d keys", name, n, keys)
		}
		c, r := w.judged(m.X509.PEM)
		if _, err := proxycert.Complete(key, c.Chain); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		w.holds(name, r, []string{"/climate"})
	}
	x := w.delegated(ann, start.Add(100*hour))
	for name, request := range map[string]string{"rubbish": "rubbish", "a certificate": w.grid.PEM(proxycert.Credential{Chain: ann.Chain})} {
		_, err := w.fetch(x, proxy.Wish{Request: request}, 0)
		refused(t, name, err, fault.Invalid, "")
	}
}

func TestUploadsAreHandedOutAsTheyAre(t *testing.T) {
	w := newWorld(t)
	ann := w.grid.Person("Ann", 300*hour)
	text := w.grid.PEM(w.grid.Proxy(ann, proxycert.Template{NotAfter: start.Add(20 * hour)}))
	x := w.make(proxy.Wanted{Way: proxy.Upload}, proxy.Secret{Chain: material.Secret(text)})
	m, err := w.fetch(x, proxy.Wish{}, 0)
	w.check(err)
	if m.X509.PEM.Reveal() != text || !m.ExpiresAt.Equal(start.Add(20*hour)) {
		t.Errorf("what was handed out is another, until %s", m.ExpiresAt)
	}
	x.ExpiresAt = start.Add(5 * hour) // the rule allowed no more
	m, err = w.fetch(x, proxy.Wish{}, 0)
	w.check(err)
	if _, r := w.judged(m.X509.PEM); !r.ExpiresAt.Equal(x.ExpiresAt) {
		t.Errorf("it outlives its credential, until %s", r.ExpiresAt)
	}
	m, err = w.fetch(x, proxy.Wish{Limited: true}, hour)
	w.check(err)
	if _, r := w.judged(m.X509.PEM); !r.Limited || !r.ExpiresAt.Equal(start.Add(hour)) {
		t.Errorf("limited is %t, until %s", r.Limited, r.ExpiresAt)
	}
	narrow := w.make(proxy.Wanted{Way: proxy.Upload}, proxy.Secret{Chain: material.Secret(w.grid.PEM(w.grid.Proxy(ann, proxycert.Template{PathLength: new(int)})))})
	request, _ := w.grid.Request()
	_, err = w.fetch(narrow, proxy.Wish{Request: request}, 0)
	refused(t, "below one that allows nothing below it", err, fault.Invalid, "no further proxy")
}

func TestWishesThatAreRefused(t *testing.T) {
	w := newWorld(t)
	ann := w.grid.Person("Ann", 300*hour)
	x := w.delegated(ann, start.Add(100*hour), vo("climate", "/climate")...)
	for name, tc := range map[string]struct {
		wish proxy.Wish
		life time.Duration
		code fault.Code
		text string
	}{
		"another VO":   {proxy.Wish{VOMS: vo("weather")}, 0, fault.Denied, "not made for VO weather"},
		"another role": {proxy.Wish{VOMS: vo("climate", "/climate/Role=admin")}, 0, fault.Denied, "/climate/Role=admin"},
		"the past":     {proxy.Wish{}, -hour, fault.Invalid, "not in the future"},
	} {
		_, err := w.fetch(x, tc.wish, tc.life)
		refused(t, name, err, tc.code, tc.text)
	}
	_, err := w.Retrieve(t.Context(), x.Credential, x.state, credential.Wish{Spec: []byte(`{"sudo":true}`)})
	refused(t, "unknown fields", err, fault.Invalid, "sudo")

	w.grid.Refuse(errors.New("connection refused"))
	_, err = w.fetch(x, proxy.Wish{}, 0)
	refused(t, "a server that is away", err, fault.Unavailable, "VO climate")
	w.grid.Refuse(fault.New(fault.Denied, "voms.example.test says: you are not a member").WithHint("apply"))
	_, err = w.fetch(x, proxy.Wish{}, 0)
	refused(t, "a server that refuses", err, fault.Denied, "VO climate: voms.example.test says")
	w.grid.Refuse(nil)

	w.grid.Revoke(ann.Chain[0])
	_, err = w.fetch(x, proxy.Wish{}, 0)
	refused(t, "revoked since", err, fault.Conflict, "revoked")
}

func TestAttributesOfUnknownVOs(t *testing.T) {
	w := newWorld(t)
	x := w.delegated(w.grid.Person("Ann", 300*hour), start.Add(100*hour), append(vo("climate"), vo("weather")...)...)
	_, err := w.fetch(x, proxy.Wish{}, 0)
	refused(t, "one of two VOs", err, fault.Unavailable, "VO weather")
	m, err := w.fetch(x, proxy.Wish{VOMS: vo("climate")}, 0)
	w.check(err)
	if !cmp.Equal(m.X509.VOs, vo("climate", "/climate")) {
		t.Errorf("got %v", m.X509.VOs)
	}
}
