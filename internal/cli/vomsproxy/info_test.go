package vomsproxy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func goldens(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(fixtures + "golden/*.pem")
	if err != nil || len(files) < 20 {
		t.Fatal(len(files), err)
	}
	return files
}

// running is a time that is left. Those that are over stay.
var running = regexp.MustCompile(`(?m)^(timeleft  : )0*[1-9]\d*:\d\d:\d\d$`)

// TestInfoAll prints what both originals have printed, byte for byte.
func TestInfoAll(t *testing.T) {
	d := newDesk(t)
	d.now = func() time.Time { return time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC) }
	for _, file := range goldens(t) {
		name := strings.TrimSuffix(filepath.Base(file), ".pem")
		wants := map[string]string{}
		for _, flavour := range []string{"c", "java"} {
			text, err := os.ReadFile(strings.TrimSuffix(file, ".pem") + "." + flavour + "-all.txt")
			if err != nil {
				t.Fatal(err)
			}
			wants[flavour] = string(text)
		}
		d.take(file, "proxy.pem")
		path := filepath.Join(d.dir, "proxy.pem")
		for program, flavour := range map[string]string{"voms-proxy-info": "c", "voms-proxy-info2": "c", "voms-proxy-info3": "java"} {
			r := d.ours(program, "-all", "-file", path)
			got := running.ReplaceAllString(strings.Replace(r.out, "path      : "+path+"\n", "path      : @PATH@\n", 1), "${1}@TIME@")
			if r.code != 0 {
				said, _, _ := strings.Cut(r.errs, "Why: ")
				got += "rc=1\nstderr: " + said
			}
			if diff := cmp.Diff(wants[flavour], got); diff != "" {
				t.Errorf("%s %s: %s", program, name, diff)
			}
		}
	}
}

// TestInfoOptions holds every way to ask against the C program, and some against the Java program,
// which takes a second for each.
func TestInfoOptions(t *testing.T) {
	d := newDesk(t, "ada")
	for _, name := range []string{"g09-c-voms-two", "g48-j-noregen-depth2", "g23-fake-expired-proxy", "g03-c-legacy", "g17-c-robot"} {
		d.take(fixtures+"golden/"+name+".pem", name)
	}
	long := strings.Fields("-subject -issuer -type -strength -path -vo -fqan -acsubject -acissuer -serial -uri")
	for _, tc := range []struct {
		program string
		args    []string
	}{
		{"voms-proxy-info2", nil},
		{"voms-proxy-info2", long},
		{"voms-proxy-info2", []string{"--identity"}},
		{"voms-proxy-info2", []string{"-chain"}},
		{"voms-proxy-info2", []string{"-chain", "-all"}},
		{"voms-proxy-info2", []string{"-keyusage"}},
		{"voms-proxy-info2", []string{"-vo", "-all"}},
		{"voms-proxy-info2", []string{"-exists"}},
		{"voms-proxy-info2", []string{"-exists", "-valid", "1:00"}},
		{"voms-proxy-info2", []string{"-exists", "-valid=300000:00"}},
		{"voms-proxy-info2", []string{"-exists", "-hours", "300000"}},
		{"voms-proxy-info2", []string{"-exists", "-bits", "4096"}},
		{"voms-proxy-info2", []string{"-acexists", "lanyard"}},
		{"voms-proxy-info2", []string{"-acexists", "lanyard", "-acexists", "cms"}},
		{"voms-proxy-info2", []string{"-subj"}},
		{"voms-proxy-info3", long},
		{"voms-proxy-info3", []string{"-chain", "-all"}},
		{"voms-proxy-info3", []string{"-text"}},
		{"voms-proxy-info3", []string{"-exists", "-bits", "1024"}},
	} {
		for _, name := range []string{"g09-c-voms-two", "g48-j-noregen-depth2", "g23-fake-expired-proxy", "g03-c-legacy", "g17-c-robot"} {
			if strings.HasSuffix(tc.program, "3") && name != "g48-j-noregen-depth2" {
				continue
			}
			args := append([]string{"-file", name}, tc.args...)
			want, got := d.theirs(tc.program, args...), d.ours(tc.program, args...)
			if diff := cmp.Diff(alike(want.out), alike(got.out)); diff != "" || want.code != got.code {
				t.Errorf("%s %v: exit %d, not %d: %s%s", tc.program, args, got.code, want.code, diff, got.errs)
			}
			if alike(want.errs) != "" && !strings.Contains(got.errs, alike(want.errs)) {
				t.Errorf("%s %v says %q, not %q", tc.program, args, got.errs, want.errs)
			}
		}
	}
}

func TestInfoFailures(t *testing.T) {
	d := newDesk(t, "ada")
	d.write("text", "no proxy\n")
	d.take(fixtures+"golden/g01-c-plain.pem", "plain")
	for _, tc := range []struct {
		program string
		args    []string
		text    string
	}{
		{"voms-proxy-info", []string{"-file", "none"}, "Couldn't find a valid proxy.\n\nWhy: there is no proxy file none\n"},
		{"voms-proxy-info", nil, "Couldn't find a valid proxy."},
		{"voms-proxy-info", []string{"-file", "text"}, "Couldn't find a valid proxy."},
		{"voms-proxy-info", []string{"-file", "plain", "-vo"}, ""},
		{"voms-proxy-info", []string{"--nonsense"}, "voms-proxy-info: unrecognized option '--nonsense'"},
		{"voms-proxy-info3", []string{"-file", "none"}, "Proxy not found: none (No such file or directory)"},
		{"voms-proxy-info3", []string{"-file", "plain", "-vo"}, "No VOMS attributes found!"},
		{"voms-proxy-info3", []string{"--nonsense"}, "Error parsing command line arguments: Unrecognized option: --nonsense"},
	} {
		if r := d.ours(tc.program, tc.args...); r.code != 1 || !strings.Contains(r.errs, tc.text) || tc.text == "" && r.errs != "" {
			t.Errorf("%s %v: exit %d, %q", tc.program, tc.args, r.code, r.errs)
		}
	}
}

// TestInfoForgesNoLine has an attribute with a line end in it, which the originals print as two.
func TestInfoForgesNoLine(t *testing.T) {
	d := newDesk(t)
	d.take(fixtures+"hostile/x48-newline-in-fqan.pem", "proxy")
	for _, program := range []string{"voms-proxy-info", "voms-proxy-info3"} {
		if r := d.ours(program, "-file", "proxy", "-all", "-fqan"); strings.Contains(r.out, "admin") || r.code != 1 {
			t.Errorf("%s: exit %d\n%s", program, r.code, r.out)
		}
	}
}
