// Package audit describes the record that every change of state leaves, in the same transaction as
// the change, in one hash chain. Words and rules, no I/O; it imports identity only.
package audit

import (
	"crypto/sha256"
	"encoding/json"
	"net/netip"
	"time"

	"github.com/lanyardhq/lanyard/internal/identity"
)

// A Record says who did what to what, from where. It holds no secret.
type Record struct {
	Seq int64 // set by the store: 1, 2, 3 …
	At  time.Time
	// Actor is an account id, or "operator" or "lanyard".
	Actor, ActorName string
	// Action is noun.verb: "s3key.create", "project.freeze".
	Action string
	// Subject is the id of what was changed; Project is set where it belongs to one.
	Subject, Project string
	// Detail holds what a reader wants to know, without secrets.
	Detail             map[string]string
	RequestID, Address string
	// Hash chains the record to the one before: see Chain. Set by the store.
	Hash []byte
}

// By starts a record of what a does.
func By(a identity.Actor, at time.Time, action, subject, project string) Record {
	return Record{At: at.UTC().Truncate(time.Second), Actor: Name(a), ActorName: a.Name, Action: action,
		Subject: subject, Project: project, RequestID: a.RequestID, Address: a.Address}
}

// Name is how records name a: by account id, or "lanyard" for the server's own work, or
// "operator". Only work that no request asked for is the server's own, so an operator whose
// system account is called lanyard is still the operator.
func Name(a identity.Actor) string {
	switch {
	case a.AccountID != "":
		return a.AccountID
	case a.Name == identity.System().Name && a.RequestID == "" && a.Client == "":
		return a.Name
	}
	return "operator"
}

// With returns the record with one more detail. Never pass a secret.
func (r Record) With(key, value string) Record {
	d := make(map[string]string, len(r.Detail)+1)
	for k, v := range r.Detail {
		d[k] = v
	}
	d[key] = value
	r.Detail = d
	return r
}

// Roughly returns the record with no more of its address than tells the network: 16 bits of IPv4,
// 32 of IPv6. The result is for reading; it does not fit the chain.
func (r Record) Roughly() Record {
	a, err := netip.ParseAddr(r.Address)
	if err != nil {
		r.Address = ""
		return r
	}
	a = a.Unmap().WithZone("")
	bits := 32
	if a.Is4() {
		bits = 16
	}
	r.Address = netip.PrefixFrom(a, bits).Masked().String()
	return r
}

// Chain returns SHA-256 over the previous record's hash and this record without its own, encoded
// as JSON, whose map keys are sorted.
func Chain(previous []byte, r Record) []byte {
	r.Hash = nil
	r.At = r.At.UTC().Truncate(time.Second)
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // strings and numbers always encode
	}
	sum := sha256.Sum256(append(append([]byte{}, previous...), text...))
	return sum[:]
}

// A Change goes with every write of the store, in the same transaction: the record, and the
// client's promise of once-only.
type Change struct {
	Record Record
	Once   Once
}

// A Once is a client's promise that requests of one account with the same key are one request.
// The zero Once makes none.
type Once struct {
	// Key is the Idempotency-Key, Fingerprint a hash of what was asked under it.
	Key, Fingerprint string
}

// Filter selects records; empty fields select all. Results are newest first.
type Filter struct {
	Project, Subject, Actor string
	// Before is a sequence number to continue from; 0 begins with the newest.
	Before int64
	Limit  int
}
