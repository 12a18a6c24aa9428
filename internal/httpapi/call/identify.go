package call

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
	"github.com/lanyardhq/lanyard/material"
)

// An Identifier tells who makes a call.
type Identifier func(*Call) (identity.Actor, error)

// Bearer identifies people and robots by the token in the Authorization header (RFC 6750 §2.1),
// and by nothing else. Actor finds whose a token is; each may come so many times a minute, 0 for as
// often as it likes.
func Bearer(perMinute int, now func() time.Time, actor func(*Call, material.Secret) (identity.Actor, error)) Identifier {
	l := newLimiter(perMinute)
	return func(c *Call) (identity.Actor, error) {
		scheme, token, _ := strings.Cut(c.Header.Get("Authorization"), " ")
		if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") || token == "" {
			return identity.Actor{}, fault.New(fault.Unauthenticated, "you are not signed in").
				WithHint("send the header Authorization: Bearer TOKEN; lanyard login gets one")
		}
		// The limiter remembers a hash, not the token, and comes before the database is asked.
		if wait := l.take(sha256.Sum256([]byte(token)), now()); wait > 0 {
			f := fault.New(fault.Limited, "more than %d requests a minute with one token", perMinute)
			f.RetryAfter = max(wait, time.Second)
			return identity.Actor{}, f
		}
		return actor(c, material.Secret(token))
	}
}

// Program is the User-Agent, shortened to what a person wants to read in an audit record.
func (c *Call) Program() string {
	agent := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, c.UserAgent())
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

// Operator identifies whoever the kernel says is root or the user uid.
func Operator(uid int) Identifier {
	return func(c *Call) (identity.Actor, error) {
		peer, ok := c.Context().Value(peerKey{}).(unix.Ucred)
		if !ok || peer.Uid != 0 && int64(peer.Uid) != int64(uid) {
			return identity.Actor{}, fault.New(fault.Denied, "the administration socket is for root and the server's own user")
		}
		return identity.Actor{Name: fmt.Sprintf("operator (uid %d)", peer.Uid), Operator: true, RequestID: c.ID,
			Address: fmt.Sprintf("socket, pid %d", peer.Pid), Client: c.Program()}, nil
	}
}
