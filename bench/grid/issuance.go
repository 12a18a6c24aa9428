package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lanyardhq/lanyard/bench/process"
)

// prototype is what a bare program without a database reached at 1, 4 and 16 clients on two cores.
var prototype = map[int]float64{1: 201, 4: 348, 16: 462}

const request = "GET /generate-ac?fqans=/" + vo + "&lifetime=43200 HTTP/1.1\r\nHost: localhost\r\nUser-Agent: bench\r\nConnection: close\r\n\r\n"

// issuance asks the server's authority, and a server that does no more than the handshake.
func (s *site) issuance(ctx context.Context, quick bool) (rows [][]string, err error) {
	within := 6 * time.Second
	if quick {
		within = 2 * time.Second
	}
	bare, err := s.startBare()
	if err != nil {
		return nil, err
	}
	defer bare.stop()
	signature, err := s.signature()
	if err != nil {
		return nil, err
	}
	for _, clients := range []int{1, 4, 16} {
		whole, err := s.load(ctx, s.aa, request, clients, within, s.cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		hand, err := s.load(ctx, bare.address, "", clients, within, bare.cmd.Process.Pid)
		if err != nil {
			return nil, err
		}
		rest := whole.cpu - hand.cpu - signature
		share := rest.Seconds() / (hand.cpu + signature).Seconds()
		rows = append(rows, []string{strconv.Itoa(clients), fmt.Sprintf("%.0f", whole.rate), fmt.Sprintf("%.0f", prototype[clients]),
			us(whole.cpu), us(hand.cpu), us(signature), us(rest),
			verdict("prototype's rate", whole.rate > prototype[clients]) + "; " + verdict(fmt.Sprintf("the rest ≤ 10 %% (%.0f %%)", share*100), share <= 0.1)})
	}
	return rows, nil
}

// A load is what came of one.
type load struct {
	rate float64       // answers per second
	cpu  time.Duration // of the server, per answer
}

// load has clients ask the address one after the other, each time on a new connection.
func (s *site) load(ctx context.Context, address, text string, clients int, within time.Duration, pid int) (load, error) {
	// What is measured is the server: nobody checks its certificate here.
	config := &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{s.member}}
	before, err := process.Process{Name: "the server", PID: pid}.CPU()
	if err != nil {
		return load{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var done atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for range clients {
		all.Go(func() {
			for time.Since(began) < within && ctx.Err() == nil {
				if err := ask(ctx, address, text, config); err != nil {
					cancel(err)
					return
				}
				done.Add(1)
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	if err := context.Cause(ctx); err != nil {
		return load{}, err
	}
	after, err := process.Process{Name: "the server", PID: pid}.CPU()
	n := done.Load()
	return load{rate: float64(n) / took.Seconds(), cpu: (after - before) / time.Duration(n)}, err
}

func ask(ctx context.Context, address, text string, config *tls.Config) error {
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	if err == nil && text != "" && !bytes.HasPrefix(answer, []byte("HTTP/1.1 200")) {
		err = fmt.Errorf("the authority answered %.300q", answer)
	}
	return err
}

// signature measures what signing with the authority's key costs.
func (s *site) signature() (time.Duration, error) {
	key, digest := s.host.PrivateKey.(crypto.Signer), sha256.Sum256([]byte(request))
	const rounds = 200
	before := ownCPU()
	for range rounds {
		if _, err := key.Sign(rand.Reader, digest[:], crypto.SHA256); err != nil {
			return 0, err
		}
	}
	return (ownCPU() - before) / rounds, nil
}

// ownCPU is the CPU time that this process has used.
func ownCPU() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // cannot fail for ourselves
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// bareCommand makes this program the server that does no more than the handshake.
const bareCommand = "handshakes"

// A bare is such a server, as a process of its own.
type bare struct {
	address string
	cmd     *exec.Cmd
}

func (s *site) startBare() (*bare, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b := &bare{cmd: exec.Command(program, bareCommand, filepath.Join(s.dir, "host.pem"), filepath.Join(s.dir, "host.key"))}
	b.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	b.address = strings.TrimSpace(line)
	return b, err
}

func (b *bare) stop() {
	_ = b.cmd.Process.Kill()
	_ = b.cmd.Wait()
}

// runBare serves handshakes until it is killed, and prints where.
func runBare(certFile, keyFile string) error {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return err
	}
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	config := &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAnyClientCert, SessionTicketsDisabled: true}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			c := tls.Server(conn, config)
			_ = c.Handshake() // what fails shows at the client
			_ = c.Close()
		}()
	}
}

func us(d time.Duration) string { return strconv.FormatInt(d.Microseconds(), 10) }
