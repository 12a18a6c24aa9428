package e2e

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestClients moves real data with every client, each with the file that lanyard configure wrote.
func TestClients(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	anna := s.signIn("anna")
	big := filepath.Join(t.TempDir(), "big")
	sum := randomFile(t, big, 100<<20)
	for i, c := range s3clients(t) {
		t.Run(c.name, func(t *testing.T) {
			p := *anna
			site := *s
			site.t, p.site = t, &site
			remote := "good-" + c.configure
			p.configured(c, projectA, remote)
			bucket := "data" + string(rune('a'+i))
			p.do(c, c.mb(&p, remote, bucket)).ok(t)
			p.do(c, c.put(&p, remote, big, bucket+"/dir/big one.bin")).ok(t)
			if out := p.do(c, c.ls(&p, remote, bucket+"/dir/")).ok(t); !strings.Contains(out, "big one.bin") {
				t.Errorf("the list lacks the file: %s", out)
			}
			back := filepath.Join(t.TempDir(), "back")
			p.do(c, c.get(&p, remote, back, bucket+"/dir/big one.bin")).ok(t)
			if got := checksum(t, back); got != sum {
				t.Errorf("what came back has checksum %x, want %x", got, sum)
			}
			link := presigned(t, p.do(c, c.presign(&p, remote, bucket+"/dir/big one.bin")).ok(t))
			if got := download(t, link); got != sum {
				t.Errorf("by presigned URL: checksum %x, want %x", got, sum)
			}
			p.do(c, c.rm(&p, remote, bucket+"/dir/big one.bin")).ok(t)
			p.do(c, c.rb(&p, remote, bucket)).ok(t)
		})
	}
}

// TestClientsAreToldWhy shows each client keys that do not hold any more, and somebody else's
// bucket: it fails at once, and says what the gateway says.
func TestClientsAreToldWhy(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	anna := s.signIn("anna")
	all := s3clients(t)
	anna.configured(all[0], projectA, "good")
	anna.do(all[0], all[0].mb(anna, "good", "data")).ok(t)
	const life = 20 * time.Second
	began := time.Now()
	for _, c := range all {
		for _, state := range []string{"expired", "deleted", "frozen"} {
			flags := []string{"--static"}
			if state == "expired" {
				flags = append(flags, "--for", life.String())
			}
			key := anna.configured(c, projectA, state+"-"+strings.ReplaceAll(c.name, " ", ""), flags...)
			switch state {
			case "deleted":
				anna.lanyard("s3", "key", "delete", key, "--yes")
			case "frozen":
				anna.lanyard("s3", "key", "freeze", key)
			}
		}
		anna.configured(c, projectB, "foreign-"+strings.ReplaceAll(c.name, " ", ""), "--static")
	}
	t.Logf("made 24 keys and configurations in %s", time.Since(began).Round(time.Second))
	time.Sleep(life) // all of them
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			p := *anna
			site := *s
			site.t, p.site = t, &site
			own := strings.ReplaceAll(c.name, " ", "")
			p.do(c, c.ls(&p, "expired-"+own, "data/")).fails(t, "expired", "lanyard s3 key create")
			p.do(c, c.ls(&p, "deleted-"+own, "data/")).fails(t, "deleted")
			p.do(c, c.ls(&p, "frozen-"+own, "data/")).fails(t, "frozen", "lanyard s3 key thaw")
			switch c.name {
			case "aws", "boto3":
				// They refuse a colon in a bucket's name; the project's own host says the same. Its
				// name resolves nowhere, so the gateway stands in as their proxy.
				at := site.s3
				site.s3 = "http://" + projectA + ".s3.example.org"
				args := c.ls(&p, "foreign-"+own, "data/")
				site.s3 = at
				if c.name == "boto3" {
					dir, _ := os.Getwd()
					args[0] = filepath.Join(dir, args[0])
				}
				p.run(command{program: c.program, args: args, env: []string{"HTTP_PROXY=" + at, "http_proxy=" + at, "AWS_MAX_ATTEMPTS=1"}}).fails(t, "AccessDenied")
			default:
				r := p.do(c, c.ls(&p, "foreign-"+own, projectA+":data/"))
				r.fails(t, "denied")
			}
			// Whose it is, and whether it is there at all, looks the same.
			if c.name != "aws" && c.name != "boto3" {
				absent := p.do(c, c.ls(&p, "foreign-"+own, projectA+":absent/"))
				absent.fails(t, "denied")
			}
		})
	}
}

func randomFile(t testing.TB, path string, size int64) [32]byte {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.CopyN(io.MultiWriter(f, h), rand.Reader, size); err != nil {
		t.Fatal(err)
	}
	return [32]byte(h.Sum(nil))
}

func checksum(t testing.TB, path string) [32]byte {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return [32]byte(h.Sum(nil))
}

// presigned finds the URL in what a client printed.
func presigned(t testing.TB, out string) string {
	t.Helper()
	var share struct{ Share string }
	if json.Unmarshal([]byte(out), &share) == nil && share.Share != "" { // mc
		return share.Share
	}
	for _, word := range strings.Fields(out) {
		if strings.HasPrefix(word, "http") {
			return word
		}
	}
	t.Fatalf("no URL in %q", out)
	return ""
}

// download fetches a URL with nothing but the URL, as curl does.
func download(t testing.TB, url string) [32]byte {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	h := sha256.New()
	if _, err := io.Copy(h, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %v", resp.Status, err)
	}
	return [32]byte(h.Sum(nil))
}
