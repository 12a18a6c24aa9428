package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/lanyardhq/lanyard/bench/process"
)

// startEngine runs the embedded engine alone: see runEngine.
func startEngine(ctx context.Context, dir string) (*peer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	t, err := newTarget("us-east-1")
	if err != nil {
		return nil, err
	}
	setup, err := json.Marshal(engineSetup{dir, t})
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	p, err := start("engine", self, []string{engineCommand}, nil, setup)
	if err != nil {
		return nil, err
	}
	p.target = t
	return p, p.ready(ctx)
}

// startMinIO runs MinIO on one drive, with its defaults but without what speaks to the world.
func startMinIO(ctx context.Context, program, dir string) (*peer, error) {
	t, err := newTarget("us-east-1")
	if err != nil {
		return nil, err
	}
	p, err := start("MinIO", program, []string{"server", "--quiet", "--address", t.Address, dir}, []string{
		"HOME=" + dir, "MINIO_ROOT_USER=" + t.AccessKey, "MINIO_ROOT_PASSWORD=" + t.SecretKey, "MINIO_BROWSER=off", "MINIO_UPDATE=off",
		"MINIO_CI_CD=on", // lets it run on the disk of the system
	}, nil)
	if err != nil {
		return nil, err
	}
	p.target = t
	return p, p.ready(ctx)
}

// newTarget chooses a free port and a key pair.
func newTarget(region string) (target, error) {
	address, err := freeAddress()
	return target{Address: address, Region: region, AccessKey: rand.Text()[:20], SecretKey: rand.Text() + rand.Text()[:14]}, err
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// ready waits until the server lists its buckets.
func (p *peer) ready(ctx context.Context) error {
	err := process.Await(ctx, func() error { _, err := p.target.once("GET", "", "", nil); return err })
	if err != nil {
		return p.broken(err)
	}
	return nil
}

// What the servers hold.
const (
	listBucket = "bench-list" // as many objects as one listing shows
	putBucket  = "bench-put"
	bigBucket  = "bench-big"

	listedKeys = 100
	bigKeys    = 4
	smallSize  = 4 << 10
	bigSize    = 100_000_000
)

func listedKey(n int) string { return fmt.Sprintf("run-2026/sample-%04d.nc", n%listedKeys) }
func bigKey(n int) string    { return fmt.Sprintf("field-%d.nc", n%bigKeys) }

// fill makes buckets and objects, and reads one back.
func (p *peer) fill(big []byte) error {
	for _, b := range []string{listBucket, putBucket, bigBucket} {
		if _, err := p.target.once("PUT", b, "", nil); err != nil {
			return err
		}
	}
	for n := range listedKeys {
		if _, err := p.target.once("PUT", listBucket+"/"+listedKey(n), "", big[:smallSize]); err != nil {
			return err
		}
	}
	for n := range bigKeys {
		if _, err := p.target.once("PUT", bigBucket+"/"+bigKey(n), "", big); err != nil {
			return err
		}
	}
	got, err := p.target.once("GET", bigBucket+"/"+bigKey(0), "", nil)
	if err != nil {
		return err
	}
	if string(got) != string(big) {
		return fmt.Errorf("%s returned another object than was put", p.name)
	}
	return nil
}

// writeFile writes a file that only we can read.
func writeFile(path, format string, args ...any) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o600)
}
