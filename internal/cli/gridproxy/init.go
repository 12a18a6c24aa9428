package gridproxy

import (
	"context"
	"errors"
)

// Find tells which files Init would take as the person's credential, and checks their modes and
// owner.
func Find(c Config, o Options) (Source, error) {
	return Source{}, errors.New("not written yet")
}

// Init makes a proxy. Report is called for each step, in order, from the calling goroutine; it may
// be nil. Errors are of type *Error, or ctx's. Where Result.Path is set beside an error, the proxy
// was written nevertheless.
func Init(ctx context.Context, c Config, o Options, report func(Event)) (Result, error) {
	return Result{}, errors.New("not written yet")
}

// Destroy overwrites the proxy file with zeros and removes it. Empty: where Init would write it.
func Destroy(c Config, path string) error { return errors.New("not written yet") }
