package cli

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

func (a *app) s3() *cobra.Command {
	return console.Group("s3", "S3 keys", "  lanyard s3 key list\n  lanyard s3 key create --for 36h",
		console.Group("key", "Keys for S3: each ends by itself, unless it is extended",
			"  lanyard s3 key create -p 462000008 --name stage-out --for 36h\n  lanyard s3 key list\n  lanyard s3 key extend stage-out --for 7d",
			a.keyCreate(), a.keyList(), a.keyShow(), a.keyExtend(), a.keyFreeze(), a.keyThaw(), a.keyDelete()))
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
			span, until, err := life.Parse(a.Console)
			if err != nil {
				return err
			}
			c, project, err := a.InProject(cmd.Context())
			if err != nil {
				return err
			}
			if name == "" {
				name = "lanyard on " + a.Host
			}
			k, err := c.CreateCredential(cmd.Context(), api.CredentialOrder{Kind: "s3key", Project: project, Name: name,
				Life: int64(span.Seconds()), ExpiresAt: until, S3: rights(readOnly, buckets)})
			if err != nil {
				return console.Cannot("create the key", err)
			}
			return a.Show(console.Result{Document: k, Env: console.KeyEnv(k), Values: []string{k.AccessKeyID, k.SecretAccessKey.Reveal()}, Text: func() {
				a.Done("New key %q for project %s, %s, ends %s", k.Name, k.Project, console.Rights(k.Rights), a.When(k.ExpiresAt))
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

// live are the states of keys that are not over.
var live = []string{"intended", "active", "frozen"}

// findKey returns the key that the person means: by id, by access key id, or by its name among
// their own keys that are not over.
func (a *app) findKey(ctx context.Context, c *client.Client, ref string) (api.Credential, error) {
	if strings.HasPrefix(ref, "crd_") || strings.HasPrefix(ref, "LYD") && len(ref) == 20 {
		return c.ShowCredential(ctx, ref)
	}
	project, err := a.GivenProject()
	if err != nil {
		return api.Credential{}, err
	}
	got, err := c.AllCredentials(ctx, client.CredentialFilter{Kind: "s3key", Project: project, Owner: "me", States: live})
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
		return api.Credential{}, fault.New(fault.NotFound, "you have no key that is called %q", ref).WithHint("see: lanyard s3 key list --all")
	case 1:
		return found[0], nil
	}
	var ids []string
	for _, k := range found {
		ids = append(ids, k.ID)
	}
	return api.Credential{}, console.Usage("%d of your keys are called %q", len(found), ref).WithHint("name one by its id: %s", strings.Join(ids, ", "))
}

// lastUse tells when and by what a key was last accepted.
func (a *app) lastUse(k api.Credential) string {
	if k.LastUsedAt.IsZero() {
		return "never"
	}
	return strings.TrimSpace(a.Relative(k.LastUsedAt) + "  " + k.LastUsedBy)
}

// usedLately reports whether ending the key would surprise somebody.
func (a *app) usedLately(k api.Credential) bool {
	return !k.LastUsedAt.IsZero() && a.Now().Sub(k.LastUsedAt) < 24*time.Hour
}

// stateOf is the word for a key's state.
func stateOf(k api.Credential) string {
	switch {
	case k.State == "active" && k.EndsSoon:
		return "ends soon"
	case k.Reason != "":
		return k.State + " (" + strings.ReplaceAll(k.Reason, "_", " ") + ")"
	}
	return k.State
}
