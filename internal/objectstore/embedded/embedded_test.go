package embedded_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/objectstore/embedded"
	"github.com/lanyardhq/lanyard/internal/objectstore/s3"
)

func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 2 && os.Args[1] == embedded.Command:
		os.Exit(embedded.Main())
	case len(os.Args) == 3 && os.Args[1] == "parent":
		os.Exit(parent(os.Args[2]))
	}
	os.Exit(m.Run())
}

// parent is a server that runs an engine on dir and logs to its standard output.
func parent(dir string) int {
	program, err := os.Executable()
	if err != nil {
		return 1
	}
	e, err := embedded.New(embedded.Config{Dir: dir, Program: program, Log: slog.New(slog.NewJSONHandler(os.Stdout, nil))})
	if err != nil || e.Run(context.Background()) != nil {
		return 1
	}
	return 0
}

// A running engine.
type running struct {
	*embedded.Engine
	t      *testing.T
	client *s3.Client
	stop   context.CancelFunc
	serves <-chan int // the process of each child that has come up
	done   chan struct{}
	err    error // of Run, once done is closed
	said   *bytes.Buffer
}

// tempDir is like t.TempDir, but its path is short enough for a socket.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "engine-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func prepare(t *testing.T, dir, program string) *running {
	t.Helper()
	out, in := io.Pipe()
	r := &running{t: t, said: new(bytes.Buffer), done: make(chan struct{})}
	var err error
	if r.Engine, err = embedded.New(embedded.Config{Dir: dir, Program: program, Log: slog.New(slog.NewJSONHandler(in, nil))}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	go func() {
		r.err = r.Run(ctx)
		in.Close()
		close(r.done)
	}()
	r.serves = watch(out, r.said)
	r.client = s3.New(r.Upstream(), s3.Limits{}, time.Now)
	t.Cleanup(func() { cancel(); r.client.Close(); <-r.done })
	return r
}

// watch reads a log up to its end and tells which children have come up.
func watch(log io.Reader, said io.Writer) <-chan int {
	serves := make(chan int, 100)
	go func() {
		lines := bufio.NewScanner(log)
		for lines.Scan() {
			fmt.Fprintln(said, lines.Text())
			var line struct {
				Msg string
				Pid int
			}
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Pid != 0 {
				serves <- line.Pid
			}
		}
		close(serves)
	}()
	return serves
}

func start(t *testing.T, dir string) (*running, int) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := prepare(t, dir, program)
	<-r.Ready()
	return r, <-r.serves
}

