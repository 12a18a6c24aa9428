package gridproxy

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/voms"
)

// clockSkew is how much older than now a proxy says it is, because clocks differ.
const clockSkew = 5 * time.Minute

// run is one call of Init.
type run struct {
	Config
	Options
	report func(Event)
	now    time.Time
	locked locked
	issuer proxycert.Credential // the same with its key
	// anchors are the authorities of servers, loaded at most once.
	anchors anchors
	result  Result
}

// Init makes a proxy. Report is called for each step, in order, from the calling goroutine; it may
// be nil. Errors are of type *Error, or ctx's. Where Result.Path is set beside an error, the proxy
// was written nevertheless.
func Init(ctx context.Context, c Config, o Options, report func(Event)) (Result, error) {
	r := newRun(c, o, report)
	err := r.init(ctx)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return r.result, err
}

// Attributes asks for everything that the VOs of o would give the person, and returns the FQANs.
func Attributes(ctx context.Context, c Config, o Options, report func(Event)) ([]string, error) {
	for i := range o.VOs {
		o.VOs[i].All = true
	}
	r := newRun(c, o, report)
	if err := r.open(); err != nil {
		return nil, err
	}
	wanted, err := r.plan()
	if err == nil {
		err = r.load(nil)
	}
	if err == nil {
		err = r.ask(ctx, wanted)
	}
	var fqans []string
	for _, ac := range r.result.ACs {
		fqans = append(fqans, ac.AC.FQANs...)
	}
	return fqans, err
}

func newRun(c Config, o Options, report func(Event)) *run {
	if report == nil {
		report = func(Event) {}
	}
	if o.Lifetime == 0 {
		o.Lifetime = DefaultLifetime
	}
	return &run{Config: c, Options: o, report: report, now: c.Now().UTC().Truncate(time.Second)}
}

func (r *run) init(ctx context.Context) error {
	// What can go wrong without the person's passphrase goes wrong before they are asked for it.
	if err := r.open(); err != nil {
		return err
	}
	wanted, err := r.plan()
	if err != nil {
		return err
	}
	key := make(chan newKey, 1)
	if err := r.load(func(bits int) { go generate(bits, key) }); err != nil {
		return err
	}
	if err := r.ask(ctx, wanted); err != nil {
		return err
	}
	if r.SeparateAC != "" && len(r.result.ACs) > 0 {
		return r.separate()
	}
	r.report(Making{})
	if err := r.make(ctx, key); err != nil {
		return err
	}
	return r.check()
}

// open reads the certificates of the issuing credential.
func (r *run) open() error {
	if r.Issuer != nil {
		r.locked = locked{Credential: *r.Issuer}
	} else {
		source, err := Find(r.Config, r.Options)
		if err != nil {
			return err
		}
		if r.locked, err = lock(r.Config, source); err != nil {
			return err
		}
	}
	if r.locked.Chain != nil {
		r.result.Identity = r.locked.Identity()
	}
	return r.alive(r.locked.Credential)
}

// load unlocks the issuing credential. Start is called before the passphrase is asked for, with the
// length of the key that the proxy shall have.
func (r *run) load(start func(bits int)) error {
	bits, err := r.bits(r.locked.Credential)
	if err != nil {
		return err
	}
	if start != nil {
		start(bits)
	}
	r.issuer = r.locked.Credential
	if r.Issuer == nil {
		if r.issuer, err = r.locked.unlock(); err != nil {
			return err
		}
	}
	r.result.Identity = r.issuer.Identity()
	if err := r.alive(r.issuer); err != nil {
		return err
	}
	r.report(Identified{r.result.Identity})
	if r.VerifyIssuer {
		return r.checkChain(r.issuer, "")
	}
	return nil
}

// alive refuses credentials that are over or that have not begun.
func (r *run) alive(c proxycert.Credential) error {
	for _, cert := range c.Chain {
		switch {
		case r.now.After(cert.NotAfter) && len(c.Chain) > 1:
			return &Error{Reason: Expired, Path: r.locked.source.Cert, When: cert.NotAfter,
				Fault: fault.New(fault.Conflict, "the proxy that shall sign has expired at %s", when(cert.NotAfter)).
					WithHint("make a new one from your certificate")}
		case r.now.After(cert.NotAfter):
			return &Error{Reason: Expired, Path: r.locked.source.Cert, When: cert.NotAfter,
				Fault: fault.New(fault.Conflict, "your certificate has expired at %s", when(cert.NotAfter)).
					WithHint("ask your certification authority for a new one; with a Lanyard account you need none: lanyard login")}
		case r.now.Add(clockSkew).Before(cert.NotBefore):
			return &Error{Reason: NotYetValid, Path: r.locked.source.Cert, When: cert.NotBefore,
				Fault: fault.New(fault.Conflict, "your certificate is not valid before %s, and this machine says it is %s", when(cert.NotBefore), when(r.now)).
					WithHint("set the clock of this machine")}
		}
	}
	return nil
}

