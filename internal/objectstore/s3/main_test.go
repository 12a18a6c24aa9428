package s3_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/objectstore"
	"github.com/lanyardhq/lanyard/internal/objectstore/embedded"
	"github.com/lanyardhq/lanyard/internal/objectstore/s3"
	"github.com/lanyardhq/lanyard/material"
)

// certificate is of this run's TLS servers; the system's trust is told of it by SSL_CERT_FILE.
var certificate tls.Certificate

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == embedded.Command {
		os.Exit(embedded.Main())
	}
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "s3-test-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		if err := makeCertificate(filepath.Join(dir, "ca.pem")); err != nil {
			panic(err)
		}
		return m.Run()
	}())
}

func makeCertificate(file string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return err
	}
	certificate = tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return err
	}
	return os.Setenv("SSL_CERT_FILE", file)
}

// to is an upstream at address with some keys.
func to(network, address string) objectstore.Upstream {
	return objectstore.Upstream{Network: network, Address: address, Host: "localhost", Region: "us-east-1",
		Keys: material.S3Keys{AccessKeyID: "root", SecretAccessKey: "the secret"}}
}

// A script is an upstream that does byte for byte what a test says.
type script struct {
	conns atomic.Int32 // accepted so far
	at    objectstore.Upstream
}

// play runs serve for each connection, with its number from 1, and closes it afterwards.
func play(t testing.TB, serve func(n int, c *bufio.ReadWriter, raw net.Conn)) *script {
	t.Helper()
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	s := &script{at: to("unix", ln.Addr().String())}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			n := int(s.conns.Add(1))
			go func() {
				defer c.Close()
				serve(n, bufio.NewReadWriter(bufio.NewReader(c), bufio.NewWriter(c)), c)
			}()
		}
	}()
	return s
}

func (s *script) client(l s3.Limits) *s3.Client { return s3.New(s.at, l, time.Now) }

// request reads one request with its body.
func request(c *bufio.ReadWriter) (*http.Request, []byte, error) {
	r, err := http.ReadRequest(c.Reader)
	if err != nil {
		return nil, nil, err
	}
	b, err := io.ReadAll(r.Body)
	return r, b, err
}

// say sends text.
func say(c *bufio.ReadWriter, text string) {
	_, _ = c.WriteString(text)
	_ = c.Flush()
}

func get(t testing.TB, c *s3.Client, key string) (*s3.Response, string, error) {
	t.Helper()
	resp, err := c.Do(t.Context(), &s3.Request{Method: "GET", Bucket: "b", Key: key})
	if err != nil {
		return nil, "", err
	}
	defer resp.Close()
	b, err := io.ReadAll(resp)
	return resp, string(b), err
}

// engine starts the embedded engine.
func engine(t testing.TB) objectstore.Upstream {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "e") // the path of a socket is short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	e, err := embedded.New(embedded.Config{Dir: dir, Program: program, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	select {
	case <-e.Ready():
	case err := <-done:
		done <- err
		t.Fatal("the engine did not start")
	}
	return e.Upstream()
}

// minio starts MinIO, which is not ours and shares no code with the engine.
func minio(t testing.TB) objectstore.Upstream {
	t.Helper()
	program := filepath.Join(os.Getenv("LANYARD_PEERS"), "minio")
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("MinIO is needed in the directory that LANYARD_PEERS names (make test sees to it): %v", err)
	}
	// Nobody connects from this address, so that nothing takes the port before MinIO does.
	ln, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	address := ln.Addr().String()
	ln.Close()
	u := to("tcp", address)
	u.Host = address
	cmd := exec.Command(program, "server", "--quiet", "--address", address, t.TempDir())
	cmd.Env = []string{"HOME=" + t.TempDir(), "MINIO_ROOT_USER=" + u.Keys.AccessKeyID, "MINIO_ROOT_PASSWORD=" + u.Keys.SecretAccessKey.Reveal(), "MINIO_BROWSER=off"}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	patience := time.After(3 * time.Minute)
	for tick := time.Tick(50 * time.Millisecond); ; {
		resp, err := http.Get("http://" + address + "/")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusForbidden { // it says 503 until it serves, whatever its health page says
				return u
			}
		}
		select {
		case <-tick:
		case <-patience:
			t.Fatalf("MinIO does not come up: %v", err)
		}
	}
}

// zeros is a body of n bytes that costs no memory.
func zeros(n int64) io.Reader { return io.LimitReader(zero{}, n) }

type zero struct{}

func (zero) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func answer(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}
