// Package strict reads an operator's YAML file into structs: a key that nobody knows is a mistake, every
// mistake is found at once, each with line and column. It knows no configuration in particular, and
// imports nothing of ours.
package strict

import (
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// A Mistake is one thing that the operator must put right.
type Mistake struct {
	File         string
	Line, Column int    // from 1; 0 if the whole file is meant
	Key          string // s3.url, projects[0].name; may be empty
	Text         string // what is wrong, and what would be right
}

// String renders it as compilers do, so that editors jump to it.
func (m Mistake) String() string {
	s := m.File
	if m.Line > 0 {
		s = fmt.Sprintf("%s:%d:%d", m.File, m.Line, m.Column)
	}
	if m.Key != "" {
		s += ": " + m.Key
	}
	return s + ": " + m.Text
}

// A Decoder fills structs from YAML and goes on after a mistake, so that all are found at once;
// the library's own decoder stops at the first. It also remembers where each key stands, for
// mistakes that only the whole configuration shows.
type Decoder struct {
	file     string
	at       map[string]*token.Position // by key, as s3.url or projects[0].name
	broken   map[string]bool            // keys whose values could not be decoded
	mistakes []Mistake
}

// Decode fills the struct that into points to from text, which stands in file. What text does not
// name stays as it is.
func Decode(file string, text []byte, into any) *Decoder {
	d := &Decoder{file: file, at: map[string]*token.Position{}, broken: map[string]bool{}}
	d.decode(text, into)
	return d
}

// Mistakes returns all that were found so far, in the file's order.
func (d *Decoder) Mistakes() []Mistake {
	slices.SortStableFunc(d.mistakes, func(a, b Mistake) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return d.mistakes
}

// Wrong notes a mistake at key, or at the nearest key above it that the file has. What could not be
// decoded is not judged: its value is not what the operator wrote.
func (d *Decoder) Wrong(key, format string, args ...any) {
	m := Mistake{File: d.file, Key: key, Text: fmt.Sprintf(format, args...)}
	for k := key; k != ""; k = above(k) {
		if d.broken[k] {
			return
		}
		if p := d.at[k]; p != nil && m.Line == 0 {
			m.Line, m.Column = p.Line, p.Column
		}
	}
	d.mistakes = append(d.mistakes, m)
}

func above(key string) string {
	return key[:max(0, strings.LastIndexAny(key, ".["))]
}

func (d *Decoder) decode(text []byte, into any) {
	file, err := parser.ParseBytes(text, 0)
	if err != nil {
		p := &token.Position{Line: 1, Column: 1}
		message := "this is not YAML"
		if e, ok := errors.AsType[yaml.Error](err); ok {
			message = e.GetMessage()
			if t := e.GetToken(); t != nil && t.Position != nil {
				p = t.Position
			}
		}
		d.add(p, "", "%s", message)
		return
	}
	for i, doc := range file.Docs {
		switch {
		case doc.Body == nil || doc.Body.Type() == ast.CommentType:
		case i > 0:
			d.add(doc.Body.GetToken().Position, "", "the file holds more than one YAML document")
		default:
			d.value(doc.Body, reflect.ValueOf(into).Elem(), "")
		}
	}
}

func (d *Decoder) add(p *token.Position, key, format string, args ...any) {
	d.broken[key] = true
	d.mistakes = append(d.mistakes, Mistake{File: d.file, Line: p.Line, Column: p.Column, Key: key, Text: fmt.Sprintf(format, args...)})
}

// value fills v from n, which stands under key.
func (d *Decoder) value(n ast.Node, v reflect.Value, key string) {
	where := n.GetToken().Position
	switch n.Type() {
	case ast.NullType:
		return // "projects:" with nothing after it
	case ast.AnchorType, ast.AliasType, ast.TagType:
		d.add(where, key, "anchors, aliases and tags are not understood here")
		return
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if s, ok := d.scalar(n, key); ok {
			if err := u.UnmarshalText([]byte(s)); err != nil {
				d.add(where, key, "%s", err)
			}
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer: // nil as long as nothing is given, so that 0 is a value
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), key)
	case reflect.Struct:
		d.mapping(n, key, func(pair *ast.MappingValueNode, name string) {
			d.field(pair, v, key, name)
		})
	case reflect.Map:
		m := reflect.MakeMap(v.Type())
		d.mapping(n, key, func(pair *ast.MappingValueNode, name string) {
			item := reflect.New(v.Type().Elem()).Elem()
			d.value(pair.Value, item, join(key, name))
			m.SetMapIndex(reflect.ValueOf(name).Convert(v.Type().Key()), item)
		})
		v.Set(m)
	case reflect.Slice:
		d.sequence(n, v, key)
	default:
		if s, ok := d.scalar(n, key); ok {
			if err := set(v, s); err != nil {
				d.add(where, key, "%s", err)
			}
		}
	}
}

// mapping calls f for each pair of the mapping n.
func (d *Decoder) mapping(n ast.Node, key string, f func(pair *ast.MappingValueNode, name string)) {
	var pairs []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		pairs = m.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{m}
	default:
		d.add(n.GetToken().Position, key, "names with values are wanted here, as in \"name: value\"")
		return
	}
	for _, pair := range pairs {
		name, ok := d.scalar(pair.Key, key)
		if !ok {
			continue
		}
		d.at[join(key, name)] = pair.Key.GetToken().Position
		f(pair, name)
	}
}

