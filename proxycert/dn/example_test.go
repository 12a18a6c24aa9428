package dn_test

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"

	"github.com/lanyardhq/lanyard/proxycert/dn"
)

// The name of a certificate in the two forms that grid tools use.
func Example() {
	data, err := os.ReadFile("../../testdata/voms/pki/certs/robot.pem")
	if err != nil {
		panic(err)
	}
	block, _ := pem.Decode(data)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		panic(err)
	}
	fmt.Println(dn.Slash(cert.RawSubject))
	fmt.Println(dn.RFC2253(cert.RawSubject))
	// Output:
	// /DC=test/DC=lanyard/OU=Robots/CN=Robot: copier\/host\/w1.lanyard.test
	// CN=Robot: copier/host/w1.lanyard.test,OU=Robots,DC=lanyard,DC=test
}

// Names from different tools are compared after parsing, never as text.
func ExampleName_Equal() {
	a, err := dn.Parse("/DC=org/DC=Example/CN=Uma Mail/Email=uma@example.org")
	if err != nil {
		panic(err)
	}
	b, err := dn.Parse("EMAILADDRESS=uma@example.org, CN=Uma Mail, DC=example, DC=org")
	if err != nil {
		panic(err)
	}
	fmt.Println(a.Equal(b))
	// Output: true
}
