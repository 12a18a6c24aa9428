package cli

import (
	"context"
	"net/url"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/shortkey"
	"github.com/lanyardhq/lanyard/internal/cli/tokens"
	"github.com/lanyardhq/lanyard/internal/signin"
	"github.com/lanyardhq/lanyard/material"
	"github.com/spf13/cobra"
)

func (a *app) login() *cobra.Command {
	var device, noQR, withToken, force bool
	cmd := &cobra.Command{Use: "login", Short: "Sign in", Args: console.Takes(0, 0, ""),
		Long: `Sign in at a Lanyard server: by your browser on a desktop, by a code that you
confirm on any other device elsewhere.`,
		Example: `  lanyard login --server https://lanyard.example.org
  lanyard login --device
  lanyard login --with-token < token`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			server, err := a.ServerURL()
			if err != nil {
				return err
			}
			if !force && !withToken {
				if who, ok := a.already(ctx, server); ok {
					return a.Show(console.Result{Document: who, Values: []string{who.Name}, Text: func() {
						a.Done("Already signed in as %s%s. Use --force for a new sign-in.", console.Clean(who.Name), a.until(who.ExpiresAt))
						a.notices(server, who)
					}})
				}
			}
			if withToken {
				return a.loginToken(ctx, server)
			}
			p := &signin.Provider{HTTP: a.HTTP(), Host: a.Host, Now: a.Now}
			if err := p.Discover(ctx, server); err != nil {
				return err
			}
			tokens, err := a.approve(ctx, p, device, noQR)
			if err != nil {
				return err
			}
			return a.signedIn(ctx, server, p, tokens)
		}}
	cmd.Flags().BoolVar(&device, "device", false, "confirm a code on another device, even if there is a browser here")
	cmd.Flags().BoolVar(&noQR, "no-qr", false, "print no QR code")
	cmd.Flags().BoolVar(&withToken, "with-token", false, "read a token from the standard input")
	cmd.Flags().BoolVar(&force, "force", false, "sign in anew even if you are signed in")
	return cmd
}

// already reports who is signed in at the server now.
func (a *app) already(ctx context.Context, server string) (api.WhoAmI, bool) {
	if _, err := a.SignIns().Find(server); err != nil {
		return api.WhoAmI{}, false
	}
	c, err := a.Client(server, func(ctx context.Context) (material.Secret, error) { return a.SignIns().Token(ctx, server) })
	if err != nil {
		return api.WhoAmI{}, false
	}
	who, err := c.WhoAmI(ctx)
	return who, err == nil
}

// approve lets the person approve this program, in the way that fits the machine.
func (a *app) approve(ctx context.Context, p *signin.Provider, device, noQR bool) (signin.Tokens, error) {
	if a.NoInput {
		return signin.Tokens{}, console.Usage("signing in needs a person, and --no-input was given").
			WithHint("use a robot's token: LANYARD_TOKEN_FILE, or lanyard login --with-token")
	}
	if device || a.OpenBrowser == nil {
		return a.approveDevice(ctx, p, device, noQR)
	}
	host := p.Metadata.Issuer
	if u, err := url.Parse(host); err == nil {
		host = u.Host
	}
	a.Say("Opening your browser to sign in at %s", host)
	a.Say("  (no browser here? press Ctrl-C and use: lanyard login --device)")
	defer a.Wait("Waiting for the browser…")()
	return p.Browser(ctx, func(address string) error {
		a.Detail("%s", address)
		if err := a.OpenBrowser(address); err != nil {
			a.Say("No browser could be opened. Open this page yourself:\n\n    %s\n", address)
		}
		return nil
	})
}

// loginToken keeps a token that the person has.
func (a *app) loginToken(ctx context.Context, server string) error {
	if a.InTerminal {
		return console.Usage("--with-token reads the token from the standard input").WithHint("lanyard login --with-token < FILE")
	}
	text, err := a.ReadLine(ctx)
	if err != nil {
		return err
	}
	token := strings.TrimSpace(text)
	if token == "" || strings.ContainsAny(token, " \t") {
		return console.Usage("the standard input holds no token")
	}
	return a.signedIn(ctx, server, &signin.Provider{}, signin.Tokens{Access: material.Secret(token)})
}

// signedIn keeps the tokens and tells what they are good for.
func (a *app) signedIn(ctx context.Context, server string, p *signin.Provider, t signin.Tokens) error {
	c, err := a.Client(server, client.StaticToken(t.Access))
	if err != nil {
		return err
	}
	who, err := c.WhoAmI(ctx)
	if err != nil {
		return err
	}
	if t.Refresh == "" && t.AccessExpiresAt.IsZero() {
		t.AccessExpiresAt = who.ExpiresAt
	}
	store := a.SignIns()
	before, spent, replaced := store.Remove(ctx, server)
	place, err := store.Save(ctx, signin.SignIn{Server: server, AccountID: who.AccountID, Name: who.Name, ExpiresAt: who.ExpiresAt,
		TokenEndpoint: p.Metadata.Token, RevocationEndpoint: p.Metadata.Revocation}, t)
	if err != nil {
		return err
	}
	if replaced == nil && before.RevocationEndpoint != "" {
		_ = store.Provider(before).Revoke(ctx, spent.Refresh) // else it ends by itself
	}
	err = a.Show(console.Result{Document: who, Values: []string{who.Name}, Text: func() {
		a.Done("Signed in as %s%s%s", console.Clean(who.Name), provider(who.Issuer), a.until(who.ExpiresAt))
		if len(who.Projects) > 0 {
			a.Print("  Projects: %s", projectNames(who.Projects))
		}
		a.notices(server, who)
	}})
	if place == signin.InFile {
		a.Say("  Stored in a file that only you can read (%s): no keyring answers here", a.StateDir())
	}
	if a.Getenv("LANYARD_TOKEN") != "" || a.Getenv("LANYARD_TOKEN_FILE") != "" {
		a.Warn("LANYARD_TOKEN or LANYARD_TOKEN_FILE is set and is used in place of this sign-in")
	}
	if len(who.Projects) > 0 {
		a.Say("Next: lanyard configure rclone --project %s", who.Projects[0].Name)
	}
	return err
}