// field fills that field of v whose yaml name is name.
func (d *Decoder) field(pair *ast.MappingValueNode, v reflect.Value, key, name string) {
	fields := fieldsOf(v)
	if f, ok := fields[name]; ok {
		d.value(pair.Value, f, join(key, name))
		return
	}
	known := slices.Sorted(maps.Keys(fields))
	hint := "possible are " + strings.Join(known, ", ")
	if near := nearest(name, known); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	d.add(pair.Key.GetToken().Position, join(key, name), "there is no such key; %s", hint)
}

// fieldsOf returns the fields of the struct v by their yaml names. Embedded structs count as if
// their fields stood in v.
func fieldsOf(v reflect.Value) map[string]reflect.Value {
	fields := map[string]reflect.Value{}
	for i := range v.NumField() {
		f, tag := v.Type().Field(i), v.Type().Field(i).Tag.Get("yaml")
		switch {
		case f.Anonymous:
			maps.Copy(fields, fieldsOf(v.Field(i)))
		case tag != "" && tag != "-":
			fields[tag] = v.Field(i)
		}
	}
	return fields
}

func (d *Decoder) sequence(n ast.Node, v reflect.Value, key string) {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		d.add(n.GetToken().Position, key, "a list is wanted here, as in \"- item\" or \"[item, item]\"")
		return
	}
	s := reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values))
	for i, item := range list.Values {
		k := fmt.Sprintf("%s[%d]", key, i)
		d.at[k] = item.GetToken().Position
		d.value(item, s.Index(i), k)
	}
	v.Set(s)
}

// scalar returns the text of a single value, as it is written: 462000008 stays what it is where
// text is wanted.
func (d *Decoder) scalar(n ast.Node, key string) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	d.add(n.GetToken().Position, key, "a single value is wanted here")
	return "", false
}

// set parses s as what v is.
func set(v reflect.Value, s string) error {
	switch {
	case v.Type() == reflect.TypeFor[time.Duration]():
		var d Duration
		err := d.UnmarshalText([]byte(s))
		v.SetInt(int64(d))
		return err
	case v.Kind() == reflect.String:
		v.SetString(s)
	case v.Kind() == reflect.Bool && (s == "true" || s == "false"):
		v.SetBool(s == "true")
	case v.Kind() == reflect.Bool:
		return fmt.Errorf("%q is neither true nor false", s)
	case v.CanInt():
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || v.OverflowInt(n) {
			return fmt.Errorf("%q is not a whole number", s)
		}
		v.SetInt(n)
	default:
		return fmt.Errorf("no text can be put here (%s)", v.Type())
	}
	return nil
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

// nearest returns the word of known that name is most likely a slip of; "" if none is near.
func nearest(name string, known []string) string {
	best, least := "", min(len(name), 1+max(2, len(name)/3))
	for _, k := range known {
		n := distance(name, k)
		if len(name) > 2 && strings.HasPrefix(k, name) {
			n = 1
		}
		if n < least {
			best, least = k, n
		}
	}
	return best
}

// distance is Levenshtein's: the least number of letters to insert, remove or exchange.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		previous := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := previous
			if a[i] != b[j] {
				cost++
			}
			previous = row[j+1]
			row[j+1] = min(cost, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
