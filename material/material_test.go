package material_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/material"
)

const text = "wJalrXUtnFEMI"

func TestSecretsAreNeverPrinted(t *testing.T) {
	s := material.Secret(text)
	m := material.Material{S3: &material.S3Keys{AccessKeyID: "LYD1", SecretAccessKey: s, SessionToken: s}}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("made", "secret", s, "keys", *m.S3)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("made", "secret", s)
	for _, got := range []string{
		fmt.Sprint(s), fmt.Sprintf("%s %v %+v %#v %q %x %X %20s %.3s", s, s, s, s, s, s, s, s, s),
		fmt.Sprintf("%d %t %c %o %f", s, s, s, s, s), // verbs that do not fit
		fmt.Sprintf("%v %+v %#v", *m.S3, *m.S3, *m.S3),
		fmt.Sprintf("%v %#v", []material.Secret{s}, map[string]material.Secret{"k": s}),
		errors.New(fmt.Sprint("cannot use ", s)).Error(), log.String(),
	} {
		for _, leak := range []string{"wJal", "774a61", "774A61", "wJa"} {
			if strings.Contains(got, leak) {
				t.Errorf("%q shows the secret", got)
			}
		}
	}
	if s.Reveal() != text {
		t.Error("Reveal does not reveal")
	}
}

func TestWire(t *testing.T) {
	m := material.Material{ExpiresAt: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC), S3: &material.S3Keys{AccessKeyID: "LYD1", SecretAccessKey: text}}
	got, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"expires_at":"2026-11-28T12:00:00Z","s3":{"access_key_id":"LYD1","secret_access_key":"` + text + `"}}`
	if string(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var back material.Material
	if err := json.Unmarshal(got, &back); err != nil || !cmp.Equal(back, m) {
		t.Errorf("came back as %s, %v", cmp.Diff(m, back), err)
	}
}
