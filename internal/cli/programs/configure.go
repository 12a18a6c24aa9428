package programs

import (
	"context"
	"errors"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/cli/setup"
	"github.com/lanyardhq/lanyard/internal/cli/show"
	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/spf13/cobra"
)

// configuring holds the flags of configure.
type configuring struct {
	life                              console.Lifetime
	name, path                        string
	asDefault, stdout, dryRun, noTest bool
	remove, revoke, process, static   bool
}

func (a *app) configure() *cobra.Command {
	var f configuring
	var clients []string
	for _, t := range a.c.Targets {
		clients = append(clients, t.Name())
	}
	cmd := &cobra.Command{Use: "configure CLIENT", Short: "Configure an S3 client for a project, and try it",
		Long: "Make or extend a key, write it where the client looks for it, and let the client\ntry it. The old file stays if that fails. Programs that can call a command for\ntheir keys get that command, so that no secret rests in a file.\n\nClients: " + strings.Join(append(clients, "all"), ", "),
		Example: `  lanyard configure rclone -p 462000008
  lanyard configure s3cmd -p 462000008 --for 7d --set-default
  lanyard configure rclone -p 462000008 --delete --revoke`,
		Args: console.Takes(1, 1, "the client"), ValidArgs: append(clients, "all"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runConfigure(cmd.Context(), f, args[0]) }}
	f.life.Flags(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.name, "name", "", "the `NAME` of the remote, profile or alias")
	fl.StringVar(&f.path, "path", "", "write this `FILE` in place of the client's own")
	fl.BoolVar(&f.asDefault, "set-default", false, "make it the client's default too")
	fl.BoolVar(&f.process, "process", false, "have the client call lanyard for keys (where it can: the default)")
	fl.BoolVar(&f.static, "static", false, "write a key into the file even if the client could call for one")
	fl.BoolVar(&f.noTest, "no-test", false, "do not let the client try it")
	fl.BoolVar(&f.dryRun, "dry-run", false, "show what would change, without secrets")
	fl.BoolVar(&f.stdout, "stdout", false, "print a configuration with a new key; change no file")
	fl.BoolVar(&f.remove, "delete", false, "remove the entries; the key lives on until its end")
	fl.BoolVar(&f.revoke, "revoke", false, "with --delete: end the key too")
	return cmd
}

func (a *app) runConfigure(ctx context.Context, f configuring, client string) error {
	if !f.fit(client == "all") {
		return console.Usage("these flags do not go together").WithHint("see: lanyard configure --help")
	}
	one := slices.IndexFunc(a.c.Targets, func(t deliver.Target) bool { return t.Name() == client })
	if one < 0 && client != "all" {
		return console.Usage("there is no client %q", client).WithHint("see: lanyard configure --help")
	}
	s, o, err := a.setup(ctx, f)
	if err != nil {
		return err
	}
	if one >= 0 {
		return a.configureOne(ctx, s, f, o, a.c.Targets[one])
	}
	var failed error
	for _, t := range a.c.Targets {
		err := a.configureOne(ctx, s, f, o, t)
		if e, ok := errors.AsType[*setup.TestError](err); ok && e.Missing {
			a.Say("%s is not installed: skipped", t.Name())
			continue
		}
		if err != nil {
			a.Report(err)
			failed = &console.Failure{Exit: console.Partial, Message: "not all clients could be configured", Hint: "what failed stands above"}
		}
	}
	return failed
}

// fit reports whether the flags make sense together.
func (f configuring) fit(all bool) bool {
	switch {
	case f.process && f.static, f.revoke && !f.remove:
		return false
	case f.stdout && (f.remove || f.dryRun || f.process):
		return false
	}
	return !all || f.path == "" && !f.stdout
}

// setup gathers what all targets need.
func (a *app) setup(ctx context.Context, f configuring) (*setup.Setup, setup.Order, error) {
	var o setup.Order
	c, project, err := a.InProject(ctx)
	if err != nil {
		return nil, o, err
	}
	o = setup.Order{Project: project, Name: f.name, Default: f.asDefault, NoTest: f.noTest, DryRun: f.dryRun}
	if o.Life, o.Until, err = f.life.Parse(a.Console); err != nil {
		return nil, o, err
	}
	if o.Name == "" {
		o.Name = deliver.DefaultName(project)
	}
	if !safeName.MatchString(o.Name) {
		return nil, o, console.Usage("%q cannot be the name of a remote", o.Name).WithHint("use letters, digits, dot, dash and underscore")
	}
	return &setup.Setup{Client: c, Host: a.Host, Dir: a.StateDir(), Now: func() time.Time { return a.Now().In(a.Zone) },
		Home: deliver.Home{Dir: a.Home(), Getenv: a.Getenv, Path: f.path}, Run: a.runClient}, o, nil
}

