package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// A report is everything that was measured.
type report struct {
	Date        time.Time
	Took        time.Duration
	Quick       bool
	Rows        []row
	Idle, Peak  int64 // bytes
	Creations   []creation
	Revocations revocation
}

// The goals: upper bounds, but for the rate.
const (
	goalCPUGet     = 1.4  // of the bare engine's CPU per request; the same for HEAD
	goalCPUPut     = 1.2  // small objects
	goalCPUPutBig  = 1.15 // 100 MB
	goalRateGetBig = 0.6  // of the bare engine's rate, at least
	goalIdle       = 80 << 20
	goalPeak       = 150 << 20
)

func verdict(ok bool) string {
	if ok {
		return "PASS"
	}
	return "MISS"
}

// goals says of a row what was wanted and whether it was reached.
func (r row) goals() string {
	var words []string
	bound := map[string]float64{opGet: goalCPUGet, opHead: goalCPUGet, opPut: goalCPUPut, opPutBig: goalCPUPutBig, opPutBigUnsigned: goalCPUPutBig}[r.Op]
	if bound > 0 {
		words = append(words, fmt.Sprintf("engine's CPU ≤ %g×: %s", bound, verdict(r.cpuRatio(enginePeer) <= bound)))
	}
	if r.Op == opGetBig {
		words = append(words, fmt.Sprintf("engine's rate ≥ %g×: %s", goalRateGetBig, verdict(r.rateRatio(enginePeer) >= goalRateGetBig)))
	}
	return strings.Join(append(words, "MinIO's CPU < 1×: "+verdict(r.cpuRatio(minioPeer) < 1)), "; ")
}

// A table is a heading and lines of cells.
type table struct {
	title string
	lines [][]string // the first is the head
}

func (r *report) tables() []table {
	rates := table{"Requests per second", [][]string{{"operation", "clients", "Lanyard", "engine", "MinIO", "to engine", "to MinIO"}}}
	cpu := table{"Server CPU per request, µs", [][]string{{"operation", "clients", "Lanyard", "of it gateway", "engine", "MinIO", "to engine", "to MinIO", "goals"}}}
	for _, x := range r.Rows {
		digits := 0
		if x.rate(lanyardPeer) < 100 {
			digits = 1
		}
		rates.lines = append(rates.lines, []string{x.Op, fmt.Sprint(x.Clients), number(x.rate(lanyardPeer), digits), number(x.rate(enginePeer), digits),
			number(x.rate(minioPeer), digits), ratio(x.rateRatio(enginePeer)), ratio(x.rateRatio(minioPeer))})
		cpu.lines = append(cpu.lines, []string{x.Op, fmt.Sprint(x.Clients), number(x.cpu(lanyardPeer, -1), 0), number(x.cpu(lanyardPeer, 0), 0),
			number(x.cpu(enginePeer, -1), 0), number(x.cpu(minioPeer, -1), 0), ratio(x.cpuRatio(enginePeer)), ratio(x.cpuRatio(minioPeer)), x.goals()})
	}
	return []table{rates, cpu, r.others()}
}

func (r *report) others() table {
	t := table{"Keys and memory", [][]string{{"what", "measured", "goal"}}}
	add := func(what, measured, goal string) { t.lines = append(t.lines, []string{what, measured, goal}) }
	for _, c := range r.Creations {
		add(fmt.Sprintf("key creations over the API, %d at once", c.Clients), number(c.Rate, 0)+"/s", "")
	}
	v := r.Revocations
	add(fmt.Sprintf("deletion acknowledged → refused for each of %d clients (%d keys)", loopers, v.Keys), spread(v.Refused),
		"p99 ≤ 1 s: "+verdict(percentile(v.Refused, 99) <= time.Second))
	add("requests begun after the acknowledgement and served", fmt.Sprint(v.Late), "0: "+verdict(v.Late == 0))
	add("the deletion itself", spread(v.Deletion), "")
	add("resident memory of server and engine, idle", number(float64(r.Idle)/(1<<20), 0)+" MiB", "≤ 80: "+verdict(r.Idle <= goalIdle))
	add("the most during all of the above, up to 64 clients", number(float64(r.Peak)/(1<<20), 0)+" MiB", "≤ 150: "+verdict(r.Peak <= goalPeak))
	return t
}

func spread(sorted []time.Duration) string {
	ms := func(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d)/float64(time.Millisecond)) }
	return fmt.Sprintf("p50 %s ms, p99 %s ms, max %s ms", ms(percentile(sorted, 50)), ms(percentile(sorted, 99)), ms(sorted[len(sorted)-1]))
}

func number(f float64, digits int) string { return fmt.Sprintf("%.*f", digits, f) }

func ratio(f float64) string { return fmt.Sprintf("%.2f×", f) }

// text writes the report for a terminal.
func (r *report) text(w io.Writer) {
	for _, t := range r.tables() {
		fmt.Fprintf(w, "\n%s\n\n", t.title)
		tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		for _, line := range t.lines {
			fmt.Fprintln(tw, strings.Join(line, "\t"))
		}
		tw.Flush()
	}
	fmt.Fprintf(w, "\n%s, %s\n", machine(), r.Took.Round(time.Second))
}
