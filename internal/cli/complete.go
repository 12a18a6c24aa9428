package cli

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"time"

	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/material"
	"github.com/spf13/cobra"
)

const (
	namesFresh = time.Minute           // for which names are not asked for again
	namesWait  = 90 * time.Millisecond // for the server, while somebody waits for the tab key
)

// names is the cache that completion reads.
type names struct {
	At             time.Time
	Projects, Keys []string
}

func (a *app) completion() *cobra.Command {
	cmd := &cobra.Command{Use: "completion SHELL", Short: "Print the completion script of a shell", Args: console.Takes(1, 1, "the shell"),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		Example: `  source <(lanyard completion bash)
  lanyard completion zsh > "${fpath[1]}/_lanyard"
  lanyard completion fish > ~/.config/fish/completions/lanyard.fish`,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.Out, true)
			case "zsh":
				return root.GenZshCompletion(a.Out)
			case "fish":
				return root.GenFishCompletion(a.Out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(a.Out)
			}
			return console.Usage("there is no completion for %q", args[0]).WithHint("use bash, zsh, fish or powershell")
		}}
	return cmd
}

func (a *app) completeProjects(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.names(cmd.Context()).Projects, cobra.ShellCompDirectiveNoFileComp
}

func (a *app) completeKeys(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return a.names(cmd.Context()).Keys, cobra.ShellCompDirectiveNoFileComp
}

// names returns what can be completed: from the cache if that is fresh, else from the server if
// that answers at once, else from the old cache. It says nothing and never renews a token, because
// it may be cut off.
func (a *app) names(ctx context.Context) names {
	a.Quiet = true
	var n names
	who, err := a.Who()
	if err != nil {
		return n
	}
	path := filepath.Join(a.StateDir(), "names-"+who+".json")
	if text, err := os.ReadFile(path); err == nil { //nolint:gosec // our own file
		_ = json.Unmarshal(text, &n)
	}
	if age := a.Now().Sub(n.At); age >= 0 && age < namesFresh {
		return n
	}
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, namesWait)
	defer cancel()
	if fresh, err := a.askNames(ctx); err == nil {
		n = fresh
		if text, err := json.Marshal(n); err == nil {
			_ = deliver.Replace(path, text) // without a cache it is asked again
		}
	}
	return n
}

func (a *app) askNames(ctx context.Context) (names, error) {
	n := names{At: a.Now().UTC()}
	server, err := a.ServerURL()
	if err != nil {
		return n, err
	}
	token, err := a.Token()
	if err == nil && token == "" {
		token, err = a.SignIns().Present(server)
	}
	if err != nil {
		return n, err
	}
	c, err := a.Client(server, func(context.Context) (material.Secret, error) { return token, nil })
	if err != nil {
		return n, err
	}
	projects, err := c.ListProjects(ctx)
	if err != nil {
		return n, err
	}
	for _, p := range projects.Items {
		n.Projects = append(n.Projects, p.Name+"\t"+console.Clean(p.Title))
	}
	keys, err := c.ListCredentials(ctx, client.CredentialFilter{Kind: "s3key", Owner: "me", States: live})
	for _, k := range keys.Items {
		n.Keys = append(n.Keys, console.Clean(k.Name)+"\t"+k.Project)
	}
	return n, err
}
