package programs

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/shortkey"
	"github.com/lanyardhq/lanyard/material"
	"github.com/spf13/cobra"
)

// processLife is how long the key of this machine's programs lives from its last extension.
const processLife = 8 * time.Hour

// pocket is where short-lived keys of this person are cached.
func (a *app) pocket() (*shortkey.Pocket, error) {
	owner, err := a.Who()
	return &shortkey.Pocket{Dir: a.RuntimeDir(), Owner: owner, Now: a.Now}, err
}

func (a *app) shortOrder(project string) shortkey.Order {
	return shortkey.Order{Project: project, Name: clip("programs on "+a.Host, 60), Life: processLife}
}

func (a *app) credentialProcess() *cobra.Command {
	return &cobra.Command{Use: "aws-credential-process", Short: "Print a key for the credential_process of AWS programs", Args: console.Takes(0, 0, ""),
		Long: `Print a short-lived key in the form that the AWS programs and libraries expect
of a credential_process. It is cached for this machine and extended while it is
in use, so that nothing secret has to stand in a configuration file.`,
		Example: "  lanyard configure aws -p 462000008     (writes it into ~/.aws/config)\n  lanyard aws-credential-process -p 462000008",
		RunE: func(cmd *cobra.Command, _ []string) error {
			project, err := a.GivenProject()
			if err != nil {
				return err
			}
			p, err := a.pocket()
			if err != nil {
				return err
			}
			// The usual case: no network, no keyring, no wait.
			if k, ok := p.Cached(project); ok && project != "" {
				return a.printProcess(k)
			}
			c, project, err := a.InProject(cmd.Context())
			if err != nil {
				return err
			}
			k, err := p.Get(cmd.Context(), c, a.shortOrder(project))
			if err != nil {
				return console.Cannot("get a key for project "+project, err)
			}
			return a.printProcess(k)
		}}
}

// printProcess writes version 1 of the form that AWS defines for credential_process.
func (a *app) printProcess(k shortkey.Key) error {
	text, err := json.Marshal(struct {
		Version         int
		AccessKeyID     string `json:"AccessKeyId"`
		SecretAccessKey material.Secret
		Expiration      string
	}{1, k.AccessKeyID, k.SecretAccessKey, k.ExpiresAt.UTC().Format(time.RFC3339)})
	if err == nil {
		_, err = fmt.Fprintf(a.Out, "%s\n", text)
	}
	return err
}