func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// bits returns the length of the new key.
func (r *run) bits(issuer proxycert.Credential) (int, error) {
	bits := r.Bits
	if bits == SameBits {
		bits = 0
		if len(issuer.Chain) > 0 {
			if k, ok := issuer.Chain[0].PublicKey.(*rsa.PublicKey); ok {
				bits = k.N.BitLen()
			}
		}
	}
	switch {
	case bits == 0:
		bits = 2048
	case bits < 1024:
		return 0, &Error{Reason: BadRequest, Fault: fault.New(fault.Invalid, "a key of %d bits protects nothing", bits).
			WithHint("use 2048, which is the default")}
	case bits > 8192:
		return 0, &Error{Reason: BadRequest, Fault: fault.New(fault.Invalid, "a key of %d bits takes minutes to make", bits).
			WithHint("use 4096 or fewer")}
	}
	return bits, nil
}

// A newKey is the key that a proxy is made around. Making it is what takes longest, so it is done
// beside asking servers.
type newKey struct {
	key crypto.Signer
	err error
}

// generate puts a key into the channel, which has room for it: if nobody wants it any more, it ends
// with the program.
func generate(bits int, into chan<- newKey) {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	into <- newKey{key, err}
}

// make signs the proxy and writes it.
func (r *run) make(ctx context.Context, keys <-chan newKey) error {
	t, err := r.template()
	if err != nil {
		return err
	}
	var k newKey
	select {
	case k = <-keys:
	case <-ctx.Done():
		return ctx.Err()
	}
	if k.err != nil {
		return &Error{Reason: BadRequest, Fault: fault.New(fault.Invalid, "a key cannot be made: %v", k.err).WithCause(k.err)}
	}
	cred, err := proxycert.New(r.issuer, k.key, t)
	if err != nil {
		return &Error{Reason: BadRequest, Fault: fault.New(fault.Invalid, "the proxy cannot be made: %v", err).
			WithHint("the proxy that signs may allow no further ones; sign with your certificate").WithCause(err)}
	}
	data, err := cred.PEM()
	if err != nil {
		return &Error{Reason: BadRequest, Fault: fault.New(fault.Invalid, "the proxy cannot be written down: %v", err).WithCause(err)}
	}
	path := ProxyPath(r.Config, r.Out)
	if err := write(path, data); err != nil {
		return err
	}
	r.result.Path, r.result.Credential, r.result.NotAfter = path, cred, cred.Chain[0].NotAfter
	r.report(Made{Path: path, NotAfter: r.result.NotAfter, Clipped: r.result.Clipped})
	return nil
}

// template says what the proxy shall be, within what the issuer allows.
func (r *run) template() (proxycert.Template, error) {
	end := r.now.Add(r.Lifetime)
	if last := r.issuer.NotAfter(); end.After(last) {
		end, r.result.Clipped = last, true
	}
	t := proxycert.Template{Kind: r.Kind, Limited: r.Limited, Language: r.Language, Policy: r.Policy, PathLength: r.PathLength,
		NotBefore: r.now.Add(-clockSkew), NotAfter: end, Extra: r.Extra}
	info, err := proxycert.Inspect(r.issuer.Chain[0])
	if err != nil {
		return t, &Error{Reason: BadRequest, Fault: fault.New(fault.Invalid, "the proxy that shall sign is none: %v", err).
			WithHint("make a new one from your certificate").WithCause(err)}
	}
	if info.Kind != proxycert.None {
		forced := Forced{Limited: r.issuer.Limited() && !t.Limited}
		if t.Kind != info.Kind && (t.Kind != proxycert.None || info.Kind != proxycert.RFC) {
			forced.Kind = info.Kind
		}
		t.Kind, t.Limited = info.Kind, t.Limited || forced.Limited
		if forced != (Forced{}) {
			r.report(forced)
		}
	}
	acs := r.ACs
	for _, ac := range r.result.ACs {
		acs = append(acs[:len(acs):len(acs)], ac.AC.Raw)
	}
	if len(acs) > 0 {
		if t.Attributes, err = voms.Extension(acs...); err != nil {
			return t, &Error{Reason: BadAC, Fault: fault.New(fault.Invalid, "an attribute certificate cannot be included: %v", err).WithCause(err)}
		}
	}
	return t, nil
}

// separate writes the attribute certificates to a file of their own, as PEM.
func (r *run) separate() error {
	var data []byte
	for _, ac := range r.result.ACs {
		data = append(data, pem.EncodeToMemory(&pem.Block{Type: "ATTRIBUTE CERTIFICATE", Bytes: ac.AC.Raw})...)
	}
	if err := write(r.SeparateAC, data); err != nil {
		return err
	}
	r.result.Path = r.SeparateAC
	r.report(Saved{r.SeparateAC})
	return nil
}

// ProxyPath is where the proxy file is: the given path, X509_USER_PROXY, /tmp/x509up_u<uid>.
func ProxyPath(c Config, given string) string {
	if given != "" {
		return given
	}
	return proxycert.DefaultPath(c.UID, c.Getenv)
}

func write(path string, data []byte) error {
	err := proxycert.WriteFile(path, data)
	if err == nil {
		return nil
	}
	text := err.Error()
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		text = p.Err.Error()
	} else if l, ok := errors.AsType[*os.LinkError](err); ok {
		text = l.Err.Error()
	}
	return &Error{Reason: NotWritable, Path: path, Fault: fault.New(fault.Denied, "%s cannot be written: %s", path, text).
		WithHint("choose another place with --out, or see who may write to %s", filepath.Dir(path)).WithCause(err)}
}
