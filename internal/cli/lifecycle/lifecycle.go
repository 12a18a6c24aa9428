// Package lifecycle holds the commands that all kinds of credential have alike: list, extend,
// freeze, thaw and delete, how a person names the one that is meant, and how the shell completes
// it. It imports rows 0 to 2 and the console.
package lifecycle

import (
	"context"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/spf13/cobra"
)

// live are the states of credentials that are not over.
var live = []string{"intended", "active", "frozen"}

// Noun is one kind of credential, as the command line speaks of it.
type Noun struct {
	*console.Console
	Kind string // on the wire: s3key
	Word string // for one of them: key
	Path string // the command that holds the others: lanyard s3 key
	// Example is a name for the examples of the help.
	Example string
	// Refused is who refuses a frozen or deleted one: "all gateways".
	Refused string
	// Forget takes one out of this machine's caches; nil if there are none.
	Forget func(api.Credential)
	// Resolve finds the one that the person means, where that is more than an id or a name; else nil.
	Resolve func(ctx context.Context, c *client.Client, ref string) (api.Credential, error)
	// Personal says that they belong to persons: the project that somebody works in says nothing of them.
	Personal bool
}

// Find returns the credential that the person means: by id, by access key id, or by its name among
// their own that are not over.
func (n Noun) Find(ctx context.Context, c *client.Client, ref string) (api.Credential, error) {
	if strings.HasPrefix(ref, "crd_") || strings.HasPrefix(ref, "LYD") && len(ref) == 20 {
		k, err := c.ShowCredential(ctx, ref)
		if err == nil && k.Kind != n.Kind {
			return api.Credential{}, fault.New(fault.NotFound, "%s is no %s", ref, n.Word).WithHint("see: %s list", n.Path)
		}
		return k, err
	}
	if n.Resolve != nil {
		return n.Resolve(ctx, c, ref)
	}
	project, err := n.project()
	if err != nil {
		return api.Credential{}, err
	}
	got, err := c.AllCredentials(ctx, client.CredentialFilter{Kind: n.Kind, Project: project, Owner: "me", States: live})
	if err != nil {
		return api.Credential{}, err
	}
	var found []api.Credential
	for _, k := range got.Items {
		if k.Name == ref {
			found = append(found, k)
		}
	}
	switch len(found) {
	case 0:
		return api.Credential{}, fault.New(fault.NotFound, "you have no %s that is called %q", n.Word, ref).WithHint("see: %s list --all", n.Path)
	case 1:
		return found[0], nil
	}
	return api.Credential{}, console.Usage("%d of your %s are called %q", len(found), plural(n.Word), ref).
		WithHint("name one by its id: %s", strings.Join(ids(found), ", "))
}

// project is the one whose credentials are meant; empty: those of all.
func (n Noun) project() (string, error) {
	if n.Personal {
		return n.Project, nil
	}
	return n.GivenProject()
}

// List is the command that lists credentials; table prints them for people, with their owners if
// owners is set.
func (n Noun) List(table func(ks []api.Credential, owners bool)) *cobra.Command {
	var all, everybody bool
	many := plural(n.Word)
	cmd := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List your " + many, Args: console.Takes(0, 0, ""),
		Example: n.examples("list", "list -p 462000008 --everybody", "list --all --json"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := n.Connect()
			if err != nil {
				return err
			}
			f := client.CredentialFilter{Kind: n.Kind, Owner: "me", States: live}
			if f.Project, err = n.project(); err != nil {
				return err
			}
			if all {
				f.States = nil
			}
			if everybody {
				f.Owner = ""
			}
			got, err := c.AllCredentials(cmd.Context(), f)
			if err != nil {
				return err
			}
			return n.Show(console.Result{Document: got, Values: ids(got.Items), Text: func() { table(got.Items, everybody) }})
		}}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "those that have ended too")
	cmd.Flags().BoolVar(&everybody, "everybody", false, "for managers: the "+many+" of all members")
	return cmd
}

// Change makes of cmd a command that does the same to each of the credentials that are named.
func (n Noun) Change(cmd *cobra.Command, what string, do func(context.Context, *client.Client, api.Credential) (api.Credential, error), say func(before, after api.Credential)) *cobra.Command {
	cmd.Args, cmd.ValidArgsFunction = console.Takes(1, 1000, "the "+n.Word), n.Complete
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := n.Connect()
		if err != nil {
			return err
		}
		var changed []api.Credential
		var failed error
		for _, ref := range args {
			before, err := n.Find(cmd.Context(), c, ref)
			if err == nil {
				var after api.Credential
				if after, err = do(cmd.Context(), c, before); err == nil {
					changed = append(changed, after)
					if n.Output == "table" {
						say(before, after)
					}
					continue
				}
			}
			err = console.Cannot(what+" "+ref, err)
			if len(args) == 1 || console.Explain(err).Exit == console.Interrupted {
				return err
			}
			n.Report(err)
			failed = &console.Failure{Exit: console.Partial, Message: "not all " + plural(n.Word) + " could be treated", Hint: "what failed stands above"}
		}
		r := console.Result{Values: ids(changed), Text: func() {}}
		r.Document = api.List[api.Credential]{Schema: "lanyard/v1/" + n.Kind + ".list", Items: changed, ServerTime: n.Now().UTC().Truncate(time.Second)}
		if len(args) == 1 {
			r.Document = changed[0]
		}
		if err := n.Show(r); err != nil {
			return err
		}
		return failed
	}
	return cmd
}

