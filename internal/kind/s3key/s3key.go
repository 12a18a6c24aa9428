// Package s3key is the kind of credential whose material is an S3 access key pair that Lanyard's
// own gateways honour. It makes the pair and knows what its rights mean; it touches nothing
// outside. It imports rows 0 and 1.
package s3key

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/material"
)

// Name is the kind's name in orders and rows.
const Name = "s3key"

// idPrefix makes our access key ids recognisable, to people and to secret scanners.
const idPrefix = "LYD"

// Kind makes key pairs.
type Kind struct{}

// Name implements credential.Kind.
func (Kind) Name() string { return Name }

// Make implements credential.Kind. Both halves are letters and digits only, because punctuation
// in keys has broken clients before; they carry 85 and 200 random bits.
func (Kind) Make(_ context.Context, o credential.Order) (credential.Made, error) {
	rights, err := ParseRights(o.Spec)
	if err != nil {
		return credential.Made{}, err
	}
	spec, err := rights.encode()
	if err != nil {
		return credential.Made{}, err
	}
	id := idPrefix + rand.Text()[:20-len(idPrefix)]
	secret := (rand.Text() + rand.Text())[:40]
	return credential.Made{PublicID: id, Spec: spec, State: credential.State(secret)}, nil
}

// Material implements credential.Kind.
func (Kind) Material(_ context.Context, c credential.Credential, s credential.State) (material.Material, error) {
	secret, _, err := Open(c, s)
	if err != nil {
		return material.Material{}, err
	}
	return material.Material{ExpiresAt: c.ExpiresAt,
		S3: &material.S3Keys{AccessKeyID: c.PublicID, SecretAccessKey: secret}}, nil
}

// Open returns the secret half of the pair c, whose state is s, and what the pair may do.
func Open(c credential.Credential, s credential.State) (material.Secret, Rights, error) {
	if len(s) != 40 {
		return "", Rights{}, fmt.Errorf("s3key %s: its state is not a secret key", c.PublicID)
	}
	rights, err := ParseRights(c.Spec)
	if err != nil {
		return "", Rights{}, fmt.Errorf("s3key %s: %w", c.PublicID, err)
	}
	return material.Secret(s), rights, nil
}
