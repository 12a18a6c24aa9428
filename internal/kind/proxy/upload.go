package proxy

import (
	"encoding/base64"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/voms"
)

// SecretsWarning is what whoever stores certificate, key and passphrase is told. The documentation
// of the systems that ask for them says the same.
const SecretsWarning = "By this way your grid certificate's private key is stored on this server. Whoever gets at what is stored can act as you " +
	"until the certificate expires. Store it only if no other way works for you, and delete it here when you are done. " +
	"A delegation does the same without any key leaving your machine."

// upload takes a proxy that was made elsewhere.
func (k *Kind) upload(w Wanted) (credential.Made, error) {
	c, err := proxycert.Parse([]byte(w.secret.Chain.Reveal()+"\n"+w.secret.Key.Reveal()), nil)
	switch {
	case err != nil:
		return credential.Made{}, explain(err)
	case c.Key == nil:
		return credential.Made{}, fault.New(fault.Invalid, "the private key of the proxy is missing").
			WithHint("upload the whole proxy file, usually /tmp/x509up_u and your user number; or use a delegation, by which no key travels")
	case len(c.Chain) == 1:
		return credential.Made{}, fault.New(fault.Invalid, "this is your certificate itself, not a proxy: nothing was stored").
			WithHint("make a proxy of it and upload that, or use a delegation; keep the certificate's key to yourself")
	}
	r, err := k.judge(c.Chain)
	if err != nil {
		return credential.Made{}, err
	}
	spec := Spec{Way: Upload, KeyPlace: AtServer, Limited: w.Limited}.describe(r)
	if spec, err = k.attributed(spec, w.VOMS, r); err != nil {
		return credential.Made{}, err
	}
	return spec.made(publicID(), c, "")
}

// attributed adds to spec the attributes that an uploaded proxy has. Those that were claimed must be
// there and count; others must count too, unless nothing here says who speaks for their VO.
func (k *Kind) attributed(spec Spec, claimed []material.VO, r proxycert.Result) (Spec, error) {
	parsed, err := voms.FromChain(r.Chain)
	if err != nil {
		return spec, explain(err)
	}
	store, err := k.Trust()
	if err != nil {
		return spec, err
	}
	v := voms.Verifier{Trust: store, Options: k.Options, Anchors: k.Anchors, At: k.Now()}
	for _, p := range parsed {
		if p.Err != nil {
			return spec, explain(p.Err)
		}
		if err := v.Verify(p.AC, r.EndEntity); err != nil {
			if named(claimed, p.AC.VO) < 0 && reasonOf(err) == voms.NoAnchor {
				spec.Warnings = append(spec.Warnings, "the attributes of VO "+p.AC.VO+" were not checked: nothing here says who speaks for it")
				continue
			}
			return spec, explain(err)
		}
		if len(p.AC.Targets) > 0 {
			spec.Warnings = append(spec.Warnings, "the attributes of VO "+p.AC.VO+" count on "+strings.Join(p.AC.Targets, ", ")+" only")
		}
		if spec.AttributesExpireAt.IsZero() || p.AC.NotAfter.Before(spec.AttributesExpireAt) {
			spec.AttributesExpireAt = p.AC.NotAfter.UTC().Truncate(time.Second)
		}
		spec.VOMS = append(spec.VOMS, material.VO{Name: p.AC.VO, FQANs: short(p.AC.FQANs)})
	}
	for _, vo := range claimed {
		i := named(spec.VOMS, vo.Name)
		if i < 0 {
			return spec, fault.New(fault.Invalid, "the proxy has no attributes of VO %s", vo.Name).WithHint("make it with voms-proxy-init -voms %s, and upload that", vo.Name)
		}
		if f := missing(vo.FQANs, spec.VOMS[i].FQANs); f != "" {
			return spec, fault.New(fault.Invalid, "the proxy has attributes of VO %s, but not %s", vo.Name, f).WithHint("make it with voms-proxy-init -voms %s:%s, and upload that", vo.Name, f)
		}
	}
	return spec, nil
}

// storeSecrets takes a person's certificate and opens its key. The passphrase is not kept: with the
// key beside it, it would protect nothing.
func (k *Kind) storeSecrets(w Wanted) (credential.Made, error) {
	if !k.StoredSecrets {
		return credential.Made{}, fault.New(fault.Denied, "this server does not take certificates with their keys and passphrases").
			WithHint("use a delegation (lanyard proxy delegate): it does the same, and your key stays on your machine")
	}
	if len(w.VOMS) == 0 {
		return credential.Made{}, fault.New(fault.Invalid, "the VO is missing").WithHint("name the VO that jobs get attributes of")
	}
	phrase, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(w.secret.Passphrase.Reveal()), ""))
	if err != nil {
		return credential.Made{}, fault.New(fault.Invalid, "the passphrase is not base64").WithHint("encode it: printf %%s 'the passphrase' | base64")
	}
	defer clear(phrase)
	c, err := proxycert.Parse([]byte(w.secret.Chain.Reveal()+"\n"+w.secret.Key.Reveal()), func() ([]byte, error) { return phrase, nil })
	switch {
	case err != nil:
		return credential.Made{}, explain(err)
	case c.Key == nil:
		return credential.Made{}, fault.New(fault.Invalid, "the private key of the certificate is missing").WithHint("send userkey.pem beside usercert.pem")
	case len(c.Chain) > 1:
		return credential.Made{}, fault.New(fault.Invalid, "this is a proxy, not a person's certificate").WithHint("upload it as what it is: the way upload")
	}
	r, err := k.judge(c.Chain)
	if err != nil {
		return credential.Made{}, err
	}
	spec := Spec{Way: Secrets, KeyPlace: AtServer, VOMS: w.VOMS, Limited: w.Limited, Warnings: []string{SecretsWarning}}.describe(r)
	return spec.made(publicID(), c, "")
}

// named returns where the VO stands in vos, -1 if nowhere.
func named(vos []material.VO, name string) int {
	return slices.IndexFunc(vos, func(v material.VO) bool { return v.Name == name })
}

// missing returns the first of want that is not in have, "" if all are.
func missing(want, have []string) string {
	for _, w := range want {
		f, err := voms.ParseFQAN(w)
		if err != nil || !slices.ContainsFunc(have, func(h string) bool {
			g, err := voms.ParseFQAN(h)
			return err == nil && g == f
		}) {
			return w
		}
	}
	return ""
}

// short writes FQANs without what is NULL in them.
func short(fqans []string) []string {
	out := make([]string, 0, len(fqans))
	for _, text := range fqans {
		if f, err := voms.ParseFQAN(text); err == nil {
			text = f.Short()
		}
		out = append(out, text)
	}
	return out
}
