package token

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/tokens"
	"github.com/lanyardhq/lanyard/wlcg/bearer"
	"github.com/spf13/cobra"
)

// getting holds the flags of get.
type getting struct {
	wish
	minValid, file string
	force, bearer  bool
}

func (a *app) get() *cobra.Command {
	var f getting
	cmd := &cobra.Command{Use: "get [GRANT]", Short: "Get an access token", Args: console.Takes(0, 1, "the grant"),
		Long: "Print an access token and nothing else, or put it into a file. GRANT is the name\nor id of a grant, or its provider; it may be left out if you have only one. A\ntoken that is kept on this machine and lives long enough needs no server.",
		Example: `  TOKEN=$(lanyard token get helmholtz)
  lanyard token get wlcg --scope storage.read:/data --bearer-file
  lanyard token get helmholtz --min-valid 45m --file token`,
		ValidArgsFunction: a.complete(false),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.runGet(cmd.Context(), f, strings.Join(args, ""))
		}}
	f.flags(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.minValid, "min-valid", "", "with at least this `TIME` left (10m, or half of its life)")
	fl.BoolVar(&f.force, "force", false, "a new one, whatever is ready")
	fl.StringVar(&f.file, "file", "", "write it into this `FILE`, for you alone, and print the name")
	fl.BoolVar(&f.bearer, "bearer-file", false, "write it where programs look for a bearer token (WLCG)")
	return cmd
}

func (a *app) runGet(ctx context.Context, f getting, ref string) error {
	w := tokens.Wish{Ref: ref, Scopes: words(f.scopes), Audiences: words(f.audiences), Force: f.force}
	var err error
	if f.minValid != "" {
		if w.MinValid, err = console.ParseSpan(f.minValid); err != nil {
			return err
		}
	}
	path, err := a.target(f)
	if err != nil {
		return err
	}
	t, err := a.token(ctx, w)
	if err != nil {
		return err
	}
	if left := time.Duration(t.ExpiresIn) * time.Second; left < w.MinValid {
		a.Warn("it lives only %s: the provider gives no longer ones", console.Span(left))
	}
	if path != "" {
		if err := bearer.Write(path, t.AccessToken.Reveal()); err != nil {
			return err
		}
		return a.written(path, t)
	}
	if a.Output == "table" || a.Output == "value" {
		text := t.AccessToken.Reveal()
		if a.OutTerminal {
			text += "\n"
		}
		_, err := fmt.Fprint(a.Out, text)
		return err
	}
	return a.Show(console.Result{Document: t, Env: [][2]string{{"BEARER_TOKEN", t.AccessToken.Reveal()}}})
}

// target is the file to write; empty if the token is to be printed.
func (a *app) target(f getting) (string, error) {
	path := f.file
	switch {
	case f.bearer && path != "":
		return "", console.Usage("--file and --bearer-file exclude each other")
	case f.bearer:
		path = bearer.Path(a.Getenv, a.c.UID)
	case path == "":
		return "", nil
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink == 0 && !info.Mode().IsRegular() {
		return "", console.Usage("%s is not a file", path)
	}
	return filepath.Abs(path)
}

// token takes the token from the cache of this machine, or connects to the server.
func (a *app) token(ctx context.Context, w tokens.Wish) (api.Token, error) {
	cache, err := tokens.Open(a.Console)
	if err != nil {
		return api.Token{}, err
	}
	// The usual case: no network, no keyring, no wait.
	if t, ok := cache.Cached(w); ok {
		return t, nil
	}
	s, err := a.Connect()
	if err != nil {
		return api.Token{}, err
	}
	return cache.Get(ctx, s, w)
}

// file is what --file tells to programs. The token stands in the file alone.
type file struct {
	Schema       string    `json:"schema"` // lanyard/v1/token.file
	File         string    `json:"file"`
	CredentialID string    `json:"credential_id"`
	Provider     string    `json:"provider"`
	Issuer       string    `json:"issuer"`
	ExpiresAt    time.Time `json:"expires_at"`
	ExpiresIn    int64     `json:"expires_in"` // seconds
	Scopes       []string  `json:"scopes"`
	Audiences    []string  `json:"audiences,omitempty"`
}

func (a *app) written(path string, t api.Token) error {
	d := file{Schema: api.SchemaToken + ".file", File: path, CredentialID: t.CredentialID, Provider: t.Provider, Issuer: t.Issuer,
		ExpiresAt: t.ExpiresAt, ExpiresIn: t.ExpiresIn, Scopes: t.Scopes, Audiences: t.Audiences}
	return a.Show(console.Result{Document: d, Values: []string{path}, Env: [][2]string{{"BEARER_TOKEN_FILE", path}}, Text: func() {
		a.Print("%s", path)
		a.Detail("It ends %s", a.When(a.Now().Add(time.Duration(t.ExpiresIn)*time.Second)))
	}})
}
