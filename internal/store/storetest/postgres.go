// Package storetest is a PostgreSQL server for tests. It imports the standard library and the driver
// only.
package storetest

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

// Cluster is a PostgreSQL server of our own, on a socket in a directory of its own. The first test
// that needs it starts it, and TestMain stops it.
type Cluster struct {
	// Dir is where it keeps everything.
	Dir   string
	once  sync.Once
	owner *syscall.Credential
	args  []string
	cmd   *exec.Cmd
	err   error
}

// NewDatabase makes an empty database and returns its address.
func (c *Cluster) NewDatabase(t testing.TB) string {
	t.Helper()
	c.once.Do(func() { c.err = c.Start("fsync=off") })
	if c.err != nil {
		t.Fatalf("PostgreSQL does not start: %v", c.err)
	}
	name := "t" + strings.ToLower(rand.Text())
	c.Run(t, "CREATE DATABASE "+name)
	t.Cleanup(func() { c.Run(t, "DROP DATABASE "+name+" WITH (FORCE)") })
	return c.Address(name)
}

// Address is that of a database, for PostgreSQL's own clients.
func (c *Cluster) Address(database string) string {
	return fmt.Sprintf("postgres:///%s?host=%s&user=postgres", database, c.Dir)
}

// Run runs one statement as the cluster's administrator.
func (c *Cluster) Run(t testing.TB, text string) {
	t.Helper()
	ctx := context.Background() // also in a Cleanup
	conn, err := pgx.Connect(ctx, c.Address("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, text); err != nil {
		t.Fatal(err)
	}
}

// Start makes the cluster, with a setting more, and returns once it answers. PostgreSQL refuses to run
// as root.
func (c *Cluster) Start(setting string) (err error) {
	bins, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(bins) == 0 {
		return fmt.Errorf("it is not installed: apt-get install postgresql")
	}
	bin := slices.Max(bins)
	if c.Dir, err = os.MkdirTemp("", "lanyard-pg-"); err != nil {
		return err
	}
	if c.owner, err = owner(); err != nil {
		return err
	}
	if c.owner != nil {
		if err := os.Chown(c.Dir, int(c.owner.Uid), int(c.owner.Gid)); err != nil {
			return err
		}
	}
	data := filepath.Join(c.Dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync") //nolint:gosec,noctx // where the peer is installed; it ends by itself
	initdb.Dir, initdb.SysProcAttr = c.Dir, &syscall.SysProcAttr{Credential: c.owner}
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	c.args = []string{filepath.Join(bin, "postgres"), "-D", data, "-k", c.Dir, "-c", "listen_addresses=", "-c", setting,
		"-c", "max_connections=200", "-c", "lc_messages=C"}
	return c.Serve()
}

// Serve runs the server, and returns once it answers.
func (c *Cluster) Serve() error {
	c.cmd = exec.Command(c.args[0], c.args[1:]...) //nolint:gosec,noctx // what the test made, and stops
	// It must not outlive this process, however that ends.
	c.cmd.Dir, c.cmd.SysProcAttr = c.Dir, &syscall.SysProcAttr{Credential: c.owner, Pdeathsig: syscall.SIGQUIT}
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

// Kill ends the server at once: it writes nothing more.
func (c *Cluster) Kill() {
	_ = c.cmd.Process.Signal(syscall.SIGQUIT)
	_ = c.cmd.Wait() // how it died is no news
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

// Stop ends the server, if it runs, and removes what it wrote.
func (c *Cluster) Stop() {
	if c.cmd != nil && c.cmd.Process != nil {
		c.Kill()
	}
	if c.Dir != "" {
		_ = os.RemoveAll(c.Dir)
	}
}
