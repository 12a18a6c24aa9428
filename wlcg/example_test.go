package wlcg_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lanyardhq/lanyard/wlcg"
)

// An issuer mints a token, and a service of its choice accepts it.
func Example() {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	key := wlcg.Key{ID: "2026-11", Algorithm: wlcg.ES256, Signer: private}
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	token, err := wlcg.Claims{
		Issuer: "https://issuer.example.org", Subject: "7f9c", ID: "1", Audience: []string{"https://storage.example.org"},
		IssuedAt: now, ExpiresAt: now.Add(time.Hour), Scope: []string{"storage.read:/data"}, ClientID: "cli",
	}.Mint(key, wlcg.WLCG)
	if err != nil {
		fmt.Println(err)
		return
	}

	// The service fetches the issuer's key set, which is public.
	published, err := json.Marshal(wlcg.KeySet{Keys: []wlcg.PublicKey{key.Public()}})
	if err != nil {
		fmt.Println(err)
		return
	}
	keys, err := wlcg.ParseKeySet(published)
	if err != nil {
		fmt.Println(err)
		return
	}
	service := wlcg.Verifier{Issuer: "https://issuer.example.org", Audiences: []string{"https://storage.example.org"}, Keys: keys.Fixed(),
		Now: func() time.Time { return now.Add(time.Minute) }}
	claims, err := service.Verify(context.Background(), token)
	fmt.Println(claims.Subject, claims.Scope, err)

	service.Audiences = []string{"https://other.example.org"}
	_, err = service.Verify(context.Background(), token)
	if refused, ok := errors.AsType[*wlcg.Error](err); ok {
		fmt.Println(refused.Reason)
	}
	// Output:
	// 7f9c [storage.read:/data] <nil>
	// audience
}

func ExampleScope_Covers() {
	policy, _ := wlcg.ParseScope("storage.read:/data")
	for _, text := range []string{"storage.read:/data/raw", "storage.read:/data2", "storage.modify:/data"} {
		wanted, _ := wlcg.ParseScope(text)
		fmt.Println(wanted, policy.Covers(wanted))
	}
	// Output:
	// storage.read:/data/raw true
	// storage.read:/data2 false
	// storage.modify:/data false
}

func ExampleParseScope() {
	_, err := wlcg.ParseScope("storage.read:/data/../etc")
	fmt.Println(err)
	// Output:
	// scope "storage.read:/data/../etc": the path has a segment ".."
}

func ExampleGroupsFor() {
	groups, err := wlcg.GroupsFor([]string{"wlcg.groups:/cms/ALARM"}, []string{"/cms", "/cms/ALARM"}, []string{"/cms"})
	fmt.Println(groups, err)
	// Output:
	// [/cms/ALARM /cms] <nil>
}
