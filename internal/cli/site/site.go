// Package site is this machine as a grid site: whom it trusts, and what it would decide about a proxy
// file. It imports rows 0 to 2 and the console.
package site

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
	"github.com/lanyardhq/lanyard/proxycert/trust"
	"github.com/lanyardhq/lanyard/voms"
	"github.com/lanyardhq/lanyard/voms/vomses"
)

// wait is how long the server may take, because older documents do nearly as well.
const wait = 5 * time.Second

// documents are what a Lanyard server tells everybody of its authority and its VOs.
type documents struct {
	FetchedAt time.Time `json:"fetched_at"`
	CA        string    `json:"ca"`  // PEM
	CRL       string    `json:"crl"` // PEM
	VOs       []api.VO  `json:"vos"`
}

// A Site is whom a machine trusts: directories that somebody installed, "" for none, and what the
// server tells. So nothing needs to be installed where a server is known.
type Site struct {
	CADir, VomsDir string
	told           documents
}

// Ask completes the directories of a machine with what its server tells. That comes from a cache,
// which is renewed when it is older than fresh; without a server, or an answer, there is nothing.
func Ask(ctx context.Context, a *console.Console, caDir, vomsDir string, fresh time.Duration) Site {
	g := Site{CADir: caDir, VomsDir: vomsDir}
	server, err := a.ServerURL()
	if err != nil {
		return g
	}
	sum := sha256.Sum256([]byte(server))
	path := filepath.Join(a.StateDir(), "grid-"+hex.EncodeToString(sum[:8])+".json")
	if text, err := os.ReadFile(path); err == nil { //nolint:gosec // our own file
		_ = json.Unmarshal(text, &g.told)
	}
	if age := a.Now().Sub(g.told.FetchedAt); age >= 0 && age < fresh {
		return g
	}
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	d, err := fetch(ctx, a, server, g.told)
	if err != nil {
		a.Detail("%s does not tell of its VOs: %v", server, err)
		return g
	}
	g.told = d
	if text, err := json.Marshal(d); err == nil {
		_ = deliver.Replace(path, text) // without a cache it is asked again
	}
	return g
}

// fetch asks the server. What it does not have is empty. Its VOs are told to who is signed in; for
// others those of before stay.
func fetch(ctx context.Context, a *console.Console, server string, before documents) (documents, error) {
	d := documents{FetchedAt: a.Now().UTC(), VOs: before.VOs}
	c, err := a.Connect()
	if err == nil {
		vos, err := c.ListVOs(ctx)
		if err = ignoreAbsent(err); err != nil {
			return d, err
		}
		d.VOs = vos.Items
	} else if c, err = a.Client(server, nil); err != nil {
		return d, err
	}
	if d.CA, err = c.CACertificates(ctx); ignoreAbsent(err) != nil {
		return d, err
	}
	if d.CRL, err = c.CARevocations(ctx); ignoreAbsent(err) != nil {
		return d, err
	}
	return d, nil
}

func ignoreAbsent(err error) error {
	if p, ok := errors.AsType[*api.Problem](err); ok && p.Code == api.NotFound {
		return nil
	}
	return err
}

// Told reports whether the server told of an authority or a VO.
func (g Site) Told() bool { return g.told.CA != "" || len(g.told.VOs) > 0 }

// WithCA is the site with the authorities in dir alone.
func (g Site) WithCA(dir string) Site {
	g.CADir, g.told.CA, g.told.CRL = dir, "", ""
	return g
}

// WithVOs is the site with the VO servers in dir alone.
func (g Site) WithVOs(dir string) Site {
	g.VomsDir, g.told.VOs = dir, nil
	return g
}

// Store is the authorities that are trusted.
func (g Site) Store() (*trust.Store, error) {
	cas, err := keyfile.Certificates([]byte(g.told.CA))
	if err != nil {
		cas = nil // the server has none
	}
	var crls [][]byte
	for block, rest := pem.Decode([]byte(g.told.CRL)); block != nil; block, rest = pem.Decode(rest) {
		crls = append(crls, block.Bytes)
	}
	if g.CADir == "" {
		if len(cas) == 0 {
			return nil, fault.New(fault.NotFound, "no certification authority is trusted on this machine").
				WithHint("name a directory with --ca-dir or X509_CERT_DIR, or sign in at a server that has one: lanyard login")
		}
		return trust.New(cas).With(nil, crls), nil
	}
	s, err := trust.Load(g.CADir)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s: %v", g.CADir, err).WithHint("install the authorities there (the packages ca-policy or igtf), or name another directory in X509_CERT_DIR")
	}
	return s.With(cas, crls), nil
}

// Anchors are the servers that may speak for VOs. A file of this machine goes before what the
// server tells.
func (g Site) Anchors() voms.Anchors {
	known := map[string]voms.LSC{}
	for _, v := range g.told.VOs {
		for _, s := range v.Servers {
			if path, err := voms.LSCPath(g.VomsDir, v.Name, s.Host); g.VomsDir != "" && (err != nil || exists(path)) {
				continue
			}
			if lsc, err := voms.ParseLSC([]byte(s.LSC)); err == nil && s.LSC != "" {
				known[v.Name+"/"+s.Host] = lsc
			}
		}
	}
	return voms.Anchors{Dir: g.VomsDir, Known: known}
}

// Servers are those that the server tells of.
func (g Site) Servers() []vomses.Server {
	var all []vomses.Server
	for _, v := range g.told.VOs {
		for _, s := range v.Servers {
			all = append(all, vomses.Server{Alias: v.Name, Host: s.Host, Port: s.Port, DN: s.Subject, VO: v.Name})
		}
	}
	return all
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
