// Package local is the embedded identity provider: people whom the configuration itself names, with
// argon2id hashes of their passwords. It is for one machine, for tests, and for the day when no
// other provider answers. It imports rows 0 and 1.
package local

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/crypto/argon2"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/project"
	"github.com/lanyardhq/lanyard/material"
)

// Issuer is the issuer of these people's accounts, and the provider's id.
const Issuer = "local"

// Config configures the provider. Without users it is off.
type Config struct {
	Title string `yaml:"title"`
	Users []User `yaml:"users"`
}

// User is one person.
type User struct {
	Name     string `yaml:"name"`      // to sign in with; never reassign it
	FullName string `yaml:"full_name"` // to show
	Email    string `yaml:"email"`
	Password string `yaml:"password"` // as HashPassword made it
	// Projects holds the person's roles by project name, and decides about them.
	Projects map[string]identity.Role `yaml:"projects"`
}

// Cost of a new password hash: what OWASP recommends for argon2id, about 30 ms and 19 MiB. Two run
// at a time, so that guessing cannot exhaust memory.
const (
	hashMemory  = 19 * 1024 // KiB
	hashTime    = 2
	hashThreads = 1
	hashAtOnce  = 2

	minPassword, maxPassword = 8, 1024 // bytes
)

// phc is an argon2id hash in the PHC string format.
type phc struct {
	memory, time uint32
	threads      uint8
	salt, key    []byte
}

// HashPassword returns the argon2id hash of a password of 8 to 1024 bytes for User.Password, in the
// PHC string format: $argon2id$v=19$m=19456,t=2,p=1$SALT$KEY.
func HashPassword(password material.Secret) (string, error) {
	if n := len(password); n < minPassword || n > maxPassword {
		return "", fault.New(fault.Invalid, "a password has %d to %d characters", minPassword, maxPassword)
	}
	h := phc{memory: hashMemory, time: hashTime, threads: hashThreads, salt: make([]byte, 16)}
	rand.Read(h.salt)
	h.key = make([]byte, 32)
	h.key = h.derive(password)
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.memory, h.time, h.threads, b64(h.salt), b64(h.key)), nil
}

// derive computes the key that password has under h's cost and salt, as long as h's own.
func (h phc) derive(password material.Secret) []byte {
	return argon2.IDKey([]byte(password.Reveal()), h.salt, h.time, h.memory, h.threads, uint32(len(h.key))) //nolint:gosec // at most 64
}

var phcForm = regexp.MustCompile(`^\$argon2id\$v=19\$m=([0-9]{1,7}),t=([0-9]{1,3}),p=([0-9]{1,2})\$([A-Za-z0-9+/]{11,88})\$([A-Za-z0-9+/]{22,86})$`)

// parsePHC reads a hash and refuses costs that would stop the server.
func parsePHC(s string) (phc, error) {
	m := phcForm.FindStringSubmatch(s)
	if m == nil {
		return phc{}, fault.New(fault.Invalid, "not an argon2id hash").WithHint(`make one with "lanyard admin password-hash"`)
	}
	memory, errMemory := strconv.ParseUint(m[1], 10, 32)
	times, errTime := strconv.ParseUint(m[2], 10, 32)
	threads, errThreads := strconv.ParseUint(m[3], 10, 8)
	salt, errSalt := base64.RawStdEncoding.DecodeString(m[4])
	key, errKey := base64.RawStdEncoding.DecodeString(m[5])
	if err := errors.Join(errMemory, errTime, errThreads, errSalt, errKey); err != nil {
		return phc{}, fault.New(fault.Invalid, "not an argon2id hash: %v", err)
	}
	if memory < 8 || memory > 1<<20 || times < 1 || times > 100 || threads < 1 || threads > 16 {
		return phc{}, fault.New(fault.Invalid, "the hash's cost is out of range")
	}
	return phc{memory: uint32(memory), time: uint32(times), threads: uint8(threads), salt: salt, key: key}, nil
}

// Provider knows the users. It is safe for concurrent use.
type Provider struct {
	Title string
	users map[string]known
	decoy phc // what is computed for people who do not exist
	turns chan struct{}
}

type known struct {
	User
	hash phc
}

// New checks the configuration and reports every mistake in it, as Invalid faults joined.
func New(c Config) (*Provider, error) {
	v := &Provider{Title: cmp.Or(c.Title, "Local account"), users: map[string]known{}, turns: make(chan struct{}, hashAtOnce),
		decoy: phc{memory: hashMemory, time: hashTime, threads: hashThreads, salt: make([]byte, 16), key: make([]byte, 32)}}
	var errs []error
	for i, u := range c.Users {
		k, err := check(u)
		if _, twice := v.users[u.Name]; twice {
			err = errors.New("the name stands twice")
		}
		if err != nil {
			errs = append(errs, fault.New(fault.Invalid, "local user %d (%.60q): %v", i+1, u.Name, err))
		}
		v.users[u.Name] = k
		if i == 0 { // a decoy must cost what a user costs
			v.decoy.memory, v.decoy.time, v.decoy.threads = k.hash.memory, k.hash.time, k.hash.threads
		}
	}
	return v, errors.Join(errs...)
}

func check(u User) (known, error) {
	if u.Name == "" || len(u.Name) > 200 || strings.ContainsFunc(u.Name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return known{}, errors.New("the name is empty or cannot be typed")
	}
	for name, role := range u.Projects {
		if err := project.CheckName(name); err != nil {
			return known{}, err
		}
		if role.Rank() == 0 {
			return known{}, fmt.Errorf("role %q in project %q is not user, deputy or manager", role, name)
		}
	}
	hash, err := parsePHC(u.Password)
	return known{u, hash}, err
}

// Check returns the user if the password is theirs. It takes as long for names that do not exist.
func (v *Provider) Check(ctx context.Context, name string, password material.Secret) (User, bool, error) {
	if len(password) > maxPassword {
		return User{}, false, nil
	}
	select {
	case v.turns <- struct{}{}:
		defer func() { <-v.turns }()
	case <-ctx.Done():
		return User{}, false, ctx.Err()
	}
	u, exists := v.users[name]
	if !exists {
		u.hash = v.decoy
	}
	same := subtle.ConstantTimeCompare(u.hash.derive(password), u.hash.key) == 1
	if !same || !exists {
		return User{}, false, nil
	}
	return u.User, true, nil
}
