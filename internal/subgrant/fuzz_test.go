package subgrant_test

import (
	"errors"
	"path/filepath"
	"testing"

	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/material"
)

// Whatever a stranger shows is refused as the protocol says, and only what we made is good.
func FuzzTokens(f *testing.F) {
	w := newWorld(f, store.Config{Keys: seal.NewKeys(), Path: filepath.Join(f.TempDir(), "lanyard.db")})
	good := w.root(`{"capabilities":["AT","tokeninfo","create_mytoken"]}`)
	short := w.derive(good, `{"response_type":"short_token"}`)
	for _, seed := range []string{"", "abc", good.Token.Reveal(), short.Token.Reveal(), good.Token.Reveal() + ".", "eyJhbGciOiJub25lIn0.e30.",
		"eyJhbGciOiJFUzM4NCIsInR5cCI6Ik1UK0pXVCJ9.e30.AAAA", "................................"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		i, err := w.Introspect(t.Context(), material.Secret(token), here)
		e, refused := errors.AsType[*delegation.Error](err)
		switch {
		case err == nil && (token == good.Token.Reveal() && i.ID == good.ID || token == short.Token.Reveal() && i.ID == short.ID):
		case refused && (e.Status == 400 || e.Status == 401):
		default:
			t.Errorf("%q: %+v, %v", token, i, err)
		}
	})
}
