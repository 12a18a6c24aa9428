package s3_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/objectstore"
	"github.com/lanyardhq/lanyard/internal/objectstore/s3"
	"github.com/lanyardhq/lanyard/sigv4"
)

// BenchmarkUpstream compares what a request to the engine takes through this client and through
// net/http's, with 16 at a time. The engine's own part is in both.
func BenchmarkUpstream(b *testing.B) {
	u := engine(b)
	ways := map[string]func(method, key string, body []byte) error{"client": viaClient(u), "nethttp": viaNetHTTP(u)}
	if err := ways["client"](http.MethodPut, "", nil); err != nil {
		b.Fatal(err)
	}
	for _, op := range []struct {
		name, method string
		size         int
	}{{"head", "HEAD", 4 << 10}, {"get4K", "GET", 4 << 10}, {"put4K", "PUT", 4 << 10}, {"get8M", "GET", 8 << 20}, {"put8M", "PUT", 8 << 20}} {
		body := make([]byte, op.size)
		if err := ways["client"](http.MethodPut, op.name, body); err != nil {
			b.Fatal(err)
		}
		if op.method != http.MethodPut {
			body = nil
		}
		for name, do := range ways {
			b.Run(op.name+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(op.size))
				b.SetParallelism(8)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if err := do(op.method, op.name, body); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}

func viaClient(u objectstore.Upstream) func(method, key string, body []byte) error {
	c := s3.New(u, s3.Limits{}, time.Now)
	return func(method, key string, body []byte) error {
		resp, err := c.Do(context.Background(), &s3.Request{Method: method, Bucket: "bench", Key: key, Body: bytes.NewReader(body), ContentLength: int64(len(body))})
		if err != nil {
			return err
		}
		defer resp.Close()
		_, err = resp.WriteTo(io.Discard)
		return err
	}
}

func viaNetHTTP(u objectstore.Upstream) func(method, key string, body []byte) error {
	signer := sigv4.NewSigner(u.Keys.AccessKeyID, u.Keys.SecretAccessKey.Reveal(), u.Region)
	transport := &http.Transport{MaxIdleConnsPerHost: 100, DisableCompression: true,
		DialContext: func(context.Context, string, string) (net.Conn, error) { return net.Dial(u.Network, u.Address) }}
	return func(method, key string, body []byte) error {
		req, err := http.NewRequest(method, "http://"+u.Host+"/bench/"+key, bytes.NewReader(body))
		if err != nil {
			return err
		}
		if err := signer.Sign(req, sigv4.UnsignedPayload, time.Now()); err != nil {
			return err
		}
		resp, err := transport.RoundTrip(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
}
