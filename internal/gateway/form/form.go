// Package form reads the forms by which browsers upload files to S3: fields, and then the file.
// It judges nothing but sizes. It imports rows 0 to 2.
//
// Source of the format: Amazon S3 API Reference, "Browser-Based Uploads Using POST"; RFC 7578.
package form

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"strings"

	"github.com/lanyardhq/lanyard/internal/fault"
)

// maxFields bounds what stands before the file, in bytes.
const maxFields = 256 << 10

// Form is a form that was read up to its file.
type Form struct {
	// Fields are the fields before the file, by their names in lower case. What comes after the
	// file has no meaning.
	Fields map[string]string
	// FileName is what the browser calls the file, without directories.
	FileName string

	file io.Reader
}

// Read reads the fields of r's form. What cannot be read is an Invalid fault.
func Read(r *http.Request) (*Form, error) {
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return nil, fault.New(fault.Invalid, "a POST to a bucket is a form with a file (multipart/form-data), or ?delete")
	}
	parts := multipart.NewReader(r.Body, params["boundary"])
	f, left := &Form{Fields: map[string]string{}}, int64(maxFields)
	for {
		part, err := parts.NextPart()
		if err != nil {
			return nil, fault.New(fault.Invalid, "the form cannot be read, or has no file").WithCause(err)
		}
		name := strings.ToLower(part.FormName())
		if name == "file" {
			f.FileName, f.file = part.FileName(), part
			return f, nil
		}
		value, err := io.ReadAll(io.LimitReader(part, left+1))
		if err != nil {
			return nil, fault.New(fault.Invalid, "the form is cut off").WithCause(err)
		}
		if left -= int64(len(name) + len(value)); left < 0 {
			return nil, fault.New(fault.Invalid, "the fields before the file are longer than %d bytes", maxFields)
		}
		if _, twice := f.Fields[name]; twice {
			return nil, fault.New(fault.Invalid, "the form has the field %.60q twice", name)
		}
		f.Fields[name] = string(value)
	}
}

// Spool reads the file, whose length stands nowhere, into a file without a name, and returns that
// ready to be read. It stops after limit bytes and one more, which tells that it was too long.
func (f *Form) Spool(limit int64) (spool *os.File, size int64, err error) {
	defer func() {
		if err != nil && spool != nil {
			err = errors.Join(err, spool.Close())
		}
	}()
	if spool, err = os.CreateTemp("", "lanyard-post-"); err != nil {
		return nil, 0, fmt.Errorf("keep a posted file: %w", err)
	}
	if err = os.Remove(spool.Name()); err != nil {
		return nil, 0, fmt.Errorf("keep a posted file: %w", err)
	}
	file := f.file
	if limit < 1<<62 {
		file = io.LimitReader(file, limit+1)
	}
	if size, err = io.Copy(spool, file); err != nil {
		return nil, 0, fmt.Errorf("keep a posted file: %w", err)
	}
	if _, err = spool.Seek(0, io.SeekStart); err != nil {
		return nil, 0, fmt.Errorf("keep a posted file: %w", err)
	}
	return spool, size, nil
}
