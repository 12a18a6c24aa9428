// Package shell writes a file of environment variables for a POSIX shell to source, read by the
// AWS SDKs and tools, rclone, s4cmd, s5cmd and most other S3 programs. It imports row 1.
package shell

import (
	"github.com/lanyardhq/lanyard/internal/deliver"
)

// Target writes ~/.config/lanyard/NAME.sh.
type Target struct{}

// Name implements deliver.Target.
func (Target) Name() string { return "shell" }

// Title implements deliver.Target.
func (Target) Title() string { return "Shell environment" }

// Process implements deliver.Target: variables hold keys.
func (Target) Process() bool { return false }

// Snippet implements deliver.Target.
func (Target) Snippet(a deliver.Access) (path, text string) {
	return "~/.config/lanyard/" + a.Name + ".sh", Text(a)
}

// Text is the file.
func Text(a deliver.Access) string {
	comment := "S3 keys of project " + a.Project
	if !a.ExpiresAt.IsZero() {
		comment += " until " + a.ExpiresAt.UTC().Format("2006-01-02 15:04 UTC")
	}
	return deliver.Exports(comment, Vars(a)...)
}

// Vars are the variables.
func Vars(a deliver.Access) []deliver.Key {
	id, secret := a.Keys.AccessKeyID, a.Keys.SecretAccessKey.Reveal()
	return []deliver.Key{
		{Name: "AWS_ACCESS_KEY_ID", Value: id},
		{Name: "AWS_SECRET_ACCESS_KEY", Value: secret},
		{Name: "AWS_ENDPOINT_URL", Value: a.Endpoint},
		{Name: "AWS_ENDPOINT_URL_S3", Value: a.Endpoint},
		{Name: "AWS_REGION", Value: a.Region},
		{Name: "AWS_DEFAULT_REGION", Value: a.Region},
		{Name: "S3_ENDPOINT_URL", Value: a.Endpoint},
		{Name: "S3_ACCESS_KEY", Value: id},
		{Name: "S3_SECRET_KEY", Value: secret},
		{Name: "RCLONE_S3_ENV_AUTH", Value: "true"},
		{Name: "RCLONE_S3_ENDPOINT", Value: a.Endpoint},
		{Name: "RCLONE_S3_PROVIDER", Value: "Other"},
		{Name: "RCLONE_S3_REGION", Value: a.Region},
	}
}

// Write implements deliver.Target. The whole file is ours.
func (Target) Write(h deliver.Home, a deliver.Access) ([]deliver.Edit, error) {
	return []deliver.Edit{{Path: deliver.EnvFile(h, a, ".sh"), Apply: func([]byte) ([]byte, error) { return []byte(Text(a)), nil }}}, nil
}

// Remove implements deliver.Target.
func (Target) Remove(h deliver.Home, a deliver.Access) ([]deliver.Edit, error) {
	return []deliver.Edit{{Path: deliver.EnvFile(h, a, ".sh"), Apply: func([]byte) ([]byte, error) { return nil, nil }}}, nil
}

// Test implements deliver.Target: whichever of aws and rclone is there lists the buckets.
func (Target) Test(h deliver.Home, a deliver.Access, candidate map[string]string) deliver.Command {
	return deliver.Command{Args: []string{"sh", "-c", `. "$1"
if command -v aws >/dev/null; then exec aws --endpoint-url "$AWS_ENDPOINT_URL" --cli-connect-timeout 5 --cli-read-timeout 20 s3 ls
elif command -v rclone >/dev/null; then exec rclone --contimeout 5s --timeout 20s --retries 1 lsd :s3:
else echo "neither aws nor rclone is installed to try it with" >&2; exit 127
fi`, "sh", candidate[deliver.EnvFile(h, a, ".sh")]}}
}

// Try implements deliver.Target.
func (Target) Try(a deliver.Access) string {
	return ". ~/.config/lanyard/" + a.Name + ".sh && rclone lsd :s3:"
}