// safeName is what every client takes for a name, and no shell takes for anything else.
var safeName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,62}$`)

func (a *app) configureOne(ctx context.Context, s *setup.Setup, f configuring, o setup.Order, t deliver.Target) (err error) {
	o.Target = t
	if f.process && !t.Process() {
		return console.Usage("%s cannot call a command for its keys", t.Title()).WithHint("leave --process out")
	}
	if f.remove {
		r, err := s.Remove(ctx, o, f.revoke)
		if err == nil && f.revoke && r.Key == nil {
			a.Warn("no key was ended: none is known that was made here for %s and is still in force", o.Name)
		}
		return a.configured(o, r, err, "Removed %s from %s")
	}
	timed := o.Life > 0 || !o.Until.IsZero()
	if t.Process() && !f.static && !f.stdout {
		if timed {
			return console.Usage("%s calls lanyard for its keys, so they need no lifetime", t.Title()).WithHint("leave --for and --until out, or add --static")
		}
		if o.Endpoint, o.Region, err = a.store(ctx, s, o); err != nil {
			return err
		}
		o.Process = []string{a.c.Program, "aws-credential-process", "--server", s.Client.Server(), "--project", o.Project}
	}
	if f.stdout {
		return a.printConfiguration(ctx, s, o)
	}
	r, err := s.Write(ctx, o)
	return a.configured(o, r, err, "Wrote %s to %s")
}

// store finds out where the S3 service is, by the key that the client will be handed. A dry run
// makes no key and may not know.
func (a *app) store(ctx context.Context, s *setup.Setup, o setup.Order) (endpoint, region string, err error) {
	p, err := a.pocket()
	if err != nil {
		return "", "", err
	}
	k, ok := p.Cached(o.Project)
	switch {
	case !ok && o.DryRun:
		return setup.Unknown, setup.Unknown, nil
	case !o.DryRun:
		k, err = p.Verified(ctx, s.Client, a.shortOrder(o.Project))
	}
	return k.Endpoint, k.Region, console.Cannot("get a key for project "+o.Project, err)
}

// printConfiguration makes a key and prints the file that a person would write.
func (a *app) printConfiguration(ctx context.Context, s *setup.Setup, o setup.Order) error {
	k, path, text, err := s.Snippet(ctx, o)
	if err != nil {
		return console.Cannot("make a key", err)
	}
	a.Say("New key %q ends %s. Usual place of this file: %s", k.Name, a.When(k.ExpiresAt), path)
	_, err = a.Out.Write([]byte(text.Reveal()))
	return err
}

// configured tells what was done, or what the client said. Did says it of a name and a file.
func (a *app) configured(o setup.Order, r setup.Report, err error, did string) error {
	if e, ok := errors.AsType[*setup.TestError](err); ok && e.Missing {
		f := &console.Failure{Exit: console.Failed, Message: e.Error(), Hint: "install it, or add --no-test"}
		return errors.Join(f, e)
	} else if ok {
		if a.Output == "table" {
			for l := range strings.Lines(e.Output) {
				a.Warn("%s: %s", e.Client, console.Clean(strings.TrimRight(l, "\r\n")))
			}
		}
		return &console.Failure{Exit: console.Failed, Message: e.Error(), Hint: "what it said: " + lastLine(e.Output)}
	}
	if err != nil {
		return console.Cannot("configure "+o.Target.Name(), err)
	}
	return a.Show(console.Result{Document: r, Values: []string{r.Name}, Text: func() { a.tell(o, r, did) }})
}

func (a *app) tell(o setup.Order, r setup.Report, did string) {
	switch {
	case r.Key != nil && r.Key.State != "active" && !r.KeyMade:
		a.Done("Ended key %q", r.Key.Name)
	case r.Key != nil && r.KeyMade:
		a.Done("New key %q for project %s, %s, ends %s", r.Key.Name, o.Project, show.Rights(r.Key.Rights), a.When(r.Key.ExpiresAt))
	case r.Key != nil:
		a.Done("Key %q is used again and ends %s", r.Key.Name, a.When(r.Key.ExpiresAt))
	case len(o.Process) > 0:
		a.Done("%s calls lanyard for its keys: they are fetched and renewed, none is stored", o.Target.Title())
	}
	for _, file := range r.Files {
		a.tellFile(o, r, file, did)
	}
	switch {
	case r.Tested && r.Lines > 0:
		a.Done("Tested: %s listed %d buckets in %.1f s", r.Client, r.Lines, r.Seconds)
	case r.Tested:
		a.Done("Tested: %s got in, in %.1f s", r.Client, r.Seconds)
	}
	if r.Try != "" && !o.DryRun {
		a.Say("Try: %s", r.Try)
	}
}

func (a *app) tellFile(o setup.Order, r setup.Report, file setup.File, did string) {
	switch {
	case o.DryRun:
		a.Print("%s:\n%s", file.Path, strings.TrimRight(file.Diff, "\n"))
	case !file.Changed:
		a.Detail("%s is as it should be", file.Path)
	case file.Backup != "":
		a.Done(did+" (old copy: %s)", r.Name, file.Path, file.Backup)
	default:
		a.Done(did, r.Name, file.Path)
	}
}

// runClient runs a client to try its configuration.
func (a *app) runClient(ctx context.Context, c deliver.Command) setup.Ran {
	defer a.Wait("Trying it with " + c.Args[0] + "…")()
	var out, errs strings.Builder
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...) //nolint:gosec // a target of ours made it
	cmd.Env = append(append([]string{}, a.c.Environ...), c.Env...)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &errs, time.Second
	begin := a.Now()
	err := cmd.Run()
	return setup.Ran{Stdout: out.String(), Stderr: errs.String(), Took: a.Now().Sub(begin), Err: err}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
