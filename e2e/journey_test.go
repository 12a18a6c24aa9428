package e2e

import (
	"strings"
	"testing"
)

// TestFirstSteps is what the README promises somebody new.
func TestFirstSteps(t *testing.T) {
	t.Parallel()
	s := newSite(t, settings{})
	anna := s.signIn("anna")
	if out := anna.lanyard("whoami"); !strings.Contains(out, "Anna Test") {
		t.Errorf("whoami does not know her: %s", out)
	}
	out := anna.run(command{args: []string{"configure", "rclone", "--project", projectA}})
	out.ok(t)
	remote := "lumi-" + projectA + "-private:"
	anna.run(command{program: "rclone", args: []string{"mkdir", remote + "first"}}).ok(t)
	anna.run(command{program: "rclone", args: []string{"rcat", remote + "first/hello"}, stdin: "hello"}).ok(t)
	if got := anna.run(command{program: "rclone", args: []string{"cat", remote + "first/hello"}}).ok(t); got != "hello" {
		t.Errorf("read back %q", got)
	}
	s.stop()
	s.start()
	if got := anna.run(command{program: "rclone", args: []string{"cat", remote + "first/hello"}}).ok(t); got != "hello" {
		t.Errorf("after a restart: %q", got)
	}
}
