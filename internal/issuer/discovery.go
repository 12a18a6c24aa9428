package issuer

import (
	"context"

	"github.com/zitadel/oidc/v3/pkg/oidc"
	"github.com/zitadel/oidc/v3/pkg/op"

	"github.com/lanyardhq/lanyard/internal/identity"
)

// metadata is the discovery document. request_parameter_supported is false by leaving it out.
type metadata struct {
	oidc.DiscoveryConfiguration
	NamesItself bool `json:"authorization_response_iss_parameter_supported"` // RFC 9207
}

// Discovery says what we do. What is not in it is not there.
func (s *server) Discovery(context.Context, *op.Request[struct{}]) (*op.Response, error) {
	at := func(path string) string { return s.c.URL + path }
	grants := []oidc.GrantType{oidc.GrantTypeCode, oidc.GrantTypeRefreshToken, oidc.GrantTypeDeviceCode}
	all, signed := []oidc.AuthMethod{oidc.AuthMethodNone, oidc.AuthMethodBasic, oidc.AuthMethodPost, oidc.AuthMethodPrivateKeyJWT}, []string{rs256, es256}
	scopes := append(texts(openID), texts(identity.Scopes())...)
	if s.c.Minter != nil {
		grants = append(grants, oidc.GrantTypeTokenExchange)
		scopes = append(scopes, s.c.Minter.Scopes()...)
	}
	return op.NewResponse(metadata{NamesItself: true, DiscoveryConfiguration: oidc.DiscoveryConfiguration{
		Issuer:                                             s.c.URL,
		AuthorizationEndpoint:                              at(authorizePath),
		TokenEndpoint:                                      at(tokenPath),
		JwksURI:                                            at(jwksPath),
		UserinfoEndpoint:                                   at(userinfoPath),
		DeviceAuthorizationEndpoint:                        at(devicePath),
		RevocationEndpoint:                                 at(revokePath),
		IntrospectionEndpoint:                              at(introspectPath),
		ScopesSupported:                                    scopes, // oidc-agent crashes without it
		ResponseTypesSupported:                             []string{"code"},
		ResponseModesSupported:                             []string{"query"},
		GrantTypesSupported:                                grants,
		SubjectTypesSupported:                              []string{"public"},
		IDTokenSigningAlgValuesSupported:                   []string{rs256, es256},
		TokenEndpointAuthMethodsSupported:                  all,
		RevocationEndpointAuthMethodsSupported:             all,
		IntrospectionEndpointAuthMethodsSupported:          all[1:],
		TokenEndpointAuthSigningAlgValuesSupported:         signed,
		RevocationEndpointAuthSigningAlgValuesSupported:    signed,
		IntrospectionEndpointAuthSigningAlgValuesSupported: signed,
		ClaimsSupported:                                    []string{"iss", "sub", "aud", "azp", "exp", "iat", "auth_time", "nonce", "at_hash", "name", "email"},
		CodeChallengeMethodsSupported:                      []oidc.CodeChallengeMethod{oidc.CodeChallengeMethodS256},
	}}), nil
}

// Keys publishes the key set.
func (s *server) Keys(context.Context, *op.Request[struct{}]) (*op.Response, error) {
	return op.NewResponse(s.c.Keys.Published(es256, rs256)), nil
}
