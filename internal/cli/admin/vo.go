package admin

import (
	"context"
	"fmt"
	"strings"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/proxycert/dn"
	"github.com/spf13/cobra"
)

func (a *app) vo() *cobra.Command {
	return console.Group("vo", "Virtual organisations and their members",
		"  lanyard admin vo list\n  lanyard admin vo member add climate usr_4X… --group /climate/ocean\n  lanyard admin vo member suspend climate usr_4X… --reason \"key lost\"",
		a.voList(), a.voShow(), a.voMember(), a.voImport())
}

func (a *app) voList() *cobra.Command {
	return &cobra.Command{Use: "list", Aliases: []string{"ls"}, Short: "List the VOs that the server knows", Args: console.Takes(0, 0, ""),
		Example: "  lanyard admin vo list\n  lanyard admin vo list --json",
		RunE: a.run(func(cmd *cobra.Command, c *client.Client, _ []string) error {
			got, err := c.ListVOs(cmd.Context())
			if err != nil {
				return err
			}
			var rows [][]string
			names := []string{}
			for _, v := range got.Items {
				var servers []string
				for _, s := range v.Servers {
					servers = append(servers, fmt.Sprintf("%s:%d", s.Host, s.Port))
				}
				names = append(names, v.Name)
				rows = append(rows, []string{v.Name, v.Title, place(v), strings.Join(servers, " ")})
			}
			return a.Show(console.Result{Document: got, Values: names, Text: func() { a.Table([]string{"VO", "TITLE", "MEMBERS", "SERVERS"}, rows) }})
		})}
}

// place says where the members of a VO are decided about.
func place(v api.VO) string {
	if v.Managed {
		return "here"
	}
	return "elsewhere"
}

func (a *app) voShow() *cobra.Command {
	return &cobra.Command{Use: "show VO", Short: "Show a VO: groups, roles and servers", Args: console.Takes(1, 1, "the VO"),
		Example: "  lanyard admin vo show climate",
		RunE: a.run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			v, err := c.ShowVO(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			return a.Show(console.Result{Document: v, Values: []string{v.Name}, Text: func() {
				fields := [][2]string{{"VO", v.Name}, {"Title", v.Title}, {"Members", "decided about " + place(v)}}
				for _, g := range v.Groups {
					fields = append(fields, [2]string{"Group", strings.TrimSpace(g.Name + "  " + g.Title)})
					for _, r := range g.Roles {
						fields = append(fields, [2]string{"Role", g.Name + "/Role=" + r})
					}
				}
				for _, s := range v.Servers {
					fields = append(fields, [2]string{"Server", fmt.Sprintf("%s:%d  %s", s.Host, s.Port, s.Subject)})
				}
				a.Fields(fields)
			}})
		})}
}

func (a *app) voImport() *cobra.Command {
	var o api.VOImportOrder
	cmd := &cobra.Command{Use: "import VO", Short: "Import members from the VO's directory now", Args: console.Takes(1, 1, "the VO"),
		Long: `Import members from the directory that the configuration names, as the server
does now and then. An import that would remove more than a tenth of the members
changes nothing, unless the number is confirmed: a directory that answers
wrongly must not empty a VO.`,
		Example: "  lanyard admin vo import climate\n  lanyard admin vo import climate --confirm-removals 40",
		RunE: a.run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			got, err := c.ImportVOMembers(cmd.Context(), args[0], o)
			if err != nil {
				return console.Cannot("import the members", err)
			}
			return a.Show(console.Result{Document: got, Text: func() {
				a.Done("Imported: %d added, %d changed, %d removed, %d as they were", got.Added, got.Changed, got.Removed, got.Kept)
			}})
		})}
	cmd.Flags().IntVar(&o.ConfirmRemovals, "confirm-removals", 0, "let this `NUMBER` of members go")
	return cmd
}

func (a *app) voMember() *cobra.Command {
	return console.Group("member", "Who belongs to a VO by name; projects and groups give others",
		"  lanyard admin vo member list climate\n  lanyard admin vo member add climate \"/DC=org/CN=Ada Tester\"",
		a.voMemberList(), a.voMemberAdd(), a.voMemberSuspend(), a.voMemberResume(), a.voMemberRemove())
}

