package meter

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lanyardhq/lanyard/internal/credential"
)

// Run measures what was written to and reports uses until ctx ends; uses that are known then are
// reported still.
func (m *Meter) Run(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error {
		every(ctx, settle/2, func() {
			for _, id := range m.due() {
				if err := m.measure(ctx, id); err != nil && ctx.Err() == nil {
					m.log.WarnContext(ctx, "a project could not be measured", "project_id", id, "err", err)
				}
			}
		})
		return nil
	})
	g.Go(func() error {
		every(ctx, report, func() { m.flush(ctx) })
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), report)
		defer cancel()
		m.flush(last)
		return nil
	})
	return g.Wait()
}

func every(ctx context.Context, d time.Duration, do func()) {
	ticker := time.NewTicker(d)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			do()
		case <-ctx.Done():
			return
		}
	}
}

// Used notes that the credential was accepted at now, from a program that calls itself agent at an
// address. It costs next to nothing when the same was noted a moment ago.
func (m *Meter) Used(credentialID string, now time.Time, agent, address string) {
	m.usesMu.RLock()
	last, known := m.uses[credentialID]
	m.usesMu.RUnlock()
	if known && now.Sub(last.At) < time.Second {
		return
	}
	u := credential.Use{CredentialID: credentialID, At: now, By: program(agent) + " from " + address}
	m.usesMu.Lock()
	defer m.usesMu.Unlock()
	m.uses[credentialID] = u
}

// program is the first product of a User-Agent (RFC 9110 §10.1.5), which others chose: shortened,
// and only what can be printed.
func program(agent string) string {
	name, _, _ := strings.Cut(agent, " ")
	name = strings.Map(func(r rune) rune {
		if r <= ' ' || r >= 0x7f {
			return -1
		}
		return r
	}, name[:min(len(name), 40)])
	name = strings.TrimRight(name, "/") // Debian's rclone does not tell its version
	if name == "" {
		return "an unnamed program"
	}
	return name
}

func (m *Meter) flush(ctx context.Context) {
	m.usesMu.Lock()
	uses := m.uses
	m.uses = map[string]credential.Use{}
	m.usesMu.Unlock()
	if len(uses) == 0 {
		return
	}
	if err := m.broker.RecordUses(ctx, slices.Collect(maps.Values(uses))); err != nil {
		m.log.WarnContext(ctx, "uses of keys could not be recorded", "err", err)
		m.keep(uses)
	}
}

// keep takes uses back that could not be reported, unless there are newer ones.
func (m *Meter) keep(uses map[string]credential.Use) {
	m.usesMu.Lock()
	defer m.usesMu.Unlock()
	for id, u := range uses {
		if m.uses[id].At.Before(u.At) {
			m.uses[id] = u
		}
	}
}

// Bytes writes a size for people: "1.5 GB", powers of 1,000.
func Bytes(n int64) string {
	units := []string{"bytes", "kB", "MB", "GB", "TB", "PB", "EB"}
	f, i := float64(n), 0
	for ; f >= 999.5 && i < len(units)-1; i++ {
		f /= 1000
	}
	switch {
	case i == 0:
		return fmt.Sprintf("%d bytes", n)
	case f < 10:
		return fmt.Sprintf("%.1f %s", f, units[i])
	}
	return fmt.Sprintf("%.0f %s", f, units[i])
}
