package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// The operations.
const (
	opGet            = "GET 4 KiB"
	opHead           = "HEAD"
	opPut            = "PUT 4 KiB"
	opList           = "LIST 100 keys"
	opGetBig         = "GET 100 MB"
	opPutBig         = "PUT 100 MB"
	opPutBigUnsigned = "PUT 100 MB, payload unsigned"
)

// A sample is what one peer did in one round.
type sample struct {
	rate float64         // requests per second
	cpu  []time.Duration // per request, by process
}

func (s sample) total() (sum time.Duration) {
	for _, d := range s.cpu {
		sum += d
	}
	return sum
}

// A row is one operation at one concurrency: samples by peer and round.
type row struct {
	Op      string
	Clients int
	Samples [][]sample
}

// Peers stand in this order.
const (
	lanyardPeer = iota
	enginePeer
	minioPeer
)

// matrix runs all operations against all peers.
type matrix struct {
	peers []*peer
	load  *load
	say   func(format string, args ...any)
	quick bool
}

func (m *matrix) run(ctx context.Context) ([]row, error) {
	m.say("filling them")
	big := bigObject()
	for _, p := range m.peers {
		if err := p.fill(big); err != nil {
			return nil, fmt.Errorf("fill %s: %w", p.name, err)
		}
	}
	rounds, small, large := 5, 800*time.Millisecond, 1500*time.Millisecond
	if m.quick {
		rounds, small, large = 1, 500*time.Millisecond, 500*time.Millisecond
	}
	var rows []row
	for _, op := range []string{opGet, opHead, opPut, opList} {
		for _, clients := range []int{1, 16, 64} {
			rows = append(rows, row{Op: op, Clients: clients})
		}
	}
	if err := m.rounds(ctx, rows, rounds, small); err != nil {
		return nil, err
	}
	bigRows := []row{{Op: opGetBig, Clients: 4}, {Op: opPutBig, Clients: 4}, {Op: opPutBigUnsigned, Clients: 4}}
	err := m.rounds(ctx, bigRows, rounds, large)
	return append(rows, bigRows...), err
}

// rounds measures every row with every peer once per round. Who begins changes from round to
// round.
func (m *matrix) rounds(ctx context.Context, rows []row, rounds int, each time.Duration) error {
	for i := range rows {
		rows[i].Samples = make([][]sample, len(m.peers))
	}
	for round := range rounds {
		m.say("round %d of %d: %s to %s", round+1, rounds, rows[0].Op, rows[len(rows)-1].Op)
		for i := range rows {
			for n := range m.peers {
				n = (n + round) % len(m.peers)
				s, err := m.sample(m.peers[n], job{Target: m.peers[n].target, Op: rows[i].Op, Clients: rows[i].Clients, For: each})
				if err != nil {
					return fmt.Errorf("%s: %w\n%s", m.peers[n].name, err, m.peers[n].log)
				}
				rows[i].Samples[n] = append(rows[i].Samples[n], s)
			}
			if err := ctx.Err(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m *matrix) sample(p *peer, j job) (s sample, err error) {
	before, err := p.cpu()
	if err != nil {
		return s, err
	}
	o, err := m.load.do(j)
	if err != nil {
		return s, err
	}
	after, err := p.cpu()
	if err != nil {
		return s, err
	}
	s.rate = float64(o.Requests) / o.Took.Seconds()
	for i := range after {
		s.cpu = append(s.cpu, (after[i]-before[i])/time.Duration(o.Requests))
	}
	return s, nil
}

// median returns the middle of what f yields for each round.
func median(rounds int, f func(round int) float64) float64 {
	values := make([]float64, rounds)
	for i := range values {
		values[i] = f(i)
	}
	slices.Sort(values)
	if rounds%2 == 0 {
		return (values[rounds/2-1] + values[rounds/2]) / 2
	}
	return values[rounds/2]
}

// rate is the median of a peer's requests per second.
func (r row) rate(peer int) float64 {
	return median(len(r.Samples[peer]), func(i int) float64 { return r.Samples[peer][i].rate })
}

// cpu is the median of a peer's CPU time per request, in microseconds; of one of its processes, or
// of all if that is negative.
func (r row) cpu(peer, process int) float64 {
	return median(len(r.Samples[peer]), func(i int) float64 {
		d := r.Samples[peer][i].total()
		if process >= 0 {
			d = r.Samples[peer][i].cpu[process]
		}
		return float64(d) / float64(time.Microsecond)
	})
}

// rateRatio and cpuRatio compare Lanyard with another peer, round by round, because what disturbs
// a round disturbs both.
func (r row) rateRatio(peer int) float64 {
	return median(len(r.Samples[peer]), func(i int) float64 { return r.Samples[lanyardPeer][i].rate / r.Samples[peer][i].rate })
}

func (r row) cpuRatio(peer int) float64 {
	return median(len(r.Samples[peer]), func(i int) float64 {
		return float64(r.Samples[lanyardPeer][i].total()) / float64(r.Samples[peer][i].total())
	})
}
