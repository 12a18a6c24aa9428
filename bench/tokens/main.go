// Command tokens measures how Lanyard issues, keeps and renews tokens:
//
//	go run ./bench/tokens -lanyard bin/lanyard
//
// Its token endpoint runs beside another OpenID provider, oidc-provider from npm, in one run and in
// turns. Then it is filled with grants and asked for their tokens, and it renews many grants at a
// provider of the bench's own that takes 50 ms to answer, on SQLite and on PostgreSQL. All servers
// run in directories of their own, on loopback. A missed goal is a word in the table, not a failure.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

func main() {
	runtime.LockOSThread() // children die with the thread that started them
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// A bench is one run of everything.
type bench struct {
	program string // the lanyard to measure
	dir     string
	quick   bool
	grants  int // in the database that is started with
}

// A part measures something and returns its table.
type part struct {
	name    string
	measure func(context.Context) (table, error)
}

// A table is a title and lines of cells, of which the first is the head.
type table struct {
	title string
	lines [][]string
}

func run() error {
	b := &bench{}
	flag.StringVar(&b.program, "lanyard", "bin/lanyard", "the `program` to measure")
	flag.BoolVar(&b.quick, "quick", false, "few rounds of everything and fewer grants, within a minute")
	flag.IntVar(&b.grants, "grants", 0, "how many grants to start with; 300000 if 0, or 10000 in a quick run")
	only := flag.String("only", "", "measure one `part`: endpoint, custody, renewals")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if b.program, err = filepath.Abs(b.program); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "lanyard-tokens-"); err != nil { // short, because sockets lie in it
		return err
	}
	defer os.RemoveAll(b.dir)
	if b.grants == 0 {
		b.grants = map[bool]int{false: 300_000, true: 10_000}[b.quick]
	}
	began := time.Now()
	for _, p := range []part{{"endpoint", b.endpoint}, {"custody", b.custody}, {"renewals", b.renewals}} {
		if *only != "" && *only != p.name {
			continue
		}
		say("measuring %s", p.name)
		t, err := p.measure(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		t.print()
	}
	text, err := os.ReadFile("/proc/loadavg")
	load, _, _ := strings.Cut(string(text), " ")
	fmt.Printf("%d cores, load average %s, %s, %s\n", runtime.NumCPU(), load, runtime.Version(), time.Since(began).Round(time.Second))
	return err
}

func say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func (t table) print() {
	fmt.Printf("%s\n\n", t.title)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, line := range t.lines {
		fmt.Fprintln(w, strings.Join(line, "\t"))
	}
	w.Flush()
	fmt.Println()
}

// verdict tells whether a goal is met.
func verdict(goal string, met bool) string {
	return goal + map[bool]string{true: ": PASS", false: ": MISS"}[met]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()*1000) }

func mib(n int64) string { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }
