package identity_test

import (
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
)

func TestIn(t *testing.T) {
	roles := []identity.Role{identity.User, identity.Deputy, identity.Manager}
	for i, has := range roles {
		a := identity.Actor{AccountID: "usr_1", Roles: map[string]identity.Role{"prj_1": has}}
		for j, needs := range roles {
			if got := a.In("prj_1", needs); got != (i >= j) {
				t.Errorf("%s as %s: %t", has, needs, got)
			}
			if a.In("prj_2", needs) {
				t.Errorf("%s of another project as %s", has, needs)
			}
		}
	}
	for _, odd := range []identity.Role{"", "emperor", "MANAGER"} {
		if (identity.Actor{Roles: map[string]identity.Role{"prj_1": odd}}).In("prj_1", identity.User) {
			t.Errorf("the role %q is taken for a user's", odd)
		}
		if (identity.Actor{Roles: map[string]identity.Role{"prj_1": identity.Manager}}).In("prj_1", odd) {
			t.Errorf("everybody has the role %q", odd)
		}
	}
	if !identity.System().In("prj_1", identity.Manager) {
		t.Error("the operator has not every role")
	}
}

func TestHolds(t *testing.T) {
	for _, tc := range []struct {
		scopes []identity.Scope
		want   bool
	}{
		{nil, true}, {[]identity.Scope{}, false}, {[]identity.Scope{identity.ReadKeys}, true}, {[]identity.Scope{identity.WriteKeys}, false},
	} {
		if got := (identity.Actor{Scopes: tc.scopes}).Holds(identity.ReadKeys); got != tc.want {
			t.Errorf("%q hold s3:read: %t", tc.scopes, got)
		}
	}
	if n := len(identity.Scopes()); n != 8 {
		t.Errorf("%d scopes", n)
	}
}

func TestCheckReason(t *testing.T) {
	for reason, ok := range map[string]bool{
		"": true, "key found on the web": true, strings.Repeat("ä", 200): true,
		strings.Repeat("a", 201): false, "a\nb": false, "\x1b[2J": false, "\xff": false,
	} {
		err := identity.CheckReason(reason)
		if ok != (err == nil) || !ok && fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%q: got %v, good is %t", reason, err, ok)
		}
	}
}
