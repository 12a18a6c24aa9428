// Command grid measures how Lanyard makes, shows and attributes proxies, beside the field's own
// programs, in one run and in turns:
//
//	go run ./bench/grid -lanyard bin/lanyard
//
// The drop-in commands run against voms-clients (C) and voms-clients-java; what counts is the CPU
// time of the whole command. The attribute authority is that of a running server with its database;
// each request is a new TLS connection with a client certificate, as clients do it. A missed goal
// is a word in the table, not a failure.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"text/tabwriter"
)

func main() {
	runtime.LockOSThread() // children die with the thread that started them
	var err error
	if len(os.Args) == 4 && os.Args[1] == bareCommand {
		err = runBare(os.Args[2], os.Args[3])
	} else {
		err = bench()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func bench() error {
	lanyard := flag.String("lanyard", "bin/lanyard", "the `program` to measure")
	fixtures := flag.String("fixtures", "testdata/voms", "`directory` of certificates to work with")
	quick := flag.Bool("quick", false, "few rounds of everything")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	program, err := filepath.Abs(*lanyard)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "lanyard-grid-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	fmt.Fprintln(os.Stderr, "starting the server")
	site, err := startSite(ctx, program, *fixtures, dir)
	if err != nil {
		return err
	}
	defer site.stop()
	commands, err := site.commands(ctx, *quick)
	if err != nil {
		return err
	}
	print("CPU of whole commands, ms (median)", []string{"command", "Lanyard", "C", "Java", "to C", "to Java", "goals"}, commands)
	issuance, err := site.issuance(ctx, *quick)
	if err != nil {
		return err
	}
	print("Attribute certificates", []string{"clients", "per second", "prototype", "CPU per AC, µs", "handshake", "signature", "the rest", "goals"}, issuance)
	return nil
}

// print writes a table.
func print(title string, head []string, rows [][]string) {
	fmt.Printf("%s\n\n", title)
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{head}, rows...) {
		for i, cell := range row {
			if i > 0 {
				fmt.Fprint(w, "\t")
			}
			fmt.Fprint(w, cell)
		}
		fmt.Fprintln(w)
	}
	w.Flush()
	fmt.Println()
}

// verdict tells whether a goal is met.
func verdict(goal string, met bool) string {
	return goal + map[bool]string{true: ": PASS", false: ": MISS"}[met]
}
