package e2e

import (
	"context"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/provider/providertest"
)

// grants has p order and approve several grants, and returns their ids.
func (p *person) grants(n int) (ids []string) {
	p.t.Helper()
	c := p.api()
	for i := range n {
		made, err := c.CreateCredential(p.t.Context(), api.CredentialOrder{Kind: "grant", Name: "grant " + strconv.Itoa(i), Grant: &api.GrantOrder{Provider: "nop"}})
		if err != nil {
			p.t.Fatal(err)
		}
		p.approves(made.Grant.Approval.URL)
		ids = append(ids, made.ID)
	}
	return ids
}

// sent counts, for a provider that replaces refresh tokens with each use, how often each is sent.
type sent struct {
	mu    sync.Mutex
	times map[string]int
}

func (s *sent) watch(r *http.Request) providertest.Fault {
	if token := r.PostForm.Get("refresh_token"); token != "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.times[token]++
	}
	return providertest.None
}

// again is how often a refresh token was sent that was sent before; all is how often any was.
func (s *sent) again() (again, all int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.times {
		again, all = again+n-1, all+n
	}
	return again, all
}

// acknowledged are the access tokens that were handed out, by grant.
type acknowledged struct {
	mu     sync.Mutex
	tokens map[string]map[string]bool
	last   map[string]string
}

func (a *acknowledged) put(id, token string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.tokens[id] == nil {
		a.tokens[id] = map[string]bool{}
	}
	a.tokens[id][token], a.last[id] = true, token
}

// count is how many tokens were.
func (a *acknowledged) count() (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, tokens := range a.tokens {
		n += len(tokens)
	}
	return n
}

// force asks for new tokens of all grants until ctx ends.
func (a *acknowledged) force(ctx context.Context, c *client.Client, ids []string) {
	for ctx.Err() == nil {
		id := ids[rand.IntN(len(ids))]
		call, cancel := context.WithTimeout(ctx, patience)
		got, err := c.Token(call, id, api.TokenRequest{Force: true})
		cancel()
		if err == nil {
			a.put(id, got.AccessToken.Reveal())
		}
	}
}

// TestKillStormOfRefreshes kills the server without warning while it refreshes grants whose provider
// replaces each refresh token and ends a grant of which it sees an old one. What was handed out was
// written down before; only a grant whose answer the kill cut off may need a new sign-in, and says
// so.
func TestKillStormOfRefreshes(t *testing.T) {
	t.Parallel()
	kills := 2
	if os.Getenv("LANYARD_SOAK") != "" {
		kills = 30
	}
	g := newWatchedSite(t, providertest.Options{Rotate: true}, settings{})
	anna := g.signIn("anna")
	ids := anna.grants(6)
	seen := &sent{times: map[string]int{}}
	g.provider.Inject(seen.watch)
	told := &acknowledged{tokens: map[string]map[string]bool{}, last: map[string]string{}}
	c := anna.api()
	dead, total := 0, 0
	for range kills {
		before, _ := seen.again()
		storm, stop := context.WithCancel(t.Context())
		var workers sync.WaitGroup
		for range 4 {
			workers.Go(func() { told.force(storm, c, ids) })
		}
		enough := told.count() + 10
		wait(t, patience, "the storm", func() bool { return told.count() > enough })
		time.Sleep(time.Duration(rand.IntN(500)) * time.Millisecond)
		if after, _ := seen.again(); after != before {
			t.Errorf("%d refresh tokens were sent twice by a server that nothing cut off", after-before)
		}
		g.cmd.Process.Kill()
		g.cmd.Wait()
		stop()
		workers.Wait()
		g.start()
		lost := told.check(t, g, c, ids)
		if after, _ := seen.again(); after-before < len(lost) {
			t.Errorf("%d grants are lost, and only %d answers can have been cut off", len(lost), after-before)
		}
		for _, id := range lost {
			// The step that the server names is the one that repairs.
			step := strings.Fields(anna.shows(id).Grant.NextStep)
			if len(step) != 4 || step[0] != "lanyard" {
				t.Fatalf("the next step for grant %s is %q", id, step)
			}
			if repaired := anna.follows(step[1:]...); repaired != id {
				t.Errorf("grant %s became %s", id, repaired)
			}
			if got, err := c.Token(t.Context(), id, api.TokenRequest{}); err != nil || g.whoseAt(got.AccessToken.Reveal()) != "anna" {
				t.Errorf("grant %s after signing in again: %v", id, err)
			}
		}
		dead += len(lost)
	}
	for id, tokens := range told.tokens {
		shown := anna.shows(id)
		total += len(tokens)
		if shown.State != "active" || shown.Grant.Health != "fine" || shown.Grant.Renewals < int64(len(tokens)) {
			t.Errorf("grant %s is %s and %s; %d tokens were handed out, and %d renewals are written down", id, shown.State, shown.Grant.Health, len(tokens), shown.Grant.Renewals)
		}
	}
	g.run(command{args: []string{"admin", "audit", "--verify", "--data-dir", filepath.Join(g.dir, "data")}}).ok(t)
	_, all := seen.again()
	t.Logf("%d kills, %d refreshes, %d tokens handed out, %d sign-ins lost", kills, all, total, dead)
}

// check asks for a new token of each grant. Those that need a new sign-in are returned; the last
// token that the others handed out is good still.
func (a *acknowledged) check(t *testing.T, g *grantSite, c *client.Client, ids []string) (lost []string) {
	t.Helper()
	type outcome struct {
		id, token string
		err       error
	}
	all := make(chan outcome)
	for _, id := range ids {
		go func() { // what a server that was killed had begun keeps nobody out
			got, err := c.Token(t.Context(), id, api.TokenRequest{Force: true})
			all <- outcome{id, got.AccessToken.Reveal(), err}
		}()
	}
	for range ids {
		o := <-all
		if o.err != nil {
			shown, err := c.ShowGrant(t.Context(), o.id)
			if err != nil || shown.Grant.Health != "needs_sign_in" || !strings.HasPrefix(shown.Grant.NextStep, "lanyard token approve ") {
				t.Errorf("grant %s after a kill: %v; it is %+v, %v", o.id, o.err, shown.Grant, err)
			}
			lost = append(lost, o.id)
			delete(a.last, o.id) // the provider took it back with the grant
			continue
		}
		for when, token := range map[string]string{"before": a.last[o.id], "after": o.token} {
			if token != "" && g.whoseAt(token) != "anna" {
				t.Errorf("the token that grant %s handed out %s the kill is nobody's", o.id, when)
			}
		}
		a.put(o.id, o.token)
	}
	return lost
}
