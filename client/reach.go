package client

import (
	"errors"
	"net/url"
)

// Reach says in words why a request to the address failed, when another http.Client sent it: for
// requests to the same server beside the API, such as those of sign-in.
func Reach(address string, err error) *Unreachable {
	server := address
	if u, e := url.Parse(address); e == nil && u.Host != "" {
		server = u.Host
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err // the address is said already
	}
	return &Unreachable{Server: server, Why: why(err), Cause: err}
}
