// Package identity says who acts: accounts (people and robots), their roles in projects, and the
// Actor that every use case is given. Rules only, no I/O; it imports fault and the standard
// library.
package identity

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lanyardhq/lanyard/internal/fault"
)

// AccountKind tells people from robots.
type AccountKind string

// The kinds of account.
const (
	Person AccountKind = "person"
	Robot  AccountKind = "robot"
)

// An Account is a person or robot, identified by (Issuer, Subject) and never by e-mail.
type Account struct {
	ID      string // usr_…
	Kind    AccountKind
	Issuer  string // the identity provider's issuer URL; "local"; "robot" for robots
	Subject string // unique and never reassigned within the issuer
	Name    string // for display
	Email   string // for notices only; may be empty
	// Project owns a robot; empty for people.
	Project string
	// FrozenAt is zero while the account may act.
	FrozenAt     time.Time
	FreezeReason string
	CreatedAt    time.Time
	LastSeenAt   time.Time
}

// Frozen reports whether the account is stopped.
func (a Account) Frozen() bool { return !a.FrozenAt.IsZero() }

// CheckReason refuses what cannot be an operator's reason to stop somebody, with an Invalid fault.
// The people concerned read it. It may be empty.
func CheckReason(s string) error {
	if utf8.RuneCountInString(s) > 200 || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return fault.New(fault.Invalid, "a reason is one line of at most 200 characters")
	}
	return nil
}

// Role is what an account is within one project.
type Role string

// Roles, from least to most. A deputy does everything for keys and members that a manager does,
// except making managers and robots.
const (
	User    Role = "user"
	Deputy  Role = "deputy"
	Manager Role = "manager"
)

// Rank orders roles; 0 is no role at all.
func (r Role) Rank() int {
	return 1 + slices.Index([]Role{User, Deputy, Manager}, r)
}

// Scope limits what a token may be used for. People signed in by browser or CLI hold all of them,
// robots those that their manager chose.
type Scope string

// The scopes of Lanyard's own API.
const (
	ReadKeys      Scope = "s3:read"        // list and show S3 keys
	WriteKeys     Scope = "s3:write"       // create, extend, freeze, thaw and delete S3 keys
	ReadProxies   Scope = "proxies:read"   // list and show proxies
	WriteProxies  Scope = "proxies:write"  // create, fetch, extend, freeze, thaw and delete proxies
	ReadTokens    Scope = "tokens:read"    // list and show grants, which tokens come of
	WriteTokens   Scope = "tokens:write"   // create, use, narrow, extend, freeze, thaw and delete grants
	ReadProjects  Scope = "projects:read"  // list and show projects and members
	WriteProjects Scope = "projects:write" // change members and robots
)

// Scopes are all scopes there are, in the order that pages show them.
func Scopes() []Scope {
	return []Scope{ReadKeys, WriteKeys, ReadProxies, WriteProxies, ReadTokens, WriteTokens, ReadProjects, WriteProjects}
}

// Actor is who asks for something, as proven by the edge that let them in.
type Actor struct {
	// AccountID is empty for the operator and for the server's own work.
	AccountID string
	Name      string
	Kind      AccountKind
	// Operator is true on the administration socket and for the server's own work.
	Operator bool
	// Roles maps project ids to the actor's role there.
	Roles map[string]Role
	// Scopes limit what may be done; nil means all.
	Scopes []Scope
	// SessionID names the session or token that was shown.
	SessionID string
	// AuthenticatedAt is when the person last proved who they are.
	AuthenticatedAt time.Time
	// RequestID, Address and Client describe the request, for audit: an id that is shown to the
	// caller too, the network address, and the program (User-Agent, shortened).
	RequestID, Address, Client string
}

// System is the actor of the server's own work.
func System() Actor { return Actor{Name: "lanyard", Operator: true} }

// Holds reports whether the actor's token covers s.
func (a Actor) Holds(s Scope) bool { return a.Scopes == nil || slices.Contains(a.Scopes, s) }

// In reports whether the actor has at least role in the project. The operator has every role.
func (a Actor) In(projectID string, role Role) bool {
	need := role.Rank() // 0 if there is no such role: nobody has it
	return a.Operator || need > 0 && a.Roles[projectID].Rank() >= need
}

// Filter selects accounts; empty fields select all.
type Filter struct {
	Kind            AccountKind
	Issuer, Subject string
	ProjectID       string // robots of one project
	Search          string // part of name, e-mail, subject or id
	Limit           int
}
