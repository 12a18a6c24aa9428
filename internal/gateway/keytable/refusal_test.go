package keytable_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/gateway/keytable"
	"github.com/lanyardhq/lanyard/internal/project"
)

func TestRefusalSaysWhyAndWhatToDo(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	past, future := now.Add(-time.Hour), now.Add(time.Hour)
	p := project.Project{Name: "climate"}
	for _, c := range []struct {
		name    string
		key     credential.Credential
		project project.Project
		want    []string // none: honoured
	}{
		{"active", credential.Credential{Status: credential.Active, ExpiresAt: future}, p, nil},
		{"its last instant", credential.Credential{Status: credential.Active, ExpiresAt: now.Add(1)}, p, nil},
		{"the instant of its end", credential.Credential{Status: credential.Active, ExpiresAt: now}, p, []string{"expired at 2026-11-21T12:00:00Z", "lanyard s3 key create -p climate"}},
		{"swept", credential.Credential{Status: credential.Ended, Reason: credential.Expired, ExpiresAt: past}, p, []string{"expired at 2026-11-21T11:00:00Z", "create -p climate"}},
		{"deleted", credential.Credential{Status: credential.Ending, Reason: credential.Deleted, EndedAt: past, ExpiresAt: future}, p, []string{"deleted at 2026-11-21T11:00:00Z", "create -p climate"}},
		{"ended with its project", credential.Credential{Status: credential.Ended, Reason: credential.ProjectEnded}, p, []string{"the project has ended; ask the people"}},
		{"ended by leaving", credential.Credential{Status: credential.Ended, Reason: credential.LeftProject}, p, []string{"its owner left the project"}},
		{"intended", credential.Credential{Status: credential.Intended, ExpiresAt: future}, p, []string{"not ready yet"}},
		{"frozen", credential.Credential{Status: credential.Frozen, Reason: credential.FrozenByOwner, ExpiresAt: future}, p, []string{"lanyard s3 key thaw LYDX"}},
		{"stopped", credential.Credential{Status: credential.Frozen, Reason: credential.Stopped, ExpiresAt: future}, p, []string{"stopped by the operator", "ask the people"}},
		{"owner stopped", credential.Credential{Status: credential.Frozen, Reason: credential.AccountFrozen, ExpiresAt: future}, p, []string{"stopped by the operator"}},
		{"left", credential.Credential{Status: credential.Frozen, Reason: credential.LeftProject, ExpiresAt: future}, p, []string{"not a member", "ask a manager"}},
		{"project stopped", credential.Credential{Status: credential.Active, ExpiresAt: future}, project.Project{Name: "climate", FrozenAt: past}, []string{"stopped by the operator"}},
		{"project ended", credential.Credential{Status: credential.Active, ExpiresAt: future}, project.Project{Name: "climate", EndsAt: now}, []string{"the project has ended"}},
		{"project ends later", credential.Credential{Status: credential.Active, ExpiresAt: future}, project.Project{Name: "climate", EndsAt: future}, nil},
	} {
		k := keytable.Key{Credential: c.key, Secret: "s"}
		k.PublicID = "LYDX"
		got := k.Refusal(&c.project, now)
		if (got == "") != (c.want == nil) {
			t.Errorf("%s: %q", c.name, got)
		}
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q does not say %q", c.name, got, want)
			}
		}
	}
	if k := (keytable.Key{Credential: credential.Credential{Status: credential.Active, ExpiresAt: future}}); k.Refusal(&p, now) == "" || k.Refusal(nil, now) == "" {
		t.Error("a key without a secret or a project is honoured")
	}
}
