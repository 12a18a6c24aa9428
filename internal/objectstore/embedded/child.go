package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3api"
	"github.com/versity/versitygw/s3api/middlewares"
	"golang.org/x/sys/unix"
)

const (
	// drainTime is given to uploads in flight when we are to stop, and as much again by versitygw to
	// what it sends.
	drainTime = 10 * time.Second
	maxConns  = 4096  // more than a client opens; versitygw wants a number
	maxParts  = 10000 // of a multipart upload, as S3 has it
	// ballast is memory that is never touched and so costs none, but the collector counts it and
	// waits until as much again has been allocated. versitygw allocates much and keeps little: left
	// to itself it spends a quarter of its time collecting.
	ballast = 24 << 20
)

// Main is the child. It reads its setup from the standard input, writes a line to the standard
// output when it serves, and stops when its input ends. It returns the exit status.
func Main() int {
	// The parent decides when we stop, and lets us finish. What a terminal or a service manager
	// sends to all processes reaches it, too.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	stdout := os.Stdout
	os.Stdout = os.Stderr // versitygw prints to it
	if err := run(os.Stdin, stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func run(stdin io.Reader, stdout io.Writer) error {
	weight := make([]byte, ballast)
	defer runtime.KeepAlive(weight)
	var s setup
	in := json.NewDecoder(stdin)
	if err := in.Decode(&s); err != nil {
		return fmt.Errorf("read the setup: %w", err)
	}
	unix.Umask(0o077)
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil { // a core would hold the secret
		return fmt.Errorf("forbid core dumps: %w", err)
	}
	unlock, err := lock(objects(s.Dir))
	if err != nil {
		return err
	}
	defer unlock()
	store, err := openStore(s.Dir)
	if err != nil {
		return err
	}
	defer store.Shutdown()

	failed := make(chan error, 2)
	stop, err := listen(s, wholeStore{store}, failed)
	if err != nil {
		return err
	}
	defer stop()
	if _, err := fmt.Fprintln(stdout, "serving"); err != nil {
		return err
	}
	go func() {
		_, err := io.Copy(io.Discard, stdin)
		failed <- err
	}()
	return <-failed
}

// lock makes sure that no other engine works on the directory, such as one whose parent was
// killed and that is not dead yet.
func lock(dir string) (unlock func(), err error) {
	d, err := os.Open(dir) //nolint:gosec // our own directory
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(d.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = d.Close()
		return nil, fmt.Errorf("another object store engine works on %s: %w", dir, err)
	}
	return func() { _ = d.Close() }, nil
}

// listen serves on the socket and returns once it does. Later failures go to failed.
//
// versitygw opens addresses by itself and takes no listener of ours; but ours sends files by
// sendfile, which makes large objects four times as fast. A route is handed the application that
// runs everything, and that takes any listener: so versitygw opens a socket which nobody knows, and
// one request over it fetches the application.
func listen(s setup, store backend.Backend, failed chan<- error) (stop func(), err error) {
	root := middlewares.RootUserConfig{Access: s.Keys.AccessKeyID, Secret: s.Keys.SecretAccessKey.Reveal()}
	accounts := auth.NewIAMServiceSingle(auth.Account{Access: root.Access, Secret: root.Secret, Role: auth.RoleAdmin})
	apps, opened := make(chan *fiber.App, 1), make(chan struct{})
	const fetch = "/-/app" // no name of a bucket
	var working sync.RWMutex
	srv, err := s3api.New(store, root, region, accounts, nil, nil, nil, nil,
		s3api.WithQuiet(), s3api.WithKeepAlive(), s3api.WithConcurrencyLimiter(maxConns, maxConns), s3api.WithMpMaxParts(maxParts),
		s3api.WithOnListen(func() { close(opened) }),
		s3api.WithRoute(http.MethodGet, fetch, func(c fiber.Ctx) error {
			select {
			case apps <- c.App():
			default:
			}
			return nil
		}),
		s3api.WithMiddleware("/", func(c fiber.Ctx) error {
			working.RLock()
			defer working.RUnlock()
			return c.Next()
		}))
	if err != nil {
		return nil, err
	}
	private := s.Socket + "~"
	ended := make(chan error, 1)
	go func() { ended <- srv.ServeMultiPort([]string{private}) }()
	select {
	case <-opened:
	case err := <-ended:
		return nil, err
	}
	defer os.Remove(private)
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: private, Net: "unix"})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: engine\r\n\r\n", fetch); err != nil {
		return nil, err
	}
	app := <-apps
	ln, err := listenUnix(s.Socket)
	if err != nil {
		return nil, err
	}
	go func() { failed <- app.Server().Serve(ln) }()
	return func() {
		// Shutting down cancels what handlers do, so wait for them first.
		idle := make(chan struct{})
		go func() { working.Lock(); close(idle) }()
		select {
		case <-idle:
		case <-time.After(drainTime):
		}
		if err := srv.ShutDown(); err != nil && !errors.Is(err, net.ErrClosed) {
			fmt.Fprintln(os.Stderr, "requests were cut off:", err)
		}
	}, nil
}
