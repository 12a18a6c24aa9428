package admin

import (
	"fmt"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/show"
	"github.com/spf13/cobra"
)

// order holds the flags that describe a project.
type order struct {
	title, description, quota, life, maxLife, ends string
	buckets                                        int64
}

func (o *order) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.title, "title", "", "its `TITLE`")
	f.StringVar(&o.description, "description", "", "a `TEXT` about it")
	f.StringVar(&o.quota, "quota", "", "the `SIZE` of its storage: 150TB; 0 for no limit")
	f.Int64Var(&o.buckets, "buckets", 0, "the `NUMBER` of buckets it may have; 0 for no limit")
	f.StringVar(&o.life, "default-life", "", "the `TIME` that its keys live unless said otherwise: 7d")
	f.StringVar(&o.maxLife, "max-life", "", "the `TIME` that its keys may live at most: 7d")
	f.StringVar(&o.ends, "ends", "", "the `DATE` when it ends: 2027-12-31")
}

// parse returns the order of those flags that were given.
func (o *order) parse(cmd *cobra.Command, c *console.Console) (p api.ProjectOrder, err error) {
	given := cmd.Flags().Changed
	if given("title") {
		p.Title = &o.title
	}
	if given("description") {
		p.Description = &o.description
	}
	if given("buckets") {
		p.QuotaBuckets = &o.buckets
	}
	if given("quota") {
		bytes, err := console.ParseSize(o.quota)
		if err != nil {
			return p, err
		}
		p.QuotaBytes = &bytes
	}
	for _, f := range []struct {
		name, text string
		to         **int64
	}{{"default-life", o.life, &p.DefaultLife}, {"max-life", o.maxLife, &p.MaxLife}} {
		if given(f.name) {
			span, err := console.ParseSpan(f.text)
			if err != nil {
				return p, err
			}
			seconds := int64(span.Seconds())
			*f.to = &seconds
		}
	}
	if given("ends") {
		var at time.Time
		if at, err = c.ParseMoment(o.ends); err == nil {
			p.EndsAt = &at
		}
	}
	return p, err
}

func (a *app) project() *cobra.Command {
	sub := []*cobra.Command{a.projectCreate(), a.projectList(), a.projectShow(), a.projectSet()}
	sub = append(sub, a.stop("project", "a project", func(cmd *cobra.Command, c *client.Client, ref, reason string) (api.Receipt, error) {
		return c.FreezeProject(cmd.Context(), ref, reason)
	}, func(cmd *cobra.Command, c *client.Client, ref string) (api.Receipt, error) {
		return c.ThawProject(cmd.Context(), ref)
	})...)
	return console.Group("project", "Make, change and stop projects",
		"  lanyard admin project create 462000008 --title \"Climate\" --quota 150TB\n  lanyard admin project set 462000008 --max-life 7d\n  lanyard admin project list", sub...)
}

func (a *app) projectCreate() *cobra.Command {
	var o order
	cmd := &cobra.Command{Use: "create NAME", Short: "Make a project", Args: console.Takes(1, 1, "its name or number"),
		Example: "  lanyard admin project create 462000008 --quota 150TB --ends 2027-12-31",
		RunE: a.run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			p, err := o.parse(cmd, a.Console)
			if err != nil {
				return err
			}
			p.Name = &args[0]
			got, err := c.CreateProject(cmd.Context(), p)
			if err != nil {
				return console.Cannot("make the project", err)
			}
			return a.shown(got, "New project "+got.Name)
		})}
	o.flags(cmd)
	return cmd
}

func (a *app) projectSet() *cobra.Command {
	var o order
	cmd := &cobra.Command{Use: "set PROJECT", Short: "Change a project", Args: console.Takes(1, 1, "the project"),
		Example: "  lanyard admin project set 462000008 --quota 200TB --max-life 30d",
		RunE: a.run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			p, err := o.parse(cmd, a.Console)
			if err != nil {
				return err
			}
			if p == (api.ProjectOrder{}) {
				return console.Usage("nothing to change was given").WithHint("see: lanyard admin project set --help")
			}
			got, err := c.ChangeProject(cmd.Context(), args[0], p)
			if err != nil {
				return console.Cannot("change the project", err)
			}
			return a.shown(got, "Changed project "+got.Name)
		})}
	o.flags(cmd)
	return cmd
}

func (a *app) shown(p api.Project, done string) error {
	return a.Show(console.Result{Document: p, Values: []string{p.Name}, Text: func() {
		if done != "" {
			a.Done("%s", done)
		}
		a.Fields(show.ProjectFields(a.Console, p))
	}})
}

func (a *app) projectShow() *cobra.Command {
	return &cobra.Command{Use: "show PROJECT", Short: "Show a project", Args: console.Takes(1, 1, "the project"),
		Example: "  lanyard admin project show 462000008",
		RunE: a.run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			p, err := c.ShowProject(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.shown(p, "")
		})}
}

func (a *app) projectList() *cobra.Command {
	return &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List all projects", Args: console.Takes(0, 0, ""),
		Example: "  lanyard admin project list\n  lanyard admin project list --json",
		RunE: a.run(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			got, err := c.ListProjects(cmd.Context())
			if err != nil {
				return err
			}
			return show.Projects(a.Console, got)
		})}
}

func (a *app) member() *cobra.Command {
	set := &cobra.Command{Use: "set PROJECT ACCOUNT ROLE", Short: "Add a member, or change a role: user, deputy or manager",
		Args: console.Takes(3, 3, "the project, the account or the role"), Example: "  lanyard admin member set 462000008 usr_4X… manager",
		RunE: a.run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			m, err := c.SetMember(cmd.Context(), args[0], args[1], strings.ToLower(args[2]))
			if err != nil {
				return console.Cannot("set the role", err)
			}
			return a.Show(console.Result{Document: m, Values: []string{m.AccountID}, Text: func() {
				a.Done("%s is now %s in project %s", console.Clean(m.Name), m.Role, args[0])
			}})
		})}
	remove := &cobra.Command{Use: "remove PROJECT ACCOUNT", Aliases: []string{"rm", "delete"}, Short: "Take a member out of a project and freeze the keys there",
		Args: console.Takes(2, 2, "the project or the account"), Example: "  lanyard admin member remove 462000008 usr_4X…",
		RunE: a.run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			got, err := c.RemoveMember(cmd.Context(), args[0], args[1])
			if err != nil {
				return console.Cannot("remove the member", err)
			}
			return a.receipt(fmt.Sprintf("Removed %s from project %s", args[1], args[0]), got)
		})}
	list := &cobra.Command{Use: "list PROJECT", Aliases: []string{"ls"}, Short: "List the members of a project", Args: console.Takes(1, 1, "the project"),
		Example: "  lanyard admin member list 462000008",
		RunE: a.run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			got, err := c.ListMembers(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return show.Members(a.Console, got)
		})}
	return console.Group("member", "Who belongs to a project",
		"  lanyard admin member list 462000008\n  lanyard admin member set 462000008 usr_4X… manager", set, remove, list)
}
