package gateway_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsv4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/bucket"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/feed"
	"github.com/lanyardhq/lanyard/internal/gateway"
	"github.com/lanyardhq/lanyard/internal/gateway/keytable"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/kind/s3key"
	"github.com/lanyardhq/lanyard/internal/objectstore"
	"github.com/lanyardhq/lanyard/internal/objectstore/embedded"
	"github.com/lanyardhq/lanyard/internal/objectstore/s3"
	"github.com/lanyardhq/lanyard/internal/project"
)

// engine is the one object store of all tests here: the real one.
var engine *embedded.Engine

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == embedded.Command {
		os.Exit(embedded.Main())
	}
	os.Exit(withEngine(m.Run))
}

func withEngine(run func() int) int {
	dir, err := os.MkdirTemp("", "gw")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	program, err := os.Executable()
	if err != nil {
		panic(err)
	}
	if engine, err = embedded.New(embedded.Config{Dir: dir, Program: program, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}); err != nil {
		panic(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- engine.Run(ctx) }()
	defer func() {
		cancel()
		<-done
	}()
	<-engine.Ready()
	return run()
}

// world is a gateway in front of the engine, with a feed in memory.
type world struct {
	t       testing.TB
	feed    *source
	store   *s3.Client
	table   *keytable.Table
	gateway *gateway.Gateway
	server  *httptest.Server
	ahead   atomic.Int64 // nanoseconds that the gateway's clock is ahead
	broker  *fakeBroker
	logs    *lines
}

// lines collects what is logged.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (w *world) now() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }

func newWorld(t testing.TB, change ...func(*gateway.Config)) *world {
	t.Helper()
	w := &world{t: t, feed: &source{changed: make(chan struct{})}, logs: &lines{}}
	w.store = s3.New(engine.Upstream(), s3.Limits{}, time.Now)
	log := slog.New(slog.NewTextHandler(w.logs, &slog.HandlerOptions{Level: slog.LevelDebug}))
	w.table = keytable.New(w.feed, w.now, log)
	w.broker = &fakeBroker{world: w, unique: strings.ToLower(rand.Text()[:8])} // the tests share an engine
	c := gateway.Config{Table: w.table, Broker: w.broker, Upstream: w.store, Hosts: []string{"127.0.0.1", "s3.localhost"},
		Region: "us-east-1", SigV2: true, Now: w.now, Log: log}
	for _, f := range change {
		f(&c)
	}
	var err error
	if w.gateway, err = gateway.New(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.gateway.Run(ctx) }()
	w.server = httptest.NewServer(w.gateway)
	t.Cleanup(func() {
		w.server.Close()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		w.store.Close()
	})
	w.project(project.Project{ID: "prj_c", Name: "climate"})
	w.project(project.Project{ID: "prj_o", Name: "ocean"})
	return w
}

func (w *world) project(p project.Project) {
	w.t.Helper()
	w.settle(w.feed.add(feed.Entry{Topic: feed.Project, ID: p.ID, Project: &p}))
}

// set moves the gateway's clock ahead, and waits until the feed has been asked at that time.
func (w *world) set(ahead time.Duration) {
	w.t.Helper()
	w.ahead.Store(int64(ahead))
	w.settle(w.feed.add(feed.Entry{Topic: feed.Project, ID: "prj_none"}))
}

func (w *world) settle(seq int64) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := w.table.Await(ctx, seq); err != nil {
		w.t.Fatal(err)
	}
}

// key is a key pair as a client holds it.
type key struct{ id, secret, credential string }

// newKey makes a key in the project; spec is its rights, "" for all.
func (w *world) newKey(projectID, spec string, change ...func(*credential.Credential)) key {
	w.t.Helper()
	made, err := s3key.Kind{}.Make(w.t.Context(), credential.Order{Spec: []byte(spec)})
	if err != nil {
		w.t.Fatal(err)
	}
	h := feed.Held{Credential: credential.Credential{ID: "crd_" + made.PublicID, Kind: s3key.Name, ProjectID: projectID, OwnerID: "usr_1", OwnerName: "Maija",
		PublicID: made.PublicID, Spec: made.Spec, Status: credential.Active, ExpiresAt: w.now().Add(time.Hour).UTC().Truncate(time.Second)}, State: made.State}
	for _, f := range change {
		f(&h.Credential)
	}
	w.settle(w.feed.add(feed.Entry{Topic: feed.Credential, ID: h.ID, Credential: &h}))
	return key{made.PublicID, string(made.State), h.ID}
}

// amend changes a credential and waits until the gateway knows.
func (w *world) amend(k key, f func(*credential.Credential)) {
	w.t.Helper()
	w.settle(w.feed.amend(k.credential, f))
}

// source is a feed in memory.
type source struct {
	mu      sync.Mutex
	entries []feed.Entry
	changed chan struct{}
	err     error
}

