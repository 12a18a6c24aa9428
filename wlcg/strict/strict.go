// Package strict reads JSON objects whose signature vouches for what every reader must understand in
// the same way: tokens, their headers, key sets. It imports the standard library only.
package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// maxDepth is how deep objects and arrays of tokens and key sets may be nested: four times as deep
// as any known one is.
const maxDepth = 32

// Object reads a JSON object and returns its members as they are written. It refuses what readers disagree about: members of the same name
// (some take the first, Go the last), at any depth, invalid UTF-8, and anything behind the object.
// Names are matched exactly by who looks them up; decoding into a struct would ignore their case.
// The size of the text is for the caller to limit.
func Object(text []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // a number too large for a float is for its reader to refuse
	if err := distinct(d, maxDepth); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows the JSON object")
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil || all == nil {
		return nil, errors.New("not a JSON object")
	}
	return all, nil
}

// distinct reads the next value and checks that no object in it names a member twice.
func distinct(d *json.Decoder, depth int) error {
	t, err := d.Token()
	if err != nil {
		return errors.New("not JSON")
	}
	open, nested := t.(json.Delim)
	if !nested {
		return nil
	}
	if depth == 0 {
		return errors.New("nested too deep")
	}
	seen := map[string]bool{}
	for d.More() {
		if open == '{' {
			t, err := d.Token()
			name, ok := t.(string)
			if err != nil || !ok {
				return errors.New("not JSON")
			}
			if seen[name] {
				return fmt.Errorf("the member %.100q is there twice", name)
			}
			seen[name] = true
		}
		if err := distinct(d, depth-1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return errors.New("not JSON")
	}
	return nil
}
