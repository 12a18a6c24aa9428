package portal

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/kind/s3key"
)

// funcs are the words that templates use. Times are seen from now.
func funcs(now time.Time) template.FuncMap {
	return template.FuncMap{
		"when":   func(t time.Time) template.HTML { return when(now, t) },
		"date":   func(t time.Time) string { return t.UTC().Format(time.DateOnly) },
		"life":   credential.Words,
		"size":   size,
		"use":    use,
		"state":  func(c credential.Credential) state { return stateOf(c, now) },
		"rights": rights,
		"short":  short,
		"scope":  scope,
		"start":  startPath,
		"usable": func(c credential.Credential) bool { return c.Usable(now) },
	}
}

// when shows a moment relative and absolute; the script of the page puts it into the reader's zone.
func when(now, t time.Time) template.HTML {
	if t.IsZero() {
		return "never"
	}
	t = t.UTC()
	rel := credential.Words(round(t.Sub(now).Abs()))
	if t.After(now) {
		rel = "in " + rel
	} else {
		rel += " ago"
	}
	return template.HTML(fmt.Sprintf(`%s (<time datetime="%s">%s</time>)`, rel, t.Format(time.RFC3339), t.Format("Mon 2 Jan 2006, 15:04 MST"))) //nolint:gosec // made of times only
}

// round keeps the unit that matters: days above two days, hours above two hours …
func round(d time.Duration) time.Duration {
	for _, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute} {
		if d >= 2*unit {
			return d.Round(unit)
		}
	}
	return d.Truncate(time.Second)
}

// size renders bytes with decimal prefixes, as disks and quotas are sold.
func size(n int64) string {
	units := []string{"bytes", "kB", "MB", "GB", "TB", "PB", "EB"}
	f, i := float64(n), 0
	for f >= 1000 && i < len(units)-1 {
		f, i = f/1000, i+1
	}
	text := fmt.Sprintf("%.1f", f)
	return strings.TrimSuffix(text, ".0") + " " + units[i]
}

// use renders "1.2 GB of 150 TB (0.8 %)".
func use(used, quota int64) string {
	if quota == 0 {
		return size(used) + ", no limit"
	}
	return fmt.Sprintf("%s of %s (%.1f %%)", size(used), size(quota), 100*float64(used)/float64(quota))
}

// state is a word, and a class that colours it.
type state struct{ Word, Class, Icon string }

func stateOf(c credential.Credential, now time.Time) state {
	life := c.ExpiresAt.Sub(c.CreatedAt)
	soon := min(life/10, 3*24*time.Hour)
	switch {
	case c.Status == credential.Frozen:
		return state{"frozen", "frozen", "❄"}
	case c.Status == credential.Ending:
		return state{"ending…", "ended", "◌"}
	case c.Status == credential.Ended:
		return state{"ended (" + strings.ReplaceAll(string(c.Reason), "_", " ") + ")", "ended", "○"}
	case !c.Usable(now):
		return state{"ended (expired)", "ended", "○"}
	case c.ExpiresAt.Sub(now) <= soon:
		return state{"ends soon", "soon", "◔"}
	}
	return state{"active", "active", "●"}
}

// rights says in words what a key may do.
func rights(r s3key.Rights) string {
	switch r.Mode {
	case s3key.ReadWrite:
		return "read and write everything in this project"
	case s3key.ReadOnly:
		return "read everything in this project"
	}
	var parts []string
	for _, g := range r.Grants {
		var verbs []string
		for _, v := range []struct {
			may  bool
			word string
		}{{g.Read, "read"}, {g.Write, "write"}, {g.Delete, "delete"}} {
			if v.may {
				verbs = append(verbs, v.word)
			}
		}
		parts = append(parts, strings.Join(verbs, ", ")+" in "+g.Bucket+"/"+g.Prefix)
	}
	return strings.Join(parts, "; ")
}

// short shows enough of an access key id to tell it from others.
func short(id string) string {
	if len(id) < 12 {
		return id
	}
	return id[:4] + "…" + id[len(id)-4:]
}

func scope(s identity.Scope) string {
	switch s {
	case identity.ReadKeys:
		return "see your S3 keys (not their secrets)"
	case identity.WriteKeys:
		return "make, extend and end S3 keys"
	case identity.ReadProjects:
		return "see your projects and their members"
	case identity.WriteProjects:
		return "change the members and robots of projects that you manage"
	}
	return string(s)
}
