// Package notice says what a person must be told because it happened while they were away: that
// something of theirs was ended to protect them, or waits for them. A notice stands until the person
// dismisses it, and is written together with what it tells. Words and rules, no I/O; it imports
// audit, credential, grant and session.
package notice

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/session"
)

// Kind is what happened.
type Kind string

// The kinds of notice. The texts are part of the API.
const (
	TokenReused Kind = "refresh_token_reused" // a sign-in ended: an old refresh token of it was used
	CodeReused  Kind = "code_reused"          // a sign-in ended: its authorization code was used twice
	GrantDied   Kind = "grant_needs_sign_in"  // its provider refuses a grant for good
	Replayed    Kind = "mytoken_replayed"     // a mytoken ended: one that it replaced was shown again
)

// What is kept of one person: the newest notices, each for a while.
const (
	Most = 20
	Kept = 30 * 24 * time.Hour
)

// A Notice is one thing that one person must be told. What strangers said of themselves is fit to
// show.
type Notice struct {
	ID        string // ntc_…
	AccountID string
	Kind      Kind
	// Subject is the id of the session or grant that it is about.
	Subject string
	At      time.Time
	// Name is what the person knows it by: the client of a session, a grant, a mytoken. Place is where
	// it was: the host that the client said it runs on, the provider.
	Name, Place string
	// Address and Program are where the request came from that made it happen, if one did.
	Address, Program string
}

// OfSession tells the owner of s that it ended because a request from the address, by a program that
// calls itself so, used a proof of it again.
func OfSession(k Kind, s session.Session, at time.Time, address, program string) Notice {
	return Notice{ID: "ntc_" + rand.Text(), AccountID: s.AccountID, Kind: k, Subject: s.ID, At: at,
		Name: s.ClientID, Place: grant.Clean(s.Host, 100), Address: address, Program: grant.Clean(program, 100)}
}

// OfGrant tells the owner of c that the provider refuses it for good.
func OfGrant(c credential.Credential, provider string, at time.Time) Notice {
	return Notice{ID: "ntc_" + rand.Text(), AccountID: c.OwnerID, Kind: GrantDied, Subject: c.ID, At: at, Name: c.Name, Place: provider}
}

// OfMytoken tells the owner of the grant below that a mytoken with the name ended because one that it
// replaced came from the address, by a program that calls itself so.
func OfMytoken(ownerID, grantID, name string, at time.Time, address, program string) Notice {
	return Notice{ID: "ntc_" + rand.Text(), AccountID: ownerID, Kind: Replayed, Subject: grantID, At: at,
		Name: grant.Clean(name, 100), Address: address, Program: grant.Clean(program, 100)}
}

// commandLine is the client id of our own.
const commandLine = "lanyard-cli"

// Title says it in a few words.
func (n Notice) Title() string {
	switch n.Kind {
	case GrantDied:
		return "An approval waits for you to sign in again"
	case Replayed:
		return "A mytoken was ended to protect you"
	}
	return "A sign-in was ended to protect you"
}

// Text says what happened and what was done about it, in whole sentences.
func (n Notice) Text() string {
	switch n.Kind {
	case GrantDied:
		return fmt.Sprintf("%s no longer accepts the approval “%s”. It gives no new tokens until you sign in there again.", n.Place, n.Name)
	case Replayed:
		what := "a mytoken"
		if n.Name != "" {
			what = "the mytoken “" + n.Name + "”"
		}
		return fmt.Sprintf("%s used an old copy of %s. Nobody can tell whose the right one is, so it was ended, with all that were made from it.", n.somebody(), what)
	case CodeReused:
		return fmt.Sprintf("%s used the code once more by which %s was signed in. "+endedForAll, n.somebody(), n.client())
	}
	return fmt.Sprintf("%s used an old copy of the refresh token of %s. "+endedForAll, n.somebody(), n.client())
}

const endedForAll = "Nobody can tell whose the right one is, so the sign-in was ended for all who had it."

// client is "the Lanyard command line on lumi-login2".
func (n Notice) client() string {
	text := n.Name
	if text == commandLine {
		text = "the Lanyard command line"
	}
	if n.Place != "" {
		text += " on " + n.Place
	}
	return text
}

// somebody is "Somebody at 192.0.2.1 with curl/8.5".
func (n Notice) somebody() string {
	text := "Somebody at " + cmp.Or(n.Address, "an unknown address")
	if n.Program != "" {
		text += " with " + n.Program
	}
	return text
}

// Next says what to do, in whole sentences.
func (n Notice) Next() string {
	switch {
	case n.Kind == GrantDied:
		return "Sign in again on its page, or with: lanyard token approve " + n.Subject + ". What uses it keeps the token that it has until that ends."
	case n.Kind == Replayed:
		return "Have a new one made where it was used. If two of your programs shared its file, that was the reason. If not, somebody else had it: tell the people who run this installation."
	case n.Name == commandLine:
		return "Sign in again there: lanyard login. " + ifNot
	}
	return "Sign in again there. " + ifNot
}

const ifNot = "A home directory that was copied or restored can be the reason. If it is not, somebody else had that sign-in, even if the address is your own: " +
	"end your other sign-ins on the page of your account, and tell the people who run this installation."

// Page is the path of the page where the person sees to it.
func (n Notice) Page() string {
	if n.Kind == GrantDied || n.Kind == Replayed {
		return "/tokens/" + n.Subject
	}
	return "/account"
}

// A Deed is something that is on record and that somebody is told.
type Deed struct {
	Record audit.Record
	Notice Notice
}
