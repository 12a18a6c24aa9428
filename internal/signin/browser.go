package signin

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
)

// browserTime is how long the person has to come back from the browser.
const browserTime = 10 * time.Minute

// Browser signs in by the authorization code flow with PKCE (RFC 7636) and a redirect to a port of
// this machine's loopback interface (RFC 8252 §7.3). It calls open with the address that a browser
// must visit and waits until the browser comes back, at most 10 minutes.
func (p *Provider) Browser(ctx context.Context, open func(address string) error) (Tokens, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return Tokens{}, fault.New(fault.Internal, "this machine lets nothing listen on its loopback address").
			WithHint("use: lanyard login --device").WithCause(err)
	}
	redirect := "http://" + listener.Addr().String() + "/callback"
	// Two texts of 130 bits: RFC 7636 wants at least 43 characters.
	state, verifier := rand.Text(), rand.Text()+rand.Text()
	back := make(chan url.Values, 1)
	server := &http.Server{Handler: landing(back), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(listener)
	}()
	defer func() {
		// The answer page is on its way when the flow goes on: let it arrive.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = server.Shutdown(ctx)
		<-served
	}()
	if err := open(p.authorization(redirect, state, verifier)); err != nil {
		return Tokens{}, err
	}
	code, err := p.comeBack(ctx, back, state)
	if err != nil {
		return Tokens{}, err
	}
	return p.token(ctx, url.Values{"grant_type": {"authorization_code"}, "code": {code},
		"redirect_uri": {redirect}, "code_verifier": {verifier}})
}

func (p *Provider) authorization(redirect, state, verifier string) string {
	challenge := sha256.Sum256([]byte(verifier))
	q := url.Values{
		"response_type": {"code"}, "client_id": {ClientID}, "redirect_uri": {redirect}, "scope": {scope()},
		"state": {state}, "code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])},
		"code_challenge_method": {"S256"}, "host": {p.Host},
	}
	sep := "?"
	if strings.Contains(p.Metadata.Authorization, "?") {
		sep = "&"
	}
	return p.Metadata.Authorization + sep + q.Encode()
}

// scope asks for everything, because this program acts for the person in full.
func scope() string {
	s := "openid offline_access"
	for _, one := range identity.Scopes() {
		s += " " + string(one)
	}
	return s
}

// comeBack waits for the browser and returns the code it brings.
func (p *Provider) comeBack(ctx context.Context, back <-chan url.Values, state string) (string, error) {
	var q url.Values
	select {
	case q = <-back:
	case <-time.After(browserTime):
		return "", fault.New(fault.Unavailable, "nobody came back from the browser within 10 minutes").
			WithHint("run lanyard login again").WithCause(ErrNotApproved)
	case <-ctx.Done():
		return "", ctx.Err()
	}
	if subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(state)) != 1 {
		return "", fault.New(fault.Denied, "the browser came back from a sign-in that this command did not begin").
			WithHint("run lanyard login again and use only the page that it opens").WithCause(ErrInsecure)
	}
	// RFC 9207: an answer of another issuer must not be taken for this one's.
	if iss := q.Get("iss"); iss != "" && iss != p.Metadata.Issuer {
		return "", fault.New(fault.Denied, "the browser came back from %s in place of %s", iss, p.Metadata.Issuer).WithCause(ErrInsecure)
	}
	if e := (oauthError{Code: q.Get("error"), Description: q.Get("error_description")}); e.Code != "" {
		return "", e.fault(http.StatusOK)
	}
	if q.Get("code") == "" {
		return "", fault.New(fault.Internal, "the browser came back without an answer").WithHint("run lanyard login again")
	}
	return q.Get("code"), nil
}

// landing is the page that the browser comes back to. It holds nothing of what it was given; only
// the first visit counts.
func landing(back chan<- url.Values) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		text := "You can close this page and go back to the terminal."
		select {
		case back <- r.URL.Query():
		default:
			text = "This page was visited already. Go back to the terminal."
		}
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Connection", "close")
		_, _ = io.WriteString(w, `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width">`+
			`<title>Lanyard</title><h1>Lanyard</h1><p>`+text+`</p></html>`)
	})
	return mux
}
