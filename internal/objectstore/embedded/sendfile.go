package embedded

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// listenUnix listens on a socket in the file system, in place of one that a dead process left.
func listenUnix(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	return fileListener{ln}, nil
}

type fileListener struct{ *net.UnixListener }

func (l fileListener) Accept() (net.Conn, error) {
	c, err := l.AcceptUnix()
	if err != nil {
		return nil, err
	}
	return fileConn{c}, nil
}

// fileConn is a connection that sends files by sendfile(2). Package net does that for TCP only.
type fileConn struct{ *net.UnixConn }

// sendUnit is how much one system call is asked to send.
const sendUnit = 4 << 20

// ReadFrom implements io.ReaderFrom.
func (c fileConn) ReadFrom(r io.Reader) (sent int64, err error) {
	f, ok := r.(*os.File)
	if !ok {
		return io.Copy(struct{ io.Writer }{c.UnixConn}, r)
	}
	to, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	from, err := f.SyscallConn()
	if err != nil {
		return 0, err
	}
	for {
		var n int
		var sendErr error
		err := to.Write(func(toFD uintptr) bool {
			if err := from.Control(func(fromFD uintptr) {
				n, sendErr = unix.Sendfile(int(toFD), int(fromFD), nil, sendUnit)
			}); err != nil {
				sendErr = err
			}
			return !errors.Is(sendErr, unix.EAGAIN)
		})
		sent += int64(max(n, 0))
		switch {
		case err != nil:
			return sent, err
		case errors.Is(sendErr, unix.EINTR):
		case sendErr != nil:
			return sent, os.NewSyscallError("sendfile", sendErr)
		case n == 0:
			return sent, nil
		}
	}
}
