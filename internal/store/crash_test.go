package store_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/internal/store/storetest"
)

const crashEnv = "LANYARD_STORE_CRASH"

// A victim is what a process is told that will be killed.
type victim struct {
	Path, URL, KeyFile string
	First              int // of its keys
}

// insertUntilKilled makes keys, ends every third one, and says what it did on standard output as
// soon as the store has acknowledged it, as "+id" and "-id".
func insertUntilKilled() {
	var v victim
	if err := json.Unmarshal([]byte(os.Getenv(crashEnv)), &v); err != nil {
		panic(err)
	}
	keys, err := seal.LoadOrCreateKeys(v.KeyFile)
	if err != nil {
		panic(err)
	}
	s, err := store.Open(context.Background(), store.Config{Path: v.Path, URL: v.URL, Keys: keys, Now: clock})
	if err != nil {
		panic(err)
	}
	const writers = 4
	for g := range writers {
		go func() {
			for n := v.First + g; ; n += writers {
				c := key(n)
				_, err := s.InsertCredential(context.Background(), c, secretOf(n), did("s3key.create", c.ID))
				if err != nil {
					panic(err)
				}
				os.Stdout.WriteString("+" + c.ID + "\n")
				if n%3 == 0 {
					if _, err := s.SaveCredentials(context.Background(), []credential.Credential{c.End(start, credential.Deleted)}, changed); err != nil {
						panic(err)
					}
					os.Stdout.WriteString("-" + c.ID + "\n")
				}
			}
		}()
	}
	select {}
}

// run starts a victim, kills it after some acknowledgements, and returns all that it gave.
func (v victim) run(t *testing.T, acknowledgements int) []string {
	t.Helper()
	what, err := json.Marshal(v)
	check(t, err)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashEnv+"="+string(what))
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	var said []string
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		said = append(said, lines.Text())
		if len(said) == acknowledgements {
			check(t, cmd.Process.Kill())
		}
	}
	cmd.Wait()
	if complaint.Len() > 0 || len(said) < acknowledgements {
		t.Fatalf("it died by itself: %s", &complaint)
	}
	return said
}

// TestKilledServer kills a writing process twenty times: whatever it acknowledged is there, and
// nothing is half there.
func TestKilledServer(t *testing.T) {
	for kind, kills := range map[string]int{"sqlite": 20, "postgres": 6} {
		t.Run(kind, func(t *testing.T) {
			w := open(t, kind)
			keyFile := filepath.Join(t.TempDir(), "master.key")
			check(t, w.Close())
			if kind == "sqlite" {
				w.config.Path = filepath.Join(t.TempDir(), "lanyard.db")
			} else {
				w.config.URL = postgres.NewDatabase(t)
			}
			var err error
			w.config.Keys, err = seal.LoadOrCreateKeys(keyFile)
			check(t, err)
			w.Store = another(t, w.config)
			populate(t, w)
			var said []string
			for n := range kills {
				check(t, w.Close())
				v := victim{Path: w.config.Path, URL: w.config.URL, KeyFile: keyFile, First: 1000 * n}
				var some [1]byte
				rand.Read(some[:])
				said = append(said, v.run(t, 1+int(some[0])%80)...)
				w.Store = another(t, w.config)
				whole(t, w, said)
			}
		})
	}
}

// whole checks that all that was said holds, and that the records and the feed agree with it.
func whole(t *testing.T, w *world, said []string) {
	t.Helper()
	w.verified(t)
	cs, err := w.ListCredentials(t.Context(), credential.Filter{})
	check(t, err)
	status, changes := map[string]credential.Status{}, 2 // the project's and the account's records
	for _, c := range cs {
		status[c.ID] = c.Status
		changes++
		if c.Status == credential.Ending {
			changes++
		}
	}
	for _, line := range said {
		if got := status[line[1:]]; got != credential.Ending && (line[0] == '-' || got != credential.Active) {
			t.Errorf("%s was acknowledged, but it is %q", line, got)
		}
	}
	rs, err := w.Audit(t.Context(), audit.Filter{})
	check(t, err)
	es, err := w.Changes(t.Context(), 0, 1e6)
	check(t, err)
	if len(rs) != changes || len(es) != changes-1 { // accounts are not in the feed
		t.Errorf("%d changes left %d records and %d entries in the feed", changes, len(rs), len(es))
	}
	for _, e := range es[1:] {
		if e.Credential == nil || e.Credential.Status != status[e.ID] {
			t.Errorf("the feed shows %s as %v", e.ID, e.Credential)
		}
	}
}

// TestKilledDatabase ends PostgreSQL without a chance to write anything more, under load.
func TestKilledDatabase(t *testing.T) {
	var c storetest.Cluster
	t.Cleanup(c.Stop)
	check(t, c.Start("fsync=on"))
	w := &world{config: store.Config{URL: c.Address("postgres"), Keys: seal.NewKeys(), Now: clock}}
	w.Store = another(t, w.config)
	populate(t, w)
	said := make(chan string)
	const writers = 4
	for g := range writers {
		go func() {
			for n := g; ; n += writers {
				k := key(n)
				_, err := w.InsertCredential(t.Context(), k, secretOf(n), did("s3key.create", k.ID))
				if err != nil {
					refused(t, err, fault.Unavailable)
					said <- ""
					return
				}
				said <- "+" + k.ID
			}
		}()
	}
	var all []string
	for ended := 0; ended < writers; {
		line := <-said
		if line == "" {
			ended++
			continue
		}
		if all = append(all, line); len(all) == 100 {
			c.Kill()
		}
	}
	if _, err := w.Project(t.Context(), "prj_1"); fault.CodeOf(err) != fault.Unavailable {
		t.Errorf("without a database: %v", err)
	}
	check(t, c.Serve())
	whole(t, w, all) // by the same store
	w.insert(t, 99999)
}

func TestDatabaseThatRefuses(t *testing.T) {
	w := open(t, "postgres")
	name := strings.Split(strings.TrimPrefix(w.config.URL, "postgres:///"), "?")[0]
	postgres.Run(t, "ALTER DATABASE "+name+" WITH ALLOW_CONNECTIONS false")
	postgres.Run(t, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+name+"'")
	for range 20 { // each connection of the pool notices by itself
		_, err := w.Project(t.Context(), "prj_1")
		refused(t, err, fault.Unavailable)
		_, err = w.InsertCredential(t.Context(), key(1), nil, did("s3key.create", "crd_00001"))
		refused(t, err, fault.Unavailable)
	}
	refused(t, w.Ping(t.Context()), fault.Unavailable)
	postgres.Run(t, "ALTER DATABASE "+name+" WITH ALLOW_CONNECTIONS true")
	w.insert(t, 1)
}
