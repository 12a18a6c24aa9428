package store_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

// cluster is a PostgreSQL server of our own, on a socket in a directory of its own. The first test
// that needs it starts it, and TestMain stops it.
type cluster struct {
	once  sync.Once
	dir   string
	owner *syscall.Credential
	args  []string
	cmd   *exec.Cmd
	err   error
}

var postgres cluster

// newDatabase makes an empty database and returns its address.
func (c *cluster) newDatabase(t testing.TB) string {
	t.Helper()
	c.once.Do(func() { c.err = c.start("fsync=off") })
	if c.err != nil {
		t.Fatalf("PostgreSQL does not start: %v", c.err)
	}
	name := "t" + strings.ToLower(rand.Text())
	c.run(t, "CREATE DATABASE "+name)
	t.Cleanup(func() { c.run(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	return c.address(name)
}

func (c *cluster) address(database string) string {
	return fmt.Sprintf("postgres:///%s?host=%s&user=postgres", database, c.dir)
}

// run runs one statement as the cluster's administrator.
func (c *cluster) run(t testing.TB, text string) {
	t.Helper()
	ctx := context.Background() // also in a Cleanup
	conn, err := pgx.Connect(ctx, c.address("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, text); err != nil {
		t.Fatal(err)
	}
}

// start makes the cluster and returns once it answers. PostgreSQL refuses to run as root.
func (c *cluster) start(setting string) (err error) {
	bins, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(bins) == 0 {
		return fmt.Errorf("it is not installed: apt-get install postgresql")
	}
	bin := slices.Max(bins)
	if c.dir, err = os.MkdirTemp("", "lanyard-pg-"); err != nil {
		return err
	}
	if c.owner, err = owner(); err != nil {
		return err
	}
	if c.owner != nil {
		if err := os.Chown(c.dir, int(c.owner.Uid), int(c.owner.Gid)); err != nil {
			return err
		}
	}
	data := filepath.Join(c.dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
	initdb.Dir, initdb.SysProcAttr = c.dir, &syscall.SysProcAttr{Credential: c.owner}
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	c.args = []string{filepath.Join(bin, "postgres"), "-D", data, "-k", c.dir, "-c", "listen_addresses=", "-c", setting,
		"-c", "max_connections=200", "-c", "lc_messages=C"}
	return c.serve()
}

// serve runs the server, and returns once it answers.
func (c *cluster) serve() error {
	c.cmd = exec.Command(c.args[0], c.args[1:]...)
	// It must not outlive this process, however that ends.
	c.cmd.Dir, c.cmd.SysProcAttr = c.dir, &syscall.SysProcAttr{Credential: c.owner, Pdeathsig: syscall.SIGQUIT}
	log, err := c.cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := c.cmd.Start(); err != nil {
		return err
	}
	var said bytes.Buffer
	lines := bufio.NewScanner(log)
	for lines.Scan() {
		said.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "ready to accept connections") {
			go func() { // until it closes the pipe at its end
				for lines.Scan() {
				}
			}()
			return nil
		}
	}
	return fmt.Errorf("it said: %s", said.String())
}

// kill ends the server at once: it writes nothing more.
func (c *cluster) kill() {
	c.cmd.Process.Signal(syscall.SIGQUIT)
	c.cmd.Wait()
}

// owner is who runs PostgreSQL if we are root, else nil.
func owner() (*syscall.Credential, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func (c *cluster) stop() {
	if c.cmd != nil && c.cmd.Process != nil {
		c.kill()
	}
	if c.dir != "" {
		os.RemoveAll(c.dir)
	}
}
