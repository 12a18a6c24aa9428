package protocol_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/voms/protocol"
)

func seeds(f *testing.F, pattern string, add func([]byte)) {
	f.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		f.Fatalf("no seed is at %s: %v", pattern, err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		add(data)
	}
}

// FuzzReadRequest feeds what strangers send to an authority. What is read is what we could send.
func FuzzReadRequest(f *testing.F) {
	seeds(f, "testdata/requests/*", func(d []byte) { f.Add(d) })
	f.Add([]byte("GET /generate-ac?fqans=%2Fa,all&x=1&order=/a:b HTTP/1.0\n\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		in, err := protocol.ReadRequest(bytes.NewReader(data))
		if err != nil {
			return
		}
		if err := in.Check(); err != nil {
			t.Fatalf("%#v: %v", in, err)
		}
		in.All = in.All && !in.List // the XML form has one of them
		var text bytes.Buffer
		if err := protocol.WriteRequest(&text, protocol.Legacy, first, in.Request, ""); err != nil {
			t.Fatal(err)
		}
		again, err := protocol.ReadRequest(&text)
		if err != nil || again.Lifetime != in.Lifetime || again.All != in.All || again.List != in.List {
			t.Fatalf("%#v is read again as %#v: %v", in, again, err)
		}
	})
}

// FuzzReadAnswer feeds what hostile servers send, in both forms and both ways of base64.
func FuzzReadAnswer(f *testing.F) {
	seeds(f, "testdata/answers/*.http", func(d []byte) { f.Add(d, true) })
	seeds(f, "testdata/answers/*.xml", func(d []byte) { f.Add(d, false) })
	f.Fuzz(func(t *testing.T, data []byte, rest bool) {
		form := protocol.Legacy
		if rest {
			form = protocol.REST
		}
		got, err := protocol.ReadAnswer(bytes.NewReader(data), form)
		if err != nil {
			if got.AC != nil || got.List != nil {
				t.Fatalf("an answer comes with %v", err)
			}
			return
		}
		if len(got.AC) == 0 && got.List == nil {
			return
		}
		var text bytes.Buffer
		if err := protocol.WriteAnswer(&text, protocol.Incoming{Form: form}, got, nil); err != nil {
			t.Fatal(err)
		}
		again, err := protocol.ReadAnswer(&text, form)
		if err != nil || !bytes.Equal(got.AC, again.AC) || !cmp.Equal(got.List, again.List) {
			t.Fatalf("%#v is read again as %#v: %v", got, again, err)
		}
	})
}