// Extend is the command that moves a credential's end.
func (n Noun) Extend() *cobra.Command {
	var life console.Lifetime
	cmd := &cobra.Command{Use: n.use("extend"), Short: "Move the end of a " + n.Word + ", as late as allowed or as you say",
		Example: n.examples("extend "+n.Example, "extend "+n.Example+" --for 7d", "extend "+n.Example+" --until 2026-12-01")}
	life.Flags(cmd)
	return n.Change(cmd, "extend", func(ctx context.Context, c *client.Client, k api.Credential) (api.Credential, error) {
		span, until, err := life.Parse(n.Console)
		if err != nil {
			return k, err
		}
		return c.ExtendCredential(ctx, k.ID, api.Extension{Life: int64(span.Seconds()), ExpiresAt: until})
	}, func(_, k api.Credential) {
		latest := ""
		if k.ExtendUntil.Sub(k.ExpiresAt).Abs() < time.Minute {
			latest = " (the latest allowed now)"
		}
		n.Done("%s now ends %s%s", console.Clean(k.Name), n.At(k.ExpiresAt), latest)
	})
}

// Freeze is the command that stops a credential for a while.
func (n Noun) Freeze() *cobra.Command {
	cmd := &cobra.Command{Use: n.use("freeze"), Short: "Stop a " + n.Word + " until it is thawed", Example: n.examples("freeze " + n.Example)}
	return n.Change(cmd, "freeze", func(ctx context.Context, c *client.Client, k api.Credential) (api.Credential, error) {
		n.forget(k)
		return c.FreezeCredential(ctx, k.ID)
	}, func(_, k api.Credential) {
		n.Done("%s is frozen%s", console.Clean(k.Name), n.refused(k))
		n.Say("Undo: %s thaw %s", n.Path, console.Quote(console.Clean(k.Name)))
	})
}

// Thaw is the command that lifts a freeze.
func (n Noun) Thaw() *cobra.Command {
	cmd := &cobra.Command{Use: n.use("thaw"), Short: "Let a frozen " + n.Word + " work again", Example: n.examples("thaw " + n.Example)}
	return n.Change(cmd, "thaw", func(ctx context.Context, c *client.Client, k api.Credential) (api.Credential, error) {
		return c.ThawCredential(ctx, k.ID)
	}, func(_, k api.Credential) {
		n.Done("%s works again and ends %s", console.Clean(k.Name), n.When(k.ExpiresAt))
	})
}

// Delete is the command that ends a credential for good. It asks before it ends one that was used
// lately.
func (n Noun) Delete() *cobra.Command {
	cmd := &cobra.Command{Use: n.use("delete"), Aliases: []string{"rm", "revoke", "end"}, Short: "End a " + n.Word + " for good",
		Example: n.examples("delete "+n.Example, "delete "+n.Example+" old-laptop --yes")}
	return n.Change(cmd, "delete", func(ctx context.Context, c *client.Client, k api.Credential) (api.Credential, error) {
		if !k.LastUsedAt.IsZero() && n.Now().Sub(k.LastUsedAt) < 24*time.Hour {
			why := n.Word + " " + k.Name + " was used " + n.Relative(k.LastUsedAt)
			if k.LastUsedBy != "" {
				why += " by " + k.LastUsedBy
			}
			if err := n.Confirm(ctx, why, k.Name, "delete"); err != nil {
				return k, err
			}
		}
		n.forget(k)
		return c.DeleteCredential(ctx, k.ID)
	}, func(before, k api.Credential) {
		last := "it was never used"
		if !before.LastUsedAt.IsZero() {
			last = "last accepted use " + before.LastUsedAt.In(n.Zone).Format("15:04:05")
		}
		n.Done("%s is deleted%s · %s", console.Clean(k.Name), n.refused(k), last)
	})
}

// LastUse tells when and by what a credential was last accepted.
func (n Noun) LastUse(k api.Credential) string {
	if k.LastUsedAt.IsZero() {
		return "never"
	}
	return strings.TrimSpace(n.Relative(k.LastUsedAt) + "  " + k.LastUsedBy)
}

// State is the word for a credential's state.
func State(k api.Credential) string {
	switch {
	case k.State == "active" && k.EndsSoon:
		return "ends soon"
	case k.Reason != "":
		return k.State + " (" + strings.ReplaceAll(k.Reason, "_", " ") + ")"
	}
	return k.State
}

// refused is ": refused by all gateways since 14:41:07".
func (n Noun) refused(k api.Credential) string {
	if k.RefusedSince.IsZero() {
		return ""
	}
	return ": refused by " + n.Refused + " since " + k.RefusedSince.In(n.Zone).Format("15:04:05")
}

func (n Noun) forget(k api.Credential) {
	if n.Forget != nil {
		n.Forget(k)
	}
}

// use is how a command is called that takes credentials: "freeze KEY...".
func (n Noun) use(verb string) string { return verb + " " + strings.ToUpper(n.Word) + "..." }

// examples writes commands as the help shows them.
func (n Noun) examples(commands ...string) string {
	for i, c := range commands {
		commands[i] = "  " + n.Path + " " + c
	}
	return strings.Join(commands, "\n")
}

// plural of key is keys, of proxy proxies.
func plural(word string) string {
	if stem, ok := strings.CutSuffix(word, "xy"); ok {
		return stem + "xies"
	}
	return word + "s"
}

func ids(ks []api.Credential) []string {
	list := []string{}
	for _, k := range ks {
		list = append(list, k.ID)
	}
	return list
}
