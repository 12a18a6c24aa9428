package signin

import (
	"errors"
	"runtime"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/material"
	"github.com/zalando/go-keyring"
)

// keyringTime bounds each question to the keyring: a locked one on a machine without a desktop
// would wait for a window that nobody sees.
const keyringTime = 300 * time.Millisecond

// A Keyring keeps secrets for one person, outside of files. Get answers ErrNoSecret for what is
// not there.
type Keyring interface {
	Get(name string) (material.Secret, error)
	Set(name string, secret material.Secret) error
	Delete(name string) error
}

// ErrNoSecret is what a Keyring answers for a name that it does not hold.
var ErrNoSecret = errors.New("not in the keyring")

// SystemKeyring returns the keyring of this desktop session (Secret Service, macOS Keychain,
// Windows Credential Manager), or nil where there plainly is none. It asks nothing yet.
func SystemKeyring(getenv func(string) string) Keyring {
	// Without this address the library would start a D-Bus daemon of its own.
	if runtime.GOOS == "linux" && getenv("DBUS_SESSION_BUS_ADDRESS") == "" {
		return nil
	}
	return system{}
}

const service = "lanyard"

type system struct{}

func (system) Get(name string) (material.Secret, error) {
	s, err := keyring.Get(service, name)
	if errors.Is(err, keyring.ErrNotFound) {
		err = ErrNoSecret
	}
	return material.Secret(s), err
}

func (system) Set(name string, secret material.Secret) error {
	return keyring.Set(service, name, secret.Reveal())
}

func (system) Delete(name string) error {
	err := keyring.Delete(service, name)
	if errors.Is(err, keyring.ErrNotFound) {
		return nil
	}
	return err
}

// within runs ask and waits for its answer no longer than keyringTime. No keyring can be
// interrupted, so a late ask ends by itself, at the latest with the program.
func within[T any](ask func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	got := make(chan answer, 1)
	go func() {
		v, err := ask()
		got <- answer{v, err}
	}()
	select {
	case a := <-got:
		return a.value, a.err
	case <-time.After(keyringTime):
		var zero T
		return zero, fault.New(fault.Unavailable, "the keyring of this session does not answer").
			WithHint("unlock it, or sign in again: lanyard login")
	}
}
