// Command bench measures Lanyard beside the engine that it embeds and beside MinIO, all three in
// one run and in turns, so that what else the machine does strikes them alike:
//
//	go run ./bench -lanyard bin/lanyard -peers DIR
//
// It starts the three servers in directories of its own, on loopback, and one more process that
// asks them; it prints rates, CPU time per request from /proc, and what Lanyard costs more or less
// than the others, beside the goals. A missed goal is a word in the table, not a failure.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

type options struct {
	lanyard, peers string // programs
	dir            string // where the servers keep their data
	markdown       string // file to write
	quick          bool
}

func main() {
	// Children die with the thread that started them, so that must be one that lives.
	runtime.LockOSThread()
	var err error
	switch {
	case len(os.Args) == 2 && os.Args[1] == engineCommand:
		err = runEngine(os.Stdin, os.Stdout)
	case len(os.Args) == 2 && os.Args[1] == loadCommand:
		err = runLoad(os.Stdin, os.Stdout)
	default:
		err = bench()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench() error {
	var o options
	flag.StringVar(&o.lanyard, "lanyard", "bin/lanyard", "the `program` to measure")
	flag.StringVar(&o.peers, "peers", os.Getenv("LANYARD_PEERS"), "`directory` that holds the program minio")
	flag.StringVar(&o.dir, "dir", "", "`directory` for the servers' data; the default is the one for temporary files")
	flag.StringVar(&o.markdown, "markdown", "", "write the results to `file`, too")
	flag.BoolVar(&o.quick, "quick", false, "one short round of everything, within a minute")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()

	began := time.Now()
	r, err := measure(ctx, o)
	if err != nil {
		return err
	}
	r.Date, r.Took = began, time.Since(began)
	r.text(os.Stdout)
	if o.markdown == "" {
		return nil
	}
	f, err := os.Create(o.markdown)
	if err != nil {
		return err
	}
	r.markdown(f)
	return f.Close()
}

// measure runs the whole programme.
func measure(ctx context.Context, o options) (_ *report, err error) {
	dir, err := os.MkdirTemp(o.dir, "lanyard-bench-") // short, because sockets lie in it
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var stops closers
	defer func() { err = errors.Join(err, stops.Close()) }()

	say := func(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
	say("starting the servers")
	site, err := startLanyard(ctx, o.lanyard, filepath.Join(dir, "lanyard"))
	if err != nil {
		return nil, fmt.Errorf("start lanyard: %w", err)
	}
	stops.add(site)
	r := &report{Quick: o.quick}
	if r.Idle, err = settledRSS(ctx, site.peer); err != nil {
		return nil, err
	}
	engine, err := startEngine(ctx, filepath.Join(dir, "engine"))
	if err != nil {
		return nil, fmt.Errorf("start the engine: %w", err)
	}
	stops.add(engine)
	minio, err := startMinIO(ctx, filepath.Join(o.peers, "minio"), filepath.Join(dir, "minio"))
	if err != nil {
		return nil, fmt.Errorf("start minio: %w", err)
	}
	stops.add(minio)
	load, err := startLoad()
	if err != nil {
		return nil, fmt.Errorf("start the load generator: %w", err)
	}
	stops.add(load)

	m := &matrix{peers: []*peer{site.peer, engine, minio}, load: load, say: say, quick: o.quick}
	if r.Rows, err = m.run(ctx); err != nil {
		return nil, err
	}
	if r.Peak, err = site.peakRSS(); err != nil {
		return nil, err
	}
	say("key creations")
	if r.Creations, err = creations(ctx, site, o.quick); err != nil {
		return nil, fmt.Errorf("create keys: %w", err)
	}
	say("revocations")
	if r.Revocations, err = revocations(ctx, site, o.quick); err != nil {
		return nil, fmt.Errorf("revoke keys: %w", err)
	}
	return r, nil
}

// closers closes in the opposite order.
type closers []io.Closer

func (c *closers) add(x io.Closer) { *c = append(*c, x) }

func (c *closers) Close() (err error) {
	for i := len(*c) - 1; i >= 0; i-- {
		err = errors.Join(err, (*c)[i].Close())
	}
	return err
}
