package s3api

import (
	"bufio"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
)

// Rewrite copies an XML document of the store from r to w, in bounded memory, with the elements
// that would tell the store's own names in place of the client's: bucket names become bucket,
// owners become the project, locations become location. Text of documents never holds a bare "<",
// so an element's name is found by looking for it.
func Rewrite(w io.Writer, r io.Reader, bucket, project, location string) error {
	owner := "<ID>" + text(project) + "</ID><DisplayName>" + text(project) + "</DisplayName>"
	replace := []struct{ name, with string }{
		{"Name>", text(bucket)}, {"Bucket>", text(bucket)}, {"Location>", text(location)},
		{"Owner>", owner}, {"Initiator>", owner},
	}
	in := bufio.NewReaderSize(r, 16<<10)
next:
	for {
		part, err := in.ReadSlice('<')
		if _, werr := w.Write(part); werr != nil {
			return werr
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		peek, _ := in.Peek(len("Initiator>"))
		for _, e := range replace {
			if !bytes.HasPrefix(peek, []byte(e.name)) {
				continue
			}
			if err := skip(in, e.name); err != nil {
				return err
			}
			if _, err := io.WriteString(w, e.name+e.with+"</"+e.name); err != nil {
				return err
			}
			continue next
		}
	}
}

// skip reads up to the end tag of the element, and that too.
func skip(in *bufio.Reader, name string) error {
	for {
		_, err := in.ReadSlice('<')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF):
			return io.ErrUnexpectedEOF
		case err != nil:
			return err
		}
		if end, _ := in.Peek(1 + len(name)); string(end) == "/"+name {
			_, err = in.Discard(len(end))
			return err
		}
	}
}

// text escapes s for use between tags.
func text(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a Buffer does not fail
	return b.String()
}
