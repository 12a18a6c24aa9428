package wlcg_test

import (
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/lanyardhq/lanyard/wlcg"
)

// The benchmarks stand beside those of go-jose, the library that Go programs use most, which does
// less: it looks neither at members nor at claims.

func BenchmarkMint(b *testing.B) {
	for _, alg := range []string{wlcg.ES256, wlcg.RS256} {
		b.Run(alg, func(b *testing.B) {
			c, k := claims(), keys()[alg]
			b.ReportAllocs()
			for b.Loop() {
				mint(b, c, k, wlcg.WLCG)
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{wlcg.ES256, wlcg.RS256} {
		b.Run(alg, func(b *testing.B) {
			k := keys()[alg]
			token, v := mint(b, claims(), k, wlcg.WLCG), verifier(k)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(b.Context(), token); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRefuse is what a stranger's token costs that no key fits.
func BenchmarkRefuse(b *testing.B) {
	k := keys()[wlcg.ES256]
	token, v := mint(b, claims(), k, wlcg.WLCG), verifier()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(b.Context(), token); err == nil {
			b.Fatal("accepted")
		}
	}
}

func BenchmarkGoJose(b *testing.B) {
	for _, alg := range []string{wlcg.ES256, wlcg.RS256} {
		k := keys()[alg]
		b.Run("Sign/"+alg, func(b *testing.B) {
			signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(alg), Key: jose.JSONWebKey{Key: k.Signer, KeyID: k.ID}}, nil)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				jws, err := signer.Sign([]byte(body()))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := jws.CompactSerialize(); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("Verify/"+alg, func(b *testing.B) {
			token := mint(b, claims(), k, wlcg.WLCG)
			b.ReportAllocs()
			for b.Loop() {
				jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := jws.Verify(k.Signer.Public()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
