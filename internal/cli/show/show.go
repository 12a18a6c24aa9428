// Package show prints what commands of persons and of the operator print alike: projects, their
// members, robots, and the receipt of what was stopped. It imports rows 0 to 2 and the console.
package show

import (
	"fmt"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/cli/console"
)

// life writes a lifetime in seconds as people say it: "7 days".
func life(seconds int64) string { return console.Span(time.Duration(seconds) * time.Second) }

// Receipt prints what stopping or readmitting somebody or something did.
func Receipt(c *console.Console, done string, r api.Receipt) {
	since := ""
	if !r.RefusedSince.IsZero() {
		since = ": refused by all gateways since " + r.RefusedSince.In(c.Zone).Format("15:04:05")
	}
	c.Done("%s%s · keys: %d · sessions ended: %d", done, since, len(r.Credentials), r.Sessions)
	var rows [][]string
	for _, k := range r.Credentials {
		rows = append(rows, []string{k.Name, k.Project, k.Owner, k.State, k.ID})
	}
	if len(rows) > 0 {
		c.Table([]string{"NAME", "PROJECT", "OWNER", "STATE", "ID"}, rows)
	}
}

// Robots shows a list of robots.
func Robots(c *console.Console, got api.List[api.Robot]) error {
	var rows [][]string
	ids := []string{}
	for _, r := range got.Items {
		ids = append(ids, r.ID)
		rows = append(rows, []string{r.Name, r.Project, r.Role, strings.Join(r.Scopes, " "), c.Relative(r.ExpiresAt), c.Relative(r.LastSeen), r.State, r.ID})
	}
	return c.Show(console.Result{Document: got, Values: ids, Text: func() {
		c.Table([]string{"NAME", "PROJECT", "ROLE", "SCOPES", "ENDS", "LAST SEEN", "STATE", "ID"}, rows)
	}})
}

// Rights tells what a key may do.
func Rights(r *api.S3Rights) string {
	switch {
	case r == nil || r.Mode == "read-write":
		return "read and write"
	case r.Mode == "read":
		return "read only"
	}
	var grants []string
	for _, g := range r.Grants {
		var may []string
		for _, m := range []struct {
			granted bool
			word    string
		}{{g.Read, "read"}, {g.Write, "write"}, {g.Delete, "delete"}} {
			if m.granted {
				may = append(may, m.word)
			}
		}
		where := g.Bucket
		if g.Prefix != "" {
			where += "/" + g.Prefix
		}
		grants = append(grants, strings.Join(may, ", ")+" in "+where)
	}
	return console.Clean(strings.Join(grants, "; "))
}

// Projects shows a list of projects.
func Projects(c *console.Console, got api.List[api.Project]) error {
	var rows [][]string
	names := []string{}
	for _, p := range got.Items {
		names = append(names, p.Name)
		ends := "open"
		if !p.EndsAt.IsZero() {
			ends = c.Relative(p.EndsAt)
		}
		rows = append(rows, []string{p.Name, p.Title, p.Role, console.Share(p.UsedBytes, p.QuotaBytes), fmt.Sprint(p.ActiveKeys), ends, p.State})
	}
	return c.Show(console.Result{Document: got, Values: names, Text: func() {
		if len(rows) == 0 {
			c.Say("There is no project yet.")
			return
		}
		c.Table([]string{"NAME", "TITLE", "ROLE", "STORAGE", "KEYS", "ENDS", "STATE"}, rows)
	}})
}

// ProjectFields are what there is to tell of a project.
func ProjectFields(c *console.Console, p api.Project) [][2]string {
	buckets := "no limit"
	if p.QuotaBuckets > 0 {
		buckets = fmt.Sprintf("at most %d", p.QuotaBuckets)
	}
	measured := ""
	if !p.UsedAt.IsZero() {
		measured = fmt.Sprintf(" in %d objects, measured %s", p.UsedObjects, c.Relative(p.UsedAt))
	}
	state := p.State
	if p.Reason != "" {
		state += ": " + p.Reason
	}
	return [][2]string{{"name", p.Name}, {"title", p.Title}, {"description", p.Description}, {"your role", p.Role},
		{"storage", console.Share(p.UsedBytes, p.QuotaBytes) + measured}, {"buckets", buckets},
		{"active keys", fmt.Sprint(p.ActiveKeys)}, {"keys live", life(p.DefaultLife) + " by default, at most " + life(p.MaxLife)},
		{"ends", c.When(p.EndsAt)}, {"state", state}, {"decided by", p.Source}, {"id", p.ID}}
}

// Members shows the members of a project.
func Members(c *console.Console, got api.List[api.Member]) error {
	var rows [][]string
	ids := []string{}
	for _, m := range got.Items {
		ids = append(ids, m.AccountID)
		rows = append(rows, []string{m.Name, m.Role, m.Kind, m.Source, c.Relative(m.Since), m.AccountID})
	}
	return c.Show(console.Result{Document: got, Values: ids, Text: func() {
		c.Table([]string{"NAME", "ROLE", "KIND", "DECIDED BY", "SINCE", "ACCOUNT"}, rows)
	}})
}
