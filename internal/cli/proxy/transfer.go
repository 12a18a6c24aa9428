package proxy

import (
	"context"
	"encoding/base64"
	"errors"
	"os"
	"strings"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
	"github.com/lanyardhq/lanyard/voms"
	"github.com/spf13/cobra"
)

// secretsWarning is what whoever hands over a certificate and its passphrase has to know.
const secretsWarning = `The server could then act as you until your certificate ends, and so could whoever
  breaks into it, or reads the secrets of your jobs. "lanyard proxy delegate" does the same
  without your key and passphrase leaving this machine.`

// uploading holds the flags of upload.
type uploading struct {
	life         console.Lifetime
	voms         []string
	name         string
	reana        bool
	cert, key    string
	passphraseIn bool
}

func (a *app) upload() *cobra.Command {
	var f uploading
	cmd := &cobra.Command{Use: "upload [FILE]", Short: "Hand the server a proxy made elsewhere", Args: console.Takes(0, 1, "the file"),
		Long: "Hand the server a proxy with its key, to be fetched by jobs until it ends. With\n--reana, hand it what REANA asks for: certificate, encrypted key, passphrase and\nVO. Only servers whose operator allowed that take them.",
		Example: `  lanyard proxy upload --name nightly
  lanyard proxy upload /tmp/x509up_u1000 --voms climate
  lanyard proxy upload --reana --cert usercert.pem --key userkey.pem --voms cms`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.reana {
				return a.uploadSecrets(cmd.Context(), f, args)
			}
			return a.uploadProxy(cmd.Context(), f, a.path(strings.Join(args, "")))
		}}
	fl := cmd.Flags()
	fl.StringVarP(&f.name, "name", "n", "", "what it is `FOR`, 1 to 60 characters")
	f.life.Flags(cmd)
	a.vomsFlag(cmd, &f.voms)
	fl.BoolVar(&f.reana, "reana", false, "hand over certificate, encrypted key and passphrase")
	fl.StringVar(&f.cert, "cert", "", "with --reana: the certificate's `FILE`")
	fl.StringVar(&f.key, "key", "", "with --reana: the encrypted key's `FILE`")
	fl.BoolVar(&f.passphraseIn, "pwstdin", false, "with --reana: read the passphrase from the input")
	return cmd
}

// uploadProxy sends a proxy file. What is wrong with it is told before anything is sent.
func (a *app) uploadProxy(ctx context.Context, f uploading, path string) error {
	if f.cert+f.key != "" {
		return console.Usage("--cert and --key belong to --reana")
	}
	text, err := readFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return &console.Failure{Exit: console.NotFound, Message: path + " is not there", Hint: "make a proxy: lanyard proxy init"}
	}
	if err != nil {
		return err
	}
	p, err := proxycert.Parse(text, nil)
	switch {
	case err != nil:
		return &console.Failure{Exit: console.Misuse, Message: path + ": " + err.Error(), Hint: hint(err)}
	case p.Key == nil:
		return console.Usage("%s holds no private key", path).WithHint("upload the whole proxy file")
	case !p.NotAfter().After(a.Now()):
		return console.Usage("%s ended %s", path, a.Relative(p.NotAfter())).WithHint("make a new one: lanyard proxy init")
	}
	wanted, err := parseVOMS(f.voms)
	if err != nil {
		return err
	}
	if len(wanted) == 0 {
		wanted = claimed(p)
	}
	return a.hand(ctx, f, api.ProxyOrder{Way: api.WayUpload, Chain: material.Secret(text), VOMS: wanted, Limited: p.Limited()})
}

// claimed are the attributes that a proxy says it has.
func claimed(p proxycert.Credential) (all []api.VOMS) {
	parsed, err := voms.FromChain(p.Chain)
	if err != nil {
		return nil // the server says what is wrong
	}
	for _, ac := range readable(parsed) {
		all = append(all, api.VOMS{VO: ac.VO, FQANs: ac.FQANs})
	}
	return all
}

// uploadSecrets sends REANA's four.
func (a *app) uploadSecrets(ctx context.Context, f uploading, args []string) error {
	wanted, err := parseVOMS(f.voms)
	switch {
	case err != nil:
		return err
	case len(args) > 0 || f.cert == "" || f.key == "" || len(wanted) == 0:
		return console.Usage("--reana needs --cert, --key and --voms, and no file besides").WithHint("see: lanyard proxy upload --help")
	}
	cert, err := readFile(f.cert)
	if err != nil {
		return err
	}
	key, err := readFile(f.key)
	if err != nil {
		return err
	}
	a.Warn("%s", secretsWarning)
	if err := a.Confirm(ctx, "Your certificate, key and passphrase are handed to the server", wanted[0].VO, "hand over the secrets for"); err != nil {
		return err
	}
	passphrase, err := a.askPassphrase(ctx, f.passphraseIn)
	if err != nil {
		return err
	}
	asked := func() ([]byte, error) { return passphrase, nil }
	if _, err := keyfile.Key(key, asked); err != nil {
		return &console.Failure{Exit: console.Misuse, Message: f.key + ": " + err.Error()}
	}
	return a.hand(ctx, f, api.ProxyOrder{Way: api.WaySecrets, Chain: material.Secret(cert), Key: material.Secret(key),
		Passphrase: material.Secret(base64.StdEncoding.EncodeToString(passphrase)), VOMS: wanted})
}

