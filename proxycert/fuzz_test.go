package proxycert_test

import (
	"crypto/x509"
	"encoding/pem"
	"path/filepath"
	"testing"

	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
)

// everyFile calls add with each proxy file of the fixtures.
func everyFile(f *testing.F, add func([]byte)) {
	for _, dir := range []string{"golden", "hostile"} {
		files, err := filepath.Glob(fixtures + dir + "/*.pem")
		if err != nil || len(files) == 0 {
			f.Fatal(err, "or no files")
		}
		for _, file := range files {
			add(read(f, file))
		}
	}
}

// FuzzParse hands in whatever a proxy file can hold. What is read can be written, and is read again
// the same.
func FuzzParse(f *testing.F) {
	everyFile(f, func(b []byte) { f.Add(b) })
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := proxycert.Parse(data, nil)
		if err != nil {
			if len(c.Chain) > 0 || err.Error() == "" {
				t.Fatalf("%v and %v", c.Chain, err)
			}
			return
		}
		if len(c.Chain) == 0 || c.EndEntity() != c.Chain[len(c.Chain)-1] {
			t.Fatalf("read a chain of %d without end-entity", len(c.Chain))
		}
		file, err := c.PEM()
		if err != nil {
			t.Fatal(err)
		}
		again, err := proxycert.Parse(file, nil)
		if err != nil || len(again.Chain) != len(c.Chain) || (again.Key == nil) != (c.Key == nil) {
			t.Fatalf("read again: %d certificates of %d, %v", len(again.Chain), len(c.Chain), err)
		}
	})
}

// FuzzInspect hands in certificates.
func FuzzInspect(f *testing.F) {
	everyFile(f, func(b []byte) {
		if block, _ := pem.Decode(b); block != nil {
			f.Add(block.Bytes)
		}
	})
	f.Fuzz(func(t *testing.T, der []byte) {
		c, err := keyfile.Certificate(der)
		if err != nil {
			return
		}
		info, err := proxycert.Inspect(c)
		switch {
		case err != nil && info.Kind == proxycert.None:
			t.Fatalf("%v, but no proxy", err)
		case info.PathLength != nil && *info.PathLength < 0:
			t.Fatalf("path length %d", *info.PathLength)
		case info.Kind == proxycert.None && (info.Limited || info.Name != "" || info.Language != nil):
			t.Fatalf("no proxy, but %+v", info)
		}
		if _, err := verifier(t).Verify([]*x509.Certificate{c, c}); err == nil && info.Kind != proxycert.None {
			t.Fatal("a proxy alone is accepted")
		}
	})
}

// FuzzVerify puts a strange certificate at each place of a good chain. Unless it is the very one
// that stood there, nothing below it may be believed.
func FuzzVerify(f *testing.F) {
	everyFile(f, func(b []byte) {
		for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
			f.Add(block.Bytes)
		}
	})
	good := parse(f, fixtures+"golden/g48-j-noregen-depth2.pem").Chain
	f.Fuzz(func(t *testing.T, der []byte) {
		c, err := keyfile.Certificate(der)
		if err != nil {
			return
		}
		v := verifier(t)
		v.AllowLegacy, v.AllowDraft, v.AllowIndependent, v.Options.AllowSHA1 = true, true, true, true
		for i := range good {
			chain := append([]*x509.Certificate(nil), good...)
			chain[i] = c
			if r, err := v.Verify(chain); err == nil && i > 0 && !c.Equal(good[i]) {
				t.Fatalf("accepted with another certificate %d: %+v", i, r)
			}
		}
	})
}

// FuzzSign hands in signing requests.
func FuzzSign(f *testing.F) {
	for _, key := range keys() {
		request, err := proxycert.Request(key)
		if err != nil {
			f.Fatal(err)
		}
		block, _ := pem.Decode(request)
		f.Add(request)
		f.Add(block.Bytes)
	}
	ada := user(f, "ada")
	f.Fuzz(func(t *testing.T, request []byte) {
		chain, err := proxycert.Sign(ada, request, day())
		if err != nil {
			if chain != nil || err.Error() == "" {
				t.Fatalf("%v and %v", chain, err)
			}
			return
		}
		if _, err := verifier(t).Verify(chain); err != nil {
			t.Fatalf("made what is refused: %v", err)
		}
	})
}
