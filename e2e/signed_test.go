package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/client"
	"github.com/lanyardhq/lanyard/material"
)

// signed sends an S3 request, signed by the AWS SDK's own signer, and returns status and body.
func signed(ctx context.Context, c *http.Client, k api.Credential, method, url, body string) (status int, answer string, err error) {
	r, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	keys := aws.Credentials{AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey.Reveal()}
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	if err := v4.NewSigner().SignHTTP(ctx, keys, r, "UNSIGNED-PAYLOAD", "s3", "us-east-1", time.Now()); err != nil {
		return 0, "", err
	}
	resp, err := c.Do(r)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, resp.Header.Get("X-Amz-Error-Message") + string(text), err
}

// robot makes a robot in a project and returns a client that acts as it, with its token.
func (p *person) robot(project string) (*client.Client, material.Secret) {
	p.t.Helper()
	token := material.Secret(strings.TrimSpace(p.lanyard("robot", "create", fmt.Sprint("ci-", time.Now().UnixNano()), "--project", project, "--for", "1d",
		"--scope", "s3:read", "--scope", "s3:write", "--output", "value")))
	c, err := client.New(p.portal, client.Options{Token: client.StaticToken(token)})
	if err != nil {
		p.t.Fatal(err)
	}
	return c, token
}

func createKey(t testing.TB, c *client.Client, project, name string) api.Credential {
	t.Helper()
	k, err := c.CreateCredential(t.Context(), api.CredentialOrder{Kind: "s3key", Project: project, Name: name, Life: 3600})
	if err != nil {
		t.Fatal(err)
	}
	return k
}