// notices tells what happened while the person was away, a line each.
func (a *app) notices(server string, who api.WhoAmI) {
	for _, n := range who.Notices {
		a.Warn("%s: %s", a.At(n.At), console.Clean(n.Text))
	}
	if len(who.Notices) > 0 {
		a.Say("  What to do, and to have it dismissed: %s/account", server)
	}
}

// until is " until Sat 21 Nov 2026, 23:10 EET".
func (a *app) until(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return " until " + a.At(t)
}

// provider is " (idp.example.org)".
func provider(issuer string) string {
	if u, err := url.Parse(issuer); err == nil && u.Host != "" {
		issuer = u.Host
	}
	if issuer == "" {
		return ""
	}
	return " (" + console.Clean(issuer) + ")"
}

func projectNames(ps []api.Project) string {
	var names []string
	for _, p := range ps {
		names = append(names, console.Clean(strings.TrimSpace(p.Name+" "+p.Title)))
	}
	return strings.Join(names, " · ")
}

func (a *app) logout() *cobra.Command {
	return &cobra.Command{Use: "logout", Short: "Sign out and end the session at the server", Args: console.Takes(0, 0, ""),
		Example: "  lanyard logout\n  lanyard logout --server https://lanyard.example.org",
		RunE: func(cmd *cobra.Command, _ []string) error {
			server, err := a.ServerURL()
			if err != nil {
				return err
			}
			open := a.endShortKeys(cmd.Context(), server)
			store := a.SignIns()
			in, tokens, err := store.Remove(cmd.Context(), server)
			if err != nil {
				return err
			}
			token := tokens.Refresh
			if token == "" {
				token = tokens.Access
			}
			if in.RevocationEndpoint != "" && token != "" {
				if err := store.Provider(in).Revoke(cmd.Context(), token); err != nil {
					open = err
				}
			}
			if open != nil {
				f := console.Explain(open)
				return &console.Failure{Exit: console.Partial, Message: "this machine forgot the sign-in, but the server was not told: " + f.Message,
					Hint: "end the session on the web page, or wait for its end" + a.until(in.ExpiresAt)}
			}
			a.Done("Signed out of %s. S3 keys that you made live on until their end: end them on the web page.", server)
			return nil
		}}
}

// endShortKeys ends what programs on this machine were given in the person's name, and forgets the
// tokens that were kept for them.
func (a *app) endShortKeys(ctx context.Context, server string) error {
	owner, err := a.Who()
	if err != nil {
		return nil //nolint:nilerr // there is no sign-in, so there are none
	}
	(&tokens.Cache{Dir: a.RuntimeDir(), Owner: owner, Now: a.Now}).Drop()
	keys := (&shortkey.Pocket{Dir: a.RuntimeDir(), Owner: owner, Now: a.Now}).Drop(server)
	if len(keys) == 0 {
		return nil
	}
	c, err := a.Connect()
	for _, k := range keys {
		if err == nil && k.ExpiresAt.After(a.Now()) {
			_, err = c.DeleteCredential(ctx, k.ID)
		}
	}
	return err
}

func (a *app) whoami() *cobra.Command {
	return &cobra.Command{Use: "whoami", Aliases: []string{"status"}, Short: "Show who you are and until when", Args: console.Takes(0, 0, ""),
		Example: "  lanyard whoami\n  lanyard whoami --json\n  lanyard whoami -o value",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.Connect()
			if err != nil {
				return err
			}
			who, err := c.WhoAmI(cmd.Context())
			if err != nil {
				return err
			}
			return a.Show(console.Result{Document: who, Values: []string{who.Name}, Text: func() {
				a.Fields([][2]string{{"name", who.Name}, {"kind", who.Kind}, {"account", who.AccountID}, {"e-mail", who.Email},
					{"signed in by", who.Issuer}, {"server", c.Server()}, {"session ends", a.When(who.ExpiresAt)},
					{"scopes", strings.Join(who.Scopes, " ")}, {"projects", projectNames(who.Projects)}})
				a.notices(c.Server(), who)
			}})
		}}
}

// Browser returns what opens a page in a browser of this desktop session, or nil where there is
// none: on machines reached by SSH and without a display.
func Browser(getenv func(string) string) func(address string) error {
	program := getenv("BROWSER")
	remote := getenv("SSH_CONNECTION") != "" || getenv("SSH_TTY") != ""
	switch {
	case program != "":
	case remote:
		return nil
	case runtime.GOOS == "darwin":
		program = "open"
	case runtime.GOOS == "windows":
		program = "explorer"
	case getenv("DISPLAY") == "" && getenv("WAYLAND_DISPLAY") == "":
		return nil
	default:
		program = "xdg-open"
	}
	return func(address string) error {
		cmd := exec.CommandContext(context.Background(), program, address) //nolint:gosec // the person chose the browser; it may outlive this command
		if err := cmd.Start(); err != nil {
			return err
		}
		return cmd.Process.Release()
	}
}
