// Package oidcsocket answers the clients of oidc-agent, such as oidc-token, on a UNIX socket: the
// part of its protocol that hands out access tokens. It imports material only.
package oidcsocket
