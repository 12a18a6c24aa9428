package proxy

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
	accepted = "accept"
	rejected = "reject"
)

// A verdict is what a strict site would decide about a proxy file, and why.
type verdict struct {
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
	ACs       []acVerdict `json:"acs"`
	CheckedAt time.Time   `json:"checked_at"`
}

// An acVerdict is about one attribute certificate.
type acVerdict struct {
	VO         string        `json:"vo"`
	Verdict    string        `json:"verdict"`
	Reason     string        `json:"reason"`
	Code       string        `json:"code,omitempty"`
	Hint       string        `json:"hint,omitempty"`
	FQANs      []string      `json:"fqans"`
	Attributes []acAttribute `json:"attributes"`
	ExpiresAt  time.Time     `json:"expires_at,omitzero"`
}

// An acAttribute is a generic attribute.
type acAttribute struct {
	Name      string `json:"name"`
	Value     string `json:"value"`
	Qualifier string `json:"qualifier"`
}

// A judge is a site: whom it trusts and how strict it is.
type judge struct {
	trust   *trust.Store
	anchors voms.Anchors
	at      time.Time
	hosts   []string
	// legacy accepts legacy and draft proxies and SHA-1 signatures, independent proxies that carry
	// none of their owner's rights.
	legacy, independent bool
}

// judge decides about the text of a proxy file. The chain and each attribute certificate are looked
// at on their own, so that everything that is wrong is told; all of it has to be right.
func (j judge) judge(text []byte) verdict {
	v := verdict{Schema: "lanyard/v1/proxy.verdict", Verdict: accepted, ACs: []acVerdict{}, CheckedAt: j.at.UTC()}
	credential, err := proxycert.Parse(text, nil)
	if err != nil {
		v.reject(err)
		return v
	}
	options := trust.Options{AllowSHA1: j.legacy}
	chain := proxycert.Verifier{Trust: j.trust, Options: options, At: j.at, AllowLegacy: j.legacy, AllowDraft: j.legacy, AllowIndependent: j.independent}
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
	verifier := voms.Verifier{Trust: j.trust, Options: options, Anchors: j.anchors, At: j.at, Hosts: j.hosts}
	for _, p := range parsed {
		a := judgeAC(verifier, p, r)
		if a.Verdict == rejected && v.Verdict == accepted {
			v.Verdict, v.Reason, v.Code, v.Hint = rejected, "attributes of "+nameOf(a.VO)+": "+a.Reason, a.Code, a.Hint
		}
		v.ACs = append(v.ACs, a)
	}
	return v
}

func judgeAC(verifier voms.Verifier, p voms.Parsed, r proxycert.Result) acVerdict {
	a := acVerdict{Verdict: accepted, FQANs: []string{}, Attributes: []acAttribute{}}
	err := p.Err
	if ac := p.AC; ac != nil {
		a.VO, a.ExpiresAt = ac.VO, ac.NotAfter
		a.FQANs = append(a.FQANs, ac.FQANs...)
		for _, g := range ac.Attributes {
			a.Attributes = append(a.Attributes, acAttribute(g))
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
		a.Verdict = rejected
		a.Code, a.Reason, a.Hint = explain(err)
		if e, ok := errors.AsType[*voms.Error](err); ok && a.VO == "" {
			a.VO = e.VO
		}
	}
	return a
}

// reject notes the first thing that is wrong.
func (v *verdict) reject(err error) {
	if v.Verdict == accepted {
		v.Verdict = rejected
		v.Code, v.Reason, v.Hint = explain(err)
	}
}

// explain takes an error of these packages apart.
func explain(err error) (code, reason, advice string) {
	reason, advice = err.Error(), hint(err)
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

// nameOf is a VO in a sentence.
func nameOf(vo string) string {
	if vo == "" {
		return "an unknown VO"
	}
	return "VO " + vo
}
