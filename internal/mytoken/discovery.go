package mytoken

import (
	"cmp"

	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/subgrant"
)

// metadata is the discovery document. What is not in it is not there.
type metadata struct {
	Issuer         string     `json:"issuer"`
	Access         string     `json:"access_token_endpoint"`
	Token          string     `json:"token_endpoint"` // the same, for who knows OAuth only
	Mytoken        string     `json:"mytoken_endpoint"`
	Tokeninfo      string     `json:"tokeninfo_endpoint"`
	Revocation     string     `json:"revocation_endpoint"`
	Settings       string     `json:"usersettings_endpoint"`
	Transfer       string     `json:"token_transfer_endpoint"`
	Profiles       string     `json:"profiles_endpoint"`
	JWKS           string     `json:"jwks_uri"`
	Providers      []provider `json:"providers_supported"`
	Algorithm      string     `json:"token_signing_alg_value"`
	Actions        []string   `json:"tokeninfo_endpoint_actions_supported"`
	AccessGrants   []string   `json:"access_token_endpoint_grant_types_supported"`
	MytokenGrants  []string   `json:"mytoken_endpoint_grant_types_supported"`
	Flows          []string   `json:"mytoken_endpoint_oidc_flows_supported"`
	ResponseTypes  []string   `json:"response_types_supported"`
	Restrictions   []string   `json:"restriction_claims_supported"`
	Documentation  string     `json:"service_documentation,omitempty"`
	ProgramVersion string     `json:"version,omitempty"`
}

type provider struct {
	Issuer string   `json:"issuer"`
	Name   string   `json:"name"`
	Scopes []string `json:"scopes_supported"`
}

func (f *Facade) configuration(*call) (any, error) {
	at := func(path string) string { return f.c.Service.Issuer + path }
	m := metadata{
		Issuer: f.c.Service.Issuer, Access: at(accessPath), Token: at(accessPath), Mytoken: at(obtainPath), Tokeninfo: at(infoPath),
		Revocation: at(revokePath), Settings: at(settingsPath), Transfer: at(transferPath), Profiles: at(templatesPath), JWKS: at(jwksPath),
		Providers:     []provider{},
		Algorithm:     subgrant.Algorithm,
		Actions:       []string{actionIntrospect, actionHistory, actionSubtokens, actionList},
		AccessGrants:  []string{"mytoken"},
		MytokenGrants: []string{"oidc_flow", "mytoken", "transfer_code", "polling_code"},
		Flows:         []string{"authorization_code"},
		ResponseTypes: []string{string(delegation.FormToken), string(delegation.FormShort), string(delegation.FormTransfer)},
		Restrictions:  []string{"nbf", "exp", "scope", "audience", "hosts", "usages_AT", "usages_other"},
		Documentation: f.c.Documentation, ProgramVersion: f.c.Version,
	}
	for _, p := range f.c.Service.Providers {
		m.Providers = append(m.Providers, provider{p.Issuer, cmp.Or(p.Title, p.ID), append([]string{}, p.Scopes...)})
	}
	return m, nil
}

func (f *Facade) keys(*call) (any, error) { return f.c.Service.PublicKeys(), nil }

// capability is one of the tree of capabilities, as programs show it to people who choose.
type capability struct {
	Write    description  `json:"read_write_capability"`
	Read     *description `json:"read_only_capability,omitempty"`
	Children []capability `json:"children,omitempty"`
}

type description struct {
	Name string `json:"name"`
	Text string `json:"description"`
}

// capabilities lists those that something of ours asks for.
func (f *Facade) capabilities(*call) (any, error) {
	one := func(name, text string, below ...capability) capability {
		return capability{Write: description{name, text}, Children: below}
	}
	grants := one(delegation.CapabilityGrants, "Changes which further ways to use mytokens are on.")
	grants.Read = &description{delegation.CapabilityReadGrants, "Reads which further ways to use mytokens are on."}
	settings := one("settings", "Changes all settings.", grants)
	settings.Read = &description{"read@settings", "Reads all settings."}
	return []capability{
		one(delegation.CapabilityAT, "Gets access tokens."),
		one("tokeninfo", "Tells all about this mytoken.",
			one(delegation.CapabilityIntrospect, "Tells what this mytoken says, and how often it was used."),
			one(delegation.CapabilityHistory, "Tells what was done with this mytoken and those made from it."),
			one(delegation.CapabilitySubtokens, "Lists the mytokens made from this one.")),
		one(delegation.CapabilityCreate, "Makes mytokens from this one."),
		one("manage_mytokens", "Lists and revokes all your mytokens.",
			one(delegation.CapabilityList, "Lists all your mytokens."),
			one(delegation.CapabilityRevoke, "Revokes any of your mytokens."),
			one(delegation.CapabilityHistoryAny, "Tells what was done with any of your mytokens.")),
		settings,
	}, nil
}
