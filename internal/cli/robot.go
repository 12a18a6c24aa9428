package cli

import (
	"strings"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/show"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/spf13/cobra"
)

func (a *app) robot() *cobra.Command {
	return console.Group("robot", "Accounts for programs that have no person beside them",
		"  lanyard robot create ci -p 462000008 --for 90d -o value > token\n  LANYARD_TOKEN_FILE=token lanyard s3 key list",
		a.robotCreate(), a.robotList(), a.robotDelete())
}

func (a *app) robotCreate() *cobra.Command {
	var role string
	var scopes []string
	var life console.Lifetime
	cmd := &cobra.Command{Use: "create NAME", Short: "Create a robot; its token is shown only once", Args: console.Takes(1, 1, "its name"),
		Example: "  lanyard robot create ci -p 462000008 --for 90d -o value > token\n  lanyard robot create backup --scope s3:read --scope s3:write",
		RunE: func(cmd *cobra.Command, args []string) error {
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
			r, err := c.CreateRobot(cmd.Context(), project, api.RobotOrder{Name: args[0], Role: role, Scopes: scopes, Life: int64(span.Seconds()), ExpiresAt: until})
			if err != nil {
				return console.Cannot("create the robot", err)
			}
			return a.Show(console.Result{Document: r, Values: []string{r.Token.Reveal()}, Env: [][2]string{{"LANYARD_TOKEN", r.Token.Reveal()}}, Text: func() {
				a.Done("New robot %q in project %s, %s, ends %s", r.Name, r.Project, r.Role, a.When(r.ExpiresAt))
				a.Fields([][2]string{{"scopes", strings.Join(r.Scopes, " ")}, {"id", r.ID}})
				a.Print("\nShown only now:\ntoken  %s", r.Token.Reveal())
				a.Say("\nUse it: keep it in a file that only the program can read, and set LANYARD_TOKEN_FILE")
			}})
		}}
	cmd.Flags().StringVar(&role, "role", "", "its `ROLE`: user or deputy")
	cmd.Flags().StringArrayVar(&scopes, "scope", nil, "a `SCOPE` of its token (those of S3 keys); may be repeated")
	life.Flags(cmd)
	return cmd
}

func (a *app) robotList() *cobra.Command {
	return &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List the robots of a project", Args: console.Takes(0, 0, ""),
		Example: "  lanyard robot list -p 462000008\n  lanyard robot list --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, project, err := a.InProject(cmd.Context())
			if err != nil {
				return err
			}
			got, err := c.ListRobots(cmd.Context(), project)
			if err != nil {
				return err
			}
			return show.Robots(a.Console, got)
		}}
}

func (a *app) robotDelete() *cobra.Command {
	return &cobra.Command{Use: "delete ROBOT", Aliases: []string{"rm", "revoke", "end"}, Short: "End a robot and its token", Args: console.Takes(1, 1, "the robot"),
		Example: "  lanyard robot delete ci -p 462000008\n  lanyard robot delete usr_4X…",
		RunE: func(cmd *cobra.Command, args []string) error {
			c, project, err := a.InProject(cmd.Context())
			if err != nil {
				return err
			}
			all, err := c.ListRobots(cmd.Context(), project)
			if err != nil {
				return err
			}
			for _, r := range all.Items {
				if r.ID != args[0] && r.Name != args[0] {
					continue
				}
				if !r.LastSeen.IsZero() {
					if err := a.Confirm(cmd.Context(), "robot "+r.Name+" was last seen "+a.Relative(r.LastSeen), r.Name, "delete"); err != nil {
						return err
					}
				}
				if err := c.DeleteRobot(cmd.Context(), r.ID); err != nil {
					return console.Cannot("delete the robot", err)
				}
				return a.Show(console.Result{Document: r, Values: []string{r.ID}, Text: func() { a.Done("Robot %s and its token are deleted", console.Clean(r.Name)) }})
			}
			return fault.New(fault.NotFound, "there is no robot %q in project %s", args[0], project).WithHint("see: lanyard robot list -p %s", project)
		}}
}
