// Package awscli configures the AWS command line interface, versions 1 and 2. It imports row 1.
package awscli

import (
	"github.com/lanyardhq/lanyard/internal/deliver"
)

// Target writes a profile into ~/.aws/config (and ~/.aws/credentials for stored keys).
type Target struct{}

// Name implements deliver.Target.
func (Target) Name() string { return "aws" }

// Title implements deliver.Target.
func (Target) Title() string { return "AWS CLI" }

// Process implements deliver.Target: aws calls a credential_process.
func (Target) Process() bool { return true }

// Snippet implements deliver.Target.
func (Target) Snippet(a deliver.Access) (path, text string) {
	return deliver.AWSSnippet(a, "aws --profile "+a.Name+" --endpoint-url "+a.Endpoint+" s3 ls")
}

// Write implements deliver.Target.
func (Target) Write(h deliver.Home, a deliver.Access) ([]deliver.Edit, error) {
	return deliver.AWSProfile(h, a), nil
}

// Remove implements deliver.Target.
func (Target) Remove(h deliver.Home, a deliver.Access) ([]deliver.Edit, error) {
	return deliver.RemoveAWSProfile(h, a), nil
}

// Test implements deliver.Target. The endpoint is given too, for aws before 2.13.
func (Target) Test(h deliver.Home, a deliver.Access, candidate map[string]string) deliver.Command {
	return deliver.Command{
		Args: []string{"aws", "--profile", a.Name, "--endpoint-url", a.Endpoint, "--cli-connect-timeout", "5", "--cli-read-timeout", "20", "s3", "ls"},
		Env:  append(deliver.AWSEnv(h, candidate), "AWS_MAX_ATTEMPTS=1", "AWS_PAGER="),
	}
}

// Try implements deliver.Target.
func (Target) Try(a deliver.Access) string {
	return "aws --profile " + a.Name + " --endpoint-url " + a.Endpoint + " s3 ls   (aws 2.13 and newer need no --endpoint-url)"
}