func (s *source) Snapshot(context.Context) (feed.Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return feed.Snapshot{}, s.err
}

func (s *source) Changes(_ context.Context, after int64, limit int) ([]feed.Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.entries[min(int(after), len(s.entries)):]
	return slices.Clone(all[:min(limit, len(all))]), s.err
}

func (s *source) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *source) add(e feed.Entry) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.Seq = int64(len(s.entries)) + 1
	s.entries = append(s.entries, e)
	close(s.changed)
	s.changed = make(chan struct{})
	return e.Seq
}

func (s *source) amend(id string, f func(*credential.Credential)) int64 {
	s.mu.Lock()
	var held feed.Held
	for _, e := range s.entries {
		if e.ID == id {
			held = *e.Credential
		}
	}
	s.mu.Unlock()
	f(&held.Credential)
	return s.add(feed.Entry{Topic: feed.Credential, ID: id, Credential: &held})
}

func (s *source) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// fakeBroker makes buckets at the engine and tells the feed. The real one has a database, whose
// rules its own tests hold.
type fakeBroker struct {
	world  *world
	unique string

	mu       sync.Mutex
	buckets  map[string]bucket.Bucket
	bytes    int64 // what measuring finds
	measured int
	actors   []identity.Actor
	uses     []credential.Use
}

func (b *fakeBroker) CreateBucket(ctx context.Context, by identity.Actor, projectID, name string, public bool) (bucket.Bucket, error) {
	if err := bucket.CheckName(name); err != nil {
		return bucket.Bucket{}, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.actors = append(b.actors, by)
	if _, ok := b.buckets[projectID+"/"+name]; ok {
		return bucket.Bucket{}, fault.New(fault.Conflict, "there is one").WithCause(broker.ErrBucketExists)
	}
	up := b.unique + "." + b.world.table.Project(projectID).Name + "." + name
	if err := b.ask(ctx, http.MethodPut, up); err != nil {
		return bucket.Bucket{}, err
	}
	bk := bucket.Bucket{ID: "bkt_" + projectID + name, ProjectID: projectID, Name: name, Upstream: up, PublicRead: public, State: bucket.Active, CreatedAt: time.Unix(1e9, 0)}
	b.keep(bk)
	return bk, nil
}

func (b *fakeBroker) keep(bk bucket.Bucket) {
	if b.buckets == nil {
		b.buckets = map[string]bucket.Bucket{}
	}
	b.buckets[bk.ProjectID+"/"+bk.Name] = bk
	b.world.settle(b.world.feed.add(feed.Entry{Topic: feed.Bucket, ID: bk.ID, Bucket: &bk}))
}

func (b *fakeBroker) ask(ctx context.Context, method, upstream string) error {
	resp, err := b.world.store.Do(ctx, &s3.Request{Method: method, Bucket: upstream})
	if err != nil {
		return err
	}
	defer resp.Close()
	if resp.Status == http.StatusConflict {
		return fault.New(fault.Conflict, "bucket is not empty").WithCause(broker.ErrBucketNotEmpty)
	}
	if resp.Status >= 300 {
		return fmt.Errorf("%s %s: status %d", method, upstream, resp.Status)
	}
	return nil
}

func (b *fakeBroker) DeleteBucket(ctx context.Context, _ identity.Actor, projectID, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	bk := b.buckets[projectID+"/"+name]
	if err := b.ask(ctx, http.MethodDelete, bk.Upstream); err != nil {
		return err
	}
	delete(b.buckets, projectID+"/"+name)
	b.world.settle(b.world.feed.add(feed.Entry{Topic: feed.Bucket, ID: bk.ID}))
	return nil
}

func (b *fakeBroker) PublishBucket(_ context.Context, _ identity.Actor, projectID, name string, public bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	bk := b.buckets[projectID+"/"+name]
	bk.PublicRead = public
	b.keep(bk)
	return nil
}

func (b *fakeBroker) MeasureProject(context.Context, string) (objectstore.Usage, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.measured++
	return objectstore.Usage{Bytes: b.bytes}, nil
}

func (b *fakeBroker) RecordUses(_ context.Context, uses []credential.Use) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.uses = append(b.uses, uses...)
	return nil
}

// request is one request of a client.
type request struct {
	method, path, query string
	host                string // Host header; "" for the server's own
	body                string
	header              map[string]string
	key                 key       // zero for an anonymous request
	hash                string    // X-Amz-Content-Sha256; "" for that of the body
	at                  time.Time // signing time; zero for now
}

type answer struct {
	status int
	header http.Header
	body   string
	code   string // of an error
}

func (w *world) url(q request) string {
	u := w.server.URL + q.path
	if q.query != "" {
		u += "?" + q.query
	}
	return u
}

