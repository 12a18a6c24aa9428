package vomses_test

import (
	"errors"
	"testing"

	"github.com/lanyardhq/lanyard/voms/vomses"
)

func FuzzParse(f *testing.F) {
	f.Add(read(f, "testdata/vomses/good"))
	f.Add([]byte(`"a" "h" "1" "/CN=h" "a`))
	f.Fuzz(func(t *testing.T, data []byte) {
		servers, err := vomses.Parse(data)
		if _, typed := errors.AsType[*vomses.Error](err); err != nil && !typed {
			t.Fatalf("%T", err)
		}
		for _, s := range servers {
			again, err := vomses.Parse([]byte(s.String()))
			if err != nil || len(again) != 1 || again[0] != s {
				t.Fatalf("%#v is read again as %#v: %v", s, again, err)
			}
		}
	})
}
