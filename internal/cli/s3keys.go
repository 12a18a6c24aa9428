package cli

import (
	"context"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/shortkey"
	"github.com/spf13/cobra"
)

func (a *app) keyList() *cobra.Command {
	var all, everybody bool
	cmd := &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List your keys", Args: console.Takes(0, 0, ""),
		Example: "  lanyard s3 key list\n  lanyard s3 key list -p 462000008 --everybody\n  lanyard s3 key list --all --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.Connect()
			if err != nil {
				return err
			}
			f := client.CredentialFilter{Kind: "s3key", Owner: "me", States: live}
			if f.Project, err = a.GivenProject(); err != nil {
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
			return a.Show(console.Result{Document: got, Values: ids(got.Items), Text: func() { a.keyTable(got.Items, everybody) }})
		}}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "those that have ended too")
	cmd.Flags().BoolVar(&everybody, "everybody", false, "for managers: the keys of all members")
	return cmd
}

func ids(ks []api.Credential) []string {
	list := []string{}
	for _, k := range ks {
		list = append(list, k.ID)
	}
	return list
}

func (a *app) keyTable(ks []api.Credential, owners bool) {
	if len(ks) == 0 {
		a.Say("You have no keys. Make one: lanyard s3 key create, or lanyard configure rclone")
		return
	}
	head := []string{"NAME", "PROJECT", "RIGHTS", "ENDS", "LAST USED", "STATE"}
	if owners {
		head = append([]string{"OWNER"}, head...)
	}
	var rows [][]string
	for _, k := range ks {
		mode := "rw"
		if k.Rights != nil && k.Rights.Mode != "read-write" {
			mode = map[string]string{"read": "r"}[k.Rights.Mode]
			if mode == "" {
				mode = k.Rights.Mode
			}
		}
		row := []string{k.Name, k.Project, mode, a.Relative(k.ExpiresAt), a.lastUse(k), stateOf(k)}
		if owners {
			row = append([]string{k.Owner}, row...)
		}
		rows = append(rows, row)
	}
	a.Table(head, rows)
}

func (a *app) keyShow() *cobra.Command {
	return &cobra.Command{Use: "show KEY", Short: "Show one key, by name, id or access key", Args: console.Takes(1, 1, "the key"), ValidArgsFunction: a.completeKeys,
		Example: "  lanyard s3 key show stage-out\n  lanyard s3 key show LYD4… --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.Connect()
			if err != nil {
				return err
			}
			k, err := a.findKey(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			return a.Show(console.Result{Document: k, Values: []string{k.ID}, Text: func() {
				a.Fields([][2]string{{"name", k.Name}, {"project", k.Project}, {"owner", k.Owner}, {"state", stateOf(k)}, {"rights", console.Rights(k.Rights)},
					{"access key", k.AccessKeyID}, {"endpoint", k.Endpoint}, {"region", k.Region}, {"created", a.When(k.CreatedAt)},
					{"ends", a.When(k.ExpiresAt)}, {"can be extended until", a.When(k.ExtendUntil)}, {"ended", a.When(k.EndedAt)},
					{"last used", a.lastUse(k)}, {"id", k.ID}})
			}})
		}}
}

// change is a command that does the same to each of the keys that are named.
func (a *app) change(cmd *cobra.Command, what string, do func(context.Context, *client.Client, api.Credential) (api.Credential, error), say func(before, after api.Credential)) *cobra.Command {
	cmd.Args, cmd.ValidArgsFunction = console.Takes(1, 1000, "the key"), a.completeKeys
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := a.Connect()
		if err != nil {
			return err
		}
		var changed []api.Credential
		var failed error
		for _, ref := range args {
			before, err := a.findKey(cmd.Context(), c, ref)
			if err == nil {
				var after api.Credential
				if after, err = do(cmd.Context(), c, before); err == nil {
					changed = append(changed, after)
					if a.Output == "table" {
						say(before, after)
					}
					continue
				}
			}
			err = console.Cannot(what+" "+ref, err)
			if len(args) == 1 || console.Explain(err).Exit == console.Interrupted {
				return err
			}
			a.Report(err)
			failed = &console.Failure{Exit: console.Partial, Message: "not all keys could be treated", Hint: "what failed stands above"}
		}
		r := console.Result{Values: ids(changed), Text: func() {}}
		if r.Document = (api.List[api.Credential]{Schema: api.SchemaS3Keys, Items: changed, ServerTime: a.Now().UTC().Truncate(time.Second)}); len(args) == 1 {
			r.Document = changed[0]
		}
		if err := a.Show(r); err != nil {
			return err
		}
		return failed
	}
	return cmd
}

