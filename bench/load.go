package main

import (
	"bufio"
	"bytes"
	crand "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/lanyardhq/lanyard/sigv4"
)

// loadCommand makes this program the load generator: a process of its own, so that its work is not
// counted and its garbage stops nobody.
const loadCommand = "load"

// A job is one thing that many clients do for a while.
type job struct {
	Target  target
	Op      string
	Clients int
	For     time.Duration
}

// An outcome is how it went.
type outcome struct {
	Requests int64
	Took     time.Duration
	Err      string
}

// runLoad does jobs until its input ends.
func runLoad(stdin io.Reader, stdout io.Writer) error {
	in, out := json.NewDecoder(bufio.NewReader(stdin)), json.NewEncoder(stdout)
	big := bigObject()
	bigHash := hexSHA256(big)
	for {
		var j job
		if err := in.Decode(&j); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		var o outcome
		next, err := j.requests(big, bigHash)
		if err == nil {
			o, err = j.run(next)
		}
		if err != nil {
			o.Err = err.Error()
		}
		if err := out.Encode(o); err != nil {
			return err
		}
	}
}

// bigObject is what is put: the same in every run, and not to be compressed.
func bigObject() []byte {
	b := make([]byte, bigSize)
	_, _ = rand.NewChaCha8([32]byte{}).Read(b)
	return b
}

type request struct{ head, body []byte }

// requests returns what a client sends as its nth request. What can be signed before the clock runs
// is; small objects each get a new name, so that no server is measured at deleting old ones.
func (j job) requests(big []byte, bigHash string) (func(client, n int) (request, error), error) {
	signer := j.Target.signer()
	sign := func(method, path, query, hash string, body []byte) (request, error) {
		head, err := j.Target.request(signer, method, path, query, hash, len(body))
		if len(body) == smallSize { // one piece is one system call
			head, body = append(head, body...), nil
		}
		return request{head, body}, err
	}
	small, smallHash, dir := big[:smallSize], hexSHA256(big[:smallSize]), crand.Text()
	if j.Op == opPut {
		return func(client, n int) (request, error) {
			return sign("PUT", fmt.Sprintf("%s/%s/%d-%d.nc", putBucket, dir, client, n), "", smallHash, small)
		}, nil
	}
	var all []request
	for n := range listedKeys {
		var r request
		var err error
		switch j.Op {
		case opGet:
			r, err = sign("GET", listBucket+"/"+listedKey(n), "", sigv4.EmptyPayload, nil)
		case opHead:
			r, err = sign("HEAD", listBucket+"/"+listedKey(n), "", sigv4.EmptyPayload, nil)
		case opList:
			r, err = sign("GET", listBucket, "list-type=2&max-keys=1000&prefix=run-2026%2F", sigv4.EmptyPayload, nil)
		case opGetBig:
			r, err = sign("GET", bigBucket+"/"+bigKey(n), "", sigv4.EmptyPayload, nil)
		case opPutBig:
			r, err = sign("PUT", bigBucket+"/"+bigKey(n), "", bigHash, big)
		case opPutBigUnsigned:
			r, err = sign("PUT", bigBucket+"/"+bigKey(n), "", sigv4.UnsignedPayload, big)
		default:
			err = fmt.Errorf("there is no operation %q", j.Op)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return func(client, n int) (request, error) { return all[(client*len(all)/j.Clients+n)%len(all)], nil }, nil
}

// run has each client send requests until the time is over, and finish the one it is at.
func (j job) run(next func(client, n int) (request, error)) (outcome, error) {
	var done atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, j.Clients)
	began := time.Now()
	end := began.Add(j.For)
	for n := range j.Clients {
		wg.Go(func() {
			count, err := j.client(func(i int) (request, error) { return next(n, i) }, end)
			done.Add(count)
			errs[n] = err
		})
	}
	wg.Wait()
	return outcome{Requests: done.Load(), Took: time.Since(began)}, errors.Join(errs...)
}

func (j job) client(next func(n int) (request, error), end time.Time) (count int64, err error) {
	c, err := dial(j.Target.Address)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	for n := 0; time.Now().Before(end); n++ {
		r, err := next(n)
		if err != nil {
			return count, err
		}
		size, status, err := c.exchange(r.head, r.body, nil)
		if err == nil && (status != http.StatusOK || size < smallest(j.Op)) {
			err = fmt.Errorf("status %d, %d bytes", status, size)
		}
		if err != nil {
			return count, fmt.Errorf("%s: %w", j.Op, err)
		}
		count++
	}
	return count, nil
}

// smallest is the least that a right answer brings.
func smallest(op string) int64 {
	switch op {
	case opGet:
		return smallSize
	case opList:
		return listedKeys * 100
	case opGetBig:
		return bigSize
	}
	return 0
}

// A load is the generator, seen from outside.
type load struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
	err bytes.Buffer
}

func startLoad() (*load, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	l := &load{cmd: exec.Command(self, loadCommand)}
	l.cmd.Stderr = &l.err
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if l.in, err = l.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	l.out = json.NewDecoder(out)
	return l, l.cmd.Start()
}

func (l *load) do(j job) (o outcome, err error) {
	if err := json.NewEncoder(l.in).Encode(j); err != nil {
		return o, err
	}
	if err := l.out.Decode(&o); err != nil {
		return o, fmt.Errorf("the load generator has ended: %w\n%s", err, &l.err)
	}
	if o.Err != "" {
		return o, errors.New(o.Err)
	}
	return o, nil
}

// Close stops the generator.
func (l *load) Close() error {
	_ = l.in.Close()
	return l.cmd.Wait()
}
