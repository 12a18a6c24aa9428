package voms_test

import (
	"testing"

	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/voms"
)

func BenchmarkCreate(b *testing.B) {
	aa, key := certificate(b, "voms")
	holder, _ := certificate(b, "ada")
	tmpl := with(func(t *voms.Template) {
		t.FQANs = []string{"/lanyard/Role=NULL/Capability=NULL", "/lanyard/physics/Role=NULL/Capability=NULL", "/lanyard/physics/Role=pilot/Capability=NULL"}
		t.Attributes = []voms.Attribute{{"nickname", "ada", "lanyard"}}
	})
	for b.Loop() {
		if _, err := voms.Create(tmpl, holder, aa, key); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSign is what of Create is the signature alone.
func BenchmarkSign(b *testing.B) {
	_, key := certificate(b, "voms")
	sum := make([]byte, 32)
	for b.Loop() {
		if _, err := sign(key, sum); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	der := only(b, "golden/g07-c-voms").Raw
	for b.Loop() {
		if _, err := voms.Parse(der); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	ac := only(b, "golden/g07-c-voms")
	holder, _ := certificate(b, "ada")
	v := verifier(b)
	for b.Loop() {
		if err := v.Verify(ac, holder); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWhole is what a service does for each connection: verify the proxy, a chain of two,
// and its AC. Services get certificates parsed from the TLS handshake.
func BenchmarkWhole(b *testing.B) {
	chain := proxy(b, "golden/g07-c-voms").Chain
	v := verifier(b)
	p := proxycert.Verifier{Trust: v.Trust, At: v.At}
	for b.Loop() {
		result, err := p.Verify(chain)
		if err != nil {
			b.Fatal(err)
		}
		all, err := voms.FromChain(result.Chain)
		if err != nil || len(all) != 1 || all[0].Err != nil {
			b.Fatal(all, err)
		}
		if err := v.Verify(all[0].AC, result.EndEntity); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "verified/s")
}
