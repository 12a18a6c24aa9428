package site

import (
	"errors"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/trust"
	"github.com/lanyardhq/lanyard/voms"
)

// The verdicts.
const (
	Accepted = "accept"
	Rejected = "reject"
)

// A Verdict is what a strict site would decide about a proxy file, and why.
type Verdict struct {
	Schema  string `json:"schema"` // lanyard/v1/proxy.verdict
	Verdict string `json:"verdict"`
	// Reason is a sentence: why the file is rejected, or what to bear in mind of one that is
	// accepted. Code is a word for it, Hint what to do about it.
	Reason    string      `json:"reason"`
	Code      string      `json:"code,omitempty"`
	Hint      string      `json:"hint,omitempty"`
	File      string      `json:"file"`
	Identity  string      `json:"identity"`
	Kind      string      `json:"kind,omitempty"`
	Limited   bool        `json:"limited"`
	ExpiresAt time.Time   `json:"expires_at,omitzero"`
	ACs       []ACVerdict `json:"acs"`
	CheckedAt time.Time   `json:"checked_at"`
}

// An ACVerdict is about one attribute certificate.
type ACVerdict struct {
	VO         string      `json:"vo"`
	Verdict    string      `json:"verdict"`
	Reason     string      `json:"reason"`
	Code       string      `json:"code,omitempty"`
	Hint       string      `json:"hint,omitempty"`
	FQANs      []string    `json:"fqans"`
	Attributes []Attribute `json:"attributes"`
	ExpiresAt  time.Time   `json:"expires_at,omitzero"`
}

// An Attribute is a generic attribute.
type Attribute struct {
	Name      string `json:"name"`
	Value     string `json:"value"`
	Qualifier string `json:"qualifier"`
}

// A Judge decides about proxy files: whom it trusts and how strict it is.
type Judge struct {
	Trust   *trust.Store
	Anchors voms.Anchors
	At      time.Time
	Hosts   []string // names of the site's host
	// Legacy accepts legacy and draft proxies and SHA-1 signatures, Independent proxies that carry
	// none of their owner's rights.
	Legacy, Independent bool
}

// Decide decides about the text of a proxy file. The chain and each attribute certificate are looked
// at on their own, so that everything that is wrong is told; all of it has to be right.
func (j Judge) Decide(text []byte) Verdict {
	v := j.verdict()
	credential, err := proxycert.Parse(text, nil)
	if err != nil {
		v.reject(err)
		return v
	}
	options := trust.Options{AllowSHA1: j.Legacy}
	chain := proxycert.Verifier{Trust: j.Trust, Options: options, At: j.At, AllowLegacy: j.Legacy, AllowDraft: j.Legacy, AllowIndependent: j.Independent}
	r, err := chain.Verify(credential.Chain)
	v.Identity, v.Limited, v.ExpiresAt, v.Kind = r.Identity, r.Limited, r.ExpiresAt, r.Kind.String()
	switch {
	case err != nil:
		v.reject(err)
	case r.Independent:
		v.Reason, v.Code = "the proxy carries none of its owner's rights, only its own", string(proxycert.NoRights)
	case r.Kind == proxycert.None:
		v.Reason = "a certificate, not a proxy"
	case r.Limited:
		v.Reason = "limited: it may move data, but start no jobs"
	}
	if len(r.Chain) == 0 {
		r.Chain = credential.Chain
	}
	parsed, err := voms.FromChain(r.Chain)
	if err != nil {
		v.reject(err)
	}
	verifier := voms.Verifier{Trust: j.Trust, Options: options, Anchors: j.Anchors, At: j.At, Hosts: j.Hosts}
	for _, p := range parsed {
		a := judgeAC(verifier, p, r)
		if a.Verdict == Rejected && v.Verdict == Accepted {
			v.Verdict, v.Reason, v.Code, v.Hint = Rejected, "attributes of "+NameOf(a.VO)+": "+a.Reason, a.Code, a.Hint
		}
		v.ACs = append(v.ACs, a)
	}
	return v
}

func judgeAC(verifier voms.Verifier, p voms.Parsed, r proxycert.Result) ACVerdict {
	a := ACVerdict{Verdict: Accepted, FQANs: []string{}, Attributes: []Attribute{}}
	err := p.Err
	if ac := p.AC; ac != nil {
		a.VO, a.ExpiresAt = ac.VO, ac.NotAfter
		a.FQANs = append(a.FQANs, ac.FQANs...)
		for _, g := range ac.Attributes {
			a.Attributes = append(a.Attributes, Attribute(g))
		}
		switch {
		case err != nil:
		case r.EndEntity == nil:
			err = &voms.Error{Reason: voms.HolderMismatch, VO: ac.VO, Message: "it is not known whom the proxy belongs to"}
		default:
			err = verifier.Verify(ac, r.EndEntity)
		}
	}
	if err != nil {
		a.Verdict = Rejected
		a.Code, a.Reason, a.Hint = explain(err)
		if e, ok := errors.AsType[*voms.Error](err); ok && a.VO == "" {
			a.VO = e.VO
		}
	}
	return a
}

// Reject is the verdict where err keeps the judge from looking at a file.
func (j Judge) Reject(err error) Verdict {
	v := j.verdict()
	v.reject(err)
	return v
}

func (j Judge) verdict() Verdict {
	return Verdict{Schema: "lanyard/v1/proxy.verdict", Verdict: Accepted, ACs: []ACVerdict{}, CheckedAt: j.At.UTC()}
}

// reject notes the first thing that is wrong.
func (v *Verdict) reject(err error) {
	if v.Verdict == Accepted {
		v.Verdict = Rejected
		v.Code, v.Reason, v.Hint = explain(err)
	}
}

// explain takes an error of these packages apart.
func explain(err error) (code, reason, advice string) {
	reason = err.Error()
	if h, ok := errors.AsType[interface {
		error
		Hint() string
	}](err); ok {
		advice = h.Hint()
	}
	if e, ok := errors.AsType[*proxycert.Error](err); ok {
		return string(e.Reason), reason, advice
	}
	if e, ok := errors.AsType[*voms.Error](err); ok {
		return string(e.Reason), reason, e.Hint()
	}
	if e, ok := errors.AsType[*fault.Fault](err); ok {
		return string(e.Code), reason, e.Hint
	}
	return string(proxycert.Malformed), reason, advice
}

// NameOf is a VO in a sentence.
func NameOf(vo string) string {
	if vo == "" {
		return "an unknown VO"
	}
	return "VO " + vo
}
