package cli

import (
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/lifecycle"
	"github.com/spf13/cobra"
)

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
	return lifecycle.Known(cmd.Context(), a.Console).Projects, cobra.ShellCompDirectiveNoFileComp
}
