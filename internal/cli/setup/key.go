package setup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/material"
)

// memory is what is known of an earlier run: which key it wrote. The secret stands only in the
// client's own file; its fingerprint is enough to find it there again, in a file of any form.
type memory struct {
	Server       string `json:"server"`
	Project      string `json:"project"`
	Client       string `json:"client"`
	Name         string `json:"name"`
	Path         string `json:"path,omitempty"`
	Host         string `json:"host"`
	CredentialID string `json:"credential_id"`
	AccessKeyID  string `json:"access_key_id"`
	Fingerprint  string `json:"fingerprint"` // hex SHA-256 of the secret
}

// Unknown stands for what a dry run, which makes no key, does not know.
const Unknown = "(the server's)"

// key completes a with the key that an earlier run left in the client's file, extended, or with a
// new one, and notes it in r.
func (s *Setup) key(ctx context.Context, o Order, a deliver.Access, r *Report) (deliver.Access, error) {
	got, secret, err := s.reuse(ctx, o, a)
	if err != nil {
		return a, err
	}
	if got == nil && o.DryRun {
		r.KeyMade = true
		a.Keys = material.S3Keys{AccessKeyID: "(a new key)", SecretAccessKey: "[hidden]"}
		a.Endpoint, a.Region = Unknown, Unknown
		return a, nil
	}
	if got == nil {
		made, err := s.Client.CreateCredential(ctx, api.CredentialOrder{Kind: "s3key", Project: o.Project,
			Name: keyName(o.Target.Name(), s.Host), Life: int64(o.Life.Seconds()), ExpiresAt: o.Until})
		if err != nil {
			return a, err
		}
		got, secret, r.KeyMade = &made, made.SecretAccessKey, true
	}
	got.SecretAccessKey = ""
	r.Key = got
	a.Keys = material.S3Keys{AccessKeyID: got.AccessKeyID, SecretAccessKey: secret}
	a.Endpoint, a.Region, a.ExpiresAt = got.Endpoint, got.Region, got.ExpiresAt
	return a, nil
}

// keyName is what a key is for: "rclone on lumi-login2", at most 60 characters.
func keyName(client, host string) string {
	name := []rune(client + " on " + host)
	return strings.TrimSpace(string(name[:min(len(name), 60)]))
}

// reuse finds the key of an earlier run, if its secret still stands in the client's file and the
// server still honours it, and extends it. Nil means that there is none.
func (s *Setup) reuse(ctx context.Context, o Order, a deliver.Access) (*api.Credential, material.Secret, error) {
	m, ok := s.recall(o)
	if !ok {
		return nil, "", nil
	}
	secret, err := s.find(o.Target, a, m)
	if secret == "" || err != nil {
		return nil, "", err
	}
	if o.DryRun {
		got, err := s.Client.ShowCredential(ctx, m.CredentialID)
		if err != nil || got.State != "active" {
			return nil, "", ignoreAbsent(err)
		}
		return &got, secret, nil
	}
	got, err := s.Client.ExtendCredential(ctx, m.CredentialID, api.Extension{Life: int64(o.Life.Seconds()), ExpiresAt: o.Until})
	if err != nil {
		return nil, "", ignoreAbsent(err)
	}
	return &got, secret, nil
}

// find looks for the secret in the files that the target edits: the run of letters and digits that
// has the fingerprint.
func (s *Setup) find(t deliver.Target, a deliver.Access, m memory) (material.Secret, error) {
	edits, err := t.Write(s.Home, a)
	if err != nil {
		return "", err
	}
	for _, e := range edits {
		_, content, err := deliver.Read(e.Path)
		if err != nil {
			return "", err
		}
		words := bytes.FieldsFunc(content, func(r rune) bool {
			return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
		})
		for _, w := range words {
			if fingerprint(material.Secret(w)) == m.Fingerprint {
				return material.Secret(w), nil
			}
		}
	}
	return "", nil
}

func fingerprint(secret material.Secret) string {
	sum := sha256.Sum256([]byte(secret.Reveal()))
	return hex.EncodeToString(sum[:])
}

// undo ends a key that nobody will use, also if ctx has ended.
func (s *Setup) undo(ctx context.Context, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	_, _ = s.Client.DeleteCredential(ctx, id) // it ends by itself if this fails
}

func (s *Setup) remember(o Order, k api.Credential, secret material.Secret) error {
	m := s.memory(o)
	m.CredentialID, m.AccessKeyID, m.Fingerprint = k.ID, k.AccessKeyID, fingerprint(secret)
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return deliver.Replace(s.file(o), text)
}

// recall returns what remember kept for the same server, project, client, name, file and host.
func (s *Setup) recall(o Order) (m memory, ok bool) {
	text, err := os.ReadFile(s.file(o))
	return m, err == nil && json.Unmarshal(text, &m) == nil && m.CredentialID != ""
}

func (s *Setup) forget(o Order) { os.Remove(s.file(o)) }

func (s *Setup) memory(o Order) memory {
	return memory{Server: s.Client.Server(), Project: o.Project, Client: o.Target.Name(), Name: o.Name, Path: s.Home.Path, Host: s.Host}
}

// file is where the memory of what o orders is kept.
func (s *Setup) file(o Order) string {
	m := s.memory(o)
	sum := sha256.Sum256([]byte(strings.Join([]string{m.Server, m.Project, m.Client, m.Name, m.Path, m.Host}, "\n")))
	return filepath.Join(s.Dir, m.Client+"-"+hex.EncodeToString(sum[:8])+".json")
}

// absent reports whether the server says that a key is there no more, or of no more use.
func absent(err error) bool {
	p, ok := errors.AsType[*api.Problem](err)
	return ok && (p.Code == api.NotFound || p.Code == api.Conflict)
}

func ignoreAbsent(err error) error {
	if absent(err) {
		return nil
	}
	return err
}
