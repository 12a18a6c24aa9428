package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/lanyardhq/lanyard/bench/process"
	"github.com/lanyardhq/lanyard/proxycert/dn"
	"github.com/lanyardhq/lanyard/proxycert/keyfile"
	"github.com/lanyardhq/lanyard/voms"
)

// vo is the VO that everything here is about.
const vo = "lanyard"

// A site is a running server with a VO, and somebody who is a member of it and has a certificate.
type site struct {
	dir     string
	program string
	env     []string // of the commands
	aa      string   // address
	member  tls.Certificate
	host    tls.Certificate // the authority's
	cmd     *exec.Cmd
	log     bytes.Buffer
}

const config = `data_dir: %[1]s/data
portal: {listen: %[2]q, url: "http://%[2]s"}
s3: {listen: %[3]q, url: "http://%[3]s"}
metrics: {listen: ""}
grid: {certificates: %[1]s/certificates}
vos:
  - name: %[4]s
    host: localhost
    port: %[5]s
    listen: "127.0.0.1:%[5]s"
    tls: {cert: %[1]s/host.pem, key: %[1]s/host.key}
    groups: [{name: /%[4]s/physics}]
`

// startSite runs the server with its defaults, SQLite among them, in dir.
func startSite(ctx context.Context, program, fixtures, dir string) (_ *site, err error) {
	s := &site{dir: dir, program: program}
	defer func() {
		if err != nil {
			s.stop()
			err = fmt.Errorf("%w\n%s", err, s.log.String())
		}
	}()
	if err := s.files(fixtures); err != nil {
		return nil, err
	}
	ports, err := process.Ports(ctx, 3)
	if err != nil {
		return nil, err
	}
	s.aa = "localhost:" + ports[2]
	text := fmt.Sprintf(config, dir, "localhost:"+ports[0], "127.0.0.1:"+ports[1], vo, ports[2])
	vomses := fmt.Sprintf("%q %q %q %q %q\n", vo, "localhost", ports[2], "/DC=test/DC=lanyard/OU=Hosts/CN=localhost", vo)
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "lanyard.yaml"), []byte(text), 0o600),
		os.MkdirAll(filepath.Join(dir, ".voms"), 0o755), os.WriteFile(filepath.Join(dir, "vomses"), []byte(vomses), 0o644)); err != nil {
		return nil, err
	}
	s.cmd = exec.Command(program, "serve", "--config", filepath.Join(dir, "lanyard.yaml"))
	s.cmd.Env = s.env
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	if err := s.ready(ctx, "http://localhost:"+ports[0]+"/readyz"); err != nil {
		return nil, err
	}
	return s, s.admit(ctx)
}

// files lays out what clients and server look for, and names it in the environment.
func (s *site) files(fixtures string) error {
	pki := filepath.Join(fixtures, "pki")
	at := func(name string) string { return filepath.Join(s.dir, name) }
	if err := errors.Join(os.CopyFS(at("certificates"), os.DirFS(filepath.Join(pki, "certificates"))),
		os.MkdirAll(at("bin"), 0o755), os.MkdirAll(at("vomsdir/"+vo), 0o755)); err != nil {
		return err
	}
	for _, name := range []string{"voms-proxy-init", "voms-proxy-info"} {
		if err := os.Symlink(s.program, at("bin/"+name)); err != nil {
			return err
		}
	}
	for from, to := range map[string]string{"ada.pem": "usercert.pem", "ada.key": "userkey.pem"} {
		text, err := os.ReadFile(filepath.Join(pki, "certs", from))
		if err != nil {
			return err
		}
		if err := os.WriteFile(at(to), text, 0o400); err != nil {
			return err
		}
	}
	ca, err := tls.LoadX509KeyPair(filepath.Join(pki, "certs/fxca.pem"), filepath.Join(pki, "certs/fxca.key"))
	if err != nil {
		return err
	}
	if s.host, err = hostCertificate(ca, at("host.pem"), at("host.key")); err != nil {
		return err
	}
	if s.member, err = tls.LoadX509KeyPair(at("usercert.pem"), at("userkey.pem")); err != nil {
		return err
	}
	lsc := dn.Slash(s.host.Leaf.RawSubject) + "\n" + dn.Slash(ca.Leaf.RawSubject) + "\n"
	s.env = append(os.Environ(), "HOME="+s.dir, "X509_CERT_DIR="+at("certificates"), "X509_VOMS_DIR="+at("vomsdir"),
		"X509_USER_CERT="+at("usercert.pem"), "X509_USER_KEY="+at("userkey.pem"), "X509_USER_PROXY="+at("proxy.pem"))
	return os.WriteFile(at("vomsdir/"+vo+"/localhost.lsc"), []byte(lsc), 0o644)
}

// hostCertificate makes the authority's certificate, as a grid CA makes one for a host.
func hostCertificate(ca tls.Certificate, certFile, keyFile string) (tls.Certificate, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return tls.Certificate{}, err
	}
	name, err := dn.Parse("/DC=test/DC=lanyard/OU=Hosts/CN=localhost")
	if err != nil {
		return tls.Certificate{}, err
	}
	subject, err := name.DER()
	if err != nil {
		return tls.Certificate{}, err
	}
	id, err := voms.KeyID(key.Public())
	if err != nil {
		return tls.Certificate{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{RawSubject: subject, SerialNumber: big.NewInt(time.Now().UnixNano()),
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(48 * time.Hour), DNSNames: []string{"localhost"},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment, SubjectKeyId: id,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}, ca.Leaf, key.Public(), ca.PrivateKey)
	if err != nil {
		return tls.Certificate{}, err
	}
	private, err := keyfile.Marshal(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, err
	}
	err = errors.Join(os.WriteFile(certFile, pemOf("CERTIFICATE", der), 0o644), os.WriteFile(keyFile, private, 0o600))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

// ready waits until the server serves.
func (s *site) ready(ctx context.Context, url string) error {
	if err := process.Ready(ctx, url); err != nil {
		return fmt.Errorf("the server is not ready: %w", err)
	}
	return nil
}

// admit makes the holder of the certificate a member, as an operator does.
func (s *site) admit(ctx context.Context) error {
	cmd := exec.CommandContext(ctx, s.program, "admin", "--data-dir", filepath.Join(s.dir, "data"), "vo", "member", "add", vo,
		dn.Slash(s.member.Leaf.RawSubject), "--ca", dn.Slash(s.member.Leaf.RawIssuer), "--group", "/"+vo+"/physics")
	cmd.Env = s.env
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make a member: %w\n%s", err, out)
	}
	return nil
}

func (s *site) stop() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	late := time.AfterFunc(15*time.Second, func() { _ = s.cmd.Process.Kill() })
	defer late.Stop()
	_ = s.cmd.Wait()
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
