// Package restic configures restic (restic.net), a backup program that takes its keys from the
// environment. It imports row 1.
package restic

import (
	"github.com/lanyardhq/lanyard/internal/deliver"
)

const suffix = "-restic.sh"

// Target writes ~/.config/lanyard/NAME-restic.sh, to be sourced before restic runs.
type Target struct{}

// Name implements deliver.Target.
func (Target) Name() string { return "restic" }

// Title implements deliver.Target.
func (Target) Title() string { return "restic" }

// Process implements deliver.Target: variables hold keys.
func (Target) Process() bool { return false }

// Snippet implements deliver.Target.
func (Target) Snippet(a deliver.Access) (path, text string) {
	return "~/.config/lanyard/" + a.Name + suffix, render(a)
}

func render(a deliver.Access) string {
	return deliver.Exports("restic on project "+a.Project+": restic -r s3:"+a.Endpoint+"/BUCKET init",
		deliver.Key{Name: "AWS_ACCESS_KEY_ID", Value: a.Keys.AccessKeyID},
		deliver.Key{Name: "AWS_SECRET_ACCESS_KEY", Value: a.Keys.SecretAccessKey.Reveal()},
		deliver.Key{Name: "AWS_DEFAULT_REGION", Value: a.Region})
}

// Write implements deliver.Target. The whole file is ours.
func (Target) Write(h deliver.Home, a deliver.Access) ([]deliver.Edit, error) {
	return []deliver.Edit{{Path: deliver.EnvFile(h, a, suffix), Apply: func([]byte) ([]byte, error) { return []byte(render(a)), nil }}}, nil
}

// Remove implements deliver.Target.
func (Target) Remove(h deliver.Home, a deliver.Access) ([]deliver.Edit, error) {
	return []deliver.Edit{{Path: deliver.EnvFile(h, a, suffix), Apply: func([]byte) ([]byte, error) { return nil, nil }}}, nil
}

// Test implements deliver.Target. restic cannot list buckets: it is asked for a repository in a
// bucket that is not there, and being told just that proves the keys.
func (Target) Test(h deliver.Home, a deliver.Access, candidate map[string]string) deliver.Command {
	return deliver.Command{Args: []string{"sh", "-c", `. "$1"
command -v restic >/dev/null || { echo "restic is not installed" >&2; exit 127; }
out=$(RESTIC_PASSWORD=none restic --no-cache -r "s3:$2/lanyard-configure-test" cat config 2>&1 </dev/null)
case "$out" in
*"bucket does not exist"*|*"key does not exist"*) exit 0 ;;
*) printf '%s\n' "$out" >&2; exit 1 ;;
esac`, "sh", candidate[deliver.EnvFile(h, a, suffix)], a.Endpoint}}
}

// Try implements deliver.Target.
func (Target) Try(a deliver.Access) string {
	return ". ~/.config/lanyard/" + a.Name + suffix + " && restic -r s3:" + a.Endpoint + "/BUCKET init"
}
