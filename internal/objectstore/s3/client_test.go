package s3_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/objectstore/s3"
)

func TestRequestOnTheWire(t *testing.T) {
	seen := make(chan *http.Request, 1)
	body := make(chan string, 1)
	s := play(t, func(_ int, c *bufio.ReadWriter, _ net.Conn) {
		r, b, err := request(c)
		if err != nil {
			t.Error(err)
			return
		}
		seen <- r
		body <- string(b)
		say(c, answer(""))
	})
	resp, err := s.client(s3.Limits{}).Do(t.Context(), &s3.Request{
		Method: "PUT", Bucket: "b", Key: "päth/with space+plus%41//end?",
		Query:  url.Values{"partNumber": {"1"}, "uploadId": {"a b+c/="}},
		Header: []s3.Field{{Name: "Content-Type", Value: "text/plain"}, {Name: "x-amz-meta-b", Value: "2"}, {Name: "X-Amz-Acl", Value: "private"}},
		Body:   strings.NewReader("hello"), ContentLength: 5,
	})
	if err != nil {
		t.Fatal(err)
	}
	resp.Close()
	r := <-seen
	if want := "/b/p%C3%A4th/with%20space%2Bplus%2541//end%3F?partNumber=1&uploadId=a%20b%2Bc%2F%3D"; r.RequestURI != want {
		t.Errorf("request target\n got %s\nwant %s", r.RequestURI, want)
	}
	if got := <-body; got != "hello" {
		t.Errorf("body %q", got)
	}
	if r.Host != "localhost" || r.ContentLength != 5 {
		t.Errorf("host %q, length %d", r.Host, r.ContentLength)
	}
	auth := r.Header.Get("Authorization")
	if !strings.Contains(auth, "Credential=root/") || !strings.Contains(auth, "SignedHeaders=host;x-amz-acl;x-amz-content-sha256;x-amz-date;x-amz-meta-b,") {
		t.Errorf("authorization %q", auth)
	}
	if strings.Contains(auth, "the secret") {
		t.Error("the secret is on the wire")
	}
	r.Header.Del("Authorization")
	r.Header.Del("X-Amz-Date")
	want := http.Header{"Content-Length": {"5"}, "Content-Type": {"text/plain"}, "X-Amz-Acl": {"private"}, "X-Amz-Meta-B": {"2"}, "X-Amz-Content-Sha256": {"UNSIGNED-PAYLOAD"}}
	if d := cmp.Diff(want, r.Header); d != "" {
		t.Error(d)
	}
}

func TestHeaderCannotBreakOut(t *testing.T) {
	s := play(t, func(int, *bufio.ReadWriter, net.Conn) { t.Error("something was sent") })
	for _, f := range []s3.Field{{Name: "A", Value: "b\r\nX: y"}, {Name: "A\r\nB", Value: "c"}, {Name: "A", Value: "b\x00"}} {
		_, err := s.client(s3.Limits{}).Do(t.Context(), &s3.Request{Method: "GET", Bucket: "b", Header: []s3.Field{f}})
		if fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%q: %v", f, err)
		}
	}
}