// ask sends a request, expects status and returns header and body.
func (r *running) ask(req *s3.Request, status int) (http.Header, string) {
	r.t.Helper()
	resp, err := r.client.Do(r.t.Context(), req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Close()
	b, err := io.ReadAll(resp)
	if err != nil || resp.Status != status {
		r.t.Fatalf("%s %s/%s: status %d, want %d: %s %v", req.Method, req.Bucket, req.Key, resp.Status, status, b, err)
	}
	return resp.Header, string(b)
}

func (r *running) put(bucket, key, content string, header ...s3.Field) {
	r.t.Helper()
	r.ask(&s3.Request{Method: "PUT", Bucket: bucket, Key: key, Header: header, Body: strings.NewReader(content), ContentLength: int64(len(content))}, 200)
}

func TestWhatIsOnDisk(t *testing.T) {
	dir := filepath.Join(tempDir(t), "store")
	r, _ := start(t, dir)
	r.ask(&s3.Request{Method: "PUT", Bucket: "proj.data"}, 200)
	r.put("proj.data", "dir/hello", "world", s3.Field{Name: "X-Amz-Meta-Colour", Value: "blue"})
	if b, err := os.ReadFile(dir + "/objects/proj.data/dir/hello"); string(b) != "world" || err != nil {
		t.Errorf("the object's file has %q, %v", b, err)
	}
	if h, _ := r.ask(&s3.Request{Method: "HEAD", Bucket: "proj.data", Key: "dir/hello"}, 200); h.Get("X-Amz-Meta-Colour") != "blue" {
		t.Errorf("metadata %v", h)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s is open to others: %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func TestWhatOthersSee(t *testing.T) {
	r, pid := start(t, tempDir(t))
	r.ask(&s3.Request{Method: "PUT", Bucket: "data"}, 200)
	r.put("data", "o", "content")

	u := r.Upstream()
	for _, file := range []string{"cmdline", "environ"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, file))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte(u.Keys.AccessKeyID)) || bytes.Contains(b, []byte(u.Keys.SecretAccessKey.Reveal())) {
			t.Errorf("keys in %s: %q", file, b)
		}
		if file == "environ" && len(b) > 0 {
			t.Errorf("the child has our environment: %q", b)
		}
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil || !strings.Contains(string(limits), "Max core file size        0                    0 ") {
		t.Errorf("the child may dump its core: %v\n%s", err, limits)
	}

	dial := func(context.Context, string, string) (net.Conn, error) { return net.Dial("unix", u.Address) }
	anonymous := http.Client{Transport: &http.Transport{DialContext: dial}}
	defer anonymous.CloseIdleConnections()
	for _, path := range []string{"/", "/data", "/data/o"} {
		resp, err := anonymous.Get("http://engine" + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusForbidden {
			t.Errorf("GET %s without a signature: %s", path, resp.Status)
		}
	}
	u.Keys.SecretAccessKey += "x"
	resp, err := s3.New(u, s3.Limits{}, time.Now).Do(t.Context(), &s3.Request{Method: "GET", Bucket: "data", Key: "o"})
	if err != nil || resp.Status != http.StatusForbidden {
		t.Errorf("another secret: %+v, %v", resp, err)
	}
}

func TestKilledEngineComesBack(t *testing.T) {
	r, pid := start(t, tempDir(t))
	before := r.Upstream()
	r.ask(&s3.Request{Method: "PUT", Bucket: "data"}, 200)
	for i := range 3 {
		r.put("data", "o", fmt.Sprint("content ", i))
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		next := <-r.serves
		if next == pid {
			t.Fatal("the same process")
		}
		pid = next
		if got := r.Upstream(); got != before {
			t.Error("address or keys have changed")
		}
		// The client's connections died with the old process.
		if _, got := r.ask(&s3.Request{Method: "GET", Bucket: "data", Key: "o"}, 200); got != fmt.Sprint("content ", i) {
			t.Errorf("after restart %d: %q", i, got)
		}
	}
}

// While the engine is down, requests fail at once and say that a retry helps.
func TestDownIsUnavailable(t *testing.T) {
	r, _ := start(t, tempDir(t))
	r.ask(&s3.Request{Method: "PUT", Bucket: "data"}, 200)
	r.stop()
	<-r.done
	if r.err != nil {
		t.Error(r.err)
	}
	if _, err := r.client.Do(t.Context(), &s3.Request{Method: "HEAD", Bucket: "data"}); fault.CodeOf(err) != fault.Unavailable {
		t.Error(err)
	}
}

func TestEngineDiesWithItsParent(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command(program, "parent", tempDir(t))
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	pid := <-watch(out, io.Discard)
	engine, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait()
	patience := time.After(3 * time.Minute)
	for tick := time.Tick(5 * time.Millisecond); engine.Signal(syscall.Signal(0)) == nil; {
		if stat, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat"); bytes.Contains(stat, []byte(") Z ")) {
			return // dead, and nobody has fetched its status
		}
		select {
		case <-tick:
		case <-patience:
			t.Fatal("the engine outlives its server")
		}
	}
}

func TestStoppingFinishesRequests(t *testing.T) {
	r, _ := start(t, tempDir(t))
	r.ask(&s3.Request{Method: "PUT", Bucket: "data"}, 200)
	body, sender := io.Pipe()
	const half = 1 << 20
	go func() {
		_, _ = sender.Write(make([]byte, half))
		r.stop()
		_, _ = sender.Write(make([]byte, half))
		sender.Close()
	}()
	r.ask(&s3.Request{Method: "PUT", Bucket: "data", Key: "o", Body: body, ContentLength: 2 * half}, 200)
	if info, err := os.Stat(filepath.Join(filepath.Dir(r.Upstream().Address), "objects/data/o")); err != nil || info.Size() != 2*half {
		t.Errorf("%v, %v", info, err)
	}
}

