package agent

import (
	"context"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/agent/keep"
	"github.com/lanyardhq/lanyard/internal/agent/oidcsocket"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/lifecycle"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/wlcg/bearer"
	"github.com/spf13/cobra"
)

func (a *app) keep() *cobra.Command {
	return console.Group("keep", "Keep something fresh from now on",
		`  lanyard agent keep token helmholtz --bearer-file
  lanyard agent keep proxy nightly
  lanyard agent keep key "rclone on laptop"`,
		a.keepToken(), a.keepProxy(), a.keepKey())
}

// noun names the credentials of a kind, to find and complete them.
func (a *app) noun(kind, word, path string) lifecycle.Noun {
	return lifecycle.Noun{Console: a.Console, Kind: kind, Word: word, Path: path}
}

func (a *app) keepToken() *cobra.Command {
	var scopes, audiences []string
	var file string
	var bearerFile bool
	cmd := &cobra.Command{Use: "token GRANT", Short: "Keep an access token in a file", Args: console.Takes(1, 1, "the grant"),
		Long: "Keep an access token in a file that only you can read: where programs look for a\nbearer token (WLCG), unless you name another.",
		Example: `  lanyard agent keep token helmholtz
  lanyard agent keep token wlcg --scope storage.read:/data --file token`,
		ValidArgsFunction: a.noun("grant", "grant", "lanyard token").Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			i := keep.Item{Kind: keep.Token, Ref: args[0], Title: args[0], Path: file, Scopes: words(scopes), Audiences: words(audiences)}
			switch {
			case bearerFile && file != "":
				return console.Usage("--file and --bearer-file exclude each other")
			case file == "":
				i.Path = bearer.Path(a.Getenv, a.c.UID)
			}
			return a.begin(cmd.Context(), i)
		}}
	fl := cmd.Flags()
	fl.StringArrayVar(&scopes, "scope", nil, "only this `SCOPE`; may be repeated")
	fl.StringArrayVar(&audiences, "audience", nil, "for this `AUDIENCE` only; may be repeated")
	fl.StringVar(&file, "file", "", "in this `FILE`")
	fl.BoolVar(&bearerFile, "bearer-file", false, "where programs look for a bearer token, as without --file")
	return cmd
}

func words(values []string) []string { return strings.Fields(strings.Join(values, " ")) }

func (a *app) keepProxy() *cobra.Command {
	var out, valid string
	noun := a.noun("proxy", "proxy", "lanyard proxy")
	cmd := &cobra.Command{Use: "proxy PROXY", Short: "Keep a proxy file fresh, below one that the server keeps", Args: console.Takes(1, 1, "the proxy"),
		Example:           "  lanyard agent keep proxy nightly\n  lanyard agent keep proxy nightly --out job.proxy --valid 12h",
		ValidArgsFunction: noun.Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				out = proxycert.DefaultPath(a.c.UID, a.Getenv)
			}
			return a.beginFound(cmd.Context(), noun, keep.Item{Kind: keep.Proxy, Title: args[0], Path: out}, valid)
		}}
	cmd.Flags().StringVar(&out, "out", "", "in this `FILE` (X509_USER_PROXY, or /tmp/x509up_u and your number)")
	cmd.Flags().StringVar(&valid, "valid", "", "let each live for this `TIME`: 24h (as usual)")
	return cmd
}

func (a *app) keepKey() *cobra.Command {
	var life string
	noun := a.noun("s3key", "key", "lanyard s3 key")
	cmd := &cobra.Command{Use: "key KEY", Short: "Move the end of an S3 key again and again", Args: console.Takes(1, 1, "the key"),
		Long:              "Move the end of an S3 key at half of its life, again and again, so that the\nfiles that \"lanyard configure\" wrote go on working.",
		Example:           "  lanyard agent keep key \"rclone on laptop\"\n  lanyard agent keep key stage-out --for 2d",
		ValidArgsFunction: noun.Complete,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.beginFound(cmd.Context(), noun, keep.Item{Kind: keep.Key, Title: args[0]}, life)
		}}
	cmd.Flags().StringVar(&life, "for", "", "to this `TIME` from then: 7d (as far as allowed)")
	return cmd
}

// beginFound is begin for a credential that the server knows by its id.
func (a *app) beginFound(ctx context.Context, noun lifecycle.Noun, i keep.Item, life string) error {
	if life != "" {
		span, err := console.ParseSpan(life)
		if err != nil {
			return err
		}
		i.Life = int64(span / time.Second)
	}
	c, err := a.connect()
	if err != nil {
		return err
	}
	k, err := noun.Find(ctx, c, i.Title)
	if err != nil {
		return err
	}
	i.Ref = k.ID
	return a.begin(ctx, i)
}