// The answers of this table are sent on each of two connections in a row; the number of
// connections that two requests need tells whether the first was kept.
func TestAnswers(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	for _, tt := range []struct {
		name, method, answer string
		status               int
		body                 string
		length               int64
		bodyErr              error
		unavailable          bool
		kept                 bool
	}{
		{name: "length", answer: ok + "Content-Length: 5\r\n\r\nhello", status: 200, body: "hello", length: 5, kept: true},
		{name: "empty", answer: ok + "Content-Length: 0\r\n\r\n", status: 200, kept: true},
		{name: "chunked", answer: ok + "Transfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n", status: 200, body: "hello", length: -1, kept: true},
		{name: "chunked with trailer", answer: ok + "Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\nX-A: b\r\nX-C: d\r\n\r\n", status: 200, body: "hello", length: -1, kept: true},
		{name: "until the end", answer: ok + "\r\nhello", status: 200, body: "hello", length: -1},
		{name: "close", answer: ok + "Connection: close\r\nContent-Length: 5\r\n\r\nhello", status: 200, body: "hello", length: 5},
		{name: "version 1.0", answer: "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", status: 200, body: "hello", length: 5},
		{name: "head", method: "HEAD", answer: ok + "Content-Length: 5\r\n\r\n", status: 200, length: 5, kept: true},
		{name: "head chunked", method: "HEAD", answer: ok + "Transfer-Encoding: chunked\r\n\r\n", status: 200, length: -1, kept: true},
		{name: "no content", answer: "HTTP/1.1 204 No Content\r\n\r\n", status: 204, kept: true},
		{name: "not modified", answer: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", status: 304, kept: true},
		{name: "interim", answer: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + answer("hello"), status: 200, body: "hello", length: 5, kept: true},
		{name: "no reason", answer: "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", status: 404, kept: true},
		{name: "more than was asked", answer: answer("hello") + "HTTP/1.1 200", status: 200, body: "hello", length: 5},
		{name: "truncated", answer: ok + "Content-Length: 50\r\n\r\nhello", status: 200, body: "hello", length: 50, bodyErr: io.ErrUnexpectedEOF},
		{name: "truncated chunk", answer: ok + "Transfer-Encoding: chunked\r\n\r\n50\r\nhello", status: 200, body: "hello", length: -1, bodyErr: io.ErrUnexpectedEOF},
		{name: "truncated trailer", answer: ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", status: 200, body: "hello", length: -1, bodyErr: io.ErrUnexpectedEOF},

		{name: "nothing", unavailable: true},
		{name: "half a head", answer: ok + "Content-Le", unavailable: true},
		{name: "another protocol", answer: "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n\r\n", unavailable: true},
		{name: "HTTP/2", answer: "HTTP/2.0 200 OK\r\n\r\n", unavailable: true},
		{name: "status", answer: "HTTP/1.1 2x0 OK\r\n\r\n", unavailable: true},
		{name: "field without colon", answer: ok + "Content\r\n\r\n", unavailable: true},
		{name: "blank in a name", answer: ok + "Content-Length : 5\r\n\r\nhello", unavailable: true},
		{name: "continued line", answer: ok + "A: b\r\n c\r\nContent-Length: 0\r\n\r\n", unavailable: true},
		{name: "control character", answer: ok + "A: b\x00c\r\nContent-Length: 0\r\n\r\n", unavailable: true},
		{name: "negative length", answer: ok + "Content-Length: -5\r\n\r\n", unavailable: true},
		{name: "two lengths", answer: ok + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", unavailable: true},
		{name: "length and chunks", answer: ok + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", unavailable: true},
		{name: "unknown coding", answer: ok + "Transfer-Encoding: gzip\r\n\r\n", unavailable: true},
		{name: "huge head", answer: ok + "A: " + strings.Repeat("a", 64<<10) + "\r\n\r\n", unavailable: true},
		{name: "endless interim", answer: strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 100), unavailable: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := play(t, func(_ int, c *bufio.ReadWriter, _ net.Conn) {
				for range 2 {
					if _, _, err := request(c); err != nil {
						return
					}
					say(c, tt.answer)
					if !tt.kept {
						return
					}
				}
			})
			if tt.method == "" {
				tt.method = "GET"
			}
			client := s.client(s3.Limits{})
			for range 2 {
				resp, err := client.Do(t.Context(), &s3.Request{Method: tt.method, Bucket: "b", Key: "k"})
				if tt.unavailable {
					if f, ok := errors.AsType[*fault.Fault](err); !ok || f.Code != fault.Unavailable || f.Cause == nil || f.RetryAfter == 0 {
						t.Fatalf("answered as %v", err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				b, err := io.ReadAll(resp)
				if resp.Status != tt.status || string(b) != tt.body || resp.ContentLength != tt.length || !errors.Is(err, tt.bodyErr) {
					t.Errorf("status %d, length %d, body %q, error %v", resp.Status, resp.ContentLength, b, err)
				}
				for _, name := range []string{"Connection", "Transfer-Encoding", "Keep-Alive"} {
					if resp.Header.Get(name) != "" {
						t.Errorf("%s is passed on", name)
					}
				}
				if err := resp.Close(); err != nil {
					t.Error(err)
				}
			}
			want := int32(2)
			if tt.kept {
				want = 1
			}
			if got := s.conns.Load(); got != want {
				t.Errorf("two requests took %d connections, want %d", got, want)
			}
		})
	}
}

func TestUnreadBodyCostsTheConnection(t *testing.T) {
	s := play(t, func(_ int, c *bufio.ReadWriter, _ net.Conn) {
		for {
			if _, _, err := request(c); err != nil {
				return
			}
			say(c, answer("hello"))
		}
	})
	client := s.client(s3.Limits{})
	resp, err := client.Do(t.Context(), &s3.Request{Method: "GET", Bucket: "b"})
	if err != nil {
		t.Fatal(err)
	}
	resp.Close()
	resp.Close() // twice does no harm
	if _, body, err := get(t, client, "k"); body != "hello" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
	if n := s.conns.Load(); n != 2 {
		t.Errorf("%d connections", n)
	}
}

func TestKeptConnectionThatWasClosed(t *testing.T) {
	for _, tt := range []struct {
		name string
		req  func() *s3.Request
	}{
		{"get", func() *s3.Request { return &s3.Request{Method: "GET", Bucket: "b"} }},
		{"small put", func() *s3.Request {
			return &s3.Request{Method: "PUT", Bucket: "b", Body: strings.NewReader("x"), ContentLength: 1}
		}},
		{"large put", func() *s3.Request {
			return &s3.Request{Method: "PUT", Bucket: "b", Body: zeros(1 << 20), ContentLength: 1 << 20}
		}},
		{"post", func() *s3.Request { return &s3.Request{Method: "POST", Bucket: "b"} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			closed := make(chan struct{})
			s := play(t, func(_ int, c *bufio.ReadWriter, raw net.Conn) {
				if _, _, err := request(c); err == nil {
					say(c, answer("hello"))
				}
				raw.Close()
				closed <- struct{}{}
			})
			client := s.client(s3.Limits{})
			for i := range 5 {
				resp, err := client.Do(t.Context(), tt.req())
				if err != nil {
					t.Fatalf("request %d: %v", i, err)
				}
				if b, err := io.ReadAll(resp); string(b) != "hello" || err != nil {
					t.Fatalf("request %d: %q, %v", i, b, err)
				}
				<-closed
				resp.Close()
			}
		})
	}
}

// A request that the upstream may have carried out is sent again only if that does no harm, and
// only once.
func TestRepeatsAreFew(t *testing.T) {
	for method, want := range map[string]int32{"GET": 2, "POST": 1} {
		t.Run(method, func(t *testing.T) {
			read := make(chan string, 10)
			s := play(t, func(_ int, c *bufio.ReadWriter, _ net.Conn) {
				if r, _, err := request(c); err == nil {
					read <- r.Method
					if r.Method == "HEAD" {
						say(c, answer(""))
						_, _, _ = request(c)
						read <- "second"
					}
				} // and closes
			})
			client := s.client(s3.Limits{})
			resp, err := client.Do(t.Context(), &s3.Request{Method: "HEAD", Bucket: "b"})
			if err != nil {
				t.Fatal(err)
			}
			resp.Close()
			if _, err := client.Do(t.Context(), &s3.Request{Method: method, Bucket: "b"}); fault.CodeOf(err) != fault.Unavailable {
				t.Fatal(err)
			}
			if got := s.conns.Load(); got != want {
				t.Errorf("%d connections, want %d", got, want)
			}
		})
	}
}

func TestEarlyAnswers(t *testing.T) {
	const size = 64 << 20
	refusal := "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"
	for _, tt := range []struct {
		name  string
		serve func(c *bufio.ReadWriter, raw net.Conn, done <-chan struct{})
	}{
		{"and never reads on", func(c *bufio.ReadWriter, _ net.Conn, done <-chan struct{}) { say(c, refusal); <-done }},
		{"and closes", func(c *bufio.ReadWriter, _ net.Conn, _ <-chan struct{}) { say(c, refusal) }},
		{"after some of it", func(c *bufio.ReadWriter, _ net.Conn, done <-chan struct{}) {
			_, _ = io.CopyN(io.Discard, c, size/2)
			say(c, refusal)
			<-done
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			done := make(chan struct{})
			defer close(done)
			s := play(t, func(_ int, c *bufio.ReadWriter, raw net.Conn) {
				if _, err := http.ReadRequest(c.Reader); err == nil {
					tt.serve(c, raw, done)
				}
			})
			resp, err := s.client(s3.Limits{}).Do(t.Context(), &s3.Request{Method: "PUT", Bucket: "b", Key: "k", Body: zeros(size), ContentLength: size})
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Close()
			if b, err := io.ReadAll(resp); resp.Status != 403 || string(b) != "no" || err != nil {
				t.Errorf("%d %q %v", resp.Status, b, err)
			}
		})
	}
}

// What the upstream gets when the body fails must not look complete.
func TestBodiesThatFail(t *testing.T) {
	broken := errors.New("digest mismatch")
	for _, size := range []int64{10, 1 << 20} {
		for _, tt := range []struct {
			name string
			body io.Reader
			want error
		}{
			{"too short", zeros(size - 1), io.ErrUnexpectedEOF},
			{"too long", zeros(size + 1), nil},
			{"fails", io.MultiReader(zeros(size/2), iotest.ErrReader(broken)), broken},
			{"fails at its end", io.MultiReader(zeros(size), iotest.ErrReader(broken)), broken},
		} {
			t.Run(tt.name, func(t *testing.T) {
				complete := make(chan bool, 1)
				s := play(t, func(_ int, c *bufio.ReadWriter, _ net.Conn) {
					_, b, err := request(c)
					complete <- err == nil && int64(len(b)) == size
				})
				client := s.client(s3.Limits{})
				_, err := client.Do(t.Context(), &s3.Request{Method: "PUT", Bucket: "b", Key: "k", Body: tt.body, ContentLength: size})
				if err == nil || tt.want != nil && !errors.Is(err, tt.want) || fault.CodeOf(err) == fault.Unavailable {
					t.Fatalf("error %v", err)
				}
				if s.conns.Load() > 0 && <-complete {
					t.Error("the upstream got a complete request")
				}
			})
		}
	}
}

func TestImpatience(t *testing.T) {
	const soon = 30 * time.Millisecond
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	silent := func(c *bufio.ReadWriter, text string) {
		if _, err := http.ReadRequest(c.Reader); err == nil {
			say(c, text)
			<-done
		}
	}
	large := &s3.Request{Method: "PUT", Bucket: "b", Key: "k", Body: zeros(64 << 20), ContentLength: 64 << 20}
	for _, tt := range []struct {
		name   string
		limits s3.Limits
		req    *s3.Request
		says   string
	}{
		{"no answer", s3.Limits{Answer: soon}, &s3.Request{Method: "GET", Bucket: "b"}, ""},
		{"half an answer", s3.Limits{Answer: soon}, &s3.Request{Method: "GET", Bucket: "b"}, "HTTP/1.1 200 OK\r\n"},
		{"no answer to a copy", s3.Limits{Long: soon}, &s3.Request{Method: "PUT", Bucket: "b", Header: []s3.Field{{Name: "X-Amz-Copy-Source", Value: "/a/b"}}}, ""},
		{"body not taken", s3.Limits{Idle: soon}, large, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := play(t, func(_ int, c *bufio.ReadWriter, _ net.Conn) { silent(c, tt.says) })
			_, err := s.client(tt.limits).Do(t.Context(), tt.req)
			if fault.CodeOf(err) != fault.Unavailable || !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error(err)
			}
		})
	}
	t.Run("body stops", func(t *testing.T) {
		s := play(t, func(_ int, c *bufio.ReadWriter, _ net.Conn) {
			silent(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
		})
		if _, body, err := get(t, s.client(s3.Limits{Idle: soon}), "k"); body != "hello" || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%q, %v", body, err)
		}
	})
	t.Run("all busy", func(t *testing.T) {
		s := play(t, func(_ int, c *bufio.ReadWriter, _ net.Conn) { silent(c, answer("")) })
		client := s.client(s3.Limits{Conns: 1, Wait: soon})
		resp, err := client.Do(t.Context(), &s3.Request{Method: "GET", Bucket: "b"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Do(t.Context(), &s3.Request{Method: "GET", Bucket: "b"}); fault.CodeOf(err) != fault.Unavailable {
			t.Error(err)
		}
		resp.Close()
	})
	t.Run("nobody there", func(t *testing.T) {
		client := s3.New(to("unix", t.TempDir()+"/none"), s3.Limits{}, time.Now)
		if _, _, err := get(t, client, "k"); fault.CodeOf(err) != fault.Unavailable {
			t.Error(err)
		}
	})
}

func TestCancelling(t *testing.T) {
	done := make(chan struct{})
	t.Cleanup(func() { close(done) })
	stuck := func(text string) *script {
		return play(t, func(_ int, c *bufio.ReadWriter, _ net.Conn) {
			if _, err := http.ReadRequest(c.Reader); err == nil {
				say(c, text)
				<-done
			}
		})
	}
	t.Run("before the answer", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		_, err := stuck("").client(s3.Limits{}).Do(ctx, &s3.Request{Method: "GET", Bucket: "b"})
		if !errors.Is(err, context.Canceled) || fault.CodeOf(err) == fault.Unavailable {
			t.Error(err)
		}
	})
	t.Run("while a body is sent", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		_, err := stuck("").client(s3.Limits{}).Do(ctx, &s3.Request{Method: "PUT", Bucket: "b", Body: zeros(64 << 20), ContentLength: 64 << 20})
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	t.Run("in the body", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		resp, err := stuck("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello").client(s3.Limits{}).Do(ctx, &s3.Request{Method: "GET", Bucket: "b"})
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Close()
		b := make([]byte, 5)
		if _, err := io.ReadFull(resp, b); string(b) != "hello" || err != nil {
			t.Errorf("%q, %v", b, err)
		}
		time.AfterFunc(20*time.Millisecond, cancel)
		if b, err := io.ReadAll(resp); len(b) > 0 || err == nil {
			t.Errorf("%q, %v", b, err)
		}
	})
	t.Run("while all are busy", func(t *testing.T) {
		client := stuck(answer("")).client(s3.Limits{Conns: 1})
		resp, err := client.Do(t.Context(), &s3.Request{Method: "GET", Bucket: "b"})
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Close()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancel)
		if _, err := client.Do(ctx, &s3.Request{Method: "GET", Bucket: "b"}); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
}

func TestCloseEndsKeptConnections(t *testing.T) {
	ended := make(chan struct{}, 1)
	s := play(t, func(_ int, c *bufio.ReadWriter, _ net.Conn) {
		for {
			if _, _, err := request(c); err != nil {
				ended <- struct{}{}
				return
			}
			say(c, answer("hello"))
		}
	})
	client := s.client(s3.Limits{})
	if _, _, err := get(t, client, "k"); err != nil {
		t.Fatal(err)
	}
	client.Close()
	<-ended
}
