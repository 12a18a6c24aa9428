// Package admin holds the operator's commands. They speak to the server over its administration
// socket, which only root and the server's own user can reach, so there is no password to know. It
// imports rows 0 to 3.
package admin

import (
	"path/filepath"
	"strings"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/show"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/material"
	"github.com/spf13/cobra"
)

type app struct {
	*console.Console
	dataDir, socket string
}

// Command returns the command admin. The data directory is where the server on this machine keeps
// its state unless it is told otherwise.
func Command(c *console.Console, dataDir string) *cobra.Command {
	a := &app{Console: c}
	cmd := console.Group("admin", "For the operator, on the server's own machine",
		"  lanyard admin project create 462000008 --title \"Climate\" --quota 150TB\n  lanyard admin person freeze usr_4X… --reason \"laptop stolen\"\n  lanyard admin audit --verify",
		a.project(), a.member(), a.person(), a.robot(), a.provider(), a.vo(), a.certificate(), a.audit(), a.passwordHash())
	f := cmd.PersistentFlags()
	f.StringVar(&a.dataDir, "data-dir", dataDir, "the server's data `DIRECTORY`")
	f.StringVar(&a.socket, "socket", "", "the administration `SOCKET`; else admin.sock in the data directory")
	return cmd
}

func (a *app) connect() (*client.Client, error) {
	socket := a.socket
	if socket == "" {
		socket = filepath.Join(a.dataDir, "admin.sock")
	}
	return client.New("", client.Options{Socket: socket, UserAgent: a.UserAgent(), Transport: a.Transport(socket)})
}

// run makes the function of a command that needs the server.
func (a *app) run(do func(cmd *cobra.Command, c *client.Client, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		c, err := a.connect()
		if err != nil {
			return err
		}
		return do(cmd, c, args)
	}
}

// stop is a command pair, freeze and thaw, of one thing that args name.
func (a *app) stop(noun, verbs string, freeze func(cmd *cobra.Command, c *client.Client, ref, reason string) (api.Receipt, error),
	thaw func(cmd *cobra.Command, c *client.Client, ref string) (api.Receipt, error)) []*cobra.Command {
	var reason string
	word := strings.ToUpper(noun)
	freezer := &cobra.Command{Use: "freeze " + word, Short: "Stop everything of " + verbs, Args: console.Takes(1, 1, "the "+noun),
		Example: "  lanyard admin " + noun + " freeze " + word + " --reason \"see ticket 4711\"",
		RunE: a.run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if reason == "" {
				return console.Usage("the reason is missing: it is shown to the people concerned").WithHint("add --reason REASON")
			}
			got, err := freeze(cmd, c, args[0], reason)
			if err != nil {
				return console.Cannot("freeze "+noun+" "+args[0], err)
			}
			return a.receipt("Frozen: "+noun+" "+args[0], got)
		})}
	freezer.Flags().StringVar(&reason, "reason", "", "the `REASON`, which the people concerned are shown")
	thawer := &cobra.Command{Use: "thaw " + word, Short: "Let " + verbs + " go on", Args: console.Takes(1, 1, "the "+noun),
		Example: "  lanyard admin " + noun + " thaw " + word,
		RunE: a.run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			got, err := thaw(cmd, c, args[0])
			if err != nil {
				return console.Cannot("thaw "+noun+" "+args[0], err)
			}
			return a.receipt("Thawed: "+noun+" "+args[0], got)
		})}
	return []*cobra.Command{freezer, thawer}
}

func (a *app) receipt(done string, got api.Receipt) error {
	return a.Show(console.Result{Document: got, Values: []string{got.Subject}, Text: func() { show.Receipt(a.Console, done, got) }})
}

func (a *app) passwordHash() *cobra.Command {
	return &cobra.Command{Use: "password-hash", Short: "Hash a password for a local user of the configuration", Args: console.Takes(0, 0, ""),
		Long: `Read a password, from the terminal unseen or from the standard input, and print
its hash (argon2id) for a local user in the server's configuration.`,
		Example: "  lanyard admin password-hash\n  lanyard admin password-hash < password.txt",
		RunE: func(cmd *cobra.Command, _ []string) error {
			password, err := a.readPassword(cmd)
			if err != nil {
				return err
			}
			hash, err := login.HashPassword(password)
			if err != nil {
				return err
			}
			return a.Show(console.Result{Document: map[string]string{"schema": "lanyard/v1/password-hash", "hash": hash},
				Text: func() { a.Print("%s", hash) }, Values: []string{hash}})
		}}
}

func (a *app) readPassword(cmd *cobra.Command) (material.Secret, error) {
	if a.ReadUnseen == nil || a.NoInput {
		text, err := a.ReadLine(cmd.Context())
		return material.Secret(text), err
	}
	var typed [2]string
	for n, prompt := range []string{"Password: ", "The same again: "} {
		text, err := a.Unseen(prompt)
		if err != nil {
			return "", err
		}
		typed[n] = text
	}
	if typed[0] != typed[1] {
		return "", console.Usage("the two passwords are not the same")
	}
	return material.Secret(typed[0]), nil
}
