package s3_test

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/objectstore"
	"github.com/lanyardhq/lanyard/internal/objectstore/s3"
)

// front passes requests on, as the gateway does.
func front(c *s3.Client) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		bucket, key, _ := strings.Cut(r.URL.Path[1:], "/")
		req := &s3.Request{Method: r.Method, Bucket: bucket, Key: key, Body: r.Body, ContentLength: r.ContentLength}
		if v := r.Header.Get("Range"); v != "" {
			req.Header = append(req.Header, s3.Field{Name: "Range", Value: v})
		}
		resp, err := c.Do(r.Context(), req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		defer resp.Close()
		maps.Copy(w.Header(), resp.Header)
		w.WriteHeader(resp.Status)
		if _, err := io.Copy(w, resp); err != nil {
			panic(http.ErrAbortHandler)
		}
	})
}

// objects keeps what is put. It is a server of net/http, to see that we understand each other.
type objects map[string][]byte

func (o objects) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPut {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		o[r.URL.Path] = b
		return
	}
	b := o[r.URL.Path]
	w.Header().Set("Content-Type", "application/x-test")
	if !strings.HasSuffix(r.URL.Path, "chunked") {
		w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	}
	_, _ = w.Write(b)
}

// TestPassing sends bodies of all sizes there and back, over all kinds of connections.
func TestPassing(t *testing.T) {
	random := rand.NewChaCha8([32]byte{})
	for _, tt := range []struct {
		name           string
		network        string
		upTLS, downTLS bool
	}{{"unix", "unix", false, false}, {"tcp", "tcp", false, false}, {"to TLS", "unix", false, true}, {"from TLS", "tcp", true, false}} {
		t.Run(tt.name, func(t *testing.T) {
			client := s3.New(netHTTP(t, tt.network, tt.upTLS), s3.Limits{}, time.Now)
			srv := httptest.NewUnstartedServer(front(client))
			if tt.downTLS {
				srv.StartTLS()
			} else {
				srv.Start()
			}
			defer srv.Close()
			for _, size := range []int{0, 1, 4096, 16 << 10, 16<<10 + 1, 100_000, 256 << 10, 8<<20 + 7} {
				for _, name := range []string{"o", "o-chunked"} {
					content := make([]byte, size)
					_, _ = random.Read(content)
					url := srv.URL + "/b/" + name
					req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, url, bytes.NewReader(content))
					if err != nil {
						t.Fatal(err)
					}
					resp, err := srv.Client().Do(req)
					if err != nil {
						t.Fatal(err)
					}
					resp.Body.Close()
					if resp.StatusCode != http.StatusOK {
						t.Fatalf("put %d bytes: %s", size, resp.Status)
					}
					resp, err = srv.Client().Get(url)
					if err != nil {
						t.Fatal(err)
					}
					got, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					if err != nil || sha256.Sum256(got) != sha256.Sum256(content) {
						t.Errorf("%s of %d bytes came back with %d, %v", name, size, len(got), err)
					}
				}
			}
		})
	}
}

// netHTTP is an upstream served by net/http.
func netHTTP(t *testing.T, network string, secure bool) objectstore.Upstream {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = t.TempDir() + "/s"
	}
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	u := to(network, ln.Addr().String())
	u.TLS = secure
	if secure {
		ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{certificate}})
	}
	srv := &http.Server{Handler: objects{}, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { srv.Close() })
	return u
}

func TestWrongCertificate(t *testing.T) {
	u := netHTTP(t, "tcp", true)
	u.Host = "example.org"
	if _, _, err := get(t, s3.New(u, s3.Limits{}, time.Now), "k"); err == nil {
		t.Error("a certificate for another name was taken")
	}
}

// The client of a gateway must learn that a body broke off, also where the kernel passed it on.
func TestTruncatedBodyIsNotHidden(t *testing.T) {
	for _, size := range []int{100, 3 << 20} {
		s := play(t, func(_ int, c *bufio.ReadWriter, _ net.Conn) {
			if _, _, err := request(c); err == nil {
				say(c, fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", size))
				_, _ = c.Write(make([]byte, size-1))
				_ = c.Flush()
			}
		})
		srv := httptest.NewServer(front(s.client(s3.Limits{})))
		resp, err := http.Get(srv.URL + "/b/k")
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		if err == nil {
			t.Errorf("%d bytes that break off look complete", size)
		}
		srv.Close()
	}
}

// FuzzAnswer compares what we understand of an upstream's answer with what net/http does.
func FuzzAnswer(f *testing.F) {
	for _, s := range []string{
		answer("hello"), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\nhello",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 x\r\netag: \"a\"\r\nETag: b\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", "\r\n\r\n", "HTTP/1.1 200\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	in := make(chan []byte)
	s := play(f, func(_ int, c *bufio.ReadWriter, _ net.Conn) {
		if _, _, err := request(c); err == nil {
			say(c, string(<-in))
		}
	})
	f.Fuzz(func(t *testing.T, data []byte) {
		client := s.client(s3.Limits{Answer: 10 * time.Second, Idle: 10 * time.Second})
		defer client.Close()
		go func() { in <- data }()
		resp, body, err := get(t, client, "k")
		if resp == nil {
			return // we may refuse more than others
		}
		br := bufio.NewReader(bytes.NewReader(data))
		theirs, theirErr := http.ReadResponse(br, nil)
		for theirErr == nil && theirs.StatusCode < 200 {
			theirs, theirErr = http.ReadResponse(br, nil)
		}
		if theirErr != nil {
			t.Fatalf("net/http refuses it: %v", theirErr)
		}
		theirBody, theirErr := io.ReadAll(theirs.Body)
		if resp.Status != theirs.StatusCode || err == nil && (theirErr != nil || body != string(theirBody)) {
			t.Fatalf("we read %d %q %v, net/http %d %q %v", resp.Status, body, err, theirs.StatusCode, theirBody, theirErr)
		}
		for name, values := range theirs.Header {
			if name != "Connection" && name != "Keep-Alive" && !slices.Equal(resp.Header[name], values) {
				t.Errorf("%s: we read %q, net/http %q", name, resp.Header[name], values)
			}
		}
	})
}
