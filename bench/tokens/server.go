package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/lanyardhq/lanyard/bench/process"
)

// What everybody here is about: a person who may read somewhere at one storage.
const (
	person   = "anna"
	password = "correct horse"
	readable = "storage.read:/climate"
	storage  = "https://storage.example.org"
	keeper   = "bench" // the provider of grants
)

const config = `data_dir: %[1]s
portal: {listen: %[2]q, url: "http://%[2]s"}
s3: {listen: %[3]q, url: "http://%[3]s"}
metrics: {listen: ""}
limits: {api_per_minute: 0}
sign_in:
  local:
    users:
      - {name: anna, full_name: Anna Virtanen, password: "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$8jCjveL9purNVvxZWhjl0nULgTWD4Roxh/u/NFFSew0"}
projects:
  - {name: "462000008", title: Climate, quota: 1GB, members: [{subject: anna, role: user}]}
tokens:
  audiences: [{name: "https://storage.example.org"}]
  default_audience: https://storage.example.org
  rules: [{project: "462000008", scopes: ["storage.read:/climate"]}]
providers:
  - {id: bench, title: Bench, issuer: %[4]q, client_id: lanyard, scopes: ["storage.read:/climate"], offline: none, rotates: always, concurrency: 100}
`

// A site is a server's configuration and data, in a directory. It can be started again and again.
type site struct {
	program, config string
	data            string // directory
	portal          string // host:port
}

// newSite configures Lanyard with its defaults, and a provider of grants at an address. The database
// is SQLite unless url is PostgreSQL's.
func (b *bench) newSite(ctx context.Context, name, provider, url string) (site, error) {
	dir := filepath.Join(b.dir, name)
	s := site{program: b.program, config: filepath.Join(dir, "lanyard.yaml"), data: filepath.Join(dir, "data")}
	ports, err := process.Ports(ctx, 2)
	if err != nil {
		return s, err
	}
	s.portal = "localhost:" + ports[0]
	text := fmt.Sprintf(config, s.data, s.portal, "127.0.0.1:"+ports[1], provider)
	err = os.MkdirAll(s.data, 0o700)
	if url != "" {
		file := filepath.Join(dir, "database")
		text += fmt.Sprintf("database: {driver: postgres, url_file: %q}\n", file)
		err = errors.Join(err, os.WriteFile(file, []byte(url), 0o600))
	}
	return s, errors.Join(err, os.WriteFile(s.config, []byte(text), 0o600))
}

// A server runs a site.
type server struct {
	site
	process.Process
	took time.Duration // from its start until it served
	cmd  *exec.Cmd
	log  bytes.Buffer
}

func (s site) start(ctx context.Context) (*server, error) {
	x := &server{site: s, cmd: exec.Command(s.program, "serve", "--config", s.config)}
	x.cmd.Stdout, x.cmd.Stderr = &x.log, &x.log
	x.cmd.Env = []string{"HOME=" + s.data}
	x.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	began := time.Now()
	if err := x.cmd.Start(); err != nil {
		return nil, err
	}
	x.Process = process.Process{Name: "Lanyard", PID: x.cmd.Process.Pid}
	_, err := x.CPU() // it lives
	if err == nil {
		err = process.Ready(ctx, "http://"+s.portal+"/readyz")
	}
	x.took = time.Since(began)
	if err != nil {
		x.stop()
		return nil, fmt.Errorf("the server is not ready: %w\n%s", err, &x.log)
	}
	return x, nil
}

func (x *server) stop() {
	_ = x.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(30*time.Second, func() { _ = x.cmd.Process.Kill() })
	defer late.Stop()
	_ = x.cmd.Wait()
}

// signIn signs the person in, in a browser that follows no redirects.
func (x *server) signIn(ctx context.Context) (*http.Client, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	browser := &http.Client{Jar: jar, Timeout: 20 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	form := url.Values{"user": {person}, "password": {password}, "next": {"/"}}
	status, body, err := post(ctx, browser, "http://"+x.portal+"/login/local", form)
	if err == nil && status >= http.StatusBadRequest {
		err = fmt.Errorf("sign in: status %d: %.300s", status, body)
	}
	return browser, err
}
