package audit_test

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/identity"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestBy(t *testing.T) {
	ann := identity.Actor{AccountID: "usr_1", Name: "Ann", RequestID: "req_1", Address: "192.0.2.1"}
	r := audit.By(ann, now.Add(time.Millisecond).In(time.FixedZone("EET", 7200)), "s3key.create", "crd_1", "prj_1")
	if r.Actor != "usr_1" || r.ActorName != "Ann" || !r.At.Equal(now) || r.At.Location() != time.UTC || r.RequestID != "req_1" || r.Address != "192.0.2.1" {
		t.Errorf("record %+v", r)
	}
}

func TestName(t *testing.T) {
	for want, a := range map[string]identity.Actor{
		"usr_1":    {AccountID: "usr_1", Name: "lanyard"},
		"operator": {Name: "root", Operator: true, RequestID: "req_1"},
		"lanyard":  identity.System(),
	} {
		if got := audit.Name(a); got != want {
			t.Errorf("%+v is recorded as %q, want %q", a, got, want)
		}
	}
	// The system account that the server runs under may be called like the server.
	if got := audit.Name(identity.Actor{Name: "lanyard", Operator: true, RequestID: "req_1"}); got != "operator" {
		t.Errorf("an operator called lanyard is recorded as %q", got)
	}
}

func TestWithLeavesTheOthersAlone(t *testing.T) {
	a := audit.Record{}.With("x", "1")
	b := a.With("y", "2")
	if len(a.Detail) != 1 || len(b.Detail) != 2 {
		t.Errorf("details %v and %v", a.Detail, b.Detail)
	}
}

func record() audit.Record {
	return audit.Record{Seq: 2, At: now, Actor: "usr_1", ActorName: "Ann", Action: "s3key.create", Subject: "crd_1", Project: "prj_1",
		Detail: map[string]string{"b": "2", "a": "1"}, RequestID: "req_1", Address: "192.0.2.1"}
}

// What was chained once must verify for ever. The hash was computed by another program from the
// text of the record.
func TestChainIsWhatItWas(t *testing.T) {
	const want = "9860a34e55388dafa5123e9633f16248454b2cc79746bfd8e7fee92eb0d107f8"
	if got := hex.EncodeToString(audit.Chain([]byte("before"), record())); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestChainCoversEverything(t *testing.T) {
	whole := audit.Chain([]byte("before"), record())
	with := record()
	with.Hash, with.At = []byte("its own"), now.Add(999*time.Millisecond)
	if !bytes.Equal(audit.Chain([]byte("before"), with), whole) {
		t.Error("the hash depends on itself or on fractions of a second")
	}
	if bytes.Equal(audit.Chain([]byte("other"), record()), whole) {
		t.Error("the hash does not depend on the record before")
	}
	for name, change := range map[string]func(*audit.Record){
		"seq":        func(r *audit.Record) { r.Seq++ },
		"at":         func(r *audit.Record) { r.At = r.At.Add(time.Second) },
		"actor":      func(r *audit.Record) { r.Actor = "usr_2" },
		"actor_name": func(r *audit.Record) { r.ActorName = "Bob" },
		"action":     func(r *audit.Record) { r.Action = "s3key.end" },
		"subject":    func(r *audit.Record) { r.Subject = "crd_2" },
		"project":    func(r *audit.Record) { r.Project = "" },
		"detail":     func(r *audit.Record) { r.Detail = map[string]string{"a": "1", "b": "3"} },
		"request":    func(r *audit.Record) { r.RequestID = "" },
		"address":    func(r *audit.Record) { r.Address = "" },
	} {
		r := record()
		change(&r)
		if bytes.Equal(audit.Chain([]byte("before"), r), whole) {
			t.Errorf("the hash does not depend on %s", name)
		}
	}
}

func TestRoughly(t *testing.T) {
	for address, want := range map[string]string{
		"193.167.4.5": "193.167.0.0/16", "2001:db8:1:2::3": "2001:db8::/32", "::ffff:193.167.4.5": "193.167.0.0/16",
		"fe80::1%eth0": "fe80::/32", "": "", "@": "", "193.167.4.5:443": "",
	} {
		r := audit.Record{Address: address}
		if got := r.Roughly().Address; got != want {
			t.Errorf("%s is roughly %q, want %q", address, got, want)
		}
	}
}
