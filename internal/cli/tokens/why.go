package tokens

import (
	"context"
	"errors"
	"strings"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/cli/console"
)

// live are the states of grants that are not over.
var live = []string{"intended", "active", "frozen"}

// Own returns the person's own grants that are not over.
func Own(ctx context.Context, s *client.Client) ([]api.Credential, error) {
	got, err := s.AllCredentials(ctx, client.CredentialFilter{Kind: "grant", Owner: "me", States: live})
	return got.Items, err
}

// Provider is the provider of a grant; empty if the server did not say.
func Provider(k api.Credential) string {
	if k.Grant == nil {
		return ""
	}
	return k.Grant.Provider
}

// Only returns the one grant that the person has, or says what to do about none or several.
func Only(ctx context.Context, s *client.Client) (api.Credential, error) {
	own, err := Own(ctx, s)
	switch {
	case err != nil:
		return api.Credential{}, err
	case len(own) == 0:
		return api.Credential{}, &console.Failure{Exit: console.NotFound, Message: "you have approved nothing yet", Hint: "choose a provider: lanyard token list --providers"}
	case len(own) > 1:
		return api.Credential{}, Which(own, "")
	}
	return own[0], nil
}

// Which asks which of several grants is meant by ref.
func Which(several []api.Credential, ref string) error {
	what := "your grants"
	if ref != "" {
		what = "your grants for " + ref
	}
	var names []string
	for _, k := range several {
		names = append(names, console.Quote(k.Name)+" ("+k.ID+")")
	}
	return console.Usage("which of %s?", what).WithHint("name one: %s", strings.Join(names, ", "))
}

// Why finds out why the grant that ref means gave no token: it tells in which of the five states
// that is, and what to do about it. What has another reason stays as it is.
func Why(ctx context.Context, s *client.Client, ref string, err error) error {
	p, ok := errors.AsType[*api.Problem](err)
	if !ok || p.Code != api.NotFound && p.Code != api.Conflict {
		return err
	}
	k, showErr := s.ShowGrant(ctx, ref)
	if showErr != nil || k.Grant == nil {
		if p.Code == api.NotFound && !strings.HasPrefix(ref, "crd_") && p.Hint == "" {
			return &console.Failure{Exit: console.NotFound, Message: p.Detail, Hint: "lanyard token approve " + console.Quote(ref), RequestID: p.RequestID}
		}
		return err
	}
	f := &console.Failure{Message: k.Name + ": " + k.Grant.StandingText, Hint: k.Grant.NextStep, RequestID: p.RequestID}
	switch k.Grant.Standing {
	case "absent", "revoked", "expired":
		f.Exit = console.AuthNeeded
	case "paused":
		f.Exit = console.Conflict
	default:
		return err
	}
	if k.Grant.Detail != "" && k.Grant.Standing == "revoked" {
		f.Message += " " + k.Grant.Detail
	}
	return f
}
