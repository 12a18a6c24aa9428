package proxycert_test

import (
	"crypto/rand"
	"crypto/rsa"
	"testing"

	"github.com/lanyardhq/lanyard/proxycert"
)

// BenchmarkNew makes a proxy around a key that is there already.
func BenchmarkNew(b *testing.B) {
	ada, key := user(b, "ada"), keys()[0]
	for b.Loop() {
		if _, err := proxycert.New(ada, key, day()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkKey is what New leaves out: most of the time that a user waits for.
func BenchmarkKey(b *testing.B) {
	for b.Loop() {
		if _, err := rsa.GenerateKey(rand.Reader, 2048); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkParse reads a proxy file with its key.
func BenchmarkParse(b *testing.B) {
	data := read(b, fixtures+"golden/g01-c-plain.pem")
	for b.Loop() {
		if _, err := proxycert.Parse(data, nil); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkVerify decides about a proxy and its person.
func BenchmarkVerify(b *testing.B) {
	v, chain := verifier(b), parse(b, fixtures+"golden/g01-c-plain.pem").Chain
	for b.Loop() {
		if _, err := v.Verify(chain); err != nil {
			b.Fatal(err)
		}
	}
}
