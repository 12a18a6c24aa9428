package subgrant_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/signing"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/internal/store/storetest"
	"github.com/lanyardhq/lanyard/internal/subgrant"
	"github.com/lanyardhq/lanyard/internal/subgrant/wire"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/wlcg"
)

var (
	_ subgrant.Flows = (*store.Store)(nil)
	_ subgrant.Store = (*store.Store)(nil)
	_ wire.Keys      = (*signing.Keys)(nil)
)

var start = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const (
	issuer = "https://lanyard.example.org/mytoken"
	op     = "https://op.example.org"
)

var (
	ada  = identity.Actor{AccountID: "usr_ada", Name: "Ada", Kind: identity.Person}
	ben  = identity.Actor{AccountID: "usr_ben", Name: "Ben", Kind: identity.Person}
	here = subgrant.Asker{Address: "192.0.2.1", UserAgent: "test/1"}
)

// world is a service on a real database, with custody played by the test.
type world struct {
	*subgrant.Service
	t      testing.TB
	config store.Config
	store  *store.Store
	clock  atomic.Int64
	custody
}

// custody plays custody: it keeps credentials, and gives tokens as the test says.
type custody struct {
	w     *world
	mu    sync.Mutex
	asked []grant.Wish // what tokens were asked for
	ended []string
	// answer is what TokenOf does instead of giving a token.
	answer func(context.Context) error
	scopes []string // granted
	// audiences are those of tokens for which none are asked; nil for tokens that nobody can read.
	audiences []string
}

func (w *world) now() time.Time { return time.Unix(w.clock.Load(), 0).UTC() }

func (w *world) move(d time.Duration) { w.clock.Add(int64(d / time.Second)) }

func (c *custody) NewGrant(ctx context.Context, by identity.Actor, spec grant.Spec, name string, life time.Duration) (credential.Credential, error) {
	now := c.w.now()
	g := credential.Credential{ID: "crd_" + rand.Text(), Kind: grant.Kind, OwnerID: by.AccountID, Name: name, Spec: spec.Encode(), Status: credential.Intended,
		CreatedAt: now, ExpiresAt: now.Add(life), DueAt: now.Add(credential.Patience)}
	if spec.Provider == "lanyard" { // our own issuer has nobody to ask
		g.Status, g.DueAt = credential.Active, g.ExpiresAt
	}
	_, err := c.w.store.InsertCredential(ctx, g, nil, did("grant.create", g.ID))
	return g, err
}

func (c *custody) Begin(_ context.Context, _ identity.Actor, id string) (string, error) {
	return op + "/auth?grant=" + id, nil
}

// approve is the person's way through the provider.
func (c *custody) approve(id string) {
	c.change(id, func(g credential.Credential) (credential.Credential, error) {
		return g.Complete(c.w.now(), g.ExpiresAt)
	})
}

func (c *custody) change(id string, do func(credential.Credential) (credential.Credential, error)) {
	c.w.t.Helper()
	g, _, err := c.w.store.Credential(context.Background(), id)
	check(c.w.t, err)
	g, err = do(g)
	check(c.w.t, err)
	_, err = c.w.store.SaveCredentials(context.Background(), []credential.Credential{g}, func(credential.Credential) audit.Change { return did("grant.change", id) })
	check(c.w.t, err)
}

func (c *custody) TokenOf(ctx context.Context, _ string, w grant.Wish) (grant.Tokens, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answer != nil {
		if err := c.answer(ctx); err != nil {
			return grant.Tokens{}, err
		}
	}
	c.asked = append(c.asked, w)
	scopes := w.Scopes
	if len(scopes) == 0 {
		scopes = c.scopes
	}
	audiences := w.Audiences
	if len(audiences) == 0 {
		audiences = c.audiences
	}
	return grant.Tokens{Access: material.Secret("at-" + strings.Join(scopes, "+")), AccessExpiresAt: c.w.now().Add(time.Hour), Scopes: scopes, Audiences: audiences, Subject: "ada@op"}, nil
}

func (c *custody) EndGrant(ctx context.Context, _ identity.Actor, id string) error {
	c.mu.Lock()
	c.ended = append(c.ended, id)
	c.mu.Unlock()
	c.change(id, func(g credential.Credential) (credential.Credential, error) {
		return g.End(c.w.now(), credential.Deleted), nil
	})
	return nil
}

// lastWish is what the provider was asked for last.
func (c *custody) lastWish() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.asked) == 0 {
		return "nothing"
	}
	w := c.asked[len(c.asked)-1]
	return strings.Join(w.Scopes, " ") + " for " + strings.Join(w.Audiences, " ")
}

// keys are one key.
type keys struct{ private *ecdsa.PrivateKey }

func (k keys) Signer(algorithm string, _ time.Time) (wlcg.Key, error) {
	return wlcg.Key{ID: "k1", Algorithm: algorithm, Signer: k.private}, nil
}