// build makes the signed request.
func (w *world) build(q request) *http.Request {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), q.method, w.url(q), strings.NewReader(q.body))
	if err != nil {
		w.t.Fatal(err)
	}
	if q.host != "" {
		r.Host = q.host
	}
	for name, value := range q.header {
		r.Header.Set(name, value)
	}
	if q.key.id == "" {
		return r
	}
	if q.hash == "" {
		sum := sha256.Sum256([]byte(q.body))
		q.hash = hex.EncodeToString(sum[:])
	}
	r.Header.Set("X-Amz-Content-Sha256", q.hash)
	if q.at.IsZero() {
		q.at = w.now()
	}
	if err := signer().SignHTTP(w.t.Context(), q.key.aws(), r, q.hash, "s3", "eu-north-1", q.at); err != nil {
		w.t.Fatal(err)
	}
	return r
}

func signer() *awsv4.Signer {
	return awsv4.NewSigner(func(o *awsv4.SignerOptions) { o.DisableURIPathEscaping = true })
}

func (k key) aws() aws.Credentials {
	return aws.Credentials{AccessKeyID: k.id, SecretAccessKey: k.secret}
}

// presign returns the URL of a presigned request.
func (w *world) presign(q request, life time.Duration) string {
	w.t.Helper()
	sep := ""
	if q.query != "" {
		sep = "&"
	}
	q.query += fmt.Sprintf("%sX-Amz-Expires=%d", sep, int(life.Seconds()))
	r, err := http.NewRequestWithContext(w.t.Context(), q.method, w.url(q), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	signed, _, err := signer().PresignHTTP(w.t.Context(), q.key.aws(), r, "UNSIGNED-PAYLOAD", "s3", "us-east-1", w.now())
	if err != nil {
		w.t.Fatal(err)
	}
	return signed
}

func (w *world) do(q request) answer {
	w.t.Helper()
	return w.send(w.build(q))
}

func (w *world) send(r *http.Request) answer {
	w.t.Helper()
	resp, err := noRedirects.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	a := answer{status: resp.StatusCode, header: resp.Header, body: string(body), code: resp.Header.Get("X-Amz-Error-Code")}
	if a.status >= 400 && r.Method != http.MethodHead {
		var doc struct{ Code, Message, Resource, RequestID string }
		if err := xml.Unmarshal(bytes.ReplaceAll(body, []byte("RequestId>"), []byte("RequestID>")), &doc); err != nil || doc.Message == "" || doc.Code != a.code || doc.RequestID == "" {
			w.t.Errorf("%s %s: the error is no proper one: %s", r.Method, r.URL, body)
		}
	}
	if resp.Header.Get("X-Amz-Request-Id") == "" {
		w.t.Errorf("%s %s: no request id", r.Method, r.URL)
	}
	return a
}

var noRedirects = &http.Client{Transport: &http.Transport{DisableCompression: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// want does q and checks status and code.
func (w *world) want(q request, status int, code string) answer {
	w.t.Helper()
	a := w.do(q)
	if a.status != status || a.code != code {
		w.t.Errorf("%s %s %s?%s: %d %s, want %d %s\n%s", q.method, q.host, q.path, q.query, a.status, a.code, status, code, a.body)
	}
	return a
}

// bucket makes a bucket.
func (w *world) bucket(k key, name string, acl ...string) {
	w.t.Helper()
	h := map[string]string{}
	if len(acl) > 0 {
		h["X-Amz-Acl"] = acl[0]
	}
	w.want(request{method: "PUT", path: "/" + name, key: k, header: h}, 200, "")
}

// put stores an object.
func (w *world) put(k key, path, body string, header ...string) {
	w.t.Helper()
	h := map[string]string{}
	for i := 0; i+1 < len(header); i += 2 {
		h[header[i]] = header[i+1]
	}
	w.want(request{method: "PUT", path: path, key: k, body: body, header: h}, 200, "")
}

// contents lists all that the store has in a bucket of the project, asking it directly.
func (w *world) contents(projectID, name string) string {
	w.t.Helper()
	resp, err := w.store.Do(w.t.Context(), &s3.Request{Method: "GET", Bucket: w.table.Bucket(projectID, name).Upstream, Query: url.Values{"list-type": {"2"}}})
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Close()
	var list struct{ Contents []struct{ Key string } }
	if err := xml.NewDecoder(resp).Decode(&list); err != nil {
		w.t.Fatal(err)
	}
	var keys []string
	for _, o := range list.Contents {
		keys = append(keys, o.Key)
	}
	return strings.Join(keys, " ")
}

func entryGone(id string) feed.Entry { return feed.Entry{Topic: feed.Credential, ID: id} }

// v2 signs a text by version 2.
func v2(k key, text string) string {
	mac := hmac.New(sha1.New, []byte(k.secret))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
