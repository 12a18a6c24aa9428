package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/lanyardhq/lanyard/internal/config"
)

// tlsConfig returns nil for plain HTTP. A renewed certificate is taken up without a restart: the
// files are looked at again at most once a minute, when somebody connects.
func tlsConfig(files config.TLS) (*tls.Config, error) {
	if files.Cert == "" {
		return nil, nil
	}
	c := &certificate{cert: files.Cert, key: string(files.Key)}
	if _, err := c.get(nil); err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}, nil
}

type certificate struct {
	cert, key string

	mu       sync.Mutex
	loaded   *tls.Certificate
	modified time.Time
	checked  time.Time
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if c.loaded != nil && now.Sub(c.checked) < time.Minute {
		return c.loaded, nil
	}
	c.checked = now
	info, err := os.Stat(c.cert)
	if err == nil && info.ModTime().Equal(c.modified) {
		return c.loaded, nil
	}
	if err == nil {
		var pair tls.Certificate
		if pair, err = tls.LoadX509KeyPair(c.cert, c.key); err == nil {
			c.loaded, c.modified = &pair, info.ModTime()
		}
	}
	if c.loaded != nil {
		return c.loaded, nil // half replaced: keep serving with what we have
	}
	return nil, fmt.Errorf("load certificate %s: %w", c.cert, err)
}

// newTLSListener wraps l as http.Server.ServeTLS would, so that all listeners are served alike. The
// gateway speaks HTTP/1.1 only: S3 clients do, and bodies pass through the kernel.
func newTLSListener(l net.Listener, srv *http.Server) net.Listener {
	srv.TLSConfig.NextProtos = []string{"http/1.1"}
	return tls.NewListener(l, srv.TLSConfig)
}
