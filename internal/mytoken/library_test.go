package mytoken_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oidc-mytoken/api/v0"
	mytokenlib "github.com/oidc-mytoken/lib"
)

// These tests are mytoken's own Go library, which its command line is made of, against us.

func connect(t testing.TB, w *world) *mytokenlib.MytokenServer {
	t.Helper()
	s, err := mytokenlib.NewMytokenServer(w.url)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// obtain gets a mytoken as the library does, with Ada at the browser between two polls.
func obtain(t testing.TB, w *world, s *mytokenlib.MytokenServer, r api.GeneralMytokenRequest) api.MytokenResponse {
	t.Helper()
	r.Issuer = op.Issuer
	flow, err := s.Mytoken.APIInitAuthorizationFlow(r)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Mytoken.APIPollOnce(flow.PollingCode); err != nil || got != nil {
		t.Fatalf("nobody agreed, but %+v, %v", got, err)
	}
	w.consent(flow.ConsentURI)
	got, err := s.Mytoken.APIPollOnce(flow.PollingCode)
	if err != nil || got == nil {
		t.Fatal(err)
	}
	_, err = s.Mytoken.APIPollOnce(flow.PollingCode)
	is(t, err, "invalid_token: Bad polling or transfer code")
	return *got
}

// The library's own loop, which waits a second between polls.
func TestTheLibraryWaits(t *testing.T) {
	w := newWorld(t)
	s := connect(t, w)
	flow, err := s.Mytoken.APIInitAuthorizationFlow(api.GeneralMytokenRequest{Issuer: op.Issuer})
	if err != nil {
		t.Fatal(err)
	}
	if flow.PollingInterval != 5 || flow.PollingCodeExpiresIn != 300 || !strings.HasPrefix(flow.ConsentURI, strings.TrimSuffix(w.url, "mytoken")+"approvals/mytoken/") {
		t.Errorf("the flow is %+v", flow)
	}
	flow.PollingInterval = 1
	waited := 0
	got, err := s.Mytoken.APIPoll(flow.PollingInfo, func(int64, int) {
		if waited++; waited == 1 {
			w.consent(flow.ConsentURI)
		}
	})
	if err != nil || waited != 1 || got.Mytoken == "" || !slices.Equal(got.Capabilities.Strings(), []string{"AT", "tokeninfo"}) {
		t.Errorf("after %d polls that found nothing: %+v, %v", waited, got, err)
	}
	declined, err := s.Mytoken.APIInitAuthorizationFlow(api.GeneralMytokenRequest{Issuer: op.Issuer})
	if err != nil {
		t.Fatal(err)
	}
	w.check(w.Decline(t.Context(), ada, declined.ConsentURI[strings.LastIndexByte(declined.ConsentURI, '/')+1:]))
	_, err = s.Mytoken.APIPollOnce(declined.PollingCode)
	is(t, err, "access_denied: user declined consent")
	_, err = s.Mytoken.APIInitAuthorizationFlow(api.GeneralMytokenRequest{Issuer: "https://nope.example.org"})
	is(t, err, "invalid_request: The provided issuer is not supported")
}

func caps(names ...string) api.Capabilities { return api.NewCapabilities(names) }

// is checks what a client prints for an error.
func is(t testing.TB, err error, want string) {
	t.Helper()
	if _, ok := errors.AsType[mytokenlib.MytokenError](err); !ok || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestTheLibraryObtainsAndUses(t *testing.T) {
	w := newWorld(t)
	s := connect(t, w)
	exp := w.now().Add(24 * time.Hour).Unix()
	got := obtain(t, w, s, api.GeneralMytokenRequest{Name: "laptop:full", ApplicationName: "test", Capabilities: caps("AT", "tokeninfo", "create_mytoken", "manage_mytokens", "settings"),
		Restrictions: api.Restrictions{{ExpiresAt: exp, Scope: "openid storage.read:/", UsagesAT: new(int64(50))}}})
	if left := int64(got.ExpiresIn); left > 86400 || left < 86300 || got.MytokenType != api.ResponseTypeToken || got.MOMID == "" || len(got.Restrictions) != 1 ||
		got.Restrictions[0].Scope != "openid storage.read:/" || got.Restrictions[0].ExpiresAt != exp || *got.Restrictions[0].UsagesAT != 50 || len(got.Capabilities) != 5 {
		t.Errorf("obtained %+v", got)
	}
	mt := got.Mytoken

	// Access tokens: as it says, narrower, and more than it may.
	at, err := s.AccessToken.APIGet(mt, op.Issuer, nil, nil, "")
	if err != nil || at.AccessToken == "" || at.TokenType != "Bearer" || at.ExpiresIn < 1700 || at.ExpiresIn > 3600 || at.TokenUpdate != nil {
		t.Errorf("an access token: %+v, %v", at, err)
	}
	narrow, err := s.AccessToken.APIGet(mt, "", []string{"storage.read:/"}, nil, "job 42")
	if err != nil || narrow.Scope != "storage.read:/" || narrow.AccessToken == at.AccessToken {
		t.Errorf("a narrower one: %+v, %v", narrow, err)
	}
	before := mt
	if _, err := s.AccessToken.Get(&mt, "", nil, nil, ""); err != nil || mt != before {
		t.Errorf("a token that does not rotate changed, or %v", err)
	}
	_, err = s.AccessToken.APIGet(mt, "", []string{"compute.read"}, nil, "")
	is(t, err, "usage_restricted: The restrictions of this token does not allow this usage")
	_, err = s.AccessToken.APIGet(mt, "https://other.example.org", nil, nil, "")
	is(t, err, "invalid_request: token not for specified issuer")

	introspected, err := s.Tokeninfo.Introspect(mt)
	if err != nil || !introspected.Valid || introspected.MOMID != got.MOMID || introspected.TokenType != "token" || introspected.Token.SeqNo != 1 ||
		introspected.Token.Issuer != w.url || introspected.Token.OIDCIssuer != op.Issuer || introspected.Token.Name != "laptop:full" ||
		*introspected.Token.Restrictions[0].UsagesATDone != 3 || *introspected.Token.Restrictions[0].UsagesOtherDone != 0 {
		t.Errorf("introspected: %+v, %v", introspected, err)
	}
	if grants, err := s.UserSettings.Grants.Get(&mt); err != nil || len(grants) != 0 {
		t.Errorf("grants: %v, %v", grants, err)
	}
	is(t, s.UserSettings.Grants.EnableGrant(&mt, "ssh"), "invalid_grant: Unsupported grant_type")
}

func TestTheLibraryDerivesListsAndRevokes(t *testing.T) {
	w := newWorld(t)
	s := connect(t, w)
	root := obtain(t, w, s, api.GeneralMytokenRequest{Name: "root", Capabilities: caps("AT", "tokeninfo", "create_mytoken", "manage_mytokens"),
		Restrictions: api.Restrictions{{ExpiresAt: w.now().Add(24 * time.Hour).Unix(), Scope: "openid storage.read:/"}}})
	mt := root.Mytoken
	exp := w.now().Add(time.Hour).Unix()
	tight := api.Restrictions{{ExpiresAt: exp, Scope: "storage.read:/", UsagesAT: new(int64(2))}}

	child, err := s.Mytoken.APIFromMytoken(mt, "", tight, caps("AT", "create_mytoken"), nil, api.ResponseTypeToken, "job-1")
	if err != nil || len(child.Capabilities) != 2 || child.Restrictions[0].Scope != "storage.read:/" || child.TokenUpdate != nil {
		t.Fatalf("a child: %+v, %v", child, err)
	}
	wide := api.MytokenFromMytokenRequest{Mytoken: mt, FailOnRestrictionsNotTighter: true, GeneralMytokenRequest: api.GeneralMytokenRequest{GrantType: api.GrantTypeMytoken,
		Restrictions: api.Restrictions{{ExpiresAt: w.now().Add(11 * 24 * time.Hour).Unix()}}}}
	_, _, err = s.Mytoken.FromRequest(wide)
	is(t, err, "invalid_request: requested restrictions are not subset of original restrictions")
	wide.FailOnRestrictionsNotTighter = false
	cut, err := s.Mytoken.APIFromRequest(wide)
	if err != nil || len(cut.Restrictions) != 1 || cut.Restrictions[0].ExpiresAt != root.Restrictions[0].ExpiresAt || cut.Restrictions[0].Scope != "openid storage.read:/" {
		t.Errorf("a wish that is cut: %+v, %v", cut, err)
	}
	_, err = s.Mytoken.FromMytoken(&child.Mytoken, "", nil, caps("tokeninfo"), nil, api.ResponseTypeToken, "")
	is(t, err, "invalid_request: mytoken to be issued cannot have any of the requested capabilities")
	grandchild, err := s.Mytoken.FromMytoken(&child.Mytoken, op.Issuer, nil, caps("AT"), nil, api.ResponseTypeShortToken, "job-1.1")
	if err != nil || len(grandchild) != 64 {
		t.Fatalf("a short grandchild: %q, %v", grandchild, err)
	}
	for range 2 {
		if at, err := s.AccessToken.Get(&grandchild, "", nil, nil, ""); err != nil || at == "" {
			t.Errorf("an access token of the grandchild: %v", err)
		}
	}
	_, err = s.AccessToken.Get(&child.Mytoken, "", nil, nil, "") // what a child used its parent has used
	is(t, err, "usage_restricted: The restrictions of this token does not allow this usage")
	_, err = s.Tokeninfo.Introspect(grandchild)
	is(t, err, "insufficient_capabilities: The provided token does not have the required capability for this operation")

	tree, err := s.Tokeninfo.Subtokens(&mt)
	if err != nil || tree.Token.MOMID != root.MOMID || len(tree.Children) != 2 || len(tree.Children[0].Children)+len(tree.Children[1].Children) != 1 {
		t.Errorf("the tree: %+v, %v", tree, err)
	}
	other := obtain(t, w, s, api.GeneralMytokenRequest{Name: "other"})
	if list, err := s.Tokeninfo.ListMytokens(&mt); err != nil || len(list) != 2 {
		t.Errorf("the list: %+v, %v", list, err)
	}
	_, err = s.Tokeninfo.ListMytokens(&other.Mytoken)
	is(t, err, "insufficient_capabilities: The provided token does not have the required capability for this operation")

	events, err := s.Tokeninfo.History(&mt)
	names := func(events []api.EventEntry) (names []string) {
		for _, e := range events {
			names = append(names, e.Event.String())
		}
		return names
	}
	if want := []string{"created", "MT_created", "tokeninfo_subtokens"}; err != nil || slices.ContainsFunc(want, func(n string) bool { return !slices.Contains(names(events), n) }) {
		t.Errorf("the history: %v, %v", names(events), err)
	}
	theirs, err := s.Tokeninfo.HistoryForOtherMytoken(&mt, child.MOMID)
	if err != nil || !slices.Contains(names(theirs.Events), "inherited_RT") || theirs.Events[0].MOMID != child.MOMID {
		t.Errorf("the child's history: %+v, %v", theirs, err)
	}

	is(t, s.Revocation.RevokeID("nobody", mt, "", false), "invalid_grant: The provided token cannot be used to revoke this mom_id")
	if err := s.Revocation.RevokeID(child.MOMID, mt, "", true); err != nil {
		t.Error(err)
	}
	_, err = s.AccessToken.Get(&child.Mytoken, "", nil, nil, "")
	is(t, err, "invalid_token")
	_, err = s.AccessToken.Get(&grandchild, "", nil, nil, "")
	is(t, err, "invalid_token: token contains an invalid number of segments") // of a short token nothing is left
	if err := s.Revocation.Revoke(mt, "", true); err != nil {
		t.Error(err)
	}
	for _, gone := range []string{mt, cut.Mytoken} {
		_, err := s.AccessToken.Get(&gone, "", nil, nil, "")
		is(t, err, "invalid_token")
	}
	if _, err := s.AccessToken.Get(&other.Mytoken, "", nil, nil, ""); err != nil {
		t.Errorf("a token of another flow: %v", err)
	}
}

func TestTheLibraryTransfersAndRotates(t *testing.T) {
	w := newWorld(t)
	s := connect(t, w)
	got := obtain(t, w, s, api.GeneralMytokenRequest{Name: "rot", Capabilities: caps("AT", "tokeninfo", "create_mytoken"), Rotation: &api.Rotation{OnAT: true, OnOther: true, AutoRevoke: true}})
	if got.Rotation == nil || !got.Rotation.OnAT || !got.Rotation.AutoRevoke {
		t.Fatalf("obtained %+v", got)
	}
	mt := got.Mytoken

	code, err := s.Transfer.Create(mt) // which is no use
	if err != nil {
		t.Fatal(err)
	}
	moved, err := s.Mytoken.FromTransferCode(code)
	if err != nil || id(t, moved) != id(t, mt) {
		t.Errorf("the transfer code gave another token, or %v", err)
	}
	_, err = s.Mytoken.FromTransferCode(code)
	is(t, err, "invalid_token: Bad polling or transfer code")

	seen := []string{mt}
	uses := []func(mt *string) error{
		func(mt *string) error { _, err := s.AccessToken.Get(mt, "", nil, nil, ""); return err },
		func(mt *string) error {
			_, err := s.Mytoken.FromMytoken(mt, "", nil, caps("AT"), nil, api.ResponseTypeToken, "child-of-rot")
			return err
		},
		func(mt *string) error { _, err := s.Tokeninfo.History(mt); return err },
		func(mt *string) error { _, err := s.Tokeninfo.Subtokens(mt); return err },
	}
	for i, use := range uses {
		if err := use(&mt); err != nil || slices.Contains(seen, mt) || id(t, mt) != id(t, got.Mytoken) {
			t.Fatalf("use %d: %v; the token changed: %t", i, err, !slices.Contains(seen, mt))
		}
		seen = append(seen, mt)
	}
	if i, err := s.Tokeninfo.Introspect(mt); err != nil || i.Token.SeqNo != 5 {
		t.Errorf("after four uses: %+v, %v", i, err)
	}
	// A token that was replaced ends all.
	_, err = s.AccessToken.Get(new(seen[0]), "", nil, nil, "")
	is(t, err, "invalid_token")
	_, err = s.AccessToken.Get(&mt, "", nil, nil, "")
	is(t, err, "invalid_token")
}

// id is the jti of a token.
func id(t testing.TB, token string) string {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("%.80q is no JWT", token)
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var m api.Mytoken
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	return m.ID
}

func TestTheLibraryReadsTemplates(t *testing.T) {
	w := newWorld(t)
	s := connect(t, w)
	p := s.ProfilesAndTemplates
	if groups, err := p.APIGetGroups(); err != nil || !slices.Equal(groups, []string{"kit"}) {
		t.Errorf("groups: %v, %v", groups, err)
	}
	profiles, err := p.APIGetProfiles("kit")
	if err != nil || len(profiles) != 1 || profiles[0].Name != "c4p-htcondor" || !strings.Contains(string(profiles[0].Payload), `"tokeninfo:introspect"`) {
		t.Errorf("profiles: %s, %v", profiles, err)
	}
	if list, err := p.APIGetRestrictions("_"); err != nil || len(list) < 7 {
		t.Errorf("restrictions: %v, %v", list, err)
	}
	_, err = p.APIGetRotation("nobody")
	is(t, err, "not_found: /mytoken/api/v0/pt/nobody/rotation")

	got := obtain(t, w, s, api.GeneralMytokenRequest{Name: "htcondor", ApplicationName: "htcondor", IncludedProfiles: api.NewIncludedProfiles("kit/c4p-htcondor")})
	if left := int64(got.ExpiresIn); left > 7*86400 || left < 7*86400-60 || len(got.Capabilities) != 2 {
		t.Errorf("by a profile: %+v", got)
	}
}
