// Package embedded is the object store that comes with Lanyard: versitygw (Apache-2.0) on a
// directory, run as a supervised child of the same binary, because it changes its working
// directory and keeps globals.
//
// The child is reached over a socket that nobody else can enter, with credentials that are made at
// each start and never leave the two processes: not by arguments, environment or files. Objects
// are plain files below Dir/objects, so what is in the store can be read without Lanyard.
//
// It imports rows 0 and 1.
package embedded

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/objectstore"
	"github.com/lanyardhq/lanyard/material"
)

// Command is the argument that makes the binary the engine: with it as the only one, it calls
// Main, and nothing else before it.
const Command = "engine"

const region = "us-east-1"

// maxSocketPath is what the kernel takes as the path of a socket (unix(7)), without the final zero.
const maxSocketPath = 107

// Config says where the engine keeps things. All fields are required.
type Config struct {
	// Dir is made if it is missing. It holds objects and socket; nobody else may enter it.
	Dir string
	// Program is the binary that calls Main when it is run with Command.
	Program string
	Log     *slog.Logger
}

// An Engine is the supervised child.
type Engine struct {
	program string
	log     *slog.Logger
	setup   setup
	ready   chan struct{}
}

// setup is what the child is told over its standard input. Never print it.
type setup struct {
	Dir    string
	Socket string
	Keys   material.S3Keys
}

// New prepares the directory and makes the credentials. They, and the address, stay the same when
// the child is restarted.
func New(c Config) (*Engine, error) {
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return nil, err
	}
	s := setup{Dir: dir, Socket: filepath.Join(dir, "engine.sock")}
	if len(s.Socket) > maxSocketPath {
		return nil, fault.New(fault.Invalid, "the path %s is too long for a socket", s.Socket).
			WithHint("use a directory whose path has at most %d characters", maxSocketPath-len("/engine.sock"))
	}
	for _, d := range []string{dir, objects(dir)} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("make the directory of the object store: %w", err)
		}
	}
	if err := os.Chmod(dir, 0o700); err != nil { //nolint:gosec // a directory
		return nil, fmt.Errorf("close the directory of the object store to others: %w", err)
	}
	s.Keys = material.S3Keys{AccessKeyID: rand.Text()[:20], SecretAccessKey: material.Secret(rand.Text() + rand.Text())}
	return &Engine{program: c.Program, log: c.Log, setup: s, ready: make(chan struct{})}, nil
}

// Upstream tells how the engine is reached.
func (e *Engine) Upstream() objectstore.Upstream {
	return objectstore.Upstream{Network: "unix", Address: e.setup.Socket, Host: "engine", Region: region, Keys: e.setup.Keys}
}

// Ready is closed once the child serves for the first time.
func (e *Engine) Ready() <-chan struct{} { return e.ready }

func objects(dir string) string  { return filepath.Join(dir, "objects") }
func metadata(dir string) string { return filepath.Join(dir, "metadata") }
