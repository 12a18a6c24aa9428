package console

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/lanyardhq/lanyard/api"
)

// A Result is what a command found or did, in each form that it has.
type Result struct {
	// Document is for json and yaml: a struct of package api.
	Document any
	// Text prints the form for people.
	Text func()
	// Env are the variables of -o env, Values the lines of -o value; nil if there are none.
	Env    [][2]string
	Values []string
}

// Show prints r in the form that --output asks for.
func (c *Console) Show(r Result) error {
	switch c.Output {
	case "json":
		text, err := encode(r.Document)
		if err == nil {
			_, err = c.Out.Write(text)
		}
		return err
	case "yaml":
		text, err := encode(r.Document)
		if err == nil {
			text, err = yaml.JSONToYAML(text)
		}
		if err == nil {
			_, err = c.Out.Write(text)
		}
		return err
	case "env":
		return c.showEnv(r.Env)
	case "value":
		if r.Values == nil {
			return Usage("this command has no bare value").WithHint("use --output json")
		}
		for _, v := range r.Values {
			fmt.Fprintln(c.Out, v)
		}
	default:
		r.Text()
	}
	return nil
}

func (c *Console) showEnv(env [][2]string) error {
	if env == nil {
		return Usage("this command yields no environment variables").WithHint("use --output json")
	}
	for _, v := range env {
		fmt.Fprintf(c.Out, "export %s=%s\n", v[0], Quote(v[1]))
	}
	return nil
}

// encode writes v as one line of JSON. Secrets are shown: the command was asked for them.
func encode(v any) ([]byte, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("encode the result: %w", err)
	}
	return []byte(b.String()), nil
}

// Quote makes s one word of a POSIX shell.
func Quote(s string) string {
	plain := func(r rune) bool {
		return strings.ContainsRune("%+,-./:=@_", r) || '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// KeyEnv are the variables by which S3 programs take a key.
func KeyEnv(k api.Credential) [][2]string {
	return [][2]string{{"AWS_ACCESS_KEY_ID", k.AccessKeyID}, {"AWS_SECRET_ACCESS_KEY", k.SecretAccessKey.Reveal()},
		{"AWS_ENDPOINT_URL", k.Endpoint}, {"AWS_ENDPOINT_URL_S3", k.Endpoint}, {"AWS_REGION", k.Region}, {"AWS_DEFAULT_REGION", k.Region},
		{"S3_ENDPOINT_URL", k.Endpoint}, {"RCLONE_S3_ENV_AUTH", "true"}, {"RCLONE_S3_PROVIDER", "Other"},
		{"RCLONE_S3_ENDPOINT", k.Endpoint}, {"RCLONE_S3_REGION", k.Region}}
}
