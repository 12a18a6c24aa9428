// Package strict reads JSON objects whose signature vouches for what every reader must understand in
// the same way: tokens, their headers, key sets. It imports the standard library only.
package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// maxDepth is how deep objects and arrays of tokens and key sets may be nested: four times as deep
// as any known one is.
const maxDepth = 32

// Object reads a JSON object and returns its members as they are written. It refuses what readers
// disagree about: members of the same name (some take the first, Go the last), at any depth, and
// invalid UTF-8. Names are matched exactly by who looks them up; decoding into a struct would ignore
// their case. The size of the text is for the caller to limit.
func Object(text []byte) (map[string]json.RawMessage, error) {
	if !utf8.Valid(text) {
		return nil, errors.New("not UTF-8")
	}
	if !json.Valid(text) { // so that the walk need not look at syntax
		return nil, errors.New("not JSON")
	}
	w := walker{text: bytes.TrimSpace(text)}
	if w.text[0] != '{' {
		return nil, errors.New("not a JSON object")
	}
	return w.object(maxDepth)
}

// Text is the value of a JSON string, and whether it is one.
func Text(value json.RawMessage) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	if plain := value[1 : len(value)-1]; bytes.IndexByte(plain, '\\') < 0 {
		return string(plain), true
	}
	var text string
	err := json.Unmarshal(value, &text)
	return text, err == nil
}

// A walker goes through valid JSON, most of which it passes over.
type walker struct {
	text []byte
	at   int
}

// object reads the object that begins here.
func (w *walker) object(depth int) (map[string]json.RawMessage, error) {
	members := make(map[string]json.RawMessage)
	for w.at++; w.next() != '}'; {
		begin := w.at
		w.skipText()
		name, _ := Text(w.text[begin:w.at])
		if _, twice := members[name]; twice {
			return nil, fmt.Errorf("the member %.100q is there twice", name)
		}
		w.next()
		w.at++ // the colon
		w.next()
		begin = w.at
		if err := w.value(depth - 1); err != nil {
			return nil, err
		}
		members[name] = w.text[begin:w.at]
		w.comma()
	}
	w.at++
	return members, nil
}

// value passes over the value that begins here.
func (w *walker) value(depth int) (err error) {
	switch c := w.text[w.at]; {
	case (c == '{' || c == '[') && depth == 0:
		return errors.New("nested too deep")
	case c == '{':
		_, err = w.object(depth)
	case c == '[':
		for w.at++; w.next() != ']'; w.comma() {
			if err := w.value(depth - 1); err != nil {
				return err
			}
		}
		w.at++
	case c == '"':
		w.skipText()
	default: // a number or a word
		for w.at < len(w.text) && bytes.IndexByte([]byte(",]} \t\r\n"), w.text[w.at]) < 0 {
			w.at++
		}
	}
	return err
}

// next passes over white space and returns what comes then.
func (w *walker) next() byte {
	for bytes.IndexByte([]byte(" \t\r\n"), w.text[w.at]) >= 0 {
		w.at++
	}
	return w.text[w.at]
}

func (w *walker) comma() {
	if w.next() == ',' {
		w.at++
	}
}

func (w *walker) skipText() {
	for w.at++; w.text[w.at] != '"'; w.at++ {
		if w.text[w.at] == '\\' {
			w.at++
		}
	}
	w.at++
}
