package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// answersAfter is how long the provider takes for each answer.
const answersAfter = 50 * time.Millisecond

// A provider rotates refresh tokens and notices when one comes twice.
type provider struct {
	*httptest.Server
	mu     sync.Mutex
	uses   map[string]int // refreshes, by grant
	at     []time.Time    // of each answer
	reused int
}

func newProvider() *provider {
	p := &provider{uses: map[string]int{}}
	p.Server = httptest.NewServer(p)
	return p
}

// ServeHTTP implements http.Handler.
func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if strings.HasPrefix(r.URL.Path, "/.well-known/") {
		_ = json.NewEncoder(w).Encode(map[string]string{"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token"})
		return
	}
	parts := strings.SplitN(r.FormValue("refresh_token"), ".", 3)
	time.Sleep(answersAfter)
	if len(parts) != 3 || !p.use(parts[0], parts[1]) {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": "invalid_grant"})
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"access_token": secret(accessSize).Reveal(), "token_type": "Bearer", "expires_in": life.Seconds(),
		"refresh_token": refresh(parts[0], p.used(parts[0])).Reveal(), "scope": readable})
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = append(p.at, time.Now())
}

// use reports whether a grant's nth refresh token is the one in force.
func (p *provider) use(grant, n string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if strconv.Itoa(p.uses[grant]) != n {
		p.reused++
		return false
	}
	p.uses[grant]++
	return true
}

func (p *provider) used(grant string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.uses[grant]
}

// answered is how many refreshes it answered, how fast in the middle eight tenths, and how many came
// with a refresh token that was spent.
func (p *provider) answered() (n int, rate float64, reused int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n = len(p.at)
	if n >= 10 {
		at := slices.SortedFunc(slices.Values(p.at), time.Time.Compare)
		rate = float64(n*9/10-n/10) / at[n*9/10].Sub(at[n/10]).Seconds()
	}
	return n, rate, p.reused
}
