// Package credential says what Lanyard brokers and which rules hold for every kind: one life, one
// lifetime rule, one contract. It does no I/O and imports material, fault and identity only.
package credential

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/material"
)

// Status is where a credential stands in its life: intended → active ⇄ frozen → ending → ended.
// Nothing returns from Ending.
type Status string

// The states of every kind of credential.
const (
	Intended Status = "intended" // written down, not yet made at the outside system
	Active   Status = "active"
	Frozen   Status = "frozen" // refused, and may be thawed
	Ending   Status = "ending" // refused everywhere; clean-up outside still runs
	Ended    Status = "ended"
)

// Reason says why a credential is frozen or ended.
type Reason string

// The reasons.
const (
	Expired        Reason = "expired"
	Deleted        Reason = "deleted"         // by its owner or a manager
	FrozenByOwner  Reason = "frozen"          // by its owner or a manager
	Stopped        Reason = "stopped"         // the operator froze this one
	LeftProject    Reason = "left_project"    // the owner is no longer a member
	AccountFrozen  Reason = "account_frozen"  // the operator stopped the owner
	ProjectFrozen  Reason = "project_frozen"  // the operator stopped the project
	ProviderFrozen Reason = "provider_frozen" // the operator stopped the identity provider
	ProjectEnded   Reason = "project_ended"
	Abandoned      Reason = "abandoned" // nobody completed it in time
	Declined       Reason = "declined"  // its owner, or the provider, refused to approve it
)

// A Credential is a standing right of one account, mostly within a project; what it yields at one moment
// is its Material.
type Credential struct {
	ID        string // crd_…
	Kind      string
	ProjectID string // empty if it is personal: see Personal
	OwnerID   string // account
	// Name says what it is for, 1 to 60 characters.
	Name string
	// PublicID is the part of it that is shown and looked up by, such as an access key id; unique.
	PublicID string
	// Spec is the kind's own JSON: rights, scopes. Nothing else reads it.
	Spec                 json.RawMessage
	Status               Status
	Reason               Reason // set while frozen, ending or ended
	CreatedAt, ExpiresAt time.Time
	// DueAt is when the server next has something to do for it: expiry, clean-up.
	DueAt   time.Time
	EndedAt time.Time // zero until ending
	// LastUsedAt and LastUsedBy are as gateways last reported: time, and "program from address".
	LastUsedAt time.Time
	LastUsedBy string
	// Generation counts changes; a change is refused if somebody else's came first.
	Generation int64

	// ProjectName and OwnerName are filled in when it is read, for display.
	ProjectName, OwnerName string
}

// An Order asks for a credential.
type Order struct {
	Kind      string
	ProjectID string
	Name      string
	// Life or Until says how long; both zero means the kind's default. What a kind is given has
	// Until set: the end that the lifetime rule allows.
	Life  time.Duration
	Until time.Time
	// Spec is the kind's own; nothing else reads it.
	Spec json.RawMessage
	// Secret is what is secret in the order, such as the private key of an uploaded proxy, as the
	// kind wants it.
	Secret material.Secret
	// Owner is who orders. The broker sets it.
	Owner identity.Account
}

// State is what a kind must remember. It is sealed at rest and never logged.
type State []byte

// String implements fmt.Stringer.
func (State) String() string { return material.Redacted }

// Format implements fmt.Formatter, so that no verb shows the bytes: %d would print them as numbers.
func (State) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, material.Redacted) }

// LogValue implements slog.LogValuer.
func (State) LogValue() slog.Value { return slog.StringValue(material.Redacted) }

// A Use is a gateway's report that a credential was accepted.
type Use struct {
	CredentialID string
	At           time.Time
	By           string // "program from address"
}

// Made is what a kind makes of an order.
type Made struct {
	PublicID string
	Spec     json.RawMessage // the order's, decoded strictly and normalised
	State    State
	// Waits says that somebody must bring something before there is a right: see Completer. Until
	// then the credential is Intended.
	Waits bool
}

// A Kind knows how one sort of credential comes to be and is used. The broker owns time, rules,
// storage, audit and retries. What a kind can beyond this it says by the interfaces below.
type Kind interface {
	Name() string
	// Make decodes the order's Spec strictly and makes what must be kept. What is wrong with the
	// order is an Invalid fault.
	Make(context.Context, Order) (Made, error)
	// Material is what the client holds in hand. Of a Retriever it is what may be seen of the
	// credential at any time, and not secret.
	Material(context.Context, Credential, State) (material.Material, error)
}

// A Completer is a Kind whose credentials wait for what a person brings.
type Completer interface {
	Kind
	// Complete returns what becomes of c with the answer that its owner brought, or an Invalid fault
	// if the answer does not fit. C is Intended, or Active and then renewed.
	Complete(ctx context.Context, c Credential, s State, answer string) (Made, error)
}

// A Retriever is a Kind that makes material anew each time its owner asks, also around a key that
// stays with the asker.
type Retriever interface {
	Kind
	// Retrieve makes material that ends no later than c. It may ask outside systems: an Unavailable
	// fault names the one that did not help.
	Retrieve(context.Context, Credential, State, Wish) (material.Material, error)
}

// A Wish says how material shall be.
type Wish struct {
	Life time.Duration   // 0: as long as is usual
	Spec json.RawMessage // the kind's own; empty: as the credential says
}

// A Bounded is a Kind whose credentials cannot outlive something outside Lanyard.
type Bounded interface {
	Kind
	// Bound returns the latest end that a credential can have; zero if it has none.
	Bound(Credential) time.Time
}

// A Personal is a Kind whose credentials need no project.
type Personal interface {
	Kind
	// Personal says so.
	Personal()
}

// A Lingering is a Kind whose credentials have something outside that must be ended too. They stay
// Ending until that is done, by who does it: the kind's own keeper.
type Lingering interface {
	Kind
	// Lingers says so.
	Lingers()
}

// Filter selects credentials; empty fields select all. Results are newest first.
type Filter struct {
	Kind, ProjectID, OwnerID string
	// Kinds selects several.
	Kinds []string
	// Issuer selects by the owner's identity provider.
	Issuer   string
	Statuses []Status
	// CreatedAfter selects later ones, for rate limits.
	CreatedAfter time.Time
	// Before is the id to continue after; Limit 0 means all.
	Before string
	Limit  int
}
