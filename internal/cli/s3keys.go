package cli

import (
	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/lifecycle"
	"github.com/lanyardhq/lanyard/internal/cli/shortkey"
	"github.com/lanyardhq/lanyard/internal/cli/show"
	"github.com/spf13/cobra"
)

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
		row := []string{k.Name, k.Project, mode, a.Relative(k.ExpiresAt), a.keys().LastUse(k), lifecycle.State(k)}
		if owners {
			row = append([]string{k.Owner}, row...)
		}
		rows = append(rows, row)
	}
	a.Table(head, rows)
}

func (a *app) keyShow() *cobra.Command {
	return &cobra.Command{Use: "show KEY", Short: "Show one key, by name, id or access key", Args: console.Takes(1, 1, "the key"), ValidArgsFunction: a.keys().Complete,
		Example: "  lanyard s3 key show stage-out\n  lanyard s3 key show LYD4… --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.Connect()
			if err != nil {
				return err
			}
			k, err := a.keys().Find(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			return a.Show(console.Result{Document: k, Values: []string{k.ID}, Text: func() {
				a.Fields([][2]string{{"name", k.Name}, {"project", k.Project}, {"owner", k.Owner}, {"state", lifecycle.State(k)}, {"rights", show.Rights(k.Rights)},
					{"access key", k.AccessKeyID}, {"endpoint", k.Endpoint}, {"region", k.Region}, {"created", a.When(k.CreatedAt)},
					{"ends", a.When(k.ExpiresAt)}, {"can be extended until", a.When(k.ExtendUntil)}, {"ended", a.When(k.EndedAt)},
					{"last used", a.keys().LastUse(k)}, {"id", k.ID}})
			}})
		}}
}

// forget takes a key out of the cache of this machine's programs, so that they get another one.
func (a *app) forget(k api.Credential) {
	if owner, err := a.Who(); err == nil {
		(&shortkey.Pocket{Dir: a.RuntimeDir(), Owner: owner, Now: a.Now}).Forget(k.ID)
	}
}
