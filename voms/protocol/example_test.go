package protocol_test

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/proxycert/trust"
	"github.com/lanyardhq/lanyard/voms/protocol"
	"github.com/lanyardhq/lanyard/voms/vomses"
)

// Get an attribute certificate of the VO "cms" for the owner of a proxy, as the primary role
// production, for twelve hours.
func ExampleClient_Get() {
	data, err := os.ReadFile(fmt.Sprintf("/tmp/x509up_u%d", os.Getuid()))
	if err != nil {
		log.Fatal(err)
	}
	proxy, err := proxycert.Parse(data, nil)
	if err != nil {
		log.Fatal(err)
	}
	cas, err := trust.Load("/etc/grid-security/certificates")
	if err != nil {
		log.Fatal(err)
	}
	home, err := os.UserHomeDir()
	if err != nil {
		log.Fatal(err)
	}
	all, err := vomses.Load(vomses.SearchPath(nil, home, os.Getenv))
	if err != nil {
		log.Fatal(err)
	}
	client := protocol.Client{Credential: proxy.TLS(), Trust: cas, Timeout: 20 * time.Second, Now: time.Now}
	answer, from, err := client.Get(context.Background(), vomses.ByName(all, "cms"), protocol.Request{
		FQANs:    []string{"/cms/Role=production", "/cms"},
		Lifetime: 12 * time.Hour,
	})
	if refusal, ok := errors.AsType[*protocol.Error](err); ok && refusal.Code == protocol.NoSuchUser {
		log.Fatal("you are not a member of cms: ", refusal.Message)
	}
	if err != nil {
		log.Fatal(err) // each server with its reason
	}
	for _, w := range answer.Warnings {
		log.Printf("%s warns: %s", from.Host, w)
	}
	_ = pem.Encode(os.Stdout, &pem.Block{Type: "ATTRIBUTE CERTIFICATE", Bytes: answer.AC})
}
