package sigv4_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/sigv4"
)

// gateway verifies whatever comes and answers just enough for boto3. It counts by form of body.
type gateway struct {
	t        *testing.T
	verifier sigv4.Verifier
	mu       sync.Mutex
	forms    map[string]int
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 && r.Header.Get("Expect") != "" {
		// net/http sends no 100 if there is no body; botocore 1.29 then misreads the answer to its
		// next upload on this connection.
		w.WriteHeader(http.StatusContinue)
	}
	sig, err := sigv4.Parse(r)
	if err == nil {
		err = g.verifier.Verify(sig, exampleSecret, time.Now())
	}
	var body *sigv4.Body
	if err == nil {
		body, err = sigv4.NewBody(r, sig)
	}
	var data []byte
	if err == nil {
		data, err = io.ReadAll(body)
	}
	if err != nil {
		g.t.Errorf("%s %s: %s", r.Method, r.RequestURI, explain(err))
		http.Error(w, err.Error(), http.StatusForbidden)
		return
	}
	form := r.Header.Get("X-Amz-Content-Sha256")
	switch {
	case sig.Form == sigv4.Query:
		form = "presigned"
	case len(form) == 64:
		form = "hex"
	case form == unsignedTrailer:
		name, _ := body.Checksum()
		form = name
	}
	g.mu.Lock()
	g.forms[form]++
	g.mu.Unlock()
	if int64(len(data)) != body.Len() {
		g.t.Errorf("%s: read %d bytes, Len says %d", form, len(data), body.Len())
	}
	w.Header().Set("ETag", `"etag"`)
	switch {
	case r.URL.Query().Has("list-type"):
		io.WriteString(w, "<ListBucketResult/>")
	case r.URL.Query().Has("delete"):
		io.WriteString(w, "<DeleteResult/>")
	case r.Method == http.MethodGet:
		io.WriteString(w, "some")
	}
}

// TestBoto3OverTheWire lets an unmodified boto3 speak to net/http's server.
func TestBoto3OverTheWire(t *testing.T) {
	var keys []string
	for _, key := range hostileKeys {
		// boto3 refuses what is not text, and it and Python's HTTP client normalise dot segments
		// after signing.
		if !strings.Contains(key, "\xff") && !strings.Contains("/"+key+"/", "/./") && !strings.Contains("/"+key+"/", "/../") {
			keys = append(keys, key)
		}
	}
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			g := &gateway{t: t, forms: map[string]int{}}
			server := httptest.NewUnstartedServer(g)
			if scheme == "https" {
				server.StartTLS()
			} else {
				server.Start()
			}
			defer server.Close()
			order, err := json.Marshal(map[string]any{"key": exampleKey, "secret": exampleSecret, "keys": keys})
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), "/usr/bin/python3", "testdata/boto3_client.py", server.URL)
			cmd.Stdin = bytes.NewReader(order)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("boto3 (Debian: python3-boto3, python3-awscrt): %v\n%s", err, out)
			}
			want := []string{"hex", "presigned"}
			if scheme == "https" {
				want = append(want, "x-amz-checksum-crc32", "x-amz-checksum-crc32c", "x-amz-checksum-sha1", "x-amz-checksum-sha256")
			}
			for _, form := range want {
				if g.forms[form] == 0 {
					t.Errorf("boto3 sent no %s: %v", form, g.forms)
				}
			}
			t.Logf("verified %v", g.forms)
		})
	}
}
