package config

import (
	"path/filepath"
	"time"

	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/minting"
)

// Default is the configuration of one machine for its own people: everything on loopback, all
// state under dataDir, the embedded object store, and nobody who can sign in yet.
func Default(dataDir string) Config {
	c := Config{
		Title:    "Lanyard",
		DataDir:  dataDir,
		Roles:    []Role{PortalRole, APIRole, IssuerRole, AARole, GatewayRole, WorkerRole},
		Portal:   Portal{Listen: "localhost:8080", URL: "http://localhost:8080"},
		S3:       S3{Listen: "127.0.0.1:9000", URL: "http://127.0.0.1:9000", Region: "lanyard"},
		Metrics:  Metrics{Listen: "127.0.0.1:9100"},
		Database: Database{Driver: "sqlite"},
		Upstream: Upstream{Region: "us-east-1"},
		Lifetimes: Lifetimes{S3Key: Lifetime{Default: Duration(168 * time.Hour), Max: Duration(168 * time.Hour)},
			Proxy: Lifetime{Default: Duration(168 * time.Hour), Max: Duration(720 * time.Hour)},
			Grant: Lifetime{Default: Duration(720 * time.Hour), Max: Duration(365 * 24 * time.Hour)}},
		MyToken: MyToken{Enabled: true},
		Reveal:  "once",
		Limits:  Limits{KeysPerAccount: 100, KeysPerHour: 30, APIPerMinute: 600},
		Log:     Log{Level: "info", Format: "text"},
	}
	c.place()
	return c
}

// DataDir is where state is kept unless the operator says otherwise: /var/lib/lanyard for root
// (uid 0), else lanyard-server in the user's XDG state directory.
func DataDir(uid int, getenv func(string) string) string {
	if uid == 0 {
		return "/var/lib/lanyard"
	}
	state := getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) { // as the XDG base directory specification says
		state = filepath.Join(getenv("HOME"), ".local", "state")
	}
	return filepath.Join(state, "lanyard-server")
}

// Demo is the default with two projects, three people and a VO to try things with. The people have no
// passwords: whoever starts the demo sets them.
func Demo(dataDir string) Config {
	c := Default(dataDir)
	c.Title = "Lanyard demo"
	c.S3.SigV2 = true
	c.SignIn.Local = login.Local{Title: "Demo accounts", Users: []login.LocalUser{
		{Name: "anna", FullName: "Anna Virtanen", Email: "anna@example.org"},
		{Name: "ben", FullName: "Ben Okafor", Email: "ben@example.org"},
		{Name: "chiara", FullName: "Chiara Rossi", Email: "chiara@example.org"},
	}}
	c.Projects = []Project{
		{Name: "462000008", Title: "Climate downscaling", Description: "Regional climate projections at 1 km.",
			Quota: 150 * 1000 * 1000 * 1000, Members: []Member{
				{Subject: "anna", Role: "manager"}, {Subject: "ben", Role: "user"}, {Subject: "chiara", Role: "user"}}},
		{Name: "465000123", Title: "Sea ice", Description: "Sea ice thickness from radar altimetry.",
			Quota: 1000 * 1000 * 1000, Members: []Member{
				{Subject: "anna", Role: "manager"}, {Subject: "chiara", Role: "user"}}},
	}
	c.Providers = []TokenProvider{{Provider: grant.Provider{ID: "lanyard", Type: grant.Lanyard, Title: "Lanyard demo"}}}
	c.Tokens = Tokens{
		Audiences: []minting.Audience{{Name: "https://storage.example.org"}}, DefaultAudience: "https://storage.example.org",
		VOs: []string{"climate"},
		Rules: []minting.Rule{
			{Project: "462000008", Scopes: []string{"storage.read:/climate", "storage.modify:/climate/scratch"}},
			{Project: "465000123", Scopes: []string{"storage.read:/ice"}},
			{VO: "climate", Scopes: []string{"compute.read"}, Groups: []string{"/climate"}},
		}}
	c.Grid.OnlineCA.Enabled = true
	c.VOs = []VO{{Name: "climate", Title: "Climate research", Host: "localhost", Port: 15000, Listen: "127.0.0.1:15000",
		Project: "462000008",
		Groups: []VOGroup{
			{Name: "/climate", Roles: []string{"production"}},
			{Name: "/climate/ocean", Title: "Oceanography", Roles: []string{"pilot"}},
		},
		Members: []VORule{
			{Project: "462000008"},
			{FQAN: "/climate/ocean", Project: "465000123"},
			{FQAN: "/climate/ocean/Role=pilot", Project: "465000123", Role: "manager"},
			{FQAN: "/climate/Role=production", Project: "462000008", Role: "manager"},
		}}}
	return c
}
