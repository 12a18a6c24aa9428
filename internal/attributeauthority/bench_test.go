package attributeauthority_test

import (
	"context"
	"crypto"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/attributeauthority"
	"github.com/lanyardhq/lanyard/internal/vo"
	"github.com/lanyardhq/lanyard/voms"
	"github.com/lanyardhq/lanyard/voms/protocol"
)

// BenchmarkIssue measures whole issuances over new TLS connections, as clients make them, against
// an authority that signs and has no database. Client and server share the machine, so next to the
// rate it reports CPU time, of both sides together:
//
//	cpu-ms/op        of an issuance
//	handshake-ms/op  of a connection of the same kind on which nothing is asked
//	signature-ms/op  of making the attribute certificate
//	rest-%           what the server adds to the last two, of their sum
func BenchmarkIssue(b *testing.B) {
	own, user := pair(b, "voms"), pair(b, "ada")
	make1 := func() ([]byte, error) {
		now := time.Now()
		return voms.Create(voms.Template{VO: "lanyard", Host: "voms.lanyard.test", Port: 15000, FQANs: []string{"/lanyard/physics/Role=pilot", "/lanyard", "/lanyard/physics"},
			NotBefore: now, NotAfter: now.Add(12 * time.Hour)}, user.Leaf, own.Leaf, own.PrivateKey.(crypto.Signer))
	}
	w := newWorld(b, nil, func(c *attributeauthority.Config) {
		c.Authority, c.Log = signer(make1), slog.New(slog.DiscardHandler)
	})
	nothing := handshakes(b, own)
	signature := perOp(b, 500, 1, func() error { _, err := make1(); return err })
	for _, width := range []int{1, 4, 16} {
		b.Run(fmt.Sprintf("concurrency=%d", width), func(b *testing.B) {
			var line bytesOf
			if err := protocol.WriteRequest(&line, protocol.REST, w.server, protocol.Request{FQANs: []string{"/lanyard/physics/Role=pilot"}, Lifetime: 12 * time.Hour}, ""); err != nil {
				b.Fatal(err)
			}
			handshake := perOp(b, 400, width, func() error { return exchange(nothing, user, []byte("x"), 1) })
			began := cpu(b)
			b.ResetTimer()
			each(b, b.N, width, func() error { return exchange(w.server.Address(), user, line, 1000) })
			b.StopTimer()
			whole := (cpu(b) - began) / time.Duration(b.N)
			ms := func(d time.Duration) float64 { return float64(d) / 1e6 }
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "AC/s")
			b.ReportMetric(ms(whole), "cpu-ms/op")
			b.ReportMetric(ms(handshake), "handshake-ms/op")
			b.ReportMetric(ms(signature), "signature-ms/op")
			b.ReportMetric(100*float64(whole-handshake-signature)/float64(handshake+signature), "rest-%")
		})
	}
}

type bytesOf []byte

func (b *bytesOf) Write(p []byte) (int, error) { *b = append(*b, p...); return len(p), nil }

// signer is an authority that knows one answer.
type signer func() ([]byte, error)

func (s signer) Attributes(context.Context, string, vo.Holder, protocol.Request) (protocol.Answer, error) {
	ac, err := s()
	return protocol.Answer{AC: ac}, err
}

// handshakes is a server with the TLS configuration of the real one, which reads a byte, writes one
// and hangs up.
func handshakes(b *testing.B, own tls.Certificate) string {
	b.Helper()
	listener, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				conn := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAnyClientCert, SessionTicketsDisabled: true})
				defer conn.Close()
				if _, err := io.ReadFull(conn, make([]byte, 1)); err == nil {
					_, _ = conn.Write([]byte("x"))
				}
			})
		}
	})
	b.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	return listener.Addr().String()
}

// exchange connects, sends and reads to the end, which must bring at least so many bytes. It does
// not verify the server: the benchmark is of the server.
func exchange(address string, user tls.Certificate, send []byte, least int) error {
	conn, err := tls.Dial("tcp", address, &tls.Config{Certificates: []tls.Certificate{user}, InsecureSkipVerify: true})
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write(send); err != nil {
		return err
	}
	got, err := io.ReadAll(conn)
	if err != nil || len(got) < least {
		return fmt.Errorf("%d bytes came: %w", len(got), err)
	}
	return nil
}

// each runs f n times, so many at once.
func each(b *testing.B, n, width int, f func() error) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	var running sync.WaitGroup
	for range width {
		running.Go(func() {
			for left.Add(-1) >= 0 {
				if err := f(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	running.Wait()
}

// perOp returns the CPU time of one f.
func perOp(b *testing.B, n, width int, f func() error) time.Duration {
	b.Helper()
	began := cpu(b)
	each(b, n, width, f)
	return (cpu(b) - began) / time.Duration(n)
}

// cpu is the time that this process has had, in user and system mode.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
