package wlcg

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lanyardhq/lanyard/wlcg/strict"
)

// A Header is what a token says of its signature (RFC 7515, section 4). Members that point to keys
// elsewhere (jku, x5u) or hold one (jwk, x5c) are never looked at.
type Header struct {
	Algorithm string `json:"alg"`
	KeyID     string `json:"kid,omitempty"`
	Type      string `json:"typ,omitempty"`
}

// Sign makes a compact JWS (RFC 7515, section 3.1) of a payload that json.Marshal makes a JSON
// object of. typ becomes the header's, unless it is empty.
func Sign(k Key, typ string, payload any) (string, error) {
	a, err := k.check()
	if err != nil {
		return "", err
	}
	header, err := json.Marshal(Header{Algorithm: k.Algorithm, KeyID: k.ID, Type: typ})
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(payload)
	if err != nil {
		return "", fmt.Errorf("payload of a token: %w", err)
	}
	if !bytes.HasPrefix(body, []byte("{")) {
		return "", errors.New("payload of a token: not a JSON object")
	}
	token := make([]byte, 0, 2*(len(header)+len(body))+512)
	token = base64url.AppendEncode(token, header)
	token = append(token, '.')
	token = base64url.AppendEncode(token, body)
	signature, err := a.sign(k.Signer, token)
	if err != nil {
		return "", fmt.Errorf("sign with key %s: %w", k.ID, err)
	}
	token = append(token, '.')
	token = base64url.AppendEncode(token, signature)
	if len(token) > MaxToken {
		return "", fmt.Errorf("the token would have %d bytes; %d are the limit", len(token), MaxToken)
	}
	return string(token), nil
}

// Open verifies the signature of a compact JWS and returns its header and its payload: a JSON
// object, no member of which is there twice. It judges neither the header's typ nor the payload.
// It is for tokens of other kinds than those that a Verifier reads. Algorithms that are not named
// are refused. Errors are of type *Error.
func Open(token string, keys KeySet, algorithms ...string) (Header, []byte, error) {
	p, err := split(token)
	if err != nil {
		return Header{}, nil, err
	}
	if err := p.named(algorithms); err != nil {
		return Header{}, nil, err
	}
	if err := p.verify(keys); err != nil {
		return Header{}, nil, err
	}
	return p.header, p.payload, nil
}

// parts are those of a token whose signature is not verified yet.
type parts struct {
	header    Header
	payload   []byte
	claims    map[string]json.RawMessage // of the payload
	signed    []byte
	signature []byte
}

// split takes a token apart without believing it.
func split(token string) (parts, error) {
	if len(token) > MaxToken {
		return parts{}, refuse(TooLarge, "it has more than %d bytes", MaxToken)
	}
	if strings.HasPrefix(token, "{") {
		return parts{}, refuse(Malformed, "it is in the JSON form of JWS; only the compact form is read")
	}
	switch dots := strings.Count(token, "."); {
	case dots == 4:
		return parts{}, refuse(Malformed, "it is encrypted (JWE)")
	case dots != 2:
		return parts{}, refuse(Malformed, "it has %d parts instead of the 3 of a JWT", dots+1)
	}
	header, rest, _ := strings.Cut(token, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	var p parts
	var err error
	if p.header, err = parseHeader(header); err != nil {
		return parts{}, err
	}
	if p.payload, p.claims, err = object("payload", payload); err != nil {
		return parts{}, err
	}
	if p.signature, err = decode(signature); err != nil {
		return parts{}, refuse(Malformed, "its signature is not base64url")
	}
	p.signed = []byte(token[:len(header)+1+len(payload)])
	return p, nil
}

// object decodes a part that is a JSON object.
func object(name, part string) ([]byte, map[string]json.RawMessage, error) {
	if part == "" {
		return nil, nil, refuse(Malformed, "its %s is missing", name)
	}
	text, err := decode(part)
	if err != nil {
		return nil, nil, refuse(Malformed, "its %s is not base64url", name)
	}
	members, err := strict.Object(text)
	if err != nil {
		return nil, nil, refuse(Malformed, "its %s: %v", name, err)
	}
	return text, members, nil
}

// parseHeader refuses headers that ask for what is not done here.
func parseHeader(text string) (Header, error) {
	_, m, err := object("header", text)
	if err != nil {
		return Header{}, err
	}
	for _, name := range []string{"crit", "b64", "enc", "zip"} {
		if _, ok := m[name]; ok {
			return Header{}, refuse(Malformed, "its header asks for %s, which is not done here", name)
		}
	}
	var h Header
	for name, field := range map[string]*string{"alg": &h.Algorithm, "kid": &h.KeyID, "typ": &h.Type} {
		raw, ok := m[name]
		if !ok {
			continue
		}
		if *field, ok = strict.Text(raw); !ok {
			return Header{}, refuse(Malformed, "the member %s of its header is not a text", name)
		}
	}
	return h, nil
}

// named holds of tokens whose key can be looked for: the algorithm is an accepted one, and the key
// has a name.
func (p parts) named(accepted []string) error {
	_, known := algorithms[p.header.Algorithm]
	switch {
	case !known || !slices.Contains(accepted, p.header.Algorithm):
		return refuse(BadAlgorithm, "the algorithm %s is not accepted here", quote(p.header.Algorithm))
	case p.header.KeyID == "":
		return refuse(BadKey, "it names no key (kid)")
	case !validKeyID(p.header.KeyID):
		return refuse(BadKey, "the id of its key (kid) is too long or not printable")
	}
	return nil
}

// verify checks the signature by the key that the header names, after named.
func (p parts) verify(keys KeySet) error {
	key, a, err := keys.find(p.header)
	if err != nil {
		return err
	}
	return a.verify(key, p.signed, p.signature)
}
