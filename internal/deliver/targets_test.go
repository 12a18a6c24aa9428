package deliver_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/internal/deliver/awscli"
	"github.com/lanyardhq/lanyard/internal/deliver/boto3"
	"github.com/lanyardhq/lanyard/internal/deliver/mc"
	"github.com/lanyardhq/lanyard/internal/deliver/rclone"
	"github.com/lanyardhq/lanyard/internal/deliver/restic"
	"github.com/lanyardhq/lanyard/internal/deliver/s3cmd"
	"github.com/lanyardhq/lanyard/internal/deliver/s3fs"
	"github.com/lanyardhq/lanyard/internal/deliver/shell"
	"github.com/lanyardhq/lanyard/material"
)

var update = flag.Bool("update", false, "write the golden files anew")

var targets = []deliver.Target{awscli.Target{}, boto3.Target{}, mc.Target{}, rclone.Target{}, restic.Target{}, s3cmd.Target{}, s3fs.Target{}, shell.Target{}}

func access() deliver.Access {
	return deliver.Access{Name: "lumi-462000008", Project: "462000008", Endpoint: "https://s3.example.org", Region: "us-east-1",
		Keys:      material.S3Keys{AccessKeyID: "LYDEXAMPLEEXAMPLE234", SecretAccessKey: "EXAMPLEEXAMPLEEXAMPLEEXAMPLEEXAMPLE23456"},
		ExpiresAt: time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)}
}

// TestFiles compares what each target makes of no file and of somebody's file, with keys and with
// a command for keys, with golden files.
func TestFiles(t *testing.T) {
	for _, target := range targets {
		stored, process := access(), access()
		process.Keys, process.Process, process.Default = material.S3Keys{}, []string{"/usr/local/bin/lanyard", "aws-credential-process", "--project", "462000008"}, true
		cases := map[string]deliver.Access{"stored": stored}
		if target.Process() {
			cases["process"] = process
		}
		for name, a := range cases {
			t.Run(target.Name()+"/"+name, func(t *testing.T) {
				var got strings.Builder
				home := deliver.Home{Dir: "/home/u", Getenv: func(string) string { return "" }}
				edits, err := target.Write(home, a)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range edits {
					for _, kind := range []string{"none", "foreign"} {
						old, err := os.ReadFile(filepath.Join("testdata", "foreign", filepath.Base(e.Path)))
						if kind == "foreign" && err != nil {
							continue // no example of somebody's file of that name
						}
						if kind == "none" {
							old = nil
						}
						text, err := e.Apply(bytes.Clone(old))
						if err != nil {
							t.Fatal(err)
						}
						fmt.Fprintf(&got, "==== %s, before: %s\n%s", e.Path, kind, text)
						for line := range strings.Lines(string(old)) {
							if strings.Contains(line, "foreign") && !strings.Contains(string(text), line) {
								t.Errorf("%s: %q is lost", e.Path, line)
							}
						}
					}
				}
				path, text := target.Snippet(a)
				fmt.Fprintf(&got, "==== snippet %s\n%s==== try\n%s\n", path, text, target.Try(a))
				golden(t, filepath.Join("testdata", "golden", target.Name()+"-"+name+".txt"), got.String())
			})
		}
	}
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", path, diff)
	}
}

// TestRealClients lets each real client try what its target wrote, against MinIO: right keys pass,
// wrong ones do not, and removing leaves nothing of the keys.
func TestRealClients(t *testing.T) {
	a := access()
	a.Endpoint = minio(t, a.Keys)
	// Debian's Python, where boto3 is, before any other.
	t.Setenv("PATH", "/usr/bin:"+os.Getenv("LANYARD_PEERS")+":"+os.Getenv("PATH"))
	os.Unsetenv("AWS_CA_BUNDLE") // Debian's rclone fails on it, whatever it holds
	for _, target := range targets {
		t.Run(target.Name(), func(t *testing.T) {
			home := deliver.Home{Dir: t.TempDir(), Getenv: func(string) string { return "" }}
			t.Setenv("HOME", home.Dir)
			if out, err := try(t, target, home, a); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			wrong := a
			wrong.Keys.SecretAccessKey = "WRONGWRONGWRONGWRONGWRONGWRONGWRONGWRONG"
			if out, err := try(t, target, home, wrong); err == nil {
				t.Errorf("a wrong secret passes: %s", out)
			}
			edits, err := target.Remove(home, a)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range edits {
				if _, old, err := deliver.Read(e.Path); err != nil || old == nil {
					continue
				} else if text, err := e.Apply(old); err != nil || bytes.Contains(text, []byte(wrong.Keys.SecretAccessKey)) {
					t.Errorf("%s still holds the secret (%v): %s", e.Path, err, text)
				}
			}
		})
	}
}

// try writes the target's files and runs its test on them.
func try(t *testing.T, target deliver.Target, home deliver.Home, a deliver.Access) (string, error) {
	t.Helper()
	edits, err := target.Write(home, a)
	if err != nil {
		t.Fatal(err)
	}
	place := map[string]string{}
	for _, e := range edits {
		s, err := deliver.Stage(e)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Commit(time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)); err != nil {
			t.Fatal(err)
		}
		place[e.Path] = e.Path
	}
	c := target.Test(home, a, place)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, c.Args[0], c.Args[1:]...)
	cmd.Env = append(os.Environ(), c.Env...)
	out, err := cmd.CombinedOutput()
	if strings.Contains(strings.Join(c.Args, " "), a.Keys.SecretAccessKey.Reveal()) {
		t.Errorf("the secret is in the command line: %q", c.Args)
	}
	return string(out), err
}

// minio starts a MinIO server whose root keys are keys, and returns its URL.
func minio(t *testing.T, keys material.S3Keys) string {
	t.Helper()
	// Nobody connects from this address, so that nothing takes the port before MinIO does.
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	program := filepath.Join(os.Getenv("LANYARD_PEERS"), "minio")
	cmd := exec.CommandContext(t.Context(), program, "server", t.TempDir(), "--address", addr, "--quiet")
	cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+keys.AccessKeyID, "MINIO_ROOT_PASSWORD="+keys.SecretAccessKey.Reveal(), "MINIO_BROWSER=off")
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: LANYARD_PEERS must name the directory of the peers; make test builds them", err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	url := "http://" + addr
	ready := time.NewTicker(100 * time.Millisecond)
	defer ready.Stop()
	for range 1800 {
		if resp, err := http.Get(url + "/"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusForbidden { // 503 until it serves
				return url
			}
		}
		<-ready.C
	}
	t.Fatal("MinIO is not ready after 3 min")
	return ""
}
