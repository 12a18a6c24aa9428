package e2e

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMinIOBehind puts the gateway in front of somebody else's store.
func TestMinIOBehind(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ports := freePorts(t, 1)
	secret := rand.Text()
	cmd := exec.Command(peer(t, "minio"), "server", filepath.Join(dir, "drive"), "--address", "127.0.0.1:"+ports[0], "--quiet")
	cmd.Env = append(os.Environ(), "MINIO_ROOT_USER=gateway", "MINIO_ROOT_PASSWORD="+secret, "MINIO_BROWSER=off")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	wait(t, patience, "MinIO", func() bool {
		resp, err := http.Get("http://127.0.0.1:" + ports[0] + "/")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusForbidden // 503 until it serves
	})
	for name, text := range map[string]string{"access": "gateway", "secret": secret} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := newSite(t, settings{upstream: fmt.Sprintf("  endpoint: http://127.0.0.1:%s\n  region: us-east-1\n  access_key_file: %s/access\n  secret_key_file: %s/secret\n", ports[0], dir, dir), quota: "150MB"})
	everything(t, s)
	// A store that is away is told at once, and comes back by itself.
	anna := s.signIn("anna")
	robot, _ := anna.robot(projectA)
	k := createKey(t, robot, projectA, "away")
	web := &http.Client{Timeout: patience}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	began := time.Now()
	status, answer, err := signed(t.Context(), web, k, http.MethodPut, s.s3+"/kept/x", "x")
	if err != nil || status != http.StatusServiceUnavailable || time.Since(began) > 30*time.Second {
		t.Errorf("with the store away: %d %s %v after %s", status, answer, err, time.Since(began))
	}
}

// everything makes a round with two clients, and runs into the quota.
func everything(t *testing.T, s *site) {
	t.Helper()
	anna := s.signIn("anna")
	big := filepath.Join(t.TempDir(), "big")
	sum := randomFile(t, big, 100<<20)
	for _, c := range s3clients(t) {
		if c.name != "aws" && c.name != "s3cmd" {
			continue
		}
		remote, bucket := "minio-"+c.name, "data-"+c.name
		anna.configured(c, projectA, remote)
		anna.do(c, c.mb(anna, remote, bucket)).ok(t)
		anna.do(c, c.put(anna, remote, big, bucket+"/big")).ok(t)
		if out := anna.do(c, c.ls(anna, remote, bucket+"/")).ok(t); !strings.Contains(out, "big") {
			t.Errorf("the list lacks the file: %s", out)
		}
		back := filepath.Join(t.TempDir(), "back")
		anna.do(c, c.get(anna, remote, back, bucket+"/big")).ok(t)
		if checksum(t, back) != sum {
			t.Error("what came back differs")
		}
		if download(t, presigned(t, anna.do(c, c.presign(anna, remote, bucket+"/big")).ok(t))) != sum {
			t.Error("what came back by presigned URL differs")
		}
		// In a bucket of its own: s3cmd leaves the parts of an upload that failed, and those keep a
		// bucket from being deleted.
		anna.do(c, c.mb(anna, remote, bucket+"-full")).ok(t)
		anna.do(c, c.put(anna, remote, big, bucket+"-full/more")).fails(t, "QuotaExceeded")
		anna.do(c, c.rm(anna, remote, bucket+"/big")).ok(t)
		anna.do(c, c.rb(anna, remote, bucket)).ok(t)
	}
	c := s3clients(t)[0]
	anna.do(c, c.mb(anna, "minio-s3cmd", "kept")).ok(t)
}

// TestPostgreSQL runs two servers on one PostgreSQL: what one issues the other honours, and what
// one ends the other refuses within a second.
func TestPostgreSQL(t *testing.T) {
	t.Parallel()
	urlFile := postgres(t)
	database := "  driver: postgres\n  url_file: " + urlFile + "\n"
	one := newSite(t, settings{database: database})
	anna := one.signIn("anna")
	robot, _ := anna.robot(projectA)
	k := createKey(t, robot, projectA, "shared")
	web := &http.Client{Timeout: patience}
	if status, answer, err := signed(t.Context(), web, k, http.MethodPut, one.s3+"/data", ""); err != nil || status != http.StatusOK {
		t.Fatal(status, answer, err)
	}
	two := newSite(t, settings{database: database, upstream: "  directory: " + filepath.Join(one.dir, "data", "objects-two") + "\n", extra: "master_key_file: " + filepath.Join(one.dir, "data", "master.key") + "\n"})
	head := func(s *site) int {
		status, _, err := signed(t.Context(), web, k, http.MethodHead, s.s3+"/data", "")
		if err != nil {
			t.Fatal(err)
		}
		return status
	}
	promptly(t, func() time.Duration {
		k = createKey(t, robot, projectA, "shared")
		wait(t, patience, "the second gateway to honour the key", func() bool { return head(two) != http.StatusForbidden })
		if _, err := robot.DeleteCredential(t.Context(), k.ID); err != nil {
			t.Fatal(err)
		}
		if status := head(one); status != http.StatusForbidden {
			t.Errorf("the server that ended the key answers %d", status)
		}
		return takes(t, "the second gateway to refuse the key", func() bool { return head(two) == http.StatusForbidden })
	})
}

// promptly tries something of which the other server must know within a second. A busy machine may be
// late with it, but not every time.
func promptly(t *testing.T, try func() time.Duration) {
	t.Helper()
	quickest := time.Hour
	for n := 0; n < 5 && quickest > time.Second; n++ {
		quickest = min(quickest, try())
	}
	t.Logf("the other server knew %s after the acknowledgement", quickest.Round(time.Millisecond))
	if quickest > time.Second {
		t.Error("that is never within a second")
	}
}

// takes waits for f, and returns how long.
func takes(t *testing.T, what string, f func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	wait(t, patience, what, f)
	return time.Since(began)
}

// postgres starts a private PostgreSQL and returns a file with its URL.
func postgres(t *testing.T) string {
	t.Helper()
	bins, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(bins) == 0 {
		t.Fatal("PostgreSQL is missing: apt-get install postgresql")
	}
	bin := bins[len(bins)-1]
	dir, err := os.MkdirTemp("", "lypg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	attr := &syscall.SysProcAttr{}
	if os.Geteuid() == 0 { // it refuses to run as root
		u, err := user.Lookup("postgres")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	cluster := filepath.Join(dir, "db")
	run := func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.SysProcAttr, cmd.Dir = attr, dir
		return cmd
	}
	if out, err := run("initdb", "-D", cluster, "-U", "lanyard", "--auth=trust", "--no-sync", "-E", "UTF8").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	port := freePorts(t, 1)[0]
	server := run("postgres", "-D", cluster, "-h", "127.0.0.1", "-p", port, "-k", dir, "-c", "fsync=off")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Signal(syscall.SIGQUIT); _ = server.Wait() })
	wait(t, patience, "PostgreSQL", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
		}
		return err == nil && run("psql", "-h", "127.0.0.1", "-p", port, "-U", "lanyard", "-d", "postgres", "-c", "select 1").Run() == nil
	})
	file := filepath.Join(t.TempDir(), "url")
	if err := os.WriteFile(file, []byte("postgres://lanyard@127.0.0.1:"+port+"/postgres?sslmode=disable\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
