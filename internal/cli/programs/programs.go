// Package programs holds the commands that hand keys to other programs: configure, exec and
// aws-credential-process. It imports rows 0 to 3.
package programs

import (
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/spf13/cobra"
)

// Config is what the commands run on. All fields are required.
type Config struct {
	Console *console.Console
	// Targets are the clients that configure knows, in the order of its help.
	Targets []deliver.Target
	// Program is the path of this program, for configurations that call it.
	Program string
	// Environ is the environment of child processes.
	Environ []string
}

type app struct {
	*console.Console
	c Config
}

// Commands returns the commands.
func Commands(c Config) []*cobra.Command {
	a := &app{c.Console, c}
	return []*cobra.Command{a.configure(), a.exec(), a.credentialProcess()}
}
