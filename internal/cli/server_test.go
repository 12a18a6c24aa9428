package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/broker"
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/httpapi"
	"github.com/lanyardhq/lanyard/internal/httpapi/call"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/issuer"
	"github.com/lanyardhq/lanyard/internal/kind/s3key"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/internal/objectstore"
	"github.com/lanyardhq/lanyard/internal/signing"
	"github.com/lanyardhq/lanyard/internal/store"
	"github.com/lanyardhq/lanyard/internal/store/seal"
	"github.com/lanyardhq/lanyard/material"
)

const password = material.Secret("correct horse battery")

// server is Lanyard's server inside the test: everything but gateway and portal is the real thing.
type server struct {
	t      testing.TB
	url    string
	socket string
	s3     *httptest.Server
	store  *store.Store
	broker *broker.Broker
	login  *login.Login
	people map[string]login.SignedIn
	// refuses makes the S3 service refuse every key.
	refuses atomic.Bool
}

// atOnce is a gateway that has applied every change already.
type atOnce struct{}

func (atOnce) Await(context.Context, int64) error { return nil }

// noStore is an object store that nobody asks.
type noStore struct{ objectstore.Backend }

func startServer(t testing.TB, dir string) *server {
	s := &server{t: t, people: map[string]login.SignedIn{}}
	log := slog.New(slog.DiscardHandler)
	var err error
	check := func() {
		if err != nil {
			t.Fatal(err)
		}
	}
	s.store, err = store.Open(t.Context(), store.Config{Path: filepath.Join(dir, "lanyard.db"), Keys: seal.NewKeys(), Now: time.Now})
	check()
	t.Cleanup(func() { s.store.Close() })
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check()
	s.url = "http://" + listener.Addr().String()
	s.s3 = httptest.NewServer(http.HandlerFunc(s.serveS3))
	t.Cleanup(s.s3.Close)
	s.broker = &broker.Broker{Kinds: map[string]credential.Kind{"s3key": s3key.Kind{}},
		Rules: map[string]credential.Lifetime{"s3key": {Default: 24 * time.Hour, Max: 168 * time.Hour}},
		Store: s.store, Backend: noStore{}, Gateways: atOnce{}, Now: time.Now, Log: log}
	hash, err := login.HashPassword(password)
	check()
	s.login, err = login.New(login.Config{URL: s.url, Store: s.store, Now: time.Now, Log: log, Local: login.Local{Users: []login.LocalUser{
		{Name: "anna", FullName: "Anna Virtanen", Email: "anna@example.org", Password: hash},
		{Name: "ben", FullName: "Ben Berg", Password: hash}}}})
	check()
	for _, name := range []string{"anna", "ben"} {
		s.people[name], err = s.login.Password(t.Context(), name, password, "/", login.Request{Address: "127.0.0.1"})
		check()
	}
	s.projects()
	keys := signing.New(signing.Config{Algorithms: []string{signing.ES256, signing.RS256}, Store: s.store, Now: time.Now, Log: log})
	err = keys.Rotate(t.Context())
	check()
	is, err := issuer.New(issuer.Config{URL: s.url, Login: s.login, Keys: keys, Now: time.Now, Log: log})
	check()
	mux := http.NewServeMux()
	is.Mount(mux)
	api := &httpapi.API{Broker: s.broker, Login: s.login, Targets: targets(), Endpoint: s.s3.URL, Region: "us-east-1", Now: time.Now, Log: log}
	mux.Handle(httpapi.Prefix+"/", api.Handler())
	web := &http.Server{Handler: s.deciding(mux)}
	go web.Serve(listener)
	t.Cleanup(func() { web.Close() })

	s.socket = filepath.Join(dir, "admin.sock")
	unix, err := net.Listen("unix", s.socket)
	check()
	operator := &http.Server{Handler: api.OperatorHandler(os.Getuid()), ConnContext: call.PeerContext}
	go operator.Serve(unix)
	t.Cleanup(func() { operator.Close() })
	return s
}

// projects makes two: anna manages the first, ben is in both.
func (s *server) projects() {
	text := func(v string) *string { return &v }
	quota := int64(150e12)
	for _, p := range []broker.ProjectOrder{{Name: text("462000008"), Title: text("Climate downscaling"), QuotaBytes: &quota}, {Name: text("sea-ice"), Title: text("Sea ice")}} {
		if _, err := s.broker.CreateProject(s.t.Context(), identity.System(), p, audit.Once{}); err != nil {
			s.t.Fatal(err)
		}
	}
	for _, m := range []struct {
		project, who string
		role         identity.Role
	}{{"462000008", "anna", identity.Manager}, {"462000008", "ben", identity.User}, {"sea-ice", "ben", identity.User}} {
		if _, err := s.broker.SetMember(s.t.Context(), identity.System(), m.project, s.people[m.who].Account.ID, m.role); err != nil {
			s.t.Fatal(err)
		}
	}
}

// deciding does what anna does on the approval page, as soon as a machine asks.
func (s *server) deciding(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/device_authorization" {
			next.ServeHTTP(w, r)
			return
		}
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		var got struct {
			UserCode string `json:"user_code"`
		}
		if json.Unmarshal(rec.Body.Bytes(), &got) == nil && got.UserCode != "" {
			if err := s.login.DecideDevice(r.Context(), s.actor("anna"), got.UserCode, true); err != nil {
				s.t.Errorf("decide: %v", err)
			}
		}
		for k, v := range rec.Header() {
			w.Header()[k] = v
		}
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
}

func (s *server) actor(name string) identity.Actor {
	by, err := s.login.BrowserActor(s.t.Context(), s.people[name].Cookie, login.Request{Address: "127.0.0.1"})
	if err != nil {
		s.t.Fatal(err)
	}
	return by
}

var accessKey = regexp.MustCompile(`Credential=(LYD\w{17})|AWS (LYD\w{17}):`)

// serveS3 stands in for the gateway: it lists two buckets to whoever names a key in force. That
// signatures are right is the gateway's own test; what counts here is which key was written.
func (s *server) serveS3(w http.ResponseWriter, r *http.Request) {
	m := accessKey.FindStringSubmatch(r.Header.Get("Authorization"))
	status, text := http.StatusForbidden, `<Error><Code>InvalidAccessKeyId</Code><Message>the key is not known here</Message></Error>`
	if m != nil {
		k, err := s.broker.Show(r.Context(), identity.System(), m[1]+m[2])
		if err == nil && k.Usable(time.Now()) && !s.refuses.Load() {
			status, text = http.StatusOK, `<ListAllMyBucketsResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>o</ID></Owner><Buckets>`+
				`<Bucket><Name>results</Name><CreationDate>2026-11-01T00:00:00.000Z</CreationDate></Bucket>`+
				`<Bucket><Name>scratch</Name><CreationDate>2026-11-01T00:00:00.000Z</CreationDate></Bucket></Buckets></ListAllMyBucketsResult>`
			_ = s.broker.RecordUses(r.Context(), []credential.Use{{CredentialID: k.ID, At: time.Now(), By: "rclone from lumi-login2"}})
		}
	}
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprint(w, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"+text)
}
