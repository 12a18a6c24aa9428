// Package notice says what a person must be told because it happened while they were away: that
// something of theirs was ended to protect them, or waits for them. A notice stands until the person
// dismisses it, and is written together with what it tells. Words and rules, no I/O; it imports grant
// and session.
package notice

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/lanyardhq/lanyard/internal/grant"
	"github.com/lanyardhq/lanyard/internal/session"
)

// Kind is what happened.
type Kind string

// The kinds of notice. The texts are part of the API.
const (
	TokenReused Kind = "refresh_token_reused" // a sign-in ended: an old refresh token of it was used
	CodeReused  Kind = "code_reused"          // a sign-in ended: its authorization code was used twice
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
	// Subject is the id of the session that it is about.
	Subject string
	At      time.Time
	// Name is what the person knows it by, and Place where it was: the host that a program said it
	// runs on.
	Name, Place string
	// Address and Program are where the request came from that made it happen.
	Address, Program string
}

// OfSession tells the owner of s that it ended because a request from the address, by a program that
// calls itself so, used a proof of it again.
func OfSession(k Kind, s session.Session, at time.Time, address, program string) Notice {
	return Notice{ID: "ntc_" + rand.Text(), AccountID: s.AccountID, Kind: k, Subject: s.ID, At: at,
		Name: s.ClientID, Place: grant.Clean(s.Host, 100), Address: address, Program: grant.Clean(program, 100)}
}

// commandLine is the client id of our own.
const commandLine = "lanyard-cli"

// Title says it in a few words.
func (n Notice) Title() string {
	return "A sign-in was ended to protect you"
}

// Text says what happened and what was done about it, in whole sentences.
func (n Notice) Text() string {
	what := n.Name
	if what == commandLine {
		what = "the Lanyard command line"
	}
	if n.Place != "" {
		what += " on " + n.Place
	}
	did := "used an old copy of the refresh token of " + what
	if n.Kind == CodeReused {
		did = "used the code once more by which " + what + " was signed in"
	}
	return fmt.Sprintf("%s %s. Nobody can tell whose the right one is, so the sign-in was ended for all who had it.", n.somebody(), did)
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
	again := "Sign in again there."
	if n.Name == commandLine {
		again = "Sign in again there: lanyard login."
	}
	return again + " A home directory that was copied or restored can be the reason. If it is not, somebody else had that sign-in, even if the address is your own: " +
		"end your other sign-ins on the page of your account, and tell the people who run this installation."
}

// Page is the path of the page where the person sees to it.
func (n Notice) Page() string { return "/account" }
