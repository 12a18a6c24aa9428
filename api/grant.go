package api

import (
	"time"

	"github.com/lanyardhq/lanyard/material"
)

// The schemas of grants and tokens.
const (
	SchemaGrant     = "lanyard/v1/grant" // a Credential of the kind grant
	SchemaGrants    = "lanyard/v1/grant.list"
	SchemaToken     = "lanyard/v1/token"
	SchemaApproval  = "lanyard/v1/approval"
	SchemaProviders = "lanyard/v1/provider.list"
	SchemaSubgrants = "lanyard/v1/subgrant.list"
)

// Provider is an authorization server that Lanyard holds grants for.
type Provider struct {
	ID     string   `json:"id"`
	Title  string   `json:"title"`
	Issuer string   `json:"issuer"`
	Type   string   `json:"type"`   // oauth, mytoken, lanyard
	Scopes []string `json:"scopes"` // asked for where an order names none
	// Health is fine, or retrying since HealthSince because the provider does not answer.
	Health      string    `json:"health"`
	HealthSince time.Time `json:"health_since,omitzero"`
}

// GrantOrder says what a person is to approve.
type GrantOrder struct {
	Provider string `json:"provider"` // id
	// Scopes and Audiences are what tokens may be for; none means the provider's usual ones.
	Scopes    []string `json:"scopes,omitempty"`
	Audiences []string `json:"audiences,omitempty"`
	For       string   `json:"for,omitempty"` // who will use it: this laptop, HTCondor at punch-login
}

// Grant is what a credential of the kind grant has beyond the others.
type Grant struct {
	Provider  string   `json:"provider"`
	Scopes    []string `json:"scopes"`
	Audiences []string `json:"audiences,omitempty"`
	For       string   `json:"for,omitempty"`
	// Standing is absent, valid, ends_soon, revoked, expired or paused; StandingText tells it in words, and
	// NextStep is the one command that repairs it, empty where nothing needs repair.
	Standing     string `json:"standing"`
	StandingText string `json:"standing_text"`
	NextStep     string `json:"next_step,omitempty"`
	// Health is fine, retrying, needs_sign_in or needs_operator, since HealthSince, because of Detail.
	Health      string    `json:"health"`
	HealthSince time.Time `json:"health_since,omitzero"`
	Detail      string    `json:"detail,omitempty"`
	Renewals    int64     `json:"renewals"`
	RenewedAt   time.Time `json:"renewed_at,omitzero"`
	// NextRenewalAt is when the server looks after it next, AccessExpiresAt the end of the token that
	// it has ready.
	NextRenewalAt   time.Time `json:"next_renewal_at,omitzero"`
	AccessExpiresAt time.Time `json:"access_expires_at,omitzero"`
	// Approval is where a person approves it; absent once that is done.
	Approval *Approval `json:"approval,omitempty"`
}

// Approval is a page where a person approves a grant.
type Approval struct {
	Schema       string    `json:"schema,omitempty"` // lanyard/v1/approval
	CredentialID string    `json:"credential_id"`
	URL          string    `json:"url"`
	ExpiresAt    time.Time `json:"expires_at"`
	Interval     int64     `json:"interval"` // seconds between two looks at the credential
}

// TokenRequest asks for an access token of a grant. Zero fields mean the grant's own.
type TokenRequest struct {
	Scopes    []string `json:"scopes,omitempty"`
	Audiences []string `json:"audiences,omitempty"`
	MinValid  int64    `json:"min_valid,omitempty"` // seconds of life that it must have left
	Force     bool     `json:"force,omitempty"`     // a new one, whatever is ready
}

// Token is an access token.
type Token struct {
	Schema       string          `json:"schema"` // lanyard/v1/token
	CredentialID string          `json:"credential_id"`
	Provider     string          `json:"provider"`
	Issuer       string          `json:"issuer"`
	AccessToken  material.Secret `json:"access_token"`
	TokenType    string          `json:"token_type"` // Bearer
	ExpiresAt    time.Time       `json:"expires_at"`
	ExpiresIn    int64           `json:"expires_in"` // seconds
	Scopes       []string        `json:"scopes"`
	Audiences    []string        `json:"audiences,omitempty"`
}

// Narrowing takes scopes and audiences away from a grant: what is named remains.
type Narrowing struct {
	Scopes    []string `json:"scopes,omitempty"`
	Audiences []string `json:"audiences,omitempty"`
}

// Subgrant is a part of a grant that its holder passed on, as a mytoken.
type Subgrant struct {
	ID           string    `json:"id"`
	CredentialID string    `json:"credential_id"`
	ParentID     string    `json:"parent_id,omitempty"`
	Name         string    `json:"name,omitempty"`
	Application  string    `json:"application,omitempty"`
	Capabilities []string  `json:"capabilities"`
	State        string    `json:"state"` // active, ended
	Reason       string    `json:"reason,omitempty"`
	CreatedAt    time.Time `json:"created_at"`
	ExpiresAt    time.Time `json:"expires_at,omitzero"`
	EndedAt      time.Time `json:"ended_at,omitzero"`
	Address      string    `json:"address,omitempty"`
}
