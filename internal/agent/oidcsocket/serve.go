package oidcsocket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxMessage is how long a message may be, in bytes.
	maxMessage = 64 << 10
	// patience is how long a client may take to say what it wants, and to take the answer.
	patience = 5 * time.Second
	// working is how long an answer may take.
	working = 30 * time.Second
	// atOnce is how many connections are answered at once; more wait.
	atOnce = 32
)

// StatusRequest is the one request that oidc-agent does not know: for our own commands.
const StatusRequest = "lanyard_status"

// A Server answers clients.
type Server struct {
	Source Source
	// Version is what clients are told that this agent is.
	Version string
	// UID is the only user that is answered.
	UID int
	Now func() time.Time
	// Status is the info of the answer to StatusRequest; nil if there is none.
	Status func() any
}

// Serve answers who connects to l, until ctx ends; then it closes l and all connections.
func (s *Server) Serve(ctx context.Context, l *net.UnixListener) error {
	defer context.AfterFunc(ctx, func() { l.Close() })()
	var clients sync.WaitGroup
	defer clients.Wait()
	slots := make(chan struct{}, atOnce)
	for {
		slots <- struct{}{}
		c, err := l.AcceptUnix()
		if ctx.Err() != nil {
			if err == nil {
				c.Close()
			}
			return nil
		}
		if err != nil {
			l.Close()
			return err
		}
		clients.Go(func() {
			defer func() { <-slots }()
			defer c.Close()
			defer context.AfterFunc(ctx, func() { c.Close() })()
			if owner(c) == s.UID {
				s.converse(ctx, c)
			}
		})
	}
}

// owner is the user at the other end; -1 if that is not known.
func owner(c *net.UnixConn) int {
	raw, err := c.SyscallConn()
	if err != nil {
		return -1
	}
	uid := -1
	err = raw.Control(func(fd uintptr) {
		if peer, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED); err == nil {
			uid = int(peer.Uid)
		}
	})
	if err != nil {
		return -1
	}
	return uid
}

// converse answers one request. Each message is one write, because readers take what is there for
// the whole of it.
func (s *Server) converse(ctx context.Context, c net.Conn) {
	begin := s.read(ctx, c, wholeBegin)
	if len(begin) == 0 {
		return
	}
	if begin[0] == '{' {
		s.write(c, encode(s.work(ctx, begin)))
		return
	}
	key, ours, err := agree(begin)
	if err != nil {
		s.write(c, encode(failure(err)))
		return
	}
	defer clear(key[:])
	if !s.write(c, ours) {
		return
	}
	text, err := open(s.read(ctx, c, wholeSealed), key)
	if err != nil {
		s.write(c, encode(failure(err)))
		return
	}
	defer clear(text)
	plain := encode(s.work(ctx, text))
	defer clear(plain)
	if sealed, err := seal(plain, key); err == nil {
		s.write(c, sealed)
	}
}

func (s *Server) work(ctx context.Context, text []byte) reply {
	ctx, cancel := context.WithTimeout(ctx, working)
	defer cancel()
	return s.answer(ctx, text)
}

func (s *Server) write(c net.Conn, message []byte) bool {
	if c.SetDeadline(s.Now().Add(patience)) != nil {
		return false
	}
	_, err := c.Write(message)
	return err == nil
}

// read reads until whole says that a message is there, at most maxMessage bytes; it returns what it
// got if the client stops before.
func (s *Server) read(ctx context.Context, c net.Conn, whole func([]byte) bool) []byte {
	if c.SetDeadline(s.Now().Add(patience)) != nil {
		return nil
	}
	var message []byte
	chunk := make([]byte, 4<<10)
	defer clear(chunk)
	for ctx.Err() == nil && len(message) <= maxMessage {
		n, err := c.Read(chunk)
		message = append(message, chunk[:n]...)
		if err != nil || whole(message) {
			break
		}
	}
	return message
}

// wholeBegin reports whether the first message is all there: a public key, or a JSON object.
func wholeBegin(m []byte) bool {
	if len(m) > 0 && m[0] == '{' {
		return bytes.HasSuffix(bytes.TrimSpace(m), []byte("}")) && json.Valid(m)
	}
	return len(m) >= keyText
}

// wholeSealed reports whether an encrypted message is all there, or can never be.
func wholeSealed(m []byte) bool {
	n, err := sealedLength(m)
	return err != nil || n > 0 && len(m) >= n
}

// Ask sends a request of one word to the agent at path, and returns the info of its answer.
func Ask(ctx context.Context, path, request string) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := new(net.Dialer).DialContext(ctx, "unix", path)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	text, err := json.Marshal(Request{Request: request})
	if err != nil {
		return nil, err
	}
	if _, err := c.Write(text); err != nil {
		return nil, err
	}
	if text, err = io.ReadAll(io.LimitReader(c, 1<<20)); err != nil {
		return nil, err
	}
	var got struct {
		Status, Error string
		Info          json.RawMessage
	}
	if err := json.Unmarshal(text, &got); err != nil {
		return nil, err
	}
	if got.Status != "success" {
		return nil, errors.New(got.Error)
	}
	return got.Info, nil
}
