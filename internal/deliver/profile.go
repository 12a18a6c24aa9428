package deliver

import (
	"path/filepath"
	"strings"
)

// AWSPaths are the two files that AWS SDKs read, with their overrides in the environment.
func AWSPaths(h Home) (config, credentials string) {
	config, credentials = filepath.Join(h.Dir, ".aws", "config"), filepath.Join(h.Dir, ".aws", "credentials")
	if p := h.Getenv("AWS_CONFIG_FILE"); p != "" {
		config = p
	}
	if p := h.Getenv("AWS_SHARED_CREDENTIALS_FILE"); p != "" {
		credentials = p
	}
	if h.Path != "" {
		config, credentials = h.Path, filepath.Join(filepath.Dir(h.Path), "credentials")
	}
	return config, credentials
}

// AWSProfile returns the edits that make a profile a.Name for every program built on an AWS SDK:
// keys in the credentials file, or a command that prints fresh ones (credential_process, read by
// aws, boto3, rclone and the SDKs for JavaScript, Go and Java) and then nothing secret on disk.
// The endpoint stands in a services section (aws-cli from 2.13, botocore from 1.31; older ones
// want it on the command line).
func AWSProfile(h Home, a Access) []Edit {
	config, credentials := AWSPaths(h)
	keys := []Key{
		{"region", a.Region},
		{"services", a.Name},
		{"s3", "\n  addressing_style = path\n  signature_version = s3v4"},
	}
	profile := Section{Name: "profile " + a.Name, Keys: keys, Drop: []string{"credential_process"}}
	stored := Section{Name: a.Name, Keys: []Key{
		{"aws_access_key_id", a.Keys.AccessKeyID},
		{"aws_secret_access_key", a.Keys.SecretAccessKey.Reveal()},
	}}
	if len(a.Process) > 0 {
		profile.Keys = append([]Key{{"credential_process", ShellQuote(a.Process)}}, keys...)
		profile.Drop = nil
	}
	sections := []Section{profile}
	if a.Default {
		def := profile
		def.Name = "default"
		sections = append(sections, def)
	}
	sections = append(sections, Section{Name: "services " + a.Name, Keys: []Key{{"s3", "\n  endpoint_url = " + a.Endpoint}}})
	edits := []Edit{{Path: config, Apply: func(old []byte) ([]byte, error) { return SetSections(old, sections...), nil }}}
	// Keys in the credentials file win over a command, so a command must find none there.
	return append(edits, Edit{Path: credentials, Apply: func(old []byte) ([]byte, error) {
		switch {
		case len(a.Process) == 0 && a.Default:
			def := stored
			def.Name = "default"
			return SetSections(old, stored, def), nil
		case len(a.Process) == 0:
			return SetSections(old, stored), nil
		case a.Default:
			return RemoveSections(old, a.Name, "default"), nil
		}
		return RemoveSections(old, a.Name), nil
	}})
}

// RemoveAWSProfile returns the edits that remove profile a.Name, and the default profile where it
// uses the same service.
func RemoveAWSProfile(h Home, a Access) []Edit {
	config, credentials := AWSPaths(h)
	return []Edit{
		{Path: config, Apply: func(old []byte) ([]byte, error) {
			names := []string{"profile " + a.Name, "services " + a.Name}
			if f := parseINI(old); f.is("default", "services", a.Name) {
				names = append(names, "default")
			}
			return RemoveSections(old, names...), nil
		}},
		{Path: credentials, Apply: func(old []byte) ([]byte, error) { return RemoveSections(old, a.Name), nil }},
	}
}

// is reports whether key of a section has the value.
func (f *ini) is(section, key, value string) bool {
	start, end, ok := f.section(section)
	if !ok {
		return false
	}
	at, n := find(f.lines[start+1:end], key)
	if n == 0 {
		return false
	}
	_, v, _ := strings.Cut(f.lines[start+1+at], "=")
	return strings.TrimSpace(v) == value
}

// AWSEnv is the environment that makes a program built on an AWS SDK read the candidate files.
func AWSEnv(h Home, candidate map[string]string) []string {
	config, credentials := AWSPaths(h)
	return []string{"AWS_CONFIG_FILE=" + candidate[config], "AWS_SHARED_CREDENTIALS_FILE=" + candidate[credentials],
		"AWS_SDK_LOAD_CONFIG=1", "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY=", "AWS_SESSION_TOKEN=", "AWS_EC2_METADATA_DISABLED=true"}
}

// ShellQuote joins the words of a command so that a POSIX shell, and the AWS tools' splitting of
// credential_process, give them back.
func ShellQuote(words []string) string {
	quoted := make([]string, len(words))
	for i, w := range words {
		quoted[i] = w
		if w == "" || strings.ContainsFunc(w, func(r rune) bool {
			return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@,+", r)
		}) {
			quoted[i] = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
	}
	return strings.Join(quoted, " ")
}

// AWSSnippet is a profile with stored keys as one file for people to read, for programs that take
// keys from the configuration file too (all AWS SDKs do).
func AWSSnippet(a Access, try string) (path, text string) {
	keys := SetSections(nil, Section{Name: "profile " + a.Name, Keys: []Key{
		{"aws_access_key_id", a.Keys.AccessKeyID},
		{"aws_secret_access_key", a.Keys.SecretAccessKey.Reveal()},
		{"region", a.Region},
		{"services", a.Name},
		{"s3", "\n  addressing_style = path\n  signature_version = s3v4"},
	}}, Section{Name: "services " + a.Name, Keys: []Key{{"s3", "\n  endpoint_url = " + a.Endpoint}}})
	return "~/.aws/config", string(keys) + "\n# try: " + try + "\n"
}
