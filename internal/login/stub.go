package login

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/session"
	"github.com/lanyardhq/lanyard/material"
)

// Config is what a Login is made of.
type Config struct {
	// URL is the public address of the portal, without a trailing slash; redirect URIs begin with it.
	URL       string
	Providers []Provider
	Local     Local
	Store     Store
	Now       func() time.Time
	Log       *slog.Logger
	// Import tells at each sign-in which roles in which projects (by name) the account's provider,
	// the source, says it has. Nil: nobody asks.
	Import func(ctx context.Context, a identity.Account, source string, roles map[string]identity.Role) error
	// Leave takes an account out of a project, which freezes its keys there.
	Leave func(ctx context.Context, by identity.Actor, projectID, accountID string) error
}

// Provider configures one identity provider.
type Provider struct {
	ID     string `yaml:"id"`
	Title  string `yaml:"title"`
	Issuer string `yaml:"issuer"`
}

// Local configures the embedded identity provider. Without users it is off.
type Local struct {
	Title string      `yaml:"title"`
	Users []LocalUser `yaml:"users"`
}

// LocalUser is one person of the embedded identity provider.
type LocalUser struct {
	Name     string `yaml:"name"`
	FullName string `yaml:"full_name"`
	Email    string `yaml:"email"`
	Password string `yaml:"password"` // as HashPassword made it
	// Projects holds the person's roles by project name.
	Projects map[string]identity.Role `yaml:"projects"`
}

// Login is made by New.
type Login struct{ c Config }

// New checks the configuration. Providers are not contacted before somebody signs in.
func New(c Config) (*Login, error) { return &Login{c: c}, nil }

var errStub = errors.New("not written yet")

// HashPassword returns the argon2id hash of a password in PHC form, for LocalUser.
func HashPassword(password material.Secret) (string, error) { return "", errStub }

// Request describes the request that somebody's proof came with; it goes into identity.Actor.
type Request struct{ ID, Address, Client string }

// ProviderInfo describes one way to sign in.
type ProviderInfo struct {
	ID, Title, Issuer string
	Password          bool      // the embedded local one: Password instead of Start
	DownSince         time.Time // zero unless its last answer was a failure
}

// SignedIn is a finished sign-in.
type SignedIn struct {
	Cookie  material.Secret
	Session session.Session
	Account identity.Account
	Next    string // a path of ours
}

func (l *Login) Providers() []ProviderInfo { return nil }
func (l *Login) Start(ctx context.Context, providerID, next string, r Request) (redirect string, binding material.Secret, err error) {
	return "", "", errStub
}
func (l *Login) Finish(ctx context.Context, providerID string, q url.Values, binding material.Secret, r Request) (SignedIn, error) {
	return SignedIn{}, errStub
}
func (l *Login) Password(ctx context.Context, user string, password material.Secret, next string, r Request) (SignedIn, error) {
	return SignedIn{}, errStub
}
func (l *Login) Actor(ctx context.Context, token material.Secret, r Request) (identity.Actor, error) {
	return identity.Actor{}, errStub
}
func (l *Login) BrowserActor(ctx context.Context, cookie material.Secret, r Request) (identity.Actor, error) {
	return identity.Actor{}, errStub
}
func (l *Login) WhoAmI(ctx context.Context, by identity.Actor) (identity.Account, session.Session, error) {
	return identity.Account{}, session.Session{}, errStub
}
func (l *Login) SignOut(ctx context.Context, by identity.Actor) error { return errStub }
func (l *Login) Sessions(ctx context.Context, by identity.Actor) ([]session.Session, error) {
	return nil, errStub
}
func (l *Login) EndSession(ctx context.Context, by identity.Actor, id string) error { return errStub }

// Device is a request of a machine to act for somebody.
type Device struct {
	UserCode, ClientID, Host, Address string
	Scopes                            []identity.Scope
	AskedAt, ExpiresAt                time.Time
}

func (l *Login) FindDevice(ctx context.Context, by identity.Actor, userCode string) (Device, error) {
	return Device{}, errStub
}
func (l *Login) DecideDevice(ctx context.Context, by identity.Actor, userCode string, approve bool) error {
	return errStub
}

// RobotOrder asks for a robot.
type RobotOrder struct {
	Name   string
	Role   identity.Role
	Scopes []identity.Scope
	Life   time.Duration
	Until  time.Time
}

// RobotAccount is a robot with its place and its token's session.
type RobotAccount struct {
	identity.Account
	ProjectName string
	Role        identity.Role
	Session     session.Session
}

func (l *Login) CreateRobot(ctx context.Context, by identity.Actor, projectRef string, o RobotOrder) (RobotAccount, material.Secret, error) {
	return RobotAccount{}, "", errStub
}
func (l *Login) ListRobots(ctx context.Context, by identity.Actor, projectRef string) ([]RobotAccount, error) {
	return nil, errStub
}
func (l *Login) DeleteRobot(ctx context.Context, by identity.Actor, ref string) error { return errStub }

// PutReveal keeps data for one look by the session that by holds, and returns the name to ask by.
func (l *Login) PutReveal(ctx context.Context, by identity.Actor, data []byte) (once string, err error) {
	return "", errStub
}

// TakeReveal returns what PutReveal kept, to the same session, once.
func (l *Login) TakeReveal(ctx context.Context, by identity.Actor, once string) ([]byte, error) {
	return nil, errStub
}

// CookieName is the name of the session cookie: __Host- bound wherever the portal is on TLS.
func CookieName(secure bool) string {
	if secure {
		return "__Host-lanyard"
	}
	return "lanyard"
}

// Run removes what has expired, now and then, until ctx ends.
func (l *Login) Run(ctx context.Context) error { <-ctx.Done(); return nil }

var _ = fault.Invalid
