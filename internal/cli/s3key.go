package cli

import (
	"strings"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/lifecycle"
	"github.com/lanyardhq/lanyard/internal/cli/show"
	"github.com/spf13/cobra"
)

func (a *app) s3() *cobra.Command {
	keys := a.keys()
	return console.Group("s3", "S3 keys", "  lanyard s3 key list\n  lanyard s3 key create --for 36h",
		console.Group("key", "Keys for S3: each ends by itself, unless it is extended",
			"  lanyard s3 key create -p 462000008 --name stage-out --for 36h\n  lanyard s3 key list\n  lanyard s3 key extend stage-out --for 7d",
			a.keyCreate(), keys.List(a.keyTable), a.keyShow(), keys.Extend(), keys.Freeze(), keys.Thaw(), keys.Delete()))
}

// keys is how the command line speaks of S3 keys.
func (a *app) keys() lifecycle.Noun {
	return lifecycle.Noun{Console: a.Console, Kind: "s3key", Word: "key", Path: "lanyard s3 key", Example: "stage-out",
		Refused: "all gateways", Forget: a.forget}
}

func (a *app) keyCreate() *cobra.Command {
	var name string
	var readOnly bool
	var buckets []string
	var life console.Lifetime
	cmd := &cobra.Command{Use: "create", Short: "Create a key; its secret is shown only once", Args: console.Takes(0, 0, ""),
		Example: `  lanyard s3 key create -p 462000008 --name stage-out --for 36h
  lanyard s3 key create --read-only --bucket results/2026
  eval "$(lanyard s3 key create --for 8h -o env)"`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.SecretGoes(); err != nil {
				return err
			}
			o, err := life.Order(a.Console, "s3key", name, "lanyard on")
			if err != nil {
				return err
			}
			c, project, err := a.InProject(cmd.Context())
			if err != nil {
				return err
			}
			o.Project, o.S3 = project, rights(readOnly, buckets)
			k, err := c.CreateCredential(cmd.Context(), o)
			if err != nil {
				return console.Cannot("create the key", err)
			}
			return a.Show(console.Result{Document: k, Env: console.KeyEnv(k), Values: []string{k.AccessKeyID, k.SecretAccessKey.Reveal()}, Text: func() {
				a.Done("New key %q for project %s, %s, ends %s", k.Name, k.Project, show.Rights(k.Rights), a.When(k.ExpiresAt))
				a.Fields([][2]string{{"access key", k.AccessKeyID}, {"endpoint", k.Endpoint}, {"region", k.Region}, {"id", k.ID}})
				a.Print("\nShown only now:\nsecret key  %s", k.SecretAccessKey.Reveal())
			}})
		}}
	cmd.Flags().StringVarP(&name, "name", "n", "", "what it is `FOR`, 1 to 60 characters")
	life.Flags(cmd)
	cmd.Flags().BoolVar(&readOnly, "read-only", false, "let it read only")
	cmd.Flags().StringArrayVarP(&buckets, "bucket", "b", nil, "let it into this `BUCKET[/PREFIX]` only; may be repeated")
	return cmd
}

// rights makes of the flags what the key may do; nil is everything in the project.
func rights(readOnly bool, buckets []string) *api.S3Rights {
	switch {
	case len(buckets) == 0 && !readOnly:
		return nil
	case len(buckets) == 0:
		return &api.S3Rights{Mode: "read"}
	}
	r := &api.S3Rights{Mode: "custom"}
	for _, b := range buckets {
		bucket, prefix, _ := strings.Cut(b, "/")
		r.Grants = append(r.Grants, api.S3Grant{Bucket: bucket, Prefix: prefix, Read: true, Write: !readOnly, Delete: !readOnly})
	}
	return r
}
