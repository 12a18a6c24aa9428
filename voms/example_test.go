package voms_test

import (
	"fmt"
	"os"
	"time"

	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
	"github.com/lanyardhq/lanyard/proxycert/trust"
	"github.com/lanyardhq/lanyard/voms"
)

// Read what a proxy says, without believing it.
func ExampleFromChain() {
	file, err := os.ReadFile("../testdata/voms/golden/g09-c-voms-two.pem")
	if err != nil {
		panic(err)
	}
	proxy, err := proxycert.Parse(file, nil)
	if err != nil {
		panic(err)
	}
	all, err := voms.FromChain(proxy.Chain)
	if err != nil {
		panic(err)
	}
	for _, one := range all {
		if one.Err != nil {
			fmt.Println("unreadable:", one.Err)
			continue
		}
		fmt.Println(one.AC.VO, "at", one.AC.URI())
		for _, fqan := range one.AC.FQANs {
			fmt.Println(" ", fqan)
		}
		for _, attribute := range one.AC.Attributes {
			fmt.Println(" ", attribute)
		}
	}
	// Output:
	// lanyard at voms.lanyard.test:15000
	//   /lanyard/Role=NULL/Capability=NULL
	//   /lanyard/physics/Role=NULL/Capability=NULL
	//   /lanyard/physics/muon/Role=NULL/Capability=NULL
	//   quota = 100 (/lanyard/physics)
	//   nickname = ada (lanyard)
	// beta.vo at voms.lanyard.test:15001
	//   /beta.vo
	//   /beta.vo/physics
	//   /beta.vo/physics/muon
	//   quota = 100 (/beta.vo/physics)
	//   nickname = ada (beta.vo)
}

// Decide who is there and what they may do, as a service does.
func ExampleVerifier_Verify() {
	file, err := os.ReadFile("../testdata/voms/hostile/x40-second-ac-bad.pem")
	if err != nil {
		panic(err)
	}
	proxy, err := proxycert.Parse(file, nil)
	if err != nil {
		panic(err)
	}
	store, err := trust.Load("../testdata/voms/pki/certificates") // usually /etc/grid-security/certificates
	if err != nil {
		panic(err)
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	who, err := proxycert.Verifier{Trust: store, At: now}.Verify(proxy.Chain)
	if err != nil {
		panic(err)
	}
	fmt.Println("identity:", who.Identity)

	all, err := voms.FromChain(who.Chain)
	if err != nil {
		panic(err)
	}
	verifier := voms.Verifier{
		Trust:   store,
		Anchors: voms.Anchors{Dir: "../testdata/voms/pki/vomsdir"}, // usually /etc/grid-security/vomsdir
		At:      now,
		Hosts:   []string{"storage.example.org"},
	}
	for _, one := range all {
		if one.Err == nil {
			one.Err = verifier.Verify(one.AC, who.EndEntity)
		}
		if one.Err != nil {
			fmt.Println("refused:", one.Err)
			continue
		}
		fmt.Println("primary FQAN:", one.AC.FQANs[0])
	}
	// Output:
	// identity: /DC=test/DC=lanyard/OU=Users/CN=Ada Tester
	// primary FQAN: /lanyard/Role=NULL/Capability=NULL
	// refused: the attribute certificate of VO "beta.vo" was changed, or was not signed by /DC=test/DC=lanyard/OU=Hosts/CN=voms.lanyard.test
}

// Issue an attribute certificate, as the authority of a VO does.
func ExampleCreate() {
	load := func(name string) []byte {
		data, err := os.ReadFile("../testdata/voms/pki/certs/" + name)
		if err != nil {
			panic(err)
		}
		return data
	}
	authority, err := keyfile.Certificates(load("voms.pem"))
	if err != nil {
		panic(err)
	}
	key, err := keyfile.Key(load("voms.key"), nil)
	if err != nil {
		panic(err)
	}
	holder, err := keyfile.Certificates(load("ada.pem"))
	if err != nil {
		panic(err)
	}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	der, err := voms.Create(voms.Template{
		VO: "lanyard", Host: "voms.lanyard.test", Port: 15000,
		FQANs:      []string{"/lanyard/Role=production", "/lanyard"},
		Attributes: []voms.Attribute{{Name: "nickname", Value: "ada", Qualifier: "lanyard"}},
		NotBefore:  now, NotAfter: now.Add(12 * time.Hour),
	}, holder[0], authority[0], key)
	if err != nil {
		panic(err)
	}
	ac, err := voms.Parse(der)
	if err != nil {
		panic(err)
	}
	fmt.Println("issued to", ac.Holder.Name)
	// Services believe it once this is in vomsdir/lanyard/voms.lanyard.test.lsc.
	fmt.Print(voms.LSCOf(authority[0]))
	// Output:
	// issued to /DC=test/DC=lanyard/OU=Users/CN=Ada Tester
	// /DC=test/DC=lanyard/OU=Hosts/CN=voms.lanyard.test
	// /DC=test/DC=lanyard/CN=Lanyard Fixture CA
}
