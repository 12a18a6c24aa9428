package cli

import (
	"context"
	"fmt"

	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/signin"
)

// approveDevice shows the code and waits for the approval.
func (a *app) approveDevice(ctx context.Context, p *signin.Provider, asked, noQR bool) (signin.Tokens, error) {
	d, err := p.RequestDevice(ctx)
	if err != nil {
		return signin.Tokens{}, err
	}
	why := "This machine has no browser. On any device open"
	if asked {
		why = "On any device open"
	}
	// Shown even with --quiet: nothing can go on without it.
	minutes, seconds := int(d.Life.Minutes()), int(d.Life.Seconds())%60
	fmt.Fprintf(a.Err, "%s\n\n    %s\n\nand enter the code   %s     (ends in %02d:%02d)\n\n", why,
		console.Clean(d.Address), console.Clean(d.UserCode), minutes, seconds)
	if !noQR && d.Complete != "" && a.ShowQR(d.Complete) {
		fmt.Fprint(a.Err, "Scan it to open the page; compare the code there.\n\n")
	}
	stop := a.Wait("Waiting for your approval…")
	tokens, err := p.AwaitDevice(ctx, d)
	stop()
	if err == nil {
		a.Say("Approved.")
	}
	return tokens, err
}
