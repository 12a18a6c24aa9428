package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// verifier is the secret of RFC 7636 of every authorization here.
var verifier = strings.Repeat("v", 43)

// tokens is what a token endpoint answers.
type tokens struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}

// approve has somebody approve and redeems the code. Follow goes from the address of an authorization
// request to the parameters of the redirect that ends it. More is for the authorization request; a
// resource of it goes with the code, too.
func (i issuer) approve(ctx context.Context, scope string, more url.Values) (t tokens, err error) {
	sum := sha256.Sum256([]byte(verifier))
	form := url.Values{"response_type": {"code"}, "client_id": {i.client}, "redirect_uri": {i.redirect}, "scope": {scope}, "state": {"s"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(sum[:])}, "code_challenge_method": {"S256"}, "prompt": {i.prompt}}
	for name, values := range more {
		form[name] = values
	}
	if i.prompt == "" {
		form.Del("prompt")
	}
	answer, err := i.follow(ctx, "http://"+i.address+i.authorize+"?"+form.Encode())
	if err != nil {
		return t, err
	}
	if !answer.Has("code") {
		return t, fmt.Errorf("%s gave no code: %v", i.name, answer)
	}
	redeem := url.Values{"grant_type": {"authorization_code"}, "client_id": {i.client}, "redirect_uri": {i.redirect}, "code": {answer.Get("code")},
		"code_verifier": {verifier}}
	if more.Has("resource") {
		redeem["resource"] = more["resource"]
	}
	status, body, err := post(ctx, http.DefaultClient, "http://"+i.address+"/token", redeem)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("%s gave no tokens: status %d: %.300s", i.name, status, body)
	}
	if err == nil {
		err = json.Unmarshal(body, &t)
	}
	return t, err
}

// post sends a form.
func post(ctx context.Context, c *http.Client, to string, form url.Values) (status int, body []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a, err := c.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer a.Body.Close()
	body, err = io.ReadAll(a.Body)
	return a.StatusCode, body, err
}
