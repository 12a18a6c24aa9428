package deliver

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/lanyardhq/lanyard/internal/fault"
)

// SetMember returns the JSON document old with the member at path (names of nested objects, the
// last the member's own) set to value. All else stays byte for byte; objects that are missing on
// the way are made. An empty document counts as {}. What is no JSON object is an Invalid fault.
func SetMember(old []byte, value json.RawMessage, path ...string) ([]byte, error) {
	if len(bytes.TrimSpace(old)) == 0 {
		old = []byte("{}\n")
	}
	start, end, found, err := member(old, path[0])
	if err != nil {
		return nil, err
	}
	if len(path) > 1 {
		inner := []byte("{}")
		if found {
			inner = old[start:end]
		}
		if value, err = SetMember(inner, value, path[1:]...); err != nil {
			return nil, err
		}
		value = bytes.TrimSpace(value)
	}
	if found {
		return splice(old, start, end, value), nil
	}
	name, err := json.Marshal(path[0])
	if err != nil {
		return nil, err
	}
	text := fmt.Appendf(nil, "\n  %s: %s", name, value)
	open := bytes.IndexByte(old, '{') + 1
	if rest := bytes.TrimSpace(old[open:]); len(rest) > 0 && rest[0] == '}' {
		text = append(text, '\n')
	} else {
		text = append(text, ',')
	}
	return splice(old, open, open, text), nil
}

// RemoveMember returns the document old without the member at path; one that is absent is no
// error.
func RemoveMember(old []byte, path ...string) ([]byte, error) {
	if len(bytes.TrimSpace(old)) == 0 {
		return old, nil
	}
	start, end, found, err := member(old, path[0])
	if err != nil || !found {
		return old, err
	}
	if len(path) > 1 {
		inner, err := RemoveMember(old[start:end], path[1:]...)
		return splice(old, start, end, inner), err
	}
	// Take the name and one comma with it: the one behind, or the one before at the object's end.
	from := bytes.LastIndexByte(old[:bytes.LastIndexByte(old[:start], ':')], '"')
	from = bytes.LastIndexByte(old[:from], '"')
	if rest := bytes.TrimLeft(old[end:], " \t\r\n"); len(rest) > 0 && rest[0] == ',' {
		end = len(old) - len(rest) + 1
	} else if before := bytes.TrimRight(old[:from], " \t\r\n"); len(before) > 0 && before[len(before)-1] == ',' {
		from = len(before) - 1
	}
	return splice(old, len(bytes.TrimRight(old[:from], " \t\r\n")), end, nil), nil
}

// member finds the value of a member of the object that doc is: doc[start:end].
func member(doc []byte, name string) (start, end int, found bool, err error) {
	if !json.Valid(doc) {
		return 0, 0, false, fault.New(fault.Invalid, "the file is not JSON").WithHint("repair or remove it")
	}
	dec := json.NewDecoder(bytes.NewReader(doc))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return 0, 0, false, fault.New(fault.Invalid, "the file is not a JSON object").WithHint("repair or remove it")
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return 0, 0, false, err
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return 0, 0, false, err
		}
		if key == name {
			end = int(dec.InputOffset())
			return end - len(value), end, true, nil
		}
	}
	return 0, 0, false, nil
}

func splice(doc []byte, start, end int, text []byte) []byte {
	out := make([]byte, 0, len(doc)+len(text))
	return append(append(append(out, doc[:start]...), text...), doc[end:]...)
}
