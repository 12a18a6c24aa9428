package proxy

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
	"github.com/lanyardhq/lanyard/internal/cli/gridproxy"
	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
	"github.com/lanyardhq/lanyard/proxycert/trust"
	"github.com/lanyardhq/lanyard/voms"
	"github.com/lanyardhq/lanyard/voms/protocol"
)

const (
	documentsFresh = time.Hour       // for which the server is not asked again
	documentsWait  = 5 * time.Second // for the server, where older documents do as well
)

// systemVomsDir is where grid software keeps whom it trusts with VOs, unless X509_VOMS_DIR says
// otherwise.
const systemVomsDir = "/etc/grid-security/vomsdir"

// documents are what a Lanyard server tells everybody of its authority and its VOs.
type documents struct {
	FetchedAt time.Time `json:"fetched_at"`
	CA        string    `json:"ca"`  // PEM
	CRL       string    `json:"crl"` // PEM
	VOs       []api.VO  `json:"vos"`
}

// A grid is whom this machine trusts: directories that somebody installed, "" for none, and what
// the server tells. So nothing needs to be installed where a server is known.
type grid struct {
	caDir, vomsDir string
	documents      documents
}

// grid finds out whom this machine trusts. The server's part comes from a cache that is renewed
// when it is older than fresh; without a server, or an answer, there is none.
func (a *app) grid(ctx context.Context, fresh time.Duration) grid {
	g := grid{caDir: gridproxy.CertDir(a.machine(), ""), vomsDir: a.Getenv("X509_VOMS_DIR")}
	if a.Getenv("X509_CERT_DIR") == "" && !exists(g.caDir) {
		g.caDir = ""
	}
	if g.vomsDir == "" && exists(systemVomsDir) {
		g.vomsDir = systemVomsDir
	}
	server, err := a.ServerURL()
	if err != nil {
		return g
	}
	sum := sha256.Sum256([]byte(server))
	path := filepath.Join(a.StateDir(), "grid-"+hex.EncodeToString(sum[:8])+".json")
	if text, err := os.ReadFile(path); err == nil { //nolint:gosec // our own file
		_ = json.Unmarshal(text, &g.documents)
	}
	if age := a.Now().Sub(g.documents.FetchedAt); age >= 0 && age < fresh {
		return g
	}
	ctx, cancel := context.WithTimeout(ctx, documentsWait)
	defer cancel()
	d, err := a.fetch(ctx, server)
	if err != nil {
		a.Detail("%s does not tell of its VOs: %v", server, err)
		return g
	}
	g.documents = d
	if text, err := json.Marshal(d); err == nil {
		_ = deliver.Replace(path, text) // without a cache it is asked again
	}
	return g
}

// fetch asks the server. What it does not have is empty.
func (a *app) fetch(ctx context.Context, server string) (documents, error) {
	d := documents{FetchedAt: a.Now().UTC()}
	c, err := a.Client(server, nil)
	if err != nil {
		return d, err
	}
	vos, err := c.ListVOs(ctx)
	if err = ignoreAbsent(err); err != nil {
		return d, err
	}
	d.VOs = vos.Items
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

// store is the authorities that are trusted.
func (g grid) store() (*trust.Store, error) {
	cas, err := keyfile.Certificates([]byte(g.documents.CA))
	if err != nil {
		cas = nil // the server has none
	}
	var crls [][]byte
	for block, rest := pem.Decode([]byte(g.documents.CRL)); block != nil; block, rest = pem.Decode(rest) {
		crls = append(crls, block.Bytes)
	}
	if g.caDir == "" {
		if len(cas) == 0 {
			return nil, fault.New(fault.NotFound, "no certification authority is trusted on this machine").
				WithHint("name a directory with --ca-dir or X509_CERT_DIR, or sign in at a server that has one: lanyard login")
		}
		return trust.New(cas).With(nil, crls), nil
	}
	s, err := trust.Load(g.caDir)
	if err != nil {
		return nil, fault.New(fault.Invalid, "%s: %v", g.caDir, err).WithHint("install the authorities there (the packages ca-policy or igtf), or name another directory in X509_CERT_DIR")
	}
	return s.With(cas, crls), nil
}

// anchors are the servers that may speak for VOs. A file of this machine goes before what the
// server tells.
func (g grid) anchors() voms.Anchors {
	known := map[string]voms.LSC{}
	for _, v := range g.documents.VOs {
		for _, s := range v.Servers {
			if path, err := voms.LSCPath(g.vomsDir, v.Name, s.Host); g.vomsDir != "" && (err != nil || exists(path)) {
				continue
			}
			if lsc, err := voms.ParseLSC([]byte(s.LSC)); err == nil && s.LSC != "" {
				known[v.Name+"/"+s.Host] = lsc
			}
		}
	}
	return voms.Anchors{Dir: g.vomsDir, Known: known}
}

// servers are those that the server tells of.
func (g grid) servers() []protocol.Server {
	var all []protocol.Server
	for _, v := range g.documents.VOs {
		for _, s := range v.Servers {
			all = append(all, protocol.Server{Alias: v.Name, Host: s.Host, Port: s.Port, DN: s.Subject, VO: v.Name})
		}
	}
	return all
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
