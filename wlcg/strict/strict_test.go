package strict_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/wlcg/strict"
)

func TestObject(t *testing.T) {
	got, err := strict.Object([]byte(" \n{ \"a\" : 1 ,\"b\\u0063\\\"\":\"x\\\\\", \"\":[ {} , [ ] , { \"a\":null , \"b\" : [1.5e3,true] } ] , \"o\":{\"a\":{\"a\":{}}}}\t"))
	if err != nil {
		t.Fatal(err)
	}
	texts := map[string]string{}
	for name, raw := range got {
		texts[name] = string(raw)
	}
	want := map[string]string{"a": "1", `bc"`: `"x\\"`, "": `[ {} , [ ] , { "a":null , "b" : [1.5e3,true] } ]`, "o": `{"a":{"a":{}}}`}
	if diff := cmp.Diff(want, texts); diff != "" {
		t.Error(diff)
	}
	if empty, err := strict.Object([]byte("{ }")); err != nil || len(empty) > 0 {
		t.Error(empty, err)
	}
}

func TestObjectRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                  "not JSON",
		"[]":                                "not a JSON object",
		"null":                              "not a JSON object",
		`"{}"`:                              "not a JSON object",
		"{":                                 "not JSON",
		"{} {}":                             "not JSON",
		`{"a":1,}`:                          "not JSON",
		`{"a":01}`:                          "not JSON",
		`{"a":NaN}`:                         "not JSON",
		"\ufeff{}":                          "not JSON",
		"{\"a\":\"\xff\"}":                  "not UTF-8",
		`{"a":1,"a":1}`:                     `"a" is there twice`,
		`{"a":1,"\u0061":2}`:                `"a" is there twice`,
		`{"x":[{"y":{"a":1,"b":2,"a":3}}]}`: `"a" is there twice`,
		`{"":1,"":2}`:                       `"" is there twice`,
		`{"a":` + strings.Repeat("[", 32) + strings.Repeat("]", 32) + `}`: "too deep",
		strings.Repeat(`{"a":`, 9000) + "1" + strings.Repeat("}", 9000):   "too deep",
	} {
		if got, err := strict.Object([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %v, %v; want %s", text, got, err, want)
		}
	}
	if _, err := strict.Object([]byte(`{"a":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`)); err != nil {
		t.Errorf("32 deep: %v", err)
	}
}

func TestText(t *testing.T) {
	for value, want := range map[string]string{`""`: "", `"a"`: "a", `"\u0061\n"`: "a\n", `"é"`: "é"} {
		if got, ok := strict.Text(json.RawMessage(value)); !ok || got != want {
			t.Errorf("%s: %q %v", value, got, ok)
		}
	}
	for _, value := range []string{"", "1", "null", `["a"]`, `{"a":"b"}`, `"`} {
		if got, ok := strict.Text(json.RawMessage(value)); ok {
			t.Errorf("%s: %q", value, got)
		}
	}
}

// FuzzObject compares with the standard library: the same members, with the same values.
func FuzzObject(f *testing.F) {
	for _, text := range []string{`{"a":1,"b":[{"c":null}]}`, `{"a":"\"}","b\\":"\\"}`, `{"a":1,"a":2}`, "{\"a\" :\t[ ] ,\"b\":{ } }", `[1]`, `{"":1e400}`, `{"\ud800":1,"\ufffd":2}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := strict.Object(text)
		if err != nil {
			return
		}
		var want map[string]json.RawMessage
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatalf("read, but not by the library: %v", err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}
