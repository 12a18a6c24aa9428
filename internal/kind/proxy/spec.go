package proxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/voms"
)

// A Way says how the server comes to what it makes proxies of.
type Way string

// The ways.
const (
	Upload      Way = "upload"      // a proxy made elsewhere, with its key
	Delegation  Way = "delegation"  // the server makes the key, its owner signs the request
	Certificate Way = "certificate" // the server's own authority certifies the account
	Secrets     Way = "secrets"     // a certificate, its encrypted key, the passphrase and the VO
)

// Where the private key is.
const (
	AtServer = "server"
	AtClient = "client"
)

// Wanted is the Spec of an order.
type Wanted struct {
	Way Way `json:"way"`
	// VOMS are the attributes to hand out; of an upload, those that must be in it.
	VOMS []material.VO `json:"voms,omitempty"`
	// Limited has limited proxies handed out only.
	Limited bool `json:"limited,omitempty"`
	// Request is a PEM signing request, for Certificate with a key that stays where it is.
	Request string `json:"request,omitempty"`

	secret Secret
}

// A Secret is the secret part of an order, as JSON.
type Secret struct {
	// Chain is PEM: a proxy file, or a certificate and what issued it. Key may stand in it.
	Chain material.Secret `json:"chain,omitempty"`
	Key   material.Secret `json:"key,omitempty"`
	// Passphrase opens Key; base64.
	Passphrase material.Secret `json:"passphrase,omitempty"`
}

// A Spec is what everybody who may list a credential may know of it. Names are in slash form.
type Spec struct {
	Way      Way           `json:"way"`
	VOMS     []material.VO `json:"voms,omitempty"`
	Limited  bool          `json:"limited,omitempty"`
	Identity string        `json:"identity,omitempty"` // subject of the end-entity certificate
	Subject  string        `json:"subject,omitempty"`  // of the first certificate
	Issuer   string        `json:"issuer,omitempty"`   // of the end-entity certificate
	KeyPlace string        `json:"key_place"`          // AtServer or AtClient
	// ChainExpiresAt is when the first certificate of what is held ends, AttributesExpireAt when the
	// first attribute certificate of an upload does.
	ChainExpiresAt     time.Time `json:"chain_expires_at,omitzero"`
	AttributesExpireAt time.Time `json:"attributes_expire_at,omitzero"`
	Warnings           []string  `json:"warnings,omitempty"`
}

// What somebody may ask for at once.
const (
	maxVOs     = 16
	maxFQANs   = 64 // of one VO
	maxRequest = 64 << 10
)

// ParseSpec reads the spec of a credential of this kind.
func ParseSpec(text json.RawMessage) (Spec, error) {
	var s Spec
	if err := json.Unmarshal(text, &s); err != nil {
		return Spec{}, fmt.Errorf("read the spec of a proxy: %w", err)
	}
	return s, nil
}

// parseOrder decodes an order strictly.
func parseOrder(o credential.Order) (Wanted, error) {
	var w Wanted
	if len(bytes.TrimSpace(o.Spec)) == 0 {
		return w, fault.New(fault.Invalid, "the order does not say by which way the proxy comes").WithHint("ways are upload, delegation, certificate and secrets")
	}
	if err := strictly(o.Spec, &w); err != nil {
		return w, err
	}
	if o.Secret != "" {
		if err := strictly([]byte(o.Secret.Reveal()), &w.secret); err != nil {
			return w, fault.New(fault.Invalid, "the secret part of the order cannot be read") // its text stays out of messages
		}
	}
	return w, w.check()
}

func strictly(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		if _, end := d.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("something follows it")
		}
	}
	if err != nil {
		return fault.New(fault.Invalid, "what is asked of the proxy cannot be read: %v", err)
	}
	return nil
}

