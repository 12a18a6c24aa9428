package progress_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/gateway/progress"
)

// read has a server with the clock read the body of a request that promises 10 bytes, and returns
// how that ended. talk sends what it likes.
func read(t *testing.T, now func() time.Time, talk func(net.Conn)) (text string, begun bool, err error) {
	t.Helper()
	done := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(done)
		original := r.Body
		watched, body := progress.Watch(w, r, now)
		if r.Body != original || watched.Body != body || body.Begun() {
			t.Error("the server's own request was changed, or its body read")
		}
		var b []byte
		b, err = io.ReadAll(watched.Body)
		text, begun = string(b), body.Begun()
	}))
	defer server.Close()
	conn, dialErr := net.Dial("tcp", server.Listener.Addr().String())
	if dialErr != nil {
		t.Fatal(dialErr)
	}
	defer conn.Close()
	fmt.Fprint(conn, "PUT / HTTP/1.1\r\nHost: s3\r\nContent-Length: 10\r\n\r\n")
	talk(conn)
	<-done
	return text, begun, err
}

func TestIn(t *testing.T) {
	long := func() time.Time { return time.Now().Add(-time.Hour) } // every deadline has passed
	if text, begun, err := read(t, time.Now, func(c net.Conn) { fmt.Fprint(c, "0123456789") }); text != "0123456789" || !begun || err != nil {
		t.Errorf("a whole body: %q, %v, %v", text, begun, err)
	}
	if _, _, err := read(t, time.Now, func(c net.Conn) { fmt.Fprint(c, "012"); c.Close() }); !errors.Is(err, progress.ErrCut) {
		t.Errorf("a body that is cut: %v", err)
	}
	if _, _, err := read(t, long, func(net.Conn) {}); !errors.Is(err, progress.ErrStalled) {
		t.Errorf("a body that stands still: %v", err)
	}
}

func TestOut(t *testing.T) {
	for _, c := range []struct {
		name string
		now  func() time.Time
		want int
	}{{"in time", time.Now, 20 << 20}, {"too late", func() time.Time { return time.Now().Add(-time.Hour) }, 0}} {
		failed := make(chan error, 1)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			out := progress.NewOut(w, c.now)
			_, err := out.Write([]byte("x"))
			if err == nil {
				_, err = out.ReadFrom(strings.NewReader(strings.Repeat("x", 20<<20-1)))
			}
			if err == nil {
				out.Lift()
			}
			failed <- err
		}))
		resp, err := http.Get(server.URL)
		n := int64(0)
		if err == nil {
			n, _ = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		server.Close()
		if err := <-failed; (err == nil) != (c.want > 0) || c.want > 0 && n != int64(c.want) {
			t.Errorf("%s: %d bytes, %v", c.name, n, err)
		}
	}
}
