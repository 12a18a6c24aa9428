// Package s3fs writes the JSON file that scientific Python uses to reach object storage through
// s3fs, zarr and xarray, in the form that JASMIN teaches: token, secret, endpoint_url. It imports
// row 1.
package s3fs

import (
	"encoding/json"

	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/material"
)

const suffix = "-s3fs.json"

// Target writes ~/.config/lanyard/NAME-s3fs.json.
type Target struct{}

// Name implements deliver.Target.
func (Target) Name() string { return "s3fs" }

// Title implements deliver.Target.
func (Target) Title() string { return "Python s3fs, xarray" }

// Process implements deliver.Target: the file holds keys.
func (Target) Process() bool { return false }

// Snippet implements deliver.Target.
func (Target) Snippet(a deliver.Access) (path, text string) {
	return "~/.config/lanyard/" + a.Name + suffix, string(render(a))
}

func render(a deliver.Access) []byte {
	text, err := json.MarshalIndent(struct {
		Token    string          `json:"token"`
		Secret   material.Secret `json:"secret"`
		Endpoint string          `json:"endpoint_url"`
	}{a.Keys.AccessKeyID, a.Keys.SecretAccessKey, a.Endpoint}, "", "  ")
	if err != nil {
		panic(err) // strings always encode
	}
	return append(text, '\n')
}

// Write implements deliver.Target. The whole file is ours.
func (Target) Write(h deliver.Home, a deliver.Access) ([]deliver.Edit, error) {
	return []deliver.Edit{{Path: deliver.EnvFile(h, a, suffix), Apply: func([]byte) ([]byte, error) { return render(a), nil }}}, nil
}

// Remove implements deliver.Target.
func (Target) Remove(h deliver.Home, a deliver.Access) ([]deliver.Edit, error) {
	return []deliver.Edit{{Path: deliver.EnvFile(h, a, suffix), Apply: func([]byte) ([]byte, error) { return nil, nil }}}, nil
}

const script = `import json, sys
sys.path.pop(0) # not what lies in this directory
j = json.load(open(sys.argv[1]))
try:
    import s3fs
    names = s3fs.S3FileSystem(key=j["token"], secret=j["secret"], client_kwargs={"endpoint_url": j["endpoint_url"]}).ls("")
except ImportError: # s3fs itself stands on botocore
    import boto3
    names = [b["Name"] for b in boto3.client("s3", aws_access_key_id=j["token"], aws_secret_access_key=j["secret"], endpoint_url=j["endpoint_url"], region_name="us-east-1").list_buckets()["Buckets"]]
print("\n".join(names))`

// Test implements deliver.Target: Python lists the buckets, through s3fs where it is installed.
func (Target) Test(h deliver.Home, a deliver.Access, candidate map[string]string) deliver.Command {
	return deliver.Command{Args: []string{"python3", "-c", script, candidate[deliver.EnvFile(h, a, suffix)]}}
}

// Try implements deliver.Target.
func (Target) Try(a deliver.Access) string {
	return `in Python: j = json.load(open("` + a.Name + suffix + `")); s3fs.S3FileSystem(key=j["token"], secret=j["secret"], client_kwargs={"endpoint_url": j["endpoint_url"]})`
}