func (a *app) voMemberList() *cobra.Command {
	return &cobra.Command{Use: "list VO", Aliases: []string{"ls"}, Short: "List the members of a VO that are written down", Args: console.Takes(1, 1, "the VO"),
		Example: "  lanyard admin vo member list climate\n  lanyard admin vo member list climate --json",
		RunE: a.run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			got, err := c.ListVOMembers(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			var rows [][]string
			ids := []string{}
			for _, m := range got.Items {
				who, ends := m.Name, ""
				if m.AccountID == "" {
					who = m.Subject
				}
				if !m.ExpiresAt.IsZero() {
					ends = a.Relative(m.ExpiresAt)
				}
				ids = append(ids, m.ID)
				rows = append(rows, []string{who, strings.Join(m.FQANs, " "), strings.TrimSpace(m.State + " " + m.Reason), ends, m.Source, m.ID})
			}
			return a.Show(console.Result{Document: got, Values: ids, Text: func() {
				a.Table([]string{"WHO", "GROUPS AND ROLES", "STATE", "ENDS", "SOURCE", "MEMBER"}, rows)
			}})
		})}
}

// named orders for whom args mean: an account by its id, or else a certificate by its subject.
func named(who, ca string) api.VOMemberOrder {
	if strings.HasPrefix(who, "usr_") {
		return api.VOMemberOrder{AccountID: who}
	}
	return api.VOMemberOrder{Subject: who, Issuer: ca}
}

func (a *app) voMemberAdd() *cobra.Command {
	var ca, until string
	var groups, attributes []string
	cmd := &cobra.Command{Use: "add VO WHO", Short: "Make somebody a member, or change what a member holds",
		Args: console.Takes(2, 2, "the VO or the member"),
		Long: `Make an account, or whoever has a certificate with a certain subject, a member
of a VO. Who is one already has afterwards what this command says.`,
		Example: "  lanyard admin vo member add climate usr_4X… --group /climate/ocean\n  lanyard admin vo member add climate \"/DC=org/CN=Ada\" --until 2027-12-31",
		RunE: a.run(func(cmd *cobra.Command, c *client.Client, args []string) (err error) {
			o := named(args[1], ca)
			o.FQANs = groups
			if until != "" {
				if o.ExpiresAt, err = a.ParseMoment(until); err != nil {
					return err
				}
			}
			for _, s := range attributes {
				name, value, ok := strings.Cut(s, "=")
				if !ok {
					return console.Usage("an attribute is written NAME=VALUE, not %s", s)
				}
				o.Attributes = append(o.Attributes, api.VOAttribute{Name: name, Value: value})
			}
			return a.put(cmd.Context(), c, args[0], o, "is now a member of")
		})}
	f := cmd.Flags()
	f.StringVar(&ca, "ca", "", "the `SUBJECT` of the CA of a certificate; else any trusted one")
	f.StringArrayVar(&groups, "group", nil, "a `GROUP` or role: /climate/ocean, /climate/Role=production; may be repeated")
	f.StringArrayVar(&attributes, "attribute", nil, "a generic attribute, `NAME=VALUE`; may be repeated")
	f.StringVar(&until, "until", "", "the `DATE` when it ends: 2027-12-31")
	return cmd
}

func (a *app) put(ctx context.Context, c *client.Client, vo string, o api.VOMemberOrder, done string) error {
	m, err := c.SetVOMember(ctx, vo, o)
	if err != nil {
		return console.Cannot("change the member", err)
	}
	return a.Show(console.Result{Document: m, Values: []string{m.ID}, Text: func() { a.Done("%s %s %s", console.Clean(m.Name+m.Subject), done, vo) }})
}

// members finds the records about somebody, named by account, by member id, or by the certificate.
func members(ctx context.Context, c *client.Client, vo, who string) ([]api.VOMember, error) {
	all, err := c.ListVOMembers(ctx, vo)
	if err != nil {
		return nil, err
	}
	name, nameErr := dn.Parse(who)
	var found []api.VOMember
	for _, m := range all.Items {
		subject, err := dn.Parse(m.Subject)
		if m.ID == who || m.AccountID == who || m.Subject != "" && err == nil && nameErr == nil && subject.Equal(name) {
			found = append(found, m)
		}
	}
	return found, nil
}

