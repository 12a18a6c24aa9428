package agent

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/agent/oidcsocket"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/spf13/cobra"
)

// unitName is how systemd knows the agent.
const unitName = "lanyard-agent.service"

// unitPath is where a person's own units stand.
func (a *app) unitPath() string {
	base := a.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(base) {
		base = filepath.Join(a.Home(), ".config")
	}
	return filepath.Join(base, "systemd", "user", unitName)
}

// unit is the text for systemd. The server is named because variables of a shell do not reach it.
func (a *app) unit(server string) string {
	return `# Written by: lanyard agent install
[Unit]
Description=Lanyard agent: keeps tokens, proxies and keys fresh

[Service]
ExecStart=` + systemdWord(a.c.Program) + ` agent --server ` + systemdWord(server) + `
Restart=on-failure
RestartSec=5
UMask=0077
NoNewPrivileges=yes
LimitCORE=0

[Install]
WantedBy=default.target
`
}

// systemdWord makes s one word of a command line in a unit.
func systemdWord(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%", "$", "$$", "\n", `\n`).Replace(s) + `"`
}

// systemctl asks the person's own systemd.
func systemctl(ctx context.Context, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	text, err := exec.CommandContext(ctx, "systemctl", append([]string{"--user"}, args...)...).CombinedOutput() //nolint:gosec // fixed words
	if err != nil && len(text) > 0 {
		first, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\n")
		return errors.New(console.Clean(first))
	}
	return err
}

func (a *app) install() *cobra.Command {
	return &cobra.Command{Use: "install", Short: "Have systemd run the agent whenever you are logged in", Args: console.Takes(0, 0, ""),
		Example: "  lanyard agent install",
		RunE: func(cmd *cobra.Command, _ []string) error {
			server, err := a.ServerURL()
			if err != nil {
				return err
			}
			if err := deliver.Replace(a.unitPath(), []byte(a.unit(server))); err != nil {
				return err
			}
			a.Done("Wrote %s", a.unitPath())
			err = systemctl(cmd.Context(), "daemon-reload")
			if err == nil {
				err = systemctl(cmd.Context(), "enable", "--now", unitName)
			}
			if err == nil {
				err = systemctl(cmd.Context(), "restart", unitName) // an older one may run
			}
			if err != nil {
				a.Warn("systemd does not run it: %s", err)
				a.Say("Run it yourself: lanyard agent &")
				return nil
			}
			a.Done("The agent runs, and will whenever you are logged in")
			a.Say("To have it run also while you are not: loginctl enable-linger")
			return nil
		}}
}

func (a *app) uninstall() *cobra.Command {
	return &cobra.Command{Use: "uninstall", Short: "Stop the agent and have systemd run it no more", Args: console.Takes(0, 0, ""),
		Example: "  lanyard agent uninstall",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := systemctl(cmd.Context(), "disable", "--now", unitName); err != nil {
				a.Warn("systemd was not told: %s", err)
			}
			err := os.Remove(a.unitPath())
			if errors.Is(err, fs.ErrNotExist) {
				a.Say("It was not installed.")
				return nil
			}
			if err == nil {
				a.Done("Removed %s", a.unitPath())
			}
			return err
		}}
}

func (a *app) status() *cobra.Command {
	return &cobra.Command{Use: "status", Short: "Show whether the agent runs and how things are", Args: console.Takes(0, 0, ""),
		Example: "  lanyard agent status\n  lanyard agent status --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := a.states(cmd.Context())
			if !d.Agent {
				return &console.Failure{Exit: console.NotFound, Message: "no agent runs", Hint: "lanyard agent install, or: lanyard agent &"}
			}
			if err != nil {
				return err
			}
			return a.Show(console.Result{Document: d, Values: []string{d.Socket}, Text: func() {
				a.Done("The agent runs, at %s", d.Socket)
				a.table(d.Items)
			}})
		}}
}

func (a *app) env() *cobra.Command {
	return &cobra.Command{Use: "env", Short: "Print the variable by which oidc-token finds the agent", Args: console.Takes(0, 0, ""),
		Example: "  eval \"$(lanyard agent env)\"\n  oidc-token helmholtz",
		RunE: func(cmd *cobra.Command, _ []string) error {
			a.Print("OIDC_SOCK=%s; export OIDC_SOCK", console.Quote(a.socket()))
			if _, err := oidcsocket.Ask(cmd.Context(), a.socket(), "check"); err != nil {
				a.Warn("no agent runs there. Have one run always: lanyard agent install")
			}
			return nil
		}}
}
