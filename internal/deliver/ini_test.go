package deliver_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/internal/deliver"
)

func TestSetSectionsKeepsWhatIsForeign(t *testing.T) {
	ours := deliver.Section{Name: "ours", Keys: []deliver.Key{{Name: "a", Value: "1"}, {Name: "s3", Value: "\n  x = y"}}, Drop: []string{"gone"}}
	for name, tt := range map[string]struct{ old, want string }{
		"no file":           {"", "[ours]\na = 1\ns3 =\n  x = y\n"},
		"behind others":     {"[theirs]\nk=v", "[theirs]\nk=v\n\n[ours]\na = 1\ns3 =\n  x = y\n"},
		"keys in place":     {"[ours]\n# mine\na=0\nb = 2\ngone = 3\ns3 =\n  old = z\n\n# next\n[theirs]\n", "[ours]\n# mine\na = 1\nb = 2\ns3 =\n  x = y\n\n# next\n[theirs]\n"},
		"line ends":         {"[theirs]\r\nk = v\r\n", "[theirs]\r\nk = v\r\n\r\n[ours]\r\na = 1\r\ns3 =\r\n  x = y\r\n"},
		"a name in a value": {"[theirs]\nk = [ours]\n", "[theirs]\nk = [ours]\n\n[ours]\na = 1\ns3 =\n  x = y\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got := deliver.SetSections([]byte(tt.old), ours)
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Error(diff)
			}
			if again := deliver.SetSections(got, ours); !bytes.Equal(again, got) {
				t.Errorf("the second time it changes: %q", again)
			}
		})
	}
}

func TestRemoveSections(t *testing.T) {
	old := "# top\n[a]\nk = v\n\n[ours]\nk = v\n\n# of b\n[b]\n"
	if diff := cmp.Diff("# top\n[a]\nk = v\n\n# of b\n[b]\n", string(deliver.RemoveSections([]byte(old), "ours"))); diff != "" {
		t.Error(diff)
	}
	if got := deliver.RemoveSections([]byte(old), "absent"); string(got) != old {
		t.Errorf("removing what is absent changed the file to %q", got)
	}
}

// FuzzSetSections checks on any file that our keys stand there afterwards, that a second time
// changes nothing, and that no line outside our section is lost.
func FuzzSetSections(f *testing.F) {
	f.Add("")
	f.Add("[ours]\na=0\n  more\n[theirs]\nk=v\n# c\n")
	f.Add("no section = 1\r\n[x]\r\n")
	f.Add("[ours")
	f.Add("\n\n;[ours]\n[ours]\n[ours]\na = 2")
	f.Fuzz(func(t *testing.T, old string) {
		s := deliver.Section{Name: "ours", Keys: []deliver.Key{{Name: "a", Value: "1"}}}
		got := deliver.SetSections([]byte(old), s)
		if !strings.Contains(string(got), "a = 1") {
			t.Fatalf("the key is not there: %q", got)
		}
		if again := deliver.SetSections(got, s); !bytes.Equal(again, got) {
			t.Fatalf("%q became %q the second time", got, again)
		}
		if !strings.Contains(old, "ours") && !strings.HasPrefix(string(got), old) {
			t.Fatalf("a file without our section changed: %q became %q", old, got)
		}
	})
}
