package console

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// qrColumns is the narrowest terminal that gets a QR code.
const qrColumns = 60

// ShowQR draws address as a QR code on the error stream, and reports whether that is a terminal that
// can show one.
func (c *Console) ShowQR(address string) bool {
	if !c.ErrTerminal || !c.Unicode() || c.Width < qrColumns {
		return false
	}
	picture, err := c.qrCode(address)
	if err == nil {
		fmt.Fprintf(c.Err, "%s\n", picture)
	}
	return err == nil
}

// qrCode draws text in half blocks, two rows of modules to a line, with the quiet zone of four
// modules that scanners want. Where colours are allowed they are fixed to black on white;
// elsewhere the light modules are drawn, for the light text on dark ground that most terminals
// have.
func (c *Console) qrCode(text string) (string, error) {
	code, err := qr.Encode(text, qr.L)
	if err != nil {
		return "", err
	}
	const quiet = 4
	colours := c.Colourful(c.ErrTerminal)
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
