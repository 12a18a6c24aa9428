package trust_test

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/lanyardhq/lanyard/proxycert/dn"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
	"github.com/lanyardhq/lanyard/proxycert/trust"
)

// Whether a certificate leads to an authority of /etc/grid-security/certificates, and if not, why.
func ExampleStore_Verify() {
	store, err := trust.Load("../../testdata/voms/pki/certificates")
	if err != nil {
		panic(err)
	}
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, user := range []string{"sam", "dora"} {
		data, err := os.ReadFile("../../testdata/voms/pki/certs/" + user + ".pem")
		if err != nil {
			panic(err)
		}
		chain, err := keyfile.Certificates(data)
		if err != nil {
			panic(err)
		}
		path, err := store.Verify(chain, at, trust.Options{})
		if refused, ok := errors.AsType[*trust.Error](err); ok {
			fmt.Println(refused.Reason, refused)
		}
		for _, c := range path {
			fmt.Println(dn.Slash(c.RawSubject))
		}
	}
	// Output:
	// /DC=test/DC=lanyard/OU=Users/CN=Sam Subca
	// /DC=test/DC=lanyard/CN=Lanyard Fixture Sub CA
	// /DC=test/DC=lanyard/CN=Lanyard Fixture CA
	// revoked certificate /DC=test/DC=lanyard/OU=Users/CN=Dora Revoked: was revoked by /DC=test/DC=lanyard/CN=Lanyard Fixture CA
}

// A program's own authority beside those of a directory, with its own revocation list.
func ExampleStore_With() {
	directory := trust.Directory{Path: "../../testdata/voms/pki/certificates", Now: time.Now}
	store, err := directory.Current()
	if err != nil {
		panic(err)
	}
	var own []*x509.Certificate // the authority
	var lists [][]byte          // what it revoked
	store = store.With(own, lists)
	fmt.Println(len(store.Problems()))
	// Output: 0
}
