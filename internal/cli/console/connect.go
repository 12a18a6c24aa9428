package console

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/signin"
	"github.com/lanyardhq/lanyard/material"
)

// Settings are the person's own configuration file.
type Settings struct {
	Server  string `yaml:"server"`
	Project string `yaml:"project"`
}

// Settings reads the configuration file; none is an empty one.
func (c *Console) Settings() (Settings, error) {
	var f Settings
	text, err := os.ReadFile(c.ConfigFile())
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	if err := yaml.UnmarshalWithOptions(text, &f, yaml.Strict()); err != nil {
		first, _, _ := strings.Cut(err.Error(), "\n")
		return f, Usage("%s: %s", c.ConfigFile(), first).WithHint("it may hold: server, project")
	}
	return f, nil
}

// ServerURL is the server to speak to: the flag, LANYARD_SERVER, the configuration file, or where
// the person signed in last.
func (c *Console) ServerURL() (string, error) {
	server := c.Server
	if server == "" {
		server = c.Getenv("LANYARD_SERVER")
	}
	if server == "" {
		f, err := c.Settings()
		if err != nil {
			return "", err
		}
		server = f.Server
	}
	if server == "" {
		server = c.SignIns().Current()
	}
	if server == "" {
		return "", fault.New(fault.Unauthenticated, "no server is known yet").
			WithHint("sign in: lanyard login --server https://HOST")
	}
	s, err := client.New(server, client.Options{})
	if err != nil {
		return "", Usage("%s", err.Error())
	}
	return s.Server(), nil
}

// SignIns is where this person's sign-ins are kept.
func (c *Console) SignIns() *signin.Store {
	return &signin.Store{Dir: c.StateDir(), Keyring: c.Keyring, Now: c.Now, HTTP: c.HTTP()}
}

// HTTP sends requests beside the API, to the issuer.
func (c *Console) HTTP() *http.Client {
	return &http.Client{Transport: c.Transport(""), Timeout: 30 * time.Second,
		// A redirect would carry a token to a place that nobody chose.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// Token returns what signs requests in: LANYARD_TOKEN, the content of LANYARD_TOKEN_FILE, else
// nothing.
func (c *Console) Token() (material.Secret, error) {
	if t := strings.TrimSpace(c.Getenv("LANYARD_TOKEN")); t != "" {
		return material.Secret(t), nil
	}
	name := c.Getenv("LANYARD_TOKEN_FILE")
	if name == "" {
		return "", nil
	}
	text, err := os.ReadFile(name) //nolint:gosec // the person names it
	if err != nil {
		return "", fault.New(fault.Unauthenticated, "LANYARD_TOKEN_FILE: %v", err)
	}
	if t := strings.TrimSpace(string(text)); t != "" {
		return material.Secret(t), nil
	}
	return "", fault.New(fault.Unauthenticated, "LANYARD_TOKEN_FILE: %s is empty", name)
}

// Connect returns the client of the server, signed in as the person or by a robot's token.
func (c *Console) Connect() (*client.Client, error) {
	server, err := c.ServerURL()
	if err != nil {
		return nil, err
	}
	fixed, err := c.Token()
	if err != nil {
		return nil, err
	}
	source := client.StaticToken(fixed)
	if fixed == "" {
		store := c.SignIns()
		if _, err := store.Find(server); err != nil {
			return nil, err
		}
		source = func(ctx context.Context) (material.Secret, error) { return store.Token(ctx, server) }
	}
	return c.Client(server, source)
}

// Client returns a client of the server with the given source of tokens.
func (c *Console) Client(server string, token func(context.Context) (material.Secret, error)) (*client.Client, error) {
	s, err := client.New(server, client.Options{Token: token, UserAgent: c.UserAgent(), Transport: c.Transport("")})
	if err != nil {
		return nil, Usage("%s", err.Error())
	}
	return s, nil
}

// UserAgent names this program to servers.
func (c *Console) UserAgent() string {
	return fmt.Sprintf("lanyard/%s (%s)", c.Version, runtime.GOOS)
}

// Who tells apart whose caches are whose, without a secret and without asking anybody: a hash of
// the server and of the account or token.
func (c *Console) Who() (string, error) {
	server, err := c.ServerURL()
	if err != nil {
		return "", err
	}
	token, err := c.Token()
	if err != nil {
		return "", err
	}
	who := token.Reveal()
	if who == "" {
		in, err := c.SignIns().Find(server)
		if err != nil {
			return "", err
		}
		who = in.AccountID
	}
	sum := sha256.Sum256([]byte(server + "\n" + who))
	return hex.EncodeToString(sum[:8]), nil
}

// ProjectName is the project to work in: the flag, LANYARD_PROJECT, the configuration file, or the
// only one that the person has.
func (c *Console) ProjectName(ctx context.Context, s *client.Client) (string, error) {
	if p, err := c.GivenProject(); p != "" || err != nil {
		return p, err
	}
	all, err := s.ListProjects(ctx)
	if err != nil {
		return "", err
	}
	var names []string
	for _, p := range all.Items {
		names = append(names, p.Name)
	}
	switch len(names) {
	case 0:
		return "", fault.New(fault.NotFound, "you are not a member of any project yet")
	case 1:
		return names[0], nil
	}
	return "", Usage("which project? You have %s", strings.Join(names, ", ")).WithHint("add --project %s", names[0])
}

// GivenProject is ProjectName without asking the server; "" if nothing names one.
func (c *Console) GivenProject() (string, error) {
	if c.Project != "" {
		return c.Project, nil
	}
	if p := c.Getenv("LANYARD_PROJECT"); p != "" {
		return p, nil
	}
	f, err := c.Settings()
	return f.Project, err
}