// An upload that breaks off leaves what was there before.
func TestCutOffUploadIsNotKept(t *testing.T) {
	r, _ := start(t, tempDir(t))
	r.ask(&s3.Request{Method: "PUT", Bucket: "data"}, 200)
	r.put("data", "o", "before")
	_, begun := r.ask(&s3.Request{Method: "POST", Bucket: "data", Key: "parts", Query: url.Values{"uploads": {""}}}, 200)
	id := regexp.MustCompile("<UploadId>(.*)</UploadId>").FindStringSubmatch(begun)[1]
	const size = 1 << 20
	for _, sent := range []int64{size / 2, size} { // of the second, all but the last buffer leaves
		for key, query := range map[string]url.Values{"o": nil, "parts": {"partNumber": {"1"}, "uploadId": {id}}} {
			broken := errors.New("wrong digest")
			body := io.MultiReader(strings.NewReader(strings.Repeat("x", int(sent))), iotest.ErrReader(broken))
			_, err := r.client.Do(t.Context(), &s3.Request{Method: "PUT", Bucket: "data", Key: key, Query: query, Body: body, ContentLength: size})
			if !errors.Is(err, broken) {
				t.Errorf("%s: %v", key, err)
			}
		}
	}
	// The engine may still be at it; when it stops, it has finished.
	r.stop()
	<-r.done
	objects := filepath.Join(filepath.Dir(r.Upstream().Address), "objects/data")
	if b, err := os.ReadFile(objects + "/o"); string(b) != "before" {
		t.Errorf("the object has %d bytes now: %v", len(b), err)
	}
	if parts, _ := filepath.Glob(objects + "/.sgwtmp/multipart/*/" + id + "/1"); len(parts) > 0 {
		t.Error("half a part was kept")
	}
}

func TestStartThatFails(t *testing.T) {
	t.Run("not the program", func(t *testing.T) {
		r := prepare(t, tempDir(t), "/bin/false")
		r.wantEnd("exit status 1")
	})
	t.Run("no program", func(t *testing.T) {
		r := prepare(t, tempDir(t), "/none")
		r.wantEnd("no such file")
	})
	t.Run("two on one directory", func(t *testing.T) {
		dir := tempDir(t)
		first, _ := start(t, dir)
		program, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		second := prepare(t, dir, program)
		second.wantEnd("exit status 1")
		if !strings.Contains(second.said.String(), "another object store engine works on") {
			t.Errorf("it said %s", second.said)
		}
		first.ask(&s3.Request{Method: "PUT", Bucket: "data"}, 200) // undisturbed
	})
	t.Run("long path", func(t *testing.T) {
		_, err := embedded.New(embedded.Config{Dir: filepath.Join(t.TempDir(), strings.Repeat("x", 100)), Program: "/bin/false", Log: slog.Default()})
		if fault.CodeOf(err) != fault.Invalid {
			t.Error(err)
		}
	})
}

// wantEnd waits for Run to fail with text.
func (r *running) wantEnd(text string) {
	r.t.Helper()
	for range r.serves {
		r.t.Error("it serves")
	}
	<-r.done
	if r.err == nil || !strings.Contains(r.err.Error(), text) {
		r.t.Errorf("Run ended with %v", r.err)
	}
}

// Where the file system has no extended attributes, metadata stand in files of their own; what was
// chosen once is kept.
func TestMetadataBesideObjects(t *testing.T) {
	dir := tempDir(t)
	if err := os.Mkdir(filepath.Join(dir, "metadata"), 0o700); err != nil {
		t.Fatal(err)
	}
	r, pid := start(t, dir)
	r.ask(&s3.Request{Method: "PUT", Bucket: "data"}, 200)
	r.put("data", "o", "content", s3.Field{Name: "X-Amz-Meta-Colour", Value: "blue"})
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-r.serves
	if h, body := r.ask(&s3.Request{Method: "GET", Bucket: "data", Key: "o"}, 200); h.Get("X-Amz-Meta-Colour") != "blue" || body != "content" {
		t.Errorf("%q with %v", body, h)
	}
	if files, err := filepath.Glob(dir + "/metadata/data/o/*"); len(files) == 0 {
		t.Errorf("no metadata files: %v", err)
	}
}

// The memory of an idle engine, which counts on small machines.
func TestIdleMemory(t *testing.T) {
	_, pid := start(t, tempDir(t))
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(b))[1])
	if err != nil {
		t.Fatal(err)
	}
	if mib := pages * os.Getpagesize() >> 20; mib > 40 {
		t.Errorf("an idle engine takes %d MiB", mib)
	}
}
