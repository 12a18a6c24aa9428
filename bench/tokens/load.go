package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/lanyardhq/lanyard/bench/process"
)

// A load is what came of one.
type load struct {
	rate     float64 // answers per second
	p50, p99 time.Duration
	cpu      time.Duration // of the server, per answer
}

// A worker is one client of a server. It does one request on its connection.
type worker func(*conn) error

// drive has workers ask the address, each on a connection of its own and one request after the other,
// and looks at what that costs the server.
func drive(ctx context.Context, address string, server process.Process, workers []worker, within time.Duration) (load, error) {
	before, err := server.CPU()
	if err != nil {
		return load{}, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	times := make([][]time.Duration, len(workers))
	var all sync.WaitGroup
	began := time.Now()
	for n, work := range workers {
		all.Go(func() {
			c, err := dial(ctx, address)
			if err != nil {
				cancel(err)
				return
			}
			defer c.Close()
			for at := time.Now(); at.Sub(began) < within && ctx.Err() == nil; {
				if err := work(c); err != nil {
					cancel(err)
					return
				}
				now := time.Now()
				times[n] = append(times[n], now.Sub(at))
				at = now
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	if err := context.Cause(ctx); err != nil {
		return load{}, err
	}
	after, err := server.CPU()
	sorted := slices.Sorted(slices.Values(slices.Concat(times...)))
	n := len(sorted)
	if n == 0 {
		return load{}, errors.Join(err, errors.New("nothing was answered in time"))
	}
	return load{rate: float64(n) / took.Seconds(), p50: sorted[n/2], p99: sorted[n*99/100], cpu: (after - before) / time.Duration(n)}, err
}

// median takes each figure's own.
func median(rounds []load) load {
	pick := func(of func(load) float64) float64 {
		var all []float64
		for _, r := range rounds {
			all = append(all, of(r))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	span := func(of func(load) time.Duration) time.Duration {
		return time.Duration(pick(func(l load) float64 { return float64(of(l)) }))
	}
	return load{rate: pick(func(l load) float64 { return l.rate }), p50: span(func(l load) time.Duration { return l.p50 }),
		p99: span(func(l load) time.Duration { return l.p99 }), cpu: span(func(l load) time.Duration { return l.cpu })}
}

// A conn is a connection that costs little, because the asking runs on the server's processors.
type conn struct {
	net.Conn
	host string
	in   *bufio.Reader
}

func dial(ctx context.Context, address string) (*conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &conn{c, address, bufio.NewReader(c)}, nil
}

// post sends a request and returns the body of an answer that must be 200.
func (c *conn) post(path, header, body string) ([]byte, error) {
	if err := c.SetDeadline(time.Now().Add(30 * time.Second)); err != nil {
		return nil, err
	}
	_, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: lanyard-bench\r\n%s\r\nContent-Length: %d\r\n\r\n%s", path, c.host, header, len(body), body)
	if err != nil {
		return nil, err
	}
	r, err := http.ReadResponse(c.in, nil)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	answer, err := io.ReadAll(r.Body)
	if err == nil && r.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %s: %.300s", path, r.Status, answer)
	}
	return answer, err
}