// askPassphrase reads the passphrase of a key, unseen or from a pipe.
func (a *app) askPassphrase(ctx context.Context, piped bool) ([]byte, error) {
	switch {
	case piped:
		line, err := a.ReadLine(ctx)
		return []byte(line), err
	case !a.Interactive():
		return nil, console.Usage("the passphrase cannot be asked for here").WithHint("give it in the input, with --pwstdin")
	}
	text, err := a.Unseen("Passphrase of the key: ")
	return []byte(text), err
}

// hand orders the credential and tells what the server holds now.
func (a *app) hand(ctx context.Context, f uploading, o api.ProxyOrder) error {
	whole, err := f.life.Order(a.Console, "proxy", f.name, "uploaded from")
	if err != nil {
		return err
	}
	whole.Proxy = &o
	_, k, err := a.order(ctx, "upload", whole)
	if err != nil {
		return err
	}
	return a.showKept(k, "The server holds")
}

// fetching holds the flags of get.
type fetching struct {
	voms       []string
	valid, out string
	limited    bool
}

func (a *app) get() *cobra.Command {
	var f fetching
	cmd := &cobra.Command{Use: "get PROXY", Short: "Fetch a fresh proxy below one that the server keeps", Args: console.Takes(1, 1, "the proxy"),
		Long: "A key is made here and the server signs for it: what MyProxy does, with your\nsign-in or a robot's token in place of a passphrase.",
		Example: `  lanyard proxy get nightly
  lanyard proxy get nightly --valid 2h --out job.proxy
  LANYARD_TOKEN_FILE=token lanyard proxy get crd_…`,
		ValidArgsFunction: a.noun().Complete,
		RunE:              func(cmd *cobra.Command, args []string) error { return a.runGet(cmd.Context(), f, args[0]) }}
	a.vomsFlag(cmd, &f.voms)
	fl := cmd.Flags()
	fl.StringVar(&f.valid, "valid", "", "let it live for this `TIME`: 24h, or 24:00 (12h)")
	fl.StringVar(&f.out, "out", "", "write this `FILE` (X509_USER_PROXY, or /tmp/x509up_u and your number)")
	fl.BoolVar(&f.limited, "limited", false, "fetch a proxy that starts no jobs")
	return cmd
}

func (a *app) runGet(ctx context.Context, f fetching, ref string) error {
	wanted, err := parseVOMS(f.voms)
	if err != nil {
		return err
	}
	life, err := parseLife(f.valid)
	if err != nil {
		return err
	}
	c, err := a.Connect()
	if err != nil {
		return err
	}
	k, err := a.noun().Find(ctx, c, ref)
	if err != nil {
		return err
	}
	key, err := a.newKey()
	if err != nil {
		return err
	}
	request, err := proxycert.Request(key)
	if err != nil {
		return err
	}
	stop := a.Wait("Fetching a proxy…")
	got, err := c.RetrieveProxy(ctx, k.ID, api.ProxyRetrieval{Request: string(request), Life: int64(life.Seconds()), Limited: f.limited, VOMS: wanted})
	stop()
	if err != nil {
		return console.Cannot("fetch a proxy below "+k.Name, err)
	}
	p, err := complete(key, got.PEM.Reveal())
	if err != nil {
		return console.Cannot("fetch a proxy below "+k.Name, err)
	}
	path := a.path(f.out)
	if err := store(path, p); err != nil {
		return err
	}
	return a.showFetched(path, p, got)
}

// store writes a proxy file.
func store(path string, p proxycert.Credential) error {
	text, err := p.PEM()
	if err != nil {
		return err
	}
	return proxycert.WriteFile(path, text)
}

func (a *app) showFetched(path string, p proxycert.Credential, got api.ProxyMaterial) error {
	parsed, err := voms.FromChain(p.Chain)
	if err != nil {
		a.Warn("The attributes cannot be read: %s", console.Clean(err.Error()))
	}
	d := a.document(path, p, readable(parsed))
	d.CredentialID = got.CredentialID
	return a.Show(console.Result{Document: d, Values: []string{path}, Env: [][2]string{{"X509_USER_PROXY", path}}, Text: func() {
		a.Done("Key made here, never sent. Proxy for %s, ends %s", console.Clean(d.Identity), a.When(d.ExpiresAt))
		if !a.Quiet {
			a.tellACs(d)
			a.Print("Stored as %s", path)
		}
		for _, w := range got.Warnings {
			a.Warn("%s", console.Clean(w))
		}
	}})
}
