package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

const intro = `# Performance

Measured by ` + "`make bench`" + ` on %s, on %s, in %s. Repeat it with

    make bench                                          # prints tables
    go run ./bench -lanyard bin/lanyard -peers DIR -markdown docs/performance.md

**Lanyard** is the server with its defaults: gateway and engine, two processes whose CPU counts
together. **engine** is the engine alone, asked directly: versitygw with kept connections and
otherwise as it comes. **MinIO** runs on one drive. All three serve signed requests over plain HTTP on
loopback, in turns, in one run; a process of its own asks them, on the same processors. Figures are
medians of short rounds; ratios are medians of each round's ratio.

Rates depend on what else the machine does; CPU per request, from /proc, is the figure to trust.
With one client at a time most of it is the cost of falling asleep and waking up, twice as often
with two processes. Lanyard runs its engine with settings that spare work (see
internal/objectstore/embedded), so a ratio is not what the gateway costs: the column "of it gateway"
is.
`

// markdown writes the report as a page.
func (r *report) markdown(w io.Writer) {
	fmt.Fprintf(w, intro, r.Date.Format("2 January 2006"), machine(), r.Took.Round(1e9))
	if r.Quick {
		fmt.Fprint(w, "\nThis was a quick run: one short round.\n")
	}
	for _, t := range r.tables() {
		fmt.Fprintf(w, "\n## %s\n\n", t.title)
		for n, line := range t.lines {
			fmt.Fprintf(w, "| %s |\n", strings.Join(line, " | "))
			if n == 0 {
				fmt.Fprintf(w, "|%s\n", strings.Repeat("---|", len(line)))
			}
		}
	}
}

// machine describes this one in general words.
func machine() string {
	text, _ := os.ReadFile("/proc/meminfo")
	var kb int64
	_, _ = fmt.Sscanf(string(text), "MemTotal: %d kB", &kb)
	return fmt.Sprintf("%d cores, %d GiB, %s", runtime.NumCPU(), (kb+1<<19)>>20, runtime.Version())
}