func (a *app) keyExtend() *cobra.Command {
	var life console.Lifetime
	cmd := &cobra.Command{Use: "extend KEY...", Short: "Move the end of a key, as late as allowed or as you say",
		Example: "  lanyard s3 key extend stage-out\n  lanyard s3 key extend stage-out --for 7d\n  lanyard s3 key extend stage-out --until 2026-12-01"}
	life.Flags(cmd)
	return a.change(cmd, "extend", func(ctx context.Context, c *client.Client, k api.Credential) (api.Credential, error) {
		span, until, err := life.Parse(a.Console)
		if err != nil {
			return k, err
		}
		return c.ExtendCredential(ctx, k.ID, api.Extension{Life: int64(span.Seconds()), ExpiresAt: until})
	}, func(_, k api.Credential) {
		latest := ""
		if k.ExtendUntil.Sub(k.ExpiresAt).Abs() < time.Minute {
			latest = " (the latest allowed now)"
		}
		a.Done("%s now ends %s%s", console.Clean(k.Name), a.At(k.ExpiresAt), latest)
	})
}

func (a *app) keyFreeze() *cobra.Command {
	cmd := &cobra.Command{Use: "freeze KEY...", Short: "Stop a key until it is thawed", Example: "  lanyard s3 key freeze stage-out"}
	return a.change(cmd, "freeze", func(ctx context.Context, c *client.Client, k api.Credential) (api.Credential, error) {
		a.forget(k)
		return c.FreezeCredential(ctx, k.ID)
	}, func(_, k api.Credential) {
		a.Done("%s is frozen%s", console.Clean(k.Name), a.refused(k))
		a.Say("Undo: lanyard s3 key thaw %s", console.Quote(console.Clean(k.Name)))
	})
}

func (a *app) keyThaw() *cobra.Command {
	cmd := &cobra.Command{Use: "thaw KEY...", Short: "Let a frozen key work again", Example: "  lanyard s3 key thaw stage-out"}
	return a.change(cmd, "thaw", func(ctx context.Context, c *client.Client, k api.Credential) (api.Credential, error) {
		return c.ThawCredential(ctx, k.ID)
	}, func(_, k api.Credential) {
		a.Done("%s works again and ends %s", console.Clean(k.Name), a.When(k.ExpiresAt))
	})
}

func (a *app) keyDelete() *cobra.Command {
	cmd := &cobra.Command{Use: "delete KEY...", Aliases: []string{"rm", "revoke", "end"}, Short: "End a key for good",
		Example: "  lanyard s3 key delete stage-out\n  lanyard s3 key delete stage-out old-laptop --yes"}
	return a.change(cmd, "delete", func(ctx context.Context, c *client.Client, k api.Credential) (api.Credential, error) {
		if a.usedLately(k) {
			why := "key " + k.Name + " was used " + a.Relative(k.LastUsedAt)
			if k.LastUsedBy != "" {
				why += " by " + k.LastUsedBy
			}
			if err := a.Confirm(ctx, why, k.Name, "delete"); err != nil {
				return k, err
			}
		}
		a.forget(k)
		return c.DeleteCredential(ctx, k.ID)
	}, func(before, k api.Credential) {
		last := "it was never used"
		if !before.LastUsedAt.IsZero() {
			last = "last accepted use " + before.LastUsedAt.In(a.Zone).Format("15:04:05")
		}
		a.Done("%s is deleted%s · %s", console.Clean(k.Name), a.refused(k), last)
	})
}

// forget takes a key out of the cache of this machine's programs, so that they get another one.
func (a *app) forget(k api.Credential) {
	if owner, err := a.Who(); err == nil {
		(&shortkey.Pocket{Dir: a.RuntimeDir(), Owner: owner, Now: a.Now}).Forget(k.ID)
	}
}

// refused is ": refused by all gateways since 14:41:07".
func (a *app) refused(k api.Credential) string {
	if k.RefusedSince.IsZero() {
		return ""
	}
	return ": refused by all gateways since " + k.RefusedSince.In(a.Zone).Format("15:04:05")
}
