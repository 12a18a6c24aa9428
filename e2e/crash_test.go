package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
)

func orderFor(project, name string, life int64) api.CredentialOrder {
	return api.CredentialOrder{Kind: "s3key", Project: project, Name: name, Life: life}
}

// TestKillStorm kills the server without warning, again and again, while keys are created, frozen
// and deleted. What was acknowledged is there afterwards, and no key is honoured that should not
// be; the audit trail still verifies.
func TestKillStorm(t *testing.T) {
	t.Parallel()
	kills := 40
	if os.Getenv("LANYARD_SOAK") != "" {
		kills = 300
	}
	s := newSite(t, settings{})
	anna := s.signIn("anna")
	_, token := anna.robot(projectA)
	web := &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	// A client that gives up at once: the storm counts only what was acknowledged.
	robot, err := client.New(s.portal, client.Options{Token: client.StaticToken(token)})
	if err != nil {
		t.Fatal(err)
	}
	bucket := createKey(t, robot, projectA, "bucket")
	if status, answer, err := signed(t.Context(), web, bucket, http.MethodPut, s.s3+"/data", ""); err != nil || status != http.StatusOK {
		t.Fatal(status, answer, err)
	}
	know := &knowledge{state: map[string]string{bucket.ID: "active"}, keys: map[string]api.Credential{bucket.ID: bucket}}
	acknowledged := 0
	for range kills {
		storm, stop := context.WithCancel(t.Context())
		var workers sync.WaitGroup
		for w := range 4 {
			workers.Go(func() { know.storm(storm, robot, fmt.Sprintf("storm %d", w)) })
		}
		wait(t, patience, "the storm", func() bool { return know.acknowledged() > acknowledged })
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
		s.cmd.Process.Kill()
		s.cmd.Wait()
		stop()
		workers.Wait()
		s.start()
		acknowledged = know.check(t, s, robot, web)
	}
	if out := s.run(command{args: []string{"admin", "audit", "--verify", "--data-dir", s.dir + "/data"}}); out.code != 0 {
		t.Errorf("the audit trail does not verify: %s%s", out.out, out.err)
	}
	t.Logf("%d kills, %d keys acknowledged, %d uncertain", kills, acknowledged, len(know.unsure))
}

// knowledge is what the storm was told.
type knowledge struct {
	mu     sync.Mutex
	state  map[string]string // id → active, frozen, deleted; what was acknowledged last
	keys   map[string]api.Credential
	unsure map[string]bool // a change was sent and not answered
}

// storm creates, freezes and deletes keys until the server is gone.
func (k *knowledge) storm(ctx context.Context, c *client.Client, name string) {
	for ctx.Err() == nil {
		call, cancel := context.WithTimeout(ctx, 10*time.Second)
		made, err := c.CreateCredential(call, orderFor(projectA, name, 3600))
		cancel()
		if err != nil {
			continue
		}
		k.told(made.ID, "active", made)
		for _, change := range []struct {
			to  string
			do  func(context.Context, string) (api.Credential, error)
			one int
		}{{"frozen", c.FreezeCredential, 3}, {"deleted", c.DeleteCredential, 2}} {
			if rand.IntN(change.one) != 0 {
				continue
			}
			k.about(made.ID, true)
			call, cancel := context.WithTimeout(ctx, 10*time.Second)
			_, err := change.do(call, made.ID)
			cancel()
			if err != nil {
				break
			}
			k.told(made.ID, change.to, made)
		}
	}
}

func (k *knowledge) told(id, state string, c api.Credential) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.state[id], k.keys[id] = state, c
	delete(k.unsure, id)
}

// acknowledged is how many keys were.
func (k *knowledge) acknowledged() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.state)
}

func (k *knowledge) about(id string, unsure bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.unsure == nil {
		k.unsure = map[string]bool{}
	}
	k.unsure[id] = unsure
}

// check compares the server and its gateway with what was acknowledged, and returns how many keys
// that were.
func (k *knowledge) check(t *testing.T, s *site, robot *client.Client, web *http.Client) int {
	t.Helper()
	all, err := robot.AllCredentials(t.Context(), client.CredentialFilter{Kind: "s3key", States: []string{"active", "frozen", "ending", "ended"}})
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]string{}
	for _, c := range all.Items {
		there[c.ID] = strings.NewReplacer("ending", "deleted", "ended", "deleted").Replace(c.State)
	}
	for id, want := range k.state {
		got := there[id]
		if got == "" {
			t.Errorf("key %s was acknowledged and is not there", id)
		} else if got != want && !k.unsure[id] {
			t.Errorf("key %s is %s; acknowledged was %s", id, got, want)
		}
		if k.keys[id].Name == "checked" {
			continue
		}
		status, answer, err := signed(t.Context(), web, k.keys[id], http.MethodHead, s.s3+"/data", "")
		if err != nil {
			t.Fatal(err)
		}
		if (status == http.StatusOK) != (got == "active") {
			t.Errorf("key %s is %s, and the gateway answers %d %s", id, got, status, answer)
		}
		if want == "deleted" && status == http.StatusForbidden { // final: once is enough
			c := k.keys[id]
			c.Name = "checked"
			k.keys[id] = c
		}
	}
	return len(k.state)
}
