// Package embedded is the object store that comes with Lanyard: versitygw on a directory, run as a
// supervised child of the same binary, because it changes its working directory and keeps globals.
//
// It imports rows 0 and 1.
package embedded

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/lanyardhq/lanyard/internal/objectstore"
)

// Command is the first argument by which the binary knows that it shall be the engine: it then
// calls Main and nothing else.
const Command = "engine"

// Main is the child: it serves until its standard input ends and returns the exit status.
func Main(stdin io.Reader, stderr io.Writer) int { return 1 }

// An Engine is the supervised child. All fields of its Config are required.
type Engine struct{}

// Config says where the engine keeps things.
type Config struct {
	// Dir is an absolute path; it holds the objects and the socket, and only we may enter it.
	Dir string
	// Program is the binary that calls Main when its first argument is Command.
	Program string
	Log     *slog.Logger
}

// New prepares an engine: its directory, its socket and port, its credentials.
func New(c Config) (*Engine, error) { return nil, errors.New("not written yet") }

// Upstream tells how the engine is reached. It stays the same when the child is restarted.
func (e *Engine) Upstream() objectstore.Upstream { return objectstore.Upstream{} }

// Ready is closed once the child serves for the first time.
func (e *Engine) Ready() <-chan struct{} { return nil }

// Run keeps the child running until ctx ends; then it lets requests in flight finish.
func (e *Engine) Run(ctx context.Context) error { return errors.New("not written yet") }