func (k keys) Published(...string) wlcg.KeySet {
	return wlcg.KeySet{Keys: []wlcg.PublicKey{{ID: "k1", Algorithm: subgrant.Algorithm, Key: &k.private.PublicKey}}}
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func did(action, id string) audit.Change {
	return audit.Change{Record: audit.Record{At: start, Action: action, Subject: id}}
}

// postgres is started by the first test that needs it.
var postgres storetest.Cluster

func TestMain(m *testing.M) {
	code := m.Run()
	postgres.Stop()
	os.Exit(code)
}

// both runs a test on SQLite and on PostgreSQL.
func both(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	for _, kind := range []string{"sqlite", "postgres"} {
		t.Run(kind, func(t *testing.T) {
			c := store.Config{Keys: seal.NewKeys()}
			if kind == "sqlite" {
				c.Path = filepath.Join(t.TempDir(), "lanyard.db")
			} else {
				c.URL = postgres.NewDatabase(t)
			}
			test(t, newWorld(t, c))
		})
	}
}

func newWorld(t testing.TB, c store.Config) *world {
	t.Helper()
	w := &world{t: t, config: c}
	w.config.Now = w.now
	w.clock.Store(start.Unix())
	var err error
	w.store, err = store.Open(t.Context(), w.config)
	check(t, err)
	t.Cleanup(func() {
		if bad, err := w.store.VerifyAudit(context.Background()); err != nil || bad != 0 {
			t.Errorf("audit chain: %d, %v", bad, err)
		}
		check(t, w.store.Close())
	})
	for _, by := range []identity.Actor{ada, ben} {
		check(t, w.store.InsertAccount(t.Context(), identity.Account{ID: by.AccountID, Kind: identity.Person, Issuer: "https://idp", Subject: by.AccountID, Name: by.Name}, did("account.create", by.AccountID)))
	}
	private, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	check(t, err)
	library, err := delegation.NewLibrary(map[string]delegation.Group{"kit": {Profiles: map[string]json.RawMessage{
		"c4p-htcondor": json.RawMessage(`{"capabilities":"AT tokeninfo:introspect","restrictions":[{"exp":"+7d","scope":"openid profile offline_access"}]}`)}}})
	check(t, err)
	w.custody = custody{w: w, scopes: []string{"openid", "profile", "offline_access", "storage.read:/", "compute.read"}}
	w.Service = &subgrant.Service{Flows: w.store, Store: w.store, Grants: &w.custody, Keys: keys{private}, Issuer: issuer, Library: library,
		Providers: []grant.Provider{{ID: "op", Issuer: op, Scopes: []string{"openid", "profile", "offline_access", "storage.read:/", "compute.read"}},
			{ID: "short", Issuer: "https://short.example.org", Scopes: []string{"openid"}, MaxLife: time.Hour},
			{ID: "lanyard", Type: grant.Lanyard, Issuer: "https://lanyard.example.org", Scopes: []string{"storage.read:/"}}},
		Life: credential.Lifetime{Default: 24 * time.Hour, Max: 30 * 24 * time.Hour}, Now: w.now, Log: slog.New(slog.DiscardHandler)}
	return w
}

// wish reads a request.
func (w *world) wish(text string) delegation.Wish {
	w.t.Helper()
	v, err := delegation.ParseWish([]byte(text), w.now())
	check(w.t, err)
	return v
}

// flow takes a request through consent and the provider, up to where the poll will succeed.
func (w *world) flow(ask string) subgrant.Flow {
	w.t.Helper()
	v := w.wish(ask)
	if v.Issuer == "" {
		v.Issuer = op
	}
	f, err := w.Start(w.t.Context(), v, here)
	check(w.t, err)
	redirect, err := w.Accept(w.t.Context(), ada, f.ConsentCode.Reveal(), delegation.Wish{})
	check(w.t, err)
	w.approve(grantOf(redirect))
	return f
}

func grantOf(redirect string) string {
	_, id, _ := strings.Cut(redirect, "grant=")
	return id
}

// root is the token of a flow.
func (w *world) root(ask string) subgrant.Issued {
	w.t.Helper()
	i, err := w.Poll(w.t.Context(), w.flow(ask).PollingCode, here)
	check(w.t, err)
	return i
}

// derive makes a sub-token.
func (w *world) derive(parent subgrant.Issued, ask string) subgrant.Issued {
	w.t.Helper()
	i, err := w.Derive(w.t.Context(), parent.Token, w.wish(ask), here)
	check(w.t, err)
	return i
}

// at uses the token for an access token.
func (w *world) at(token material.Secret) (subgrant.Access, error) {
	return w.AccessToken(w.t.Context(), token, subgrant.AccessWish{}, here)
}

// works and refused say what became of a token.
func (w *world) works(name string, i subgrant.Issued) {
	w.t.Helper()
	if _, err := w.at(i.Token); err != nil {
		w.t.Errorf("%s: %v", name, err)
	}
}

func (w *world) refuses(name string, err error, want string) {
	w.t.Helper()
	e, ok := errors.AsType[*delegation.Error](err)
	if !ok || e.Error() != want {
		w.t.Errorf("%s: got %v, want %s", name, err, want)
	}
}

const (
	badToken   = "invalid_token"
	badCode    = "invalid_token: Bad polling or transfer code"
	restricted = "usage_restricted: The restrictions of this token does not allow this usage"
	incapable  = "insufficient_capabilities: The provided token does not have the required capability for this operation"
)

// says is the payload of a token.
func says(t testing.TB, token material.Secret) map[string]any {
	t.Helper()
	parts := strings.Split(token.Reveal(), ".")
	if len(parts) != 3 {
		t.Fatalf("%d parts", len(parts))
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	check(t, err)
	var claims map[string]any
	check(t, json.Unmarshal(text, &claims))
	return claims
}

func text(t testing.TB, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	check(t, err)
	return string(b)
}

// audited counts the records of an action.
func (w *world) audited(action string) int {
	w.t.Helper()
	rs, err := w.store.Audit(w.t.Context(), audit.Filter{})
	check(w.t, err)
	return len(slices.DeleteFunc(rs, func(r audit.Record) bool { return r.Action != action }))
}

type wlcgKey = wlcg.Key
