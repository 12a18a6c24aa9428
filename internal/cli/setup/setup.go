// Package setup configures S3 clients: it finds or makes the key, lets the real client try the
// new configuration, and only then puts it where the client reads it. It imports rows 0 to 2.
package setup

import (
	"context"
	"errors"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/material"
)

// Setup configures clients for one person. All fields are required.
type Setup struct {
	Client *client.Client
	// Host is what keys call this machine.
	Host string
	// Dir is where it remembers which keys it made; no secret is kept there.
	Dir  string
	Home deliver.Home
	// Now is in the person's zone, for the names of backups.
	Now func() time.Time
	// Run runs a client, to try a configuration.
	Run func(context.Context, deliver.Command) Ran
}

// An Order says what to configure.
type Order struct {
	Target        deliver.Target
	Project, Name string
	Default       bool
	// Life or Until say how long a key shall live; both zero mean the default for a new key and
	// the maximum for one that is used again.
	Life  time.Duration
	Until time.Time
	// Process makes the client call this command for its keys; Endpoint and Region are then given.
	Process          []string
	Endpoint, Region string
	NoTest, DryRun   bool
}

// A Report tells what was done. It holds no secret.
type Report struct {
	Schema  string `json:"schema"` // lanyard/v1/configured
	Client  string `json:"client"`
	Project string `json:"project"`
	Name    string `json:"name"`
	// Key is nil where the client calls a command for its keys.
	Key     *api.Credential `json:"key"`
	KeyMade bool            `json:"key_made"`
	Files   []File          `json:"files"`
	Tested  bool            `json:"tested"`
	// Lines is how many lines the client printed: mostly one for each bucket.
	Lines   int     `json:"lines"`
	Seconds float64 `json:"seconds"`
	Try     string  `json:"try,omitempty"`
}

// File is one file of a Report.
type File struct {
	Path    string `json:"path"`
	Changed bool   `json:"changed"`
	Backup  string `json:"backup,omitempty"`
	// Diff is what --dry-run would change, with secrets hidden.
	Diff string `json:"diff,omitempty"`
}

// SchemaConfigured is the schema of a Report.
const SchemaConfigured = "lanyard/v1/configured"

// Write configures the target. If anything fails, the files are as they were and a key that was
// made for it is ended again.
func (s *Setup) Write(ctx context.Context, o Order) (r Report, err error) {
	r = Report{Schema: SchemaConfigured, Client: o.Target.Name(), Project: o.Project, Name: o.Name}
	if !o.NoTest && !o.DryRun {
		if err := s.installed(o); err != nil {
			return r, err
		}
	}
	a := s.access(o)
	if len(o.Process) == 0 {
		if a, err = s.key(ctx, o, a, &r); err != nil {
			return r, err
		}
	}
	r.Try = o.Target.Try(a)
	edits, err := o.Target.Write(s.Home, a)
	if err == nil {
		err = s.replace(ctx, o, a, edits, &r)
	}
	switch {
	case err != nil && r.KeyMade && !o.DryRun:
		s.undo(ctx, r.Key.ID)
	case err == nil && r.Key != nil && !o.DryRun:
		err = s.remember(o, *r.Key, a.Keys.SecretAccessKey)
	}
	return r, err
}

// Snippet makes a key and returns the whole file as a person would write it, and its usual place.
func (s *Setup) Snippet(ctx context.Context, o Order) (k api.Credential, path string, text material.Secret, err error) {
	var r Report
	a, err := s.key(ctx, o, s.access(o), &r)
	if err != nil {
		return k, "", "", err
	}
	path, file := o.Target.Snippet(a)
	return *r.Key, path, material.Secret(file), nil
}

// access is what the target writes, as far as the order itself says.
func (s *Setup) access(o Order) deliver.Access {
	return deliver.Access{Name: o.Name, Project: o.Project, Endpoint: o.Endpoint, Region: o.Region, Process: o.Process, Default: o.Default}
}

// replace stages the edits, has the client try them, and commits.
func (s *Setup) replace(ctx context.Context, o Order, a deliver.Access, edits []deliver.Edit, r *Report) error {
	candidate := map[string]string{}
	var staged []*deliver.Staged
	for _, e := range edits {
		st, err := deliver.Stage(e)
		if err != nil {
			return err
		}
		defer st.Discard()
		staged, candidate[e.Path] = append(staged, st), st.Candidate
	}
	if o.DryRun {
		for _, st := range staged {
			r.Files = append(r.Files, File{Path: st.Path, Changed: st.Changed(), Diff: Diff(st.Old, st.New(), a.Keys.SecretAccessKey)})
		}
		return nil
	}
	if !o.NoTest {
		if err := s.try(ctx, o, a, candidate, r); err != nil {
			return err
		}
	}
	return s.commit(staged, r)
}

