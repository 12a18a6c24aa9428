package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/lanyardhq/lanyard/internal/cli/console"
	"github.com/lanyardhq/lanyard/internal/signin"
	"rsc.io/qr"
)

// qrColumns is the narrowest terminal that gets a QR code.
const qrColumns = 60

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
	if !noQR && a.ErrTerminal && a.Unicode() && a.Width >= qrColumns && d.Complete != "" {
		if picture, err := a.qrCode(d.Complete); err == nil {
			fmt.Fprintf(a.Err, "%s\nScan it to open the page; compare the code there.\n\n", picture)
		}
	}
	stop := a.Wait("Waiting for your approval…")
	tokens, err := p.AwaitDevice(ctx, d)
	stop()
	if err == nil {
		a.Say("Approved.")
	}
	return tokens, err
}

// qrCode draws text in half blocks, two rows of modules to a line, with the quiet zone of four
// modules that scanners want. Where colours are allowed they are fixed to black on white;
// elsewhere the light modules are drawn, for the light text on dark ground that most terminals
// have.
func (a *app) qrCode(text string) (string, error) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return "", err
	}
	const quiet = 4
	colours := a.Colourful(a.ErrTerminal)
	drawn := func(x, y int) bool { return code.Black(x, y) == colours }
	var b strings.Builder
	for y := -quiet; y < code.Size+quiet; y += 2 {
		if colours {
			b.WriteString("\x1b[30;107m")
		}
		for x := -quiet; x < code.Size+quiet; x++ {
			switch top, bottom := drawn(x, y), drawn(x, y+1); {
			case top && bottom:
				b.WriteRune('█')
			case top:
				b.WriteRune('▀')
			case bottom:
				b.WriteRune('▄')
			default:
				b.WriteRune(' ')
			}
		}
		if colours {
			b.WriteString("\x1b[0m")
		}
		b.WriteByte('\n')
	}
	return b.String(), nil
}
