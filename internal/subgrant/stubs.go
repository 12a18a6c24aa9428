package subgrant

import (
	"context"
	"errors"

	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/material"
	"github.com/lanyardhq/lanyard/wlcg"
)

var errStub = errors.New("not written yet")

// Start begins a flow: an application asks, somebody will decide.
func (s *Service) Start(ctx context.Context, w delegation.Wish, from Asker) (Flow, error) {
	return Flow{}, errStub
}

// Asked returns what a flow asks for. A code that is unknown or over is a NotFound fault.
func (s *Service) Asked(ctx context.Context, by identity.Actor, consent string) (Consent, error) {
	return Consent{}, errStub
}

// Accept agrees to a flow, as it was asked or narrowed, and returns the provider's page; "" where
// nothing is left to do. In changed, what is nil or empty stays as asked.
func (s *Service) Accept(ctx context.Context, by identity.Actor, consent string, changed delegation.Wish) (redirect string, err error) {
	return "", errStub
}

// Decline refuses a flow.
func (s *Service) Decline(ctx context.Context, by identity.Actor, consent string) error {
	return errStub
}

// Poll returns the token of a flow, once. Errors are *delegation.Error or ours.
func (s *Service) Poll(ctx context.Context, code material.Secret, from Asker) (Issued, error) {
	return Issued{}, errStub
}

// Derive makes a sub-grant below the one whose token is shown.
func (s *Service) Derive(ctx context.Context, token material.Secret, w delegation.Wish, from Asker) (Issued, error) {
	return Issued{}, errStub
}

// Transfer makes a code for the token that is shown.
func (s *Service) Transfer(ctx context.Context, token material.Secret, from Asker) (Transferred, error) {
	return Transferred{}, errStub
}

// Redeem changes a transfer code into the token, once.
func (s *Service) Redeem(ctx context.Context, code material.Secret, from Asker) (Issued, error) {
	return Issued{}, errStub
}

// AccessToken returns an access token of the provider.
func (s *Service) AccessToken(ctx context.Context, token material.Secret, w AccessWish, from Asker) (Access, error) {
	return Access{}, errStub
}

// Revoke ends the sub-grant of the token or code that is shown, or another. Update is set if that
// used the token.
func (s *Service) Revoke(ctx context.Context, token material.Secret, w RevokeWish, from Asker) (update *Issued, err error) {
	return nil, errStub
}

// Introspect returns what the token says.
func (s *Service) Introspect(ctx context.Context, token material.Secret, from Asker) (Introspection, error) {
	return Introspection{}, errStub
}

// History returns what happened to the token's sub-grant, or to others by their ids, "this",
// "children" or "children@ID".
func (s *Service) History(ctx context.Context, token material.Secret, ids []string, from Asker) (History, error) {
	return History{}, errStub
}

// Subtokens returns the tree below the token's sub-grant, itself the only root.
func (s *Service) Subtokens(ctx context.Context, token material.Secret, from Asker) (Trees, error) {
	return Trees{}, errStub
}

// List returns all sub-grants of the account.
func (s *Service) List(ctx context.Context, token material.Secret, from Asker) (Trees, error) {
	return Trees{}, errStub
}

// Authorize uses the token for something that is not in this package, which needs a capability.
func (s *Service) Authorize(ctx context.Context, token material.Secret, capability string, from Asker) (update *Issued, err error) {
	return nil, errStub
}

// PublicKeys are those that verify our tokens.
func (s *Service) PublicKeys(ctx context.Context) (wlcg.KeySet, error) {
	return s.Keys.Verifying(ctx)
}

// Tree lists the sub-grants of a grant of by's, parents before children. Those that ended are not
// among them.
func (s *Service) Tree(ctx context.Context, by identity.Actor, grantID string) ([]delegation.SubGrant, error) {
	return nil, errStub
}

// Events returns the history of a sub-grant of by's, oldest first.
func (s *Service) Events(ctx context.Context, by identity.Actor, id string) ([]delegation.Event, error) {
	return nil, errStub
}

// End ends a sub-grant of by's, and those below it if recursive.
func (s *Service) End(ctx context.Context, by identity.Actor, id string, recursive bool) error {
	return errStub
}

// Run ends grants that nobody holds any more and forgets what is over, until ctx ends.
func (s *Service) Run(ctx context.Context) error { return errStub }
