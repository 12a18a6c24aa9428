package cli

import (
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// columns is the width that help texts keep to.
const columns = 80

// help prints what a command is for: examples first, then its flags.
func help(cmd *cobra.Command) {
	w := cmd.OutOrStdout()
	text := cmd.Long
	if text == "" {
		text = cmd.Short
	}
	fmt.Fprintln(w, strings.TrimSpace(text))
	if cmd.IsAdditionalHelpTopicCommand() {
		return
	}
	if cmd.Example != "" {
		fmt.Fprintf(w, "\nExamples:\n%s\n", strings.TrimRight(cmd.Example, "\n"))
	}
	fmt.Fprintf(w, "\nUsage:\n  %s\n", usageLine(cmd))
	if len(cmd.Aliases) > 0 {
		fmt.Fprintf(w, "\nOther names: %s\n", strings.Join(cmd.Aliases, ", "))
	}
	list(w, "\nCommands:", cmd, func(c *cobra.Command) bool { return c.IsAvailableCommand() && c.Name() != "help" })
	list(w, "\nHelp on:", cmd, func(c *cobra.Command) bool { return c.IsAdditionalHelpTopicCommand() && !c.Hidden })
	if cmd.HasAvailableLocalFlags() {
		fmt.Fprintf(w, "\nFlags:\n%s", cmd.LocalFlags().FlagUsagesWrapped(columns))
	}
	if cmd.HasParent() {
		fmt.Fprintln(w, "\nlanyard --help lists the flags that every command has.")
	}
}

func usageLine(cmd *cobra.Command) string {
	if cmd.HasAvailableSubCommands() {
		return cmd.CommandPath() + " COMMAND"
	}
	return strings.TrimSuffix(cmd.UseLine(), " [flags]")
}

func list(w io.Writer, head string, cmd *cobra.Command, pick func(*cobra.Command) bool) {
	width := 0
	for _, c := range cmd.Commands() {
		if pick(c) {
			width = max(width, len(c.Name()))
		}
	}
	if width == 0 {
		return
	}
	fmt.Fprintln(w, head)
	for _, c := range cmd.Commands() {
		if pick(c) {
			fmt.Fprintf(w, "  %-*s  %s\n", width, c.Name(), c.Short)
		}
	}
}

// topics are help pages that belong to no command.
func topics() []*cobra.Command {
	var exits strings.Builder
	exits.WriteString("Exit codes\n\n")
	for _, x := range console.Exits() {
		fmt.Fprintf(&exits, "  %3d  %-21s %s\n", x.Exit, x.Name, x.Meaning)
	}
	exits.WriteString(`
The names stand in JSON errors, under "code". lanyard exec returns the exit
code of its command, 125 if it could not begin, 126 if the command cannot be
run and 127 if there is no such command.
`)
	return []*cobra.Command{
		{Use: "exit-codes", Short: "what the program returns", Long: exits.String()},
		{Use: "environment", Short: "the variables and files that it reads", Long: environment},
		{Use: "formats", Short: "output formats, times and sizes", Long: formats},
	}
}

const environment = `Environment variables

  LANYARD_SERVER      the server's URL, as --server
  LANYARD_PROJECT     the project, as --project
  LANYARD_TOKEN       a robot's token; no sign-in is needed then
  LANYARD_TOKEN_FILE  a file that holds it; read again for each request
  LANYARD_NO_INPUT    1: never ask anything, as --no-input
  NO_COLOR            no colours; CLICOLOR_FORCE=1: colours also in pipes
  BROWSER             the program that opens the sign-in page
  XDG_RUNTIME_DIR     where programs look for a bearer token: bt_u, your number
  X509_USER_PROXY     your proxy file (/tmp/x509up_u and your number)
  X509_USER_CERT      your certificate, with X509_USER_KEY (~/.globus/…)
  X509_CERT_DIR       trusted authorities (/etc/grid-security/certificates)
  X509_VOMS_DIR       trusted VO servers (/etc/grid-security/vomsdir)

Files

  $XDG_CONFIG_HOME/lanyard/config.yaml  your own settings: server, project
  $XDG_STATE_HOME/lanyard/              sign-ins (0600), caches
  $XDG_RUNTIME_DIR/lanyard/             short-lived keys, tokens (0600)

A flag wins over the environment, that over the file, that over the server
where you signed in last. Tokens rest in the system's keyring where one
answers, else in a file that only you can read.
`

const formats = `Output formats (--output)

  table  for people; widths fit the terminal, nothing is cut in a pipe
  json   one object with "schema"; lists under "items"; times in UTC (RFC 3339),
         durations in seconds; ignore fields that you do not know
  yaml   the same as YAML
  env    export lines for a shell: eval "$(lanyard s3 key create -o env)"
  value  the bare value: names, ids, a token

Errors go to the error stream; with json as
{"error":{"code":…,"message":…,"hint":…,"request_id":…}}.

Times     7d, 36h, 90m, 1d12h; 2026-12-01 is the end of that day,
          2026-12-01T12:00 is in your time zone, 2026-12-01T12:00+02:00 is not
Sizes     150TB, 500GiB, or a number of bytes
`

func (a *app) version() *cobra.Command {
	return &cobra.Command{Use: "version", Short: "Print the version of this program", Args: console.Takes(0, 0, ""),
		Example: "  lanyard version\n  lanyard version -o value\n  lanyard version --json",
		RunE: func(*cobra.Command, []string) error {
			return a.Show(console.Result{
				Document: map[string]string{"schema": "lanyard/v1/version", "version": a.Version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH},
				Text:     func() { a.Print("lanyard %s (%s, %s/%s)", a.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH) },
				Values:   []string{a.Version},
			})
		}}
}

func (a *app) man() *cobra.Command {
	return &cobra.Command{Use: "man DIRECTORY", Short: "Write the manual pages into a directory", Hidden: true, Args: console.Takes(1, 1, "a directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			now := a.Now()
			root := cmd.Root()
			root.DisableAutoGenTag = true
			return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "Lanyard " + a.Version, Manual: "Lanyard", Date: &now}, args[0])
		}}
}
