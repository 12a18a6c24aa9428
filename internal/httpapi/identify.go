package httpapi

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/material"
)

// An identifier tells who makes a call.
type identifier func(*call) (identity.Actor, error)

// bearer identifies people and robots by the token in the Authorization header (RFC 6750 §2.1),
// and by nothing else.
func (a *API) bearer(l *limiter) identifier {
	return func(c *call) (identity.Actor, error) {
		scheme, token, _ := strings.Cut(c.Header.Get("Authorization"), " ")
		if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") || token == "" {
			return identity.Actor{}, fault.New(fault.Unauthenticated, "you are not signed in").
				WithHint("send the header Authorization: Bearer TOKEN; lanyard login gets one")
		}
		// The limiter remembers a hash, not the token, and comes before the database is asked.
		if wait := l.take(sha256.Sum256([]byte(token)), a.Now()); wait > 0 {
			f := fault.New(fault.Limited, "more than %d requests a minute with one token", a.PerMinute)
			f.RetryAfter = max(wait, time.Second)
			return identity.Actor{}, f
		}
		return a.Login.Actor(c.Context(), material.Secret(token), login.Request{ID: c.id, Address: address(c.RemoteAddr), Client: program(c.UserAgent())})
	}
}

func address(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		return remote
	}
	return host
}

// program shortens a User-Agent to what a person wants to read in an audit record.
func program(agent string) string {
	agent = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, agent)
	const longest = 80
	if runes := []rune(agent); len(runes) > longest {
		return string(runes[:longest-1]) + "…"
	}
	return agent
}

type peerKey struct{}

// PeerContext notes who is at the other end of a UNIX socket (SO_PEERCRED, unix(7)). It is an
// http.Server's ConnContext.
func PeerContext(ctx context.Context, conn net.Conn) context.Context {
	u, ok := conn.(*net.UnixConn)
	if !ok {
		return ctx
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return ctx
	}
	var peer *unix.Ucred
	var peerErr error
	err = raw.Control(func(fd uintptr) { peer, peerErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err != nil || peerErr != nil {
		return ctx // nobody is known to be there, so nobody gets in
	}
	return context.WithValue(ctx, peerKey{}, *peer)
}

// operator identifies whoever the kernel says is root or the user uid.
func operator(uid int) identifier {
	return func(c *call) (identity.Actor, error) {
		peer, ok := c.Context().Value(peerKey{}).(unix.Ucred)
		if !ok || peer.Uid != 0 && int64(peer.Uid) != int64(uid) {
			return identity.Actor{}, fault.New(fault.Denied, "the administration socket is for root and the server's own user")
		}
		return identity.Actor{Name: fmt.Sprintf("operator (uid %d)", peer.Uid), Operator: true, RequestID: c.id,
			Address: fmt.Sprintf("socket, pid %d", peer.Pid), Client: program(c.UserAgent())}, nil
	}
}