// begin renews a thing once, so that what is wrong shows now, and puts it on the list.
func (a *app) begin(ctx context.Context, i keep.Item) error {
	var err error
	if i.Path != "" {
		if i.Path, err = filepath.Abs(i.Path); err != nil {
			return err
		}
	}
	list, err := a.kept()
	if err != nil {
		return err
	}
	ends, err := a.renew(ctx, i, 0)
	if err != nil {
		return console.Cannot("keep "+i.Title, err)
	}
	if err := list.Put(ctx, i); err != nil {
		return err
	}
	return a.Show(console.Result{Document: keep.State{Item: i, EndsAt: ends}, Values: []string{i.Name()}, Text: func() {
		a.Done("%s is kept fresh; as it is now it ends %s", console.Clean(i.Name()), a.When(ends))
		if _, err := oidcsocket.Ask(ctx, a.socket(), "check"); err != nil {
			a.Warn("no agent runs yet. Have one run always: lanyard agent install")
		}
	}})
}

// document is what list tells programs.
type document struct {
	Schema string       `json:"schema"` // lanyard/v1/agent.list
	Agent  bool         `json:"agent"`  // whether one runs
	Socket string       `json:"socket"`
	Items  []keep.State `json:"items"`
}

// states asks the agent how things are; without an agent it has what the list says.
func (a *app) states(ctx context.Context) (document, error) {
	d := document{Schema: "lanyard/v1/agent.list", Socket: a.socket(), Items: []keep.State{}}
	var known []keep.State
	if text, err := oidcsocket.Ask(ctx, a.socket(), oidcsocket.StatusRequest); err == nil && json.Unmarshal(text, &known) == nil {
		d.Agent = true
	}
	list, err := a.kept()
	if err != nil {
		return d, err
	}
	items, err := list.Read()
	for _, i := range items {
		s := keep.State{Item: i}
		if at := slices.IndexFunc(known, func(s keep.State) bool { return s.Name() == i.Name() }); at >= 0 {
			s = known[at]
		}
		d.Items = append(d.Items, s)
	}
	return d, err
}

func (a *app) list() *cobra.Command {
	return &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List what is kept fresh", Args: console.Takes(0, 0, ""),
		Example: "  lanyard agent list\n  lanyard agent list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := a.states(cmd.Context())
			if err != nil {
				return err
			}
			return a.Show(console.Result{Document: d, Values: names(d.Items), Text: func() {
				a.table(d.Items)
				if !d.Agent {
					a.Warn("no agent runs. Have one run always: lanyard agent install")
				}
			}})
		}}
}

func names(all []keep.State) []string {
	list := []string{}
	for _, s := range all {
		list = append(list, s.Name())
	}
	return list
}

func (a *app) table(all []keep.State) {
	if len(all) == 0 {
		a.Say("Nothing is kept fresh. Begin with: lanyard agent keep token GRANT")
		return
	}
	var rows [][]string
	for _, s := range all {
		ends, next := "", ""
		if !s.EndsAt.IsZero() {
			ends = a.Relative(s.EndsAt)
		}
		if !s.NextAt.IsZero() {
			next = a.Relative(s.NextAt)
		}
		state := "fine"
		switch {
		case s.Error != "":
			state = s.Error
		case s.EndsAt.IsZero():
			state = "waits for the agent"
		}
		rows = append(rows, []string{string(s.Kind), s.Title, s.Path, ends, next, state})
	}
	a.Table([]string{"KIND", "OF", "FILE", "ENDS", "NEXT", "STATE"}, rows)
	for _, s := range all {
		if s.Hint != "" {
			a.Say("%s: %s", console.Clean(s.Title), console.Clean(s.Hint))
		}
	}
}

func (a *app) drop() *cobra.Command {
	return &cobra.Command{Use: "drop NAME...", Aliases: []string{"rm"}, Short: "Keep something fresh no longer; its file stays", Args: console.Takes(1, 1000, "the file or name"),
		Example: "  lanyard agent drop helmholtz\n  lanyard agent drop /run/user/1000/bt_u1000",
		RunE: func(cmd *cobra.Command, args []string) error {
			list, err := a.kept()
			if err != nil {
				return err
			}
			for _, name := range args {
				dropped, err := list.Drop(cmd.Context(), name)
				if err != nil {
					return err
				}
				if len(dropped) == 0 {
					return fault.New(fault.NotFound, "nothing that is kept is called %q", name).WithHint("see: lanyard agent list")
				}
				for _, i := range dropped {
					a.Done("%s is kept fresh no longer", console.Clean(i.Name()))
				}
			}
			return nil
		}}
}
