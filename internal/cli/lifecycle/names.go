package lifecycle

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

// Names is what the shell completes: words with their explanations, separated by tabs.
type Names struct {
	At                       time.Time
	Projects, VOs, Providers []string
	Credentials              map[string][]string // by kind
}

// Complete completes the names of credentials.
func (n Noun) Complete(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return Known(cmd.Context(), n.Console).Credentials[n.Kind], cobra.ShellCompDirectiveNoFileComp
}

// Known returns what can be completed: from the cache if that is fresh, else from the server if
// that answers at once, else from the old cache. It says nothing and never renews a token, because
// it may be cut off.
func Known(ctx context.Context, a *console.Console) Names {
	a.Quiet = true
	var n Names
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
	if fresh, err := ask(ctx, a); err == nil {
		n = fresh
		if text, err := json.Marshal(n); err == nil {
			_ = deliver.Replace(path, text) // without a cache it is asked again
		}
	}
	return n
}

func ask(ctx context.Context, a *console.Console) (Names, error) {
	n := Names{At: a.Now().UTC(), Credentials: map[string][]string{}}
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
	credentials, err := c.ListCredentials(ctx, client.CredentialFilter{Owner: "me", States: live})
	if err != nil {
		return n, err
	}
	for _, k := range credentials.Items {
		n.Credentials[k.Kind] = append(n.Credentials[k.Kind], console.Clean(k.Name)+"\t"+k.Project)
	}
	if vos, err := c.ListVOs(ctx); err == nil { // a server may have none
		for _, v := range vos.Items {
			n.VOs = append(n.VOs, v.Name+"\t"+console.Clean(v.Title))
		}
	}
	if providers, err := c.ListProviders(ctx); err == nil {
		for _, p := range providers.Items {
			n.Providers = append(n.Providers, p.ID+"\t"+console.Clean(p.Title))
		}
	}
	return n, nil
}
