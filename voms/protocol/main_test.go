package protocol_test

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/voms/vomses"
)

const hosts = "/DC=test/DC=lanyard/OU=Hosts/CN="

var first = vomses.Server{Alias: "lanyard", Host: "voms.lanyard.test", Port: 21001, DN: hosts + "voms.lanyard.test", VO: "lanyard"}

// emptyIsNil compares lists by what they hold.
var emptyIsNil = cmp.FilterValues(func(a, b []string) bool { return len(a)+len(b) == 0 }, cmp.Ignore())

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
