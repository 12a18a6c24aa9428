package protocol

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// The texts of warnings that clients look for: Java tells them apart by these words.
const warnUnknown = "Unknown parameters in the request were ignored!"

// WarnShortened is the warning that a certificate of the authority at uri (vo://host:port) lives
// shorter than asked for.
func WarnShortened(uri string, seconds int64) string {
	return fmt.Sprintf("%s: The validity of this VOMS AC in your proxy is shortened to %d seconds!", uri, seconds)
}

// WarnOrder is the warning that fqan, the first in the certificate, is not the first of the order
// that was asked for.
func WarnOrder(fqan string) string { return "FQAN: " + fqan + " is not the first selected!" }

// WarnSubset is the warning that the holder came with attributes and gets no others.
func WarnSubset(vo string) string {
	return vo + " : your certificate already contains attributes, only a subset of them can be issued."
}

// warningNumber is the XML form's number of a warning.
func warningNumber(text string) int {
	for i, word := range []string{"selected", "validity", "contains attributes"} {
		if strings.Contains(text, word) {
			return i + 1
		}
	}
	return 4
}

// WriteAnswer writes the answer to in, or the refusal if err is not nil, in one call of w.Write. An
// err that is no *Error is told to the client as an internal error, without its text.
func WriteAnswer(w io.Writer, in Incoming, a Answer, err error) error {
	var refusal *Error
	if err != nil {
		var ok bool
		if refusal, ok = errors.AsType[*Error](err); !ok {
			refusal = NewError(InternalError, "The server has met an internal error. Its operator finds the reason in its log.")
		}
	}
	a.Warnings = append(in.Warnings[:len(in.Warnings):len(in.Warnings)], a.Warnings...)
	text := xmlReply(a, refusal)
	if in.Form == REST {
		text = restReply(a, refusal)
	}
	_, err = io.WriteString(w, text)
	return err
}

// restReply is an answer in HTTP. It says HTTP/1.1 even to those who ask in 1.0: the C client takes
// nothing else. A warning is no error: 200.
func restReply(a Answer, refusal *Error) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><voms>`)
	code := http.StatusOK
	if refusal != nil {
		code = refusal.HTTP
		b.WriteString("<error><code>" + escape(refusal.Name) + "</code><message>" + escape(refusal.Message) + "</message></error>")
	} else {
		content(&b, a)
		for _, w := range a.Warnings {
			b.WriteString("<warning>" + escape(w) + "</warning>")
		}
	}
	b.WriteString("</voms>")
	if http.StatusText(code) == "" {
		code = http.StatusInternalServerError
	}
	return fmt.Sprintf("HTTP/1.1 %d %s\r\nContent-Type: text/xml; charset=utf-8\r\nContent-Length: %d\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n%s",
		code, http.StatusText(code), b.Len(), b.String())
}

// xmlReply is an answer in the XML form.
func xmlReply(a Answer, refusal *Error) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding = "US-ASCII"?><vomsans><version>3</version>`)
	if refusal != nil || len(a.Warnings) > 0 {
		b.WriteString("<error>")
		for _, w := range a.Warnings {
			item(&b, warningNumber(w), w)
		}
		if refusal != nil {
			item(&b, max(refusal.Code, firstError+1), refusal.Message)
		}
		b.WriteString("</error>")
	}
	if refusal == nil {
		content(&b, a)
	} else {
		b.WriteString("<ac>" + encode([]byte("A")) + "</ac>") // clients want one in any case
	}
	b.WriteString("</vomsans>")
	return b.String()
}

func item(b *strings.Builder, number int, message string) {
	fmt.Fprintf(b, "<item><number>%d</number><message>%s</message></item>", number, escape(message))
}

// content writes what was asked for.
func content(b *strings.Builder, a Answer) {
	if a.List != nil {
		b.WriteString("<bitstr>" + encode([]byte(strings.Join(a.List, "\n")+"\n")) + "</bitstr>")
	}
	if a.AC != nil {
		b.WriteString("<ac>" + encode(a.AC) + "</ac>")
	}
}

// escape writes text for XML in ASCII, which both forms' character sets contain.
func escape(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case strings.ContainsRune(`&<>"'`, r) || r > '~' && r != 0x7f:
			fmt.Fprintf(&b, "&#%d;", r)
		case r == '\n' || r >= ' ' && r != 0x7f:
			b.WriteRune(r)
		}
	}
	return b.String()
}
