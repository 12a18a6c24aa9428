package s3api

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/lanyardhq/lanyard/sigv4"
)

// Names are what a document of the store must say in the client's words.
type Names struct {
	Bucket, Project, Location string
	// Encode writes keys percent-encoded, as encoding-type=url asks for. The store is not asked to
	// do it, because some forget to, and some clients do not check.
	Encode bool
}

// keys are the elements that encoding-type=url is about.
var keys = []string{"Key>", "Prefix>", "Delimiter>", "Marker>", "NextMarker>", "StartAfter>", "KeyMarker>", "NextKeyMarker>"}

// maxElement bounds the content of an element that is read whole: a key, each byte escaped.
const maxElement = 8 << 10

// Rewrite copies an XML document of the store from r to w, in bounded memory, with the elements
// that would tell the store's own names in place of the client's: bucket names, locations, and
// owners, which here are projects. Text never holds a bare "<" (comments and CDATA sections are
// not in these documents), so an element is found by looking for it.
func Rewrite(w io.Writer, r io.Reader, n Names) error {
	owner := "<ID>" + text(n.Project) + "</ID><DisplayName>" + text(n.Project) + "</DisplayName>"
	note := ""
	if n.Encode {
		note = "<EncodingType>url</EncodingType>"
	}
	replace := map[string]string{
		"Name>": "<Name>" + text(n.Bucket) + "</Name>" + note, "Bucket>": "<Bucket>" + text(n.Bucket) + "</Bucket>" + note,
		"Location>": "<Location>" + text(n.Location) + "</Location>", "EncodingType>": "",
		"Owner>": "<Owner>" + owner + "</Owner>", "Initiator>": "<Initiator>" + owner + "</Initiator>",
	}
	in, out := bufio.NewReaderSize(r, 16<<10), bufio.NewWriterSize(w, 16<<10)
	for {
		part, err := in.ReadSlice('<')
		if _, werr := out.Write(bytes.TrimSuffix(part, []byte("<"))); werr != nil {
			return werr
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return out.Flush()
		case err != nil:
			return err
		}
		tag, _ := in.Peek(len("NextKeyMarker>"))
		tag = tag[:bytes.IndexByte(tag, '>')+1]
		with, known := replace[string(tag)]
		switch {
		case known:
			_, err = content(in, string(tag), 0)
		case n.Encode && slices.Contains(keys, string(tag)):
			with, err = encoded(in, string(tag))
		default:
			with = "<"
		}
		if err != nil {
			return err
		}
		if _, err := out.WriteString(with); err != nil {
			return err
		}
	}
}

// encoded reads an element and returns it with its text percent-encoded.
func encoded(in *bufio.Reader, tag string) (string, error) {
	raw, err := content(in, tag, maxElement)
	if err != nil {
		return "", err
	}
	if strings.Contains(raw, "&") {
		if err := xml.Unmarshal([]byte("<v>"+raw+"</v>"), &raw); err != nil {
			return "", err
		}
	}
	return "<" + tag + sigv4.EncodePath(raw) + "</" + tag, nil
}

// content reads the rest of an element, its end tag too, and returns at most limit bytes of what
// is in it; more than that is an error unless limit is 0.
func content(in *bufio.Reader, tag string, limit int) (string, error) {
	if _, err := in.Discard(len(tag)); err != nil {
		return "", err
	}
	var inner []byte
	for {
		part, err := in.ReadSlice('<')
		if limit > 0 {
			inner = append(inner, part...)
		}
		switch {
		case len(inner) > limit+1:
			return "", errors.New("an element of the store's document is too long")
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return "", io.ErrUnexpectedEOF
		case err != nil:
			return "", err
		}
		if end, _ := in.Peek(1 + len(tag)); string(end) == "/"+tag {
			_, err = in.Discard(len(end))
			return strings.TrimSuffix(string(inner), "<"), err
		}
	}
}

// text escapes s for use between tags.
func text(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a Buffer does not fail
	return b.String()
}
