package cli

import (
	"strings"

	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/show"
	"github.com/spf13/cobra"
)

func (a *app) project() *cobra.Command {
	return console.Group("project", "Your projects, their storage and their members",
		"  lanyard project list\n  lanyard project show 462000008\n  lanyard project member list -p 462000008",
		a.projectList(), a.projectShow(),
		console.Group("member", "Who belongs to a project",
			"  lanyard project member list -p 462000008\n  lanyard project member set usr_4X… deputy\n  lanyard project member remove usr_4X…",
			a.memberList(), a.memberSet(), a.memberRemove()))
}

func (a *app) projectList() *cobra.Command {
	return &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List your projects", Args: console.Takes(0, 0, ""),
		Example: "  lanyard project list\n  lanyard project list --json\n  lanyard project list -o value",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.Connect()
			if err != nil {
				return err
			}
			got, err := c.ListProjects(cmd.Context())
			if err != nil {
				return err
			}
			return show.Projects(a.Console, got)
		}}
}

func (a *app) projectShow() *cobra.Command {
	return &cobra.Command{Use: "show [PROJECT]", Short: "Show one project", Args: console.Takes(0, 1, "the project"), ValidArgsFunction: a.completeProjects,
		Example: "  lanyard project show 462000008\n  lanyard project show\n  lanyard project show 462000008 --json",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.Connect()
			if err != nil {
				return err
			}
			if len(args) > 0 {
				a.Project = args[0]
			}
			name, err := a.ProjectName(cmd.Context(), c)
			if err != nil {
				return err
			}
			p, err := c.ShowProject(cmd.Context(), name)
			if err != nil {
				return err
			}
			return a.Show(console.Result{Document: p, Values: []string{p.Name}, Text: func() { a.Fields(show.ProjectFields(a.Console, p)) }})
		}}
}

func (a *app) memberList() *cobra.Command {
	return &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List the members of a project", Args: console.Takes(0, 0, ""),
		Example: "  lanyard project member list -p 462000008\n  lanyard project member list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, project, err := a.InProject(cmd.Context())
			if err != nil {
				return err
			}
			got, err := c.ListMembers(cmd.Context(), project)
			if err != nil {
				return err
			}
			return show.Members(a.Console, got)
		}}
}

func (a *app) memberSet() *cobra.Command {
	return &cobra.Command{Use: "set ACCOUNT ROLE", Short: "Add a member, or change a role: user, deputy or manager", Args: console.Takes(2, 2, "the account or the role"),
		Example: "  lanyard project member set usr_4X… deputy -p 462000008",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, project, err := a.InProject(cmd.Context())
			if err != nil {
				return err
			}
			m, err := c.SetMember(cmd.Context(), project, args[0], strings.ToLower(args[1]))
			if err != nil {
				return console.Cannot("set the role", err)
			}
			return a.Show(console.Result{Document: m, Values: []string{m.AccountID}, Text: func() {
				a.Done("%s is now %s in project %s", console.Clean(m.Name), m.Role, project)
			}})
		}}
}

func (a *app) memberRemove() *cobra.Command {
	return &cobra.Command{Use: "remove ACCOUNT", Aliases: []string{"rm", "delete"}, Short: "Take a member out of a project and freeze the keys there",
		Args:    console.Takes(1, 1, "the account"),
		Example: "  lanyard project member remove usr_4X… -p 462000008",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, project, err := a.InProject(cmd.Context())
			if err != nil {
				return err
			}
			if err := a.Confirm(cmd.Context(), "the keys of "+args[0]+" in project "+project+" stop working", args[0], "remove"); err != nil {
				return err
			}
			got, err := c.RemoveMember(cmd.Context(), project, args[0])
			if err != nil {
				return console.Cannot("remove the member", err)
			}
			return a.Show(console.Result{Document: got, Values: []string{got.Subject}, Text: func() { show.Receipt(a.Console, "Removed from project "+project, got) }})
		}}
}
