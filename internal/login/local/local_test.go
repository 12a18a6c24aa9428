package local_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login/local"
	"github.com/lanyardhq/lanyard/material"
)

func TestPasswords(t *testing.T) {
	const password = "correct horse ö"
	hash, err := local.HashPassword(password)
	if err != nil {
		t.Fatal(err)
	}
	again, err := local.HashPassword(password)
	if err != nil || again == hash || !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("hashes %s and %s, error %v", hash, again, err)
	}
	p, err := local.New(local.Config{Users: []local.User{{Name: "anna", FullName: "Anna", Password: hash}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name     string
		password material.Secret
		want     bool
	}{
		{"anna", password, true}, {"anna", password + " ", false}, {"anna", "", false}, {"Anna", password, false}, {"", password, false},
		{"anna", material.Secret(strings.Repeat("x", 1025)), false},
	} {
		u, ok, err := p.Check(t.Context(), c.name, c.password)
		if ok != c.want || err != nil || ok != (u.FullName == "Anna") {
			t.Errorf("%q: %v %+v, error %v", c.name, ok, u, err)
		}
	}
	for _, bad := range []material.Secret{"", "1234567", material.Secret(strings.Repeat("x", 1025))} {
		if _, err := local.HashPassword(bad); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("a password of %d bytes: %v", len(bad), err)
		}
	}
}

// Hashes that others made are understood.
func TestHashesOfOthers(t *testing.T) {
	for hash, password := range map[string]material.Secret{
		// From the tests of the reference implementation, github.com/P-H-C/phc-winner-argon2 src/test.c.
		"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc": "password",
		"$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc":   "password",
	} {
		p, err := local.New(local.Config{Users: []local.User{{Name: "anna", Password: hash}}})
		if err != nil {
			t.Errorf("%s: %v", hash, err)
			continue
		}
		if _, ok, err := p.Check(t.Context(), "anna", password); !ok || err != nil {
			t.Errorf("%s: password refused, error %v", hash, err)
		}
	}
}

func TestConfiguration(t *testing.T) {
	hash := func(salt, key string) string { return "$argon2id$v=19$m=8,t=1,p=1$" + salt + "$" + key }
	salt, key := strings.Repeat("A", 22), strings.Repeat("A", 43)
	good := hash(salt, key)
	for text, users := range map[string][]local.User{
		"not an argon2id hash":               {{Name: "a", Password: "hunter22"}},
		`(""): the name is empty`:            {{Password: good}},
		"the name is empty or cannot":        {{Name: "a\x1b[2J", Password: good}},
		"user 2 (\"a\"): the name stands":    {{Name: "a", Password: good}, {Name: "a", Password: good}},
		"role \"king\"":                      {{Name: "a", Password: good, Projects: map[string]identity.Role{"climate": "king"}}},
		"\"Up\" is not a project name":       {{Name: "a", Password: good, Projects: map[string]identity.Role{"Up": identity.User}}},
		"cost is out of range":               {{Name: "a", Password: strings.Replace(good, "m=8", "m=9999999", 1)}},
		"(\"b\"): the hash's cost is out of": {{Name: "b", Password: strings.Replace(good, "t=1", "t=0", 1)}},
	} {
		_, err := local.New(local.Config{Users: users})
		if fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), text) {
			t.Errorf("error %v, want %q", err, text)
		}
	}
	for _, bad := range []string{hash("AAAA", key), hash(salt, "AAAA"), hash(salt, "!"), hash(salt, strings.Repeat("A", 200)),
		strings.Replace(good, "v=19", "v=16", 1), strings.Replace(good, "argon2id", "argon2i", 1), strings.Replace(good, "m=8,", "", 1),
		strings.Replace(good, "p=1", "p=999", 1), good + "$", "x" + good} {
		if _, err := local.New(local.Config{Users: []local.User{{Name: "a", Password: bad}}}); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// A name that does not exist costs as much as one that does, so that a stopwatch tells nothing. The
// work is counted in the memory that argon2 fills: time cannot be measured on a busy machine.
func TestUnknownNamesCostAsMuch(t *testing.T) {
	hash, err := local.HashPassword("correct horse")
	if err != nil {
		t.Fatal(err)
	}
	p, err := local.New(local.Config{Users: []local.User{{Name: "anna", Password: hash}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"anna", "nobody"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, ok, err := p.Check(t.Context(), name, "a guess"); ok || err != nil {
			t.Errorf("%s: %v, error %v", name, ok, err)
		}
		runtime.ReadMemStats(&after)
		if filled := (after.TotalAlloc - before.TotalAlloc) >> 20; filled != 19 {
			t.Errorf("%s: argon2 filled %d MiB, want 19", name, filled)
		}
	}
}

func TestWaitingForATurnEnds(t *testing.T) {
	p, err := local.New(local.Config{Users: []local.User{{Name: "anna", Password: "$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$8jCjveL9purNVvxZWhjl0nULgTWD4Roxh/u/NFFSew0"}}})
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	waited := false
	for range 100 { // a free turn and an ended context are equally good to select
		_, _, err := p.Check(gone, "anna", "correct horse")
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		waited = waited || err != nil
	}
	if !waited {
		t.Error("an ended request was served every time")
	}
}

// FuzzHash: no text in the configuration stops the server.
func FuzzHash(f *testing.F) {
	f.Add("$argon2id$v=19$m=8,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$8jCjveL9purNVvxZWhjl0nULgTWD4Roxh/u/NFFSew0")
	f.Add("$argon2id$v=19$m=99999999999,t=1,p=1$AAAA$AAAA")
	f.Add("$$$$$")
	f.Add("")
	f.Fuzz(func(t *testing.T, hash string) {
		_, err := local.New(local.Config{Users: []local.User{{Name: "a", Password: hash}}})
		if err != nil && fault.CodeOf(err) != fault.Invalid {
			t.Error(err)
		}
	})
}
