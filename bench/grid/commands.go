package main

import (
	"cmp"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// commands measures the whole commands, in turns.
func (s *site) commands(ctx context.Context, quick bool) (rows [][]string, err error) {
	proxy := filepath.Join(s.dir, "with-ac.pem") // what info shows: made before
	if _, err := s.cpu(ctx, "voms-proxy-init", "-voms", vo, "-vomses", filepath.Join(s.dir, "vomses"), "-out", proxy); err != nil {
		return nil, err
	}
	for _, c := range []struct {
		name string
		args []string
	}{
		{"voms-proxy-init", []string{"-out", filepath.Join(s.dir, "new.pem")}},
		{"voms-proxy-init -voms", []string{"-voms", vo, "-vomses", filepath.Join(s.dir, "vomses"), "-out", filepath.Join(s.dir, "new.pem")}},
		{"voms-proxy-info -all", []string{"-all", "-file", proxy}},
	} {
		rounds, java := 31, 5
		if quick {
			rounds, java = 9, 2
		}
		times := map[string][]time.Duration{}
		base, _, _ := strings.Cut(c.name, " ")
		for n := range rounds {
			for _, flavour := range []string{"", "2", "3"} {
				if flavour == "3" && n >= java {
					continue
				}
				t, err := s.cpu(ctx, base+flavour, c.args...)
				if err != nil {
					return nil, err
				}
				times[flavour] = append(times[flavour], t)
			}
		}
		ours, c2, j := median(times[""]), median(times["2"]), median(times["3"])
		toC, toJava := ours.Seconds()/c2.Seconds(), ours.Seconds()/j.Seconds()
		rows = append(rows, []string{c.name, ms(ours), ms(c2), ms(j), fmt.Sprintf("%.2f×", toC), fmt.Sprintf("%.3f×", toJava),
			verdict("C's CPU ≤ 0.8×", toC <= 0.8) + "; " + verdict("Java's ≤ 0.15×", toJava <= 0.15)})
	}
	return rows, nil
}

// cpu runs one command and returns the CPU time that it and its children used. The name without a
// digit is Lanyard's.
func (s *site) cpu(ctx context.Context, name string, args ...string) (time.Duration, error) {
	program := name
	if !strings.HasSuffix(name, "2") && !strings.HasSuffix(name, "3") {
		program = filepath.Join(s.dir, "bin", name)
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = s.env
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%s %v: %w\n%s", name, args, err, out)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

func median[T cmp.Ordered](all []T) T {
	slices.Sort(all)
	return all[len(all)/2]
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()*1000) }
