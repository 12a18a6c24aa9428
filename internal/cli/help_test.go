package cli_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/lanyardhq/lanyard/internal/cli"
	"github.com/lanyardhq/lanyard/internal/cli/console"
)

// offline is a console of nobody, with what was printed.
func offline() (c *console.Console, out, errs *bytes.Buffer) {
	out, errs = &bytes.Buffer{}, &bytes.Buffer{}
	env := map[string]string{"LANG": "C.UTF-8", "HOME": "/nowhere"}
	return &console.Console{Streams: console.Streams{In: &bytes.Buffer{}, Out: out, Err: errs}, Getenv: func(k string) string { return env[k] },
		Now: time.Now, Zone: time.UTC, Version: "1.2.3", Host: "lumi-login2"}, out, errs
}

// TestHelp holds every help text to 80 columns and to a golden file, and wants examples and a
// screen at most.
func TestHelp(t *testing.T) {
	c, out, _ := offline()
	root := cli.New(config(c))
	var all strings.Builder
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.Hidden || cmd.Name() == "help" {
			return
		}
		out.Reset()
		if err := cmd.Help(); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(out.String(), "\n")
		for n, l := range lines {
			if utf8.RuneCountInString(l) > 80 {
				t.Errorf("%s: line %d has %d columns: %s", cmd.CommandPath(), n+1, utf8.RuneCountInString(l), l)
			}
		}
		if len(lines) > 50 {
			t.Errorf("%s: %d lines are more than a screen", cmd.CommandPath(), len(lines))
		}
		if cmd.Example == "" && !cmd.IsAdditionalHelpTopicCommand() {
			t.Errorf("%s has no example", cmd.CommandPath())
		}
		all.WriteString("==== " + cmd.CommandPath() + "\n" + out.String())
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit(root)
	path := filepath.Join("testdata", "golden", "help.txt")
	if *update {
		if err := os.WriteFile(path, []byte(all.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), all.String()); diff != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", path, diff)
	}
}

// TestVerbs holds the words of the design: each noun has its verbs, under their other names too.
func TestVerbs(t *testing.T) {
	c, _, _ := offline()
	root := cli.New(config(c))
	for _, line := range []string{"s3 key create", "s3 key list", "s3 key ls", "s3 key show", "s3 key extend", "s3 key freeze", "s3 key thaw", "s3 key delete",
		"proxy init", "proxy info", "proxy verify", "proxy destroy", "proxy create", "proxy delegate", "proxy upload", "proxy get", "proxy ls", "proxy show",
		"proxy extend", "proxy freeze", "proxy thaw", "proxy rm", "proxy revoke", "proxy end", "token approve", "token get", "token list", "token show", "token narrow", "token history",
		"token extend", "token freeze", "token thaw", "token revoke", "token delete", "token rm", "token end", "agent", "agent install", "agent uninstall",
		"agent status", "agent env", "agent keep token", "agent keep proxy", "agent keep key", "agent list", "agent drop", "s3 key rm", "s3 key revoke", "s3 key end", "robot create", "robot ls", "robot rm", "project list", "project show", "project member set", "whoami", "status",
		"configure", "exec", "aws-credential-process", "login", "logout", "version", "completion", "admin project freeze", "admin person thaw",
		"admin provider freeze", "admin robot delete", "admin audit", "admin password-hash", "admin member remove"} {
		cmd, rest, err := root.Find(strings.Fields(line))
		if err != nil || len(rest) != 0 || !cmd.Runnable() {
			t.Errorf("%s: %v %v", line, rest, err)
		}
	}
}
