package main

import (
	"bufio"
	"bytes"
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
		requests, err := j.requests(big, bigHash)
		if err == nil {
			o, err = j.run(requests)
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

// requests are signed before the clock runs; the clients send them in turns.
func (j job) requests(big []byte, bigHash string) (all []request, err error) {
	signer := j.Target.signer()
	add := func(method, path, query, hash string, body []byte) {
		head, signErr := j.Target.request(signer, method, path, query, hash, len(body))
		err = errors.Join(err, signErr)
		if len(body) == smallSize { // one piece is one system call
			head, body = append(head, body...), nil
		}
		all = append(all, request{head, body})
	}
	smallHash := hexSHA256(big[:smallSize])
	for n := range putKeys {
		switch j.Op {
		case opGet:
			add("GET", listBucket+"/"+listedKey(n), "", sigv4.EmptyPayload, nil)
		case opHead:
			add("HEAD", listBucket+"/"+listedKey(n), "", sigv4.EmptyPayload, nil)
		case opPut:
			add("PUT", putBucket+"/"+putKey(n), "", smallHash, big[:smallSize])
		case opList:
			add("GET", listBucket, "list-type=2&max-keys=1000&prefix=run-2026%2F", sigv4.EmptyPayload, nil)
		case opGetBig:
			add("GET", bigBucket+"/"+bigKey(n), "", sigv4.EmptyPayload, nil)
		case opPutBig:
			add("PUT", bigBucket+"/"+bigKey(n), "", bigHash, big)
		case opPutBigUnsigned:
			add("PUT", bigBucket+"/"+bigKey(n), "", sigv4.UnsignedPayload, big)
		default:
			return nil, fmt.Errorf("there is no operation %q", j.Op)
		}
	}
	return all, err
}

// run has each client send requests until the time is over, and finish the one it is at.
func (j job) run(requests []request) (outcome, error) {
	var done atomic.Int64
	var wg sync.WaitGroup
	errs := make([]error, j.Clients)
	began := time.Now()
	end := began.Add(j.For)
	for n := range j.Clients {
		wg.Go(func() {
			count, err := j.client(requests, n*len(requests)/j.Clients, end)
			done.Add(count)
			errs[n] = err
		})
	}
	wg.Wait()
	return outcome{Requests: done.Load(), Took: time.Since(began)}, errors.Join(errs...)
}

func (j job) client(requests []request, first int, end time.Time) (count int64, err error) {
	c, err := dial(j.Target.Address)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	for n := first; time.Now().Before(end); n++ {
		r := requests[n%len(requests)]
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
