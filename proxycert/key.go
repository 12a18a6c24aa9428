package proxycert

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"fmt"
)

// Sizes of RSA keys in bits. Proxies of 1024 bits are still made for old services and are read; a
// key that somebody sends to be signed is a new one and has no such excuse.
const (
	weakestRSA   = 1024
	delegatedRSA = 2048
	largestRSA   = 8192
)

// weak says what is wrong with a public key, "" if nothing is. RSA keys have at least bits bits.
func weak(key crypto.PublicKey, bits int) string {
	switch k := key.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < bits || n > largestRSA {
			return fmt.Sprintf("its RSA key has %d bits; %d to %d are accepted", n, bits, largestRSA)
		}
	case *ecdsa.PublicKey:
		if k.Curve != elliptic.P256() && k.Curve != elliptic.P384() && k.Curve != elliptic.P521() {
			return fmt.Sprintf("its elliptic curve %s is not one of P-256, P-384, P-521", k.Curve.Params().Name)
		}
	default:
		return "its key is neither RSA nor ECDSA"
	}
	return ""
}
