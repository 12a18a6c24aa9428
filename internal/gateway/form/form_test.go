package form_test

import (
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/gateway/form"
)

func field(name, value string) string {
	return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
}

func file(name, content string) string {
	return "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + name + "\"\r\nContent-Type: text/plain\r\n\r\n" + content + "\r\n"
}

func read(contentType, body string) (*form.Form, error) {
	r, err := http.NewRequest("POST", "http://s3/data", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", contentType)
	return form.Read(r)
}

const formData = "multipart/form-data; boundary=b"

func TestRead(t *testing.T) {
	f, err := read(formData, field("Key", "up/${filename}")+field("x-amz-meta-A", "å")+file(`C:\dir/photo.jpg`, "pixels")+field("submit", "Upload")+"--b--\r\n")
	if err != nil {
		t.Fatal(err)
	}
	if f.Fields["key"] != "up/${filename}" || f.Fields["x-amz-meta-a"] != "å" || f.Fields["submit"] != "" || strings.Contains(f.FileName, "/") {
		t.Errorf("read %v, file %q", f.Fields, f.FileName)
	}
	spool, size, err := f.Spool(100)
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Close()
	text, err := io.ReadAll(spool)
	if err != nil || size != 6 || string(text) != "pixels" {
		t.Errorf("spooled %d bytes, %q, %v", size, text, err)
	}
	if _, err := os.Stat(spool.Name()); !os.IsNotExist(err) {
		t.Errorf("the spooled file still has a name: %v", err)
	}
}

func TestSpoolStopsAtTheLimit(t *testing.T) {
	f, err := read(formData, file("big", strings.Repeat("x", 1000))+"--b--")
	if err != nil {
		t.Fatal(err)
	}
	spool, size, err := f.Spool(10)
	if err != nil {
		t.Fatal(err)
	}
	defer spool.Close()
	if size != 11 {
		t.Errorf("kept %d bytes", size)
	}
}

func TestReadRefuses(t *testing.T) {
	for name, c := range map[string][2]string{
		"other type":   {"text/plain", file("f", "x") + "--b--"},
		"no boundary":  {"multipart/form-data", file("f", "x") + "--b--"},
		"no file":      {formData, field("key", "k") + "--b--"},
		"nothing":      {formData, ""},
		"cut off":      {formData, field("key", "k")[:40]},
		"twice":        {formData, field("key", "k") + field("KEY", "l") + file("f", "x") + "--b--"},
		"long field":   {formData, field("key", strings.Repeat("k", 300<<10)) + file("f", "x") + "--b--"},
		"many fields":  {formData, strings.Repeat(field("", strings.Repeat("k", 1000)), 2) + file("f", "x") + "--b--"},
		"bad boundary": {"multipart/form-data; boundary=\"\x00", file("f", "x")},
	} {
		if _, err := read(c[0], c[1]); fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	f, err := read(formData, strings.TrimSuffix(file("f", strings.Repeat("x", 10_000)), "\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := f.Spool(1 << 20); err == nil {
		t.Error("a file that is cut off was kept")
	}
}

// FuzzRead holds that strangers' forms neither panic nor fill the memory.
func FuzzRead(f *testing.F) {
	f.Add(formData, field("key", "k")+file("f", "x")+"--b--")
	f.Add("multipart/form-data; boundary=b; charset=x", "--b\r\n\r\n")
	f.Add("multipart/form-data; boundary=\"a b\"", "--a b\r\nContent-Disposition: form-data; name*=utf-8''file\r\n\r\n")
	f.Fuzz(func(t *testing.T, contentType, body string) {
		form, err := read(contentType, body)
		if err != nil {
			if fault.CodeOf(err) != fault.Invalid {
				t.Errorf("%v", err)
			}
			return
		}
		size := 0
		for name, value := range form.Fields {
			if size += len(value); name == "file" || size > 256<<10 {
				t.Errorf("field %q, %d bytes", name, size)
			}
		}
	})
}
