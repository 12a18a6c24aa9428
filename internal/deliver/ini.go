package deliver

import (
	"strings"
)

// A Section is what a target wants to stand in one section of an INI file, as rclone, s3cmd and
// the AWS tools read them: "[name]", then "key = value" lines; a value may go on in lines that are
// indented.
type Section struct {
	Name string
	// Keys are set in this order. Indented lines of a value follow a line break.
	Keys []Key
	// Drop names keys that must not stand there any more.
	Drop []string
}

// A Key is one setting.
type Key struct{ Name, Value string }

// SetSections returns the file old with the sections' keys set. Whatever is foreign stays byte for
// byte: other sections, other keys in ours, comments, blank lines, line ends.
func SetSections(old []byte, sections ...Section) []byte {
	f := parseINI(old)
	for _, s := range sections {
		f.set(s)
	}
	return f.bytes()
}

// RemoveSections returns the file old without the named sections; the comments above the next
// section stay with that one.
func RemoveSections(old []byte, names ...string) []byte {
	f := parseINI(old)
	for _, name := range names {
		if start, end, ok := f.section(name); ok {
			if start > 0 && end < len(f.lines) && blank(f.lines[start-1]) && blank(f.lines[end]) {
				end++ // not two empty lines where the section was
			}
			f.lines = append(f.lines[:start:start], f.lines[end:]...)
		}
	}
	return f.bytes()
}

// FirstSection returns the name of the file's first section, or def if it has none.
func FirstSection(old []byte, def string) string {
	for _, line := range parseINI(old).lines {
		if name, ok := header(line); ok {
			return name
		}
	}
	return def
}

type ini struct {
	lines []string // without "\n", with "\r" where the file has it
	cr    string   // what our lines end with before "\n"
	last  bool     // the last line has an end
}

func parseINI(old []byte) *ini {
	f := &ini{last: true}
	if len(old) == 0 {
		return f
	}
	text := string(old)
	f.last = strings.HasSuffix(text, "\n")
	f.lines = strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if strings.HasSuffix(f.lines[0], "\r") {
		f.cr = "\r"
	}
	return f
}

func (f *ini) bytes() []byte {
	if len(f.lines) == 0 {
		return []byte{}
	}
	text := strings.Join(f.lines, "\n")
	if f.last {
		text += "\n"
	}
	return []byte(text)
}

// section returns the lines of a section: from its header to behind its last line that says
// something, so that comments above the next header belong to that.
func (f *ini) section(name string) (start, end int, ok bool) {
	for i, line := range f.lines {
		if n, is := header(line); is && n == name {
			end = i + 1
			for j := i + 1; j < len(f.lines); j++ {
				if _, next := header(f.lines[j]); next {
					break
				}
				if !blank(f.lines[j]) && !comment(f.lines[j]) {
					end = j + 1
				}
			}
			return i, end, true
		}
	}
	return 0, 0, false
}

func (f *ini) set(s Section) {
	start, end, ok := f.section(s.Name)
	if !ok {
		if n := len(f.lines); n > 0 && !f.last {
			f.lines[n-1] += f.cr
		}
		if n := len(f.lines); n > 0 && !blank(f.lines[n-1]) {
			f.lines = append(f.lines, f.cr)
		}
		f.lines = append(f.lines, "["+s.Name+"]"+f.cr)
		start, end = len(f.lines)-1, len(f.lines)
	}
	body := f.lines[start+1 : end : end]
	for _, name := range s.Drop {
		if at, n := find(body, name); n > 0 {
			body = append(body[:at:at], body[at+n:]...)
		}
	}
	for _, k := range s.Keys {
		text := strings.Split(k.Name+" = "+k.Value, "\n")
		for i, line := range text {
			text[i] = strings.TrimRight(line, " ") + f.cr
		}
		at, n := find(body, k.Name)
		if n == 0 {
			at = len(body)
		}
		body = append(body[:at:at], append(text, body[at+n:]...)...)
	}
	tail := append([]string{}, f.lines[end:]...)
	f.last = f.last || len(tail) == 0
	f.lines = append(append(f.lines[:start+1:start+1], body...), tail...)
}

// find returns where key name stands in the lines of a section, with the indented lines of its
// value.
func find(body []string, name string) (at, n int) {
	for i, line := range body {
		key, _, ok := strings.Cut(line, "=")
		if !ok || comment(line) || indented(line) || strings.TrimSpace(key) != name {
			continue
		}
		n = 1
		for i+n < len(body) && indented(body[i+n]) && !blank(body[i+n]) {
			n++
		}
		return i, n
	}
	return 0, 0
}

func header(line string) (name string, ok bool) {
	line = strings.TrimSpace(line)
	if !strings.HasPrefix(line, "[") || !strings.Contains(line, "]") {
		return "", false
	}
	return strings.TrimSpace(line[1:strings.Index(line, "]")]), true
}

func blank(line string) bool    { return strings.TrimSpace(line) == "" }
func indented(line string) bool { return strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") }
func comment(line string) bool {
	line = strings.TrimSpace(line)
	return strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";")
}