// again is the order that leaves m as it is.
func again(m api.VOMember) api.VOMemberOrder {
	return api.VOMemberOrder{AccountID: m.AccountID, Subject: m.Subject, Issuer: m.Issuer, FQANs: m.FQANs, Attributes: m.Attributes,
		ExpiresAt: m.ExpiresAt, Suspended: m.State == "suspended", Reason: m.Reason}
}

const adminSource = "admin" // of what people decide; directories have others

func (a *app) voMemberSuspend() *cobra.Command {
	var reason string
	cmd := &cobra.Command{Use: "suspend VO WHO", Short: "Refuse somebody all attributes of a VO", Args: console.Takes(2, 2, "the VO or the member"),
		Long: `Refuse an account, or a certificate, all attributes of a VO, whatever gives
them: also projects, groups of an identity provider and directories.`,
		Example: "  lanyard admin vo member suspend climate usr_4X… --reason \"see ticket 4711\"",
		RunE: a.run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			if reason == "" {
				return console.Usage("the reason is missing: it is shown to the member").WithHint("add --reason REASON")
			}
			found, err := members(cmd.Context(), c, args[0], args[1])
			if err != nil {
				return err
			}
			o := named(args[1], "")
			for _, m := range found {
				o = api.VOMemberOrder{AccountID: m.AccountID, Subject: m.Subject, Issuer: m.Issuer}
				if m.Source == adminSource {
					o = again(m)
					break
				}
			}
			o.Suspended, o.Reason = true, reason
			return a.put(cmd.Context(), c, args[0], o, "is suspended from")
		})}
	cmd.Flags().StringVar(&reason, "reason", "", "the `REASON`, which the member is shown")
	return cmd
}

func (a *app) voMemberResume() *cobra.Command {
	return &cobra.Command{Use: "resume VO WHO", Short: "Lift a suspension", Args: console.Takes(2, 2, "the VO or the member"),
		Example: "  lanyard admin vo member resume climate usr_4X…",
		RunE: a.run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			found, err := members(cmd.Context(), c, args[0], args[1])
			if err != nil {
				return err
			}
			for _, m := range found {
				if m.State != "suspended" {
					continue
				}
				if len(m.FQANs) == 0 { // it did nothing but suspend
					if err := c.RemoveVOMember(cmd.Context(), args[0], m.ID); err != nil {
						return console.Cannot("lift the suspension", err)
					}
					return a.removed(m, "is no longer suspended from "+args[0])
				}
				o := again(m)
				o.Suspended, o.Reason = false, ""
				return a.put(cmd.Context(), c, args[0], o, "is no longer suspended from")
			}
			return console.Usage("%s is not suspended from %s", args[1], args[0])
		})}
}

func (a *app) voMemberRemove() *cobra.Command {
	return &cobra.Command{Use: "remove VO WHO", Aliases: []string{"rm", "delete"}, Short: "End memberships that are written down",
		Args:    console.Takes(2, 2, "the VO or the member"),
		Example: "  lanyard admin vo member remove climate usr_4X…\n  lanyard admin vo member remove climate vom_7Q…",
		RunE: a.run(func(cmd *cobra.Command, c *client.Client, args []string) error {
			found, err := members(cmd.Context(), c, args[0], args[1])
			if err != nil {
				return err
			}
			if len(found) == 0 {
				return console.Usage("%s is not written down as a member of %s", args[1], args[0]).
					WithHint("who is a member by project or group can be suspended: lanyard admin vo member suspend")
			}
			for _, m := range found {
				if err := c.RemoveVOMember(cmd.Context(), args[0], m.ID); err != nil {
					return console.Cannot("remove the member", err)
				}
			}
			return a.removed(found[0], "is no longer a member of "+args[0])
		})}
}

func (a *app) removed(m api.VOMember, done string) error {
	return a.Show(console.Result{Document: m, Values: []string{m.ID}, Text: func() { a.Done("%s %s", console.Clean(m.Name+m.Subject), done) }})
}