// check refuses what does not go together, because somebody would believe that it did something.
func (w Wanted) check() error {
	files := w.secret.Chain != "" || w.secret.Key != ""
	switch {
	case !slices.Contains([]Way{Upload, Delegation, Certificate, Secrets}, w.Way):
		return fault.New(fault.Invalid, "%.40q is no way by which a proxy comes", string(w.Way)).WithHint("ways are upload, delegation, certificate and secrets")
	case w.Request != "" && w.Way != Certificate:
		return fault.New(fault.Invalid, "a signing request goes with the way certificate only")
	case len(w.Request) > maxRequest:
		return fault.New(fault.Invalid, "the signing request is larger than 64 KiB")
	case files && w.Way != Upload && w.Way != Secrets:
		return fault.New(fault.Invalid, "certificates and keys go with the ways upload and secrets only").
			WithHint("nothing of them was stored; by the way %s no private key travels", w.Way)
	case w.secret.Passphrase != "" && w.Way != Secrets:
		return fault.New(fault.Invalid, "a passphrase goes with the way secrets only").WithHint("never send it elsewhere")
	}
	return checkVOs(w.VOMS)
}

// checkVOs refuses what no VO can be asked for.
func checkVOs(vos []material.VO) error {
	if len(vos) > maxVOs {
		return fault.New(fault.Limited, "attributes of %d VOs were asked for; %d are the limit", len(vos), maxVOs).WithHint("make several proxies")
	}
	seen := map[string]bool{}
	for _, vo := range vos {
		if f, err := voms.ParseFQAN("/" + vo.Name); err != nil || f.VO() != vo.Name || f.Role != "" || f.Capability != "" {
			return fault.New(fault.Invalid, "%.80q cannot be the name of a VO", vo.Name).WithHint(`VOs have names such as "cms" or "climate.example.org"`)
		}
		if seen[vo.Name] {
			return fault.New(fault.Invalid, "VO %s is named twice", vo.Name).WithHint("name it once, with all that you want of it")
		}
		seen[vo.Name] = true
		if len(vo.FQANs) > maxFQANs {
			return fault.New(fault.Limited, "%d attributes of VO %s were asked for; %d are the limit", len(vo.FQANs), vo.Name, maxFQANs).WithHint("name those that the job needs")
		}
		for _, text := range vo.FQANs {
			f, err := voms.ParseFQAN(text)
			if err != nil {
				return fault.New(fault.Invalid, "%v", err)
			}
			if f.VO() != vo.Name {
				return fault.New(fault.Invalid, "%.80q is no attribute of VO %s", text, vo.Name).WithHint("attributes of a VO begin with its name: /%s", vo.Name)
			}
		}
	}
	return nil
}

// held is what a credential's state holds.
type held struct {
	// Chain is PEM, first certificate first; empty until a delegation is completed.
	Chain string `json:"chain,omitempty"`
	// Key is PEM; empty where the key is its owner's.
	Key material.Secret `json:"key,omitempty"`
	// Request is that of a delegation, PEM.
	Request string `json:"request,omitempty"`
}

// keep returns what is stored of c: its certificates, and its key if there is one.
func keep(c proxycert.Credential, request string) (credential.State, error) {
	h := held{Request: request}
	var err error
	if c.Key != nil {
		h.Key, err = marshalKey(c.Key)
	}
	if err == nil && len(c.Chain) > 0 {
		var text []byte
		text, err = proxycert.Credential{Chain: c.Chain}.PEM()
		h.Chain = string(text)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(h)
}

// open reads what is stored.
func open(c credential.Credential, s credential.State) (Spec, held, error) {
	spec, err := ParseSpec(c.Spec)
	var h held
	if err == nil {
		err = json.Unmarshal(s, &h)
	}
	if err != nil {
		return spec, h, fmt.Errorf("open the state of proxy %s: %w", c.PublicID, err)
	}
	return spec, h, nil
}

// credential returns the chain with its key, if that is here.
func (h held) credential() (proxycert.Credential, error) {
	return proxycert.Parse([]byte(h.Chain+h.Key.Reveal()), nil)
}

// made finishes a spec and what is stored.
func (s Spec) made(id string, c proxycert.Credential, request string) (credential.Made, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return credential.Made{}, fmt.Errorf("encode the spec of a proxy: %w", err)
	}
	state, err := keep(c, request)
	return credential.Made{PublicID: id, Spec: text, State: state}, err
}