// commit puts all files in place, or none.
func (s *Setup) commit(staged []*deliver.Staged, r *Report) error {
	for n, st := range staged {
		f := File{Path: st.Path, Changed: st.Changed()}
		var err error
		if f.Backup, err = st.Commit(s.Now()); err != nil {
			for _, before := range staged[:n] {
				err = errors.Join(err, before.Undo())
			}
			return err
		}
		r.Files = append(r.Files, f)
	}
	return nil
}

// Remove deletes the target's entries for the order's name. With end it first ends the key that
// was made for them; r.Key is that key.
func (s *Setup) Remove(ctx context.Context, o Order, end bool) (r Report, err error) {
	r = Report{Schema: SchemaConfigured, Client: o.Target.Name(), Project: o.Project, Name: o.Name}
	if m, ok := s.recall(o); ok && end {
		ended, err := s.Client.DeleteCredential(ctx, m.CredentialID)
		if err != nil && !absent(err) {
			return r, err
		}
		if err == nil {
			r.Key = &ended
		}
	}
	edits, err := o.Target.Remove(s.Home, s.access(o))
	if err != nil {
		return r, err
	}
	o.NoTest = true
	if err := s.replace(ctx, o, s.access(o), edits, &r); err != nil {
		return r, err
	}
	if !o.DryRun {
		s.forget(o)
	}
	return r, nil
}

// Ran is what a client did.
type Ran struct {
	Stdout, Stderr string
	Took           time.Duration
	Err            error
}

// testTime bounds a client's try.
const testTime = 30 * time.Second

// A TestError is a client that did not get in with its new configuration.
type TestError struct {
	Client string
	// Output is the client's own text, without secrets.
	Output string
	// Missing is true if the client is not installed.
	Missing bool
}

// Error implements error.
func (e *TestError) Error() string {
	if e.Missing {
		return "the client " + e.Client + " is not installed on this machine, so its configuration cannot be tried"
	}
	return "the client " + e.Client + " does not get in with the new configuration, so the old one was left as it is"
}

func (s *Setup) installed(o Order) error {
	program := o.Target.Test(s.Home, s.access(o), map[string]string{}).Args[0]
	if _, err := exec.LookPath(program); err != nil {
		return &TestError{Client: o.Target.Name(), Missing: true}
	}
	return nil
}

// notThere is what Python says, with status 1, where a shell says 127.
var notThere = regexp.MustCompile(`ModuleNotFoundError|is not installed|No module named`)

func (s *Setup) try(ctx context.Context, o Order, a deliver.Access, candidate map[string]string, r *Report) error {
	ctx, cancel := context.WithTimeoutCause(ctx, testTime, fault.New(fault.Unavailable, "%s did not end within %s", o.Target.Name(), testTime))
	defer cancel()
	got := s.Run(ctx, o.Target.Test(s.Home, a, candidate))
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if got.Err != nil {
		text := strings.TrimSpace(Hide(got.Stderr+got.Stdout, a.Keys.SecretAccessKey))
		return &TestError{Client: o.Target.Name(), Output: text, Missing: notThere.MatchString(text)}
	}
	r.Tested, r.Seconds = true, got.Took.Round(10*time.Millisecond).Seconds()
	for l := range strings.Lines(got.Stdout) {
		if strings.TrimSpace(l) != "" {
			r.Lines++
		}
	}
	return nil
}

// secretish finds values of settings whose names say that they are secret, and anything that looks
// like a secret key.
var secretish = regexp.MustCompile(`(?i)((?:secret|passw|token)[\w-]*["']?\s*[=:]\s*)("[^"]*"|'[^']*'|[^\s"']+)|\b[A-Za-z0-9/+]{40}\b`)

// Hide makes text fit for a terminal: without the given secret and without what looks like one.
func Hide(text string, secret material.Secret) string {
	if secret != "" {
		text = strings.ReplaceAll(text, secret.Reveal(), "[hidden]")
	}
	return secretish.ReplaceAllString(text, "${1}[hidden]")
}
