// Package boto3 configures boto3 and every other Python program built on botocore. It imports row
// 1.
package boto3

import (
	"fmt"

	"github.com/lanyardhq/lanyard/internal/deliver"
)

// Target writes a profile as the AWS CLI's, and tells how Python uses it.
type Target struct{}

// Name implements deliver.Target.
func (Target) Name() string { return "boto3" }

// Title implements deliver.Target.
func (Target) Title() string { return "Python boto3" }

// Process implements deliver.Target: botocore calls a credential_process.
func (Target) Process() bool { return true }

// Snippet implements deliver.Target.
func (Target) Snippet(a deliver.Access) (path, text string) {
	return "lanyard_s3.py", fmt.Sprintf(`import boto3
from botocore.config import Config

s3 = boto3.client(
    "s3",
    endpoint_url=%q,
    region_name=%q,
    aws_access_key_id=%q,
    aws_secret_access_key=%q,
    config=Config(signature_version="s3v4", s3={"addressing_style": "path"}),
)
print([b["Name"] for b in s3.list_buckets()["Buckets"]])
`, a.Endpoint, a.Region, a.Keys.AccessKeyID, a.Keys.SecretAccessKey.Reveal())
}

// Write implements deliver.Target.
func (Target) Write(h deliver.Home, a deliver.Access) ([]deliver.Edit, error) {
	return deliver.AWSProfile(h, a), nil
}

// Remove implements deliver.Target.
func (Target) Remove(h deliver.Home, a deliver.Access) ([]deliver.Edit, error) {
	return deliver.RemoveAWSProfile(h, a), nil
}

// Test implements deliver.Target. The endpoint is given too, for botocore before 1.31.
func (Target) Test(h deliver.Home, a deliver.Access, candidate map[string]string) deliver.Command {
	return deliver.Command{
		Args: []string{"python3", "-c", `import sys
sys.path.pop(0) # not what lies in this directory
import boto3
from botocore.config import Config
s3 = boto3.Session(profile_name=sys.argv[1]).client("s3", endpoint_url=sys.argv[2], config=Config(connect_timeout=5, read_timeout=20, retries={"max_attempts": 0}))
for b in s3.list_buckets()["Buckets"]: print(b["Name"])`, a.Name, a.Endpoint},
		Env: deliver.AWSEnv(h, candidate),
	}
}

// Try implements deliver.Target.
func (Target) Try(a deliver.Access) string {
	return fmt.Sprintf("python3 -c 'import boto3; print(boto3.Session(profile_name=%q).client(\"s3\", endpoint_url=%q).list_buckets()[\"Buckets\"])'", a.Name, a.Endpoint)
}
