package proxy_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/kind/proxy"
	"github.com/lanyardhq/lanyard/internal/kind/proxy/gridtest"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/proxycert"
)

var (
	_ credential.Completer = (*proxy.Kind)(nil)
	_ credential.Retriever = (*proxy.Kind)(nil)
	_ credential.Bounded   = (*proxy.Kind)(nil)
)

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const hour = time.Hour

// world is a kind on a grid of its own, with a clock that stands until it is moved.
type world struct {
	*proxy.Kind
	t    *testing.T
	grid *gridtest.Grid
	now  time.Time
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, now: start}
	clock := func() time.Time { return w.now }
	w.grid = gridtest.New(t, clock)
	w.Kind = &proxy.Kind{Trust: w.grid.Trust, Anchors: w.grid.Anchors(), Keys: w.grid, CA: w.grid, Attributes: w.grid.Attributes,
		Link: w.grid.Link, Now: clock}
	return w
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("%v (hint: %s)", err, fault.Public(err).Hint)
	}
}

// order is what ann orders, for a week.
func (w *world) order(want proxy.Wanted, secret proxy.Secret) credential.Order {
	w.t.Helper()
	spec, err := json.Marshal(want)
	w.check(err)
	text, err := json.Marshal(secret)
	w.check(err)
	return credential.Order{Kind: proxy.Name, Name: "nightly", Spec: spec, Secret: material.Secret(text), Until: w.now.Add(168 * hour),
		Owner: identity.Account{ID: "usr_ann", Issuer: "https://idp.example", Subject: "ann", Name: "Ann"}}
}

// a thing is a credential with its state, as a broker would keep it.
type thing struct {
	credential.Credential
	state credential.State
}

func (w *world) make(want proxy.Wanted, secret proxy.Secret) thing {
	w.t.Helper()
	o := w.order(want, secret)
	made, err := w.Make(w.t.Context(), o)
	w.check(err)
	x := thing{state: made.State, Credential: credential.Credential{ID: "crd_1", Kind: proxy.Name, OwnerID: o.Owner.ID, PublicID: made.PublicID,
		Spec: made.Spec, Status: credential.Active, CreatedAt: w.now, ExpiresAt: o.Until}}
	if made.Waits {
		x.Status = credential.Intended
	}
	x.bound(w)
	return x
}

func (x *thing) bound(w *world) {
	if end := w.Bound(x.Credential); !end.IsZero() && end.Before(x.ExpiresAt) {
		x.ExpiresAt = end
	}
}

// complete answers the request of a delegation.
func (w *world) complete(x *thing, answer string) error {
	w.t.Helper()
	made, err := w.Complete(w.t.Context(), x.Credential, x.state, answer)
	if err != nil {
		return err
	}
	x.Spec, x.state, x.Status, x.ExpiresAt = made.Spec, made.State, credential.Active, start.Add(168*hour)
	x.bound(w)
	return nil
}

func (w *world) spec(x thing) proxy.Spec {
	w.t.Helper()
	s, err := proxy.ParseSpec(x.Spec)
	w.check(err)
	return s
}

// seen is what may be seen of x at any time.
func (w *world) seen(x thing) material.Proxy {
	w.t.Helper()
	m, err := w.Material(w.t.Context(), x.Credential, x.state)
	w.check(err)
	if strings.Contains(m.X509.PEM.Reveal(), "PRIVATE KEY") {
		w.t.Error("what may be seen at any time holds a key")
	}
	return *m.X509
}

func (w *world) fetch(x thing, wish proxy.Wish, life time.Duration) (material.Material, error) {
	w.t.Helper()
	spec, err := json.Marshal(wish)
	w.check(err)
	return w.Retrieve(w.t.Context(), x.Credential, x.state, credential.Wish{Life: life, Spec: spec})
}

// judged verifies what was handed out, as a strict site would.
func (w *world) judged(text material.Secret) (proxycert.Credential, proxycert.Result) {
	w.t.Helper()
	c, err := proxycert.Parse([]byte(text.Reveal()), nil)
	w.check(err)
	store, err := w.grid.Trust()
	w.check(err)
	r, err := proxycert.Verifier{Trust: store, At: w.now}.Verify(c.Chain)
	w.check(err)
	return c, r
}

// refused checks the code and the words of a refusal, and that it says what to do.
func refused(t *testing.T, name string, err error, code fault.Code, text string) {
	t.Helper()
	f := fault.Public(err)
	if err == nil || f.Code != code || !strings.Contains(f.Message, text) {
		t.Errorf("%s: got %v (%s), want %s: …%s…", name, err, fault.CodeOf(err), code, text)
		return
	}
	if f.Hint == "" && code != fault.Invalid {
		t.Errorf("%s: %q does not say what to do", name, f.Message)
	}
}

func vo(name string, fqans ...string) []material.VO { return []material.VO{{Name: name, FQANs: fqans}} }
