package bearer_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/lanyardhq/lanyard/wlcg/bearer"
)

// A place is what Discover looks at: variables, and a shared directory.
type place struct {
	t              *testing.T
	env            map[string]string
	shared, run    string
	uid            int
	sharedFile     string
	runFile, named string
}

func newPlace(t *testing.T) *place {
	p := &place{t: t, shared: t.TempDir(), run: t.TempDir(), uid: os.Geteuid()}
	name := "bt_u" + strconv.Itoa(p.uid)
	p.sharedFile, p.runFile, p.named = filepath.Join(p.shared, name), filepath.Join(p.run, name), filepath.Join(p.run, "named")
	p.env = map[string]string{"XDG_RUNTIME_DIR": p.run, "BEARER_TOKEN_FILE": p.named}
	return p
}

func (p *place) getenv(name string) string { return p.env[name] }

func (p *place) write(path, text string) {
	p.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p *place) finds(token, source string) {
	p.t.Helper()
	if got, from, err := bearer.DiscoverIn(p.getenv, p.uid, p.shared); err != nil || got != token || from != source {
		p.t.Errorf("found %q in %s, %v; want %q in %s", got, from, err, token, source)
	}
}

func (p *place) fails(words string) {
	p.t.Helper()
	if got, from, err := bearer.DiscoverIn(p.getenv, p.uid, p.shared); err == nil || errors.Is(err, bearer.ErrNoToken) || !strings.Contains(err.Error(), words) {
		p.t.Errorf("found %q in %s, %v; want an error: …%s…", got, from, err, words)
	}
}

// TestTheOrder takes away one place after the other.
func TestTheOrder(t *testing.T) {
	p := newPlace(t)
	p.env["BEARER_TOKEN"] = " variable\n"
	p.write(p.named, "named\n")
	p.write(p.runFile, "\t run ")
	p.write(p.sharedFile, "shared\r\n")
	p.finds("variable", "BEARER_TOKEN")
	p.env["BEARER_TOKEN"] = " \n" // blank: the next place
	p.finds("named", p.named)
	p.write(p.named, "\v\f")
	p.finds("run", p.runFile)
	delete(p.env, "BEARER_TOKEN_FILE")
	p.finds("run", p.runFile)
	delete(p.env, "XDG_RUNTIME_DIR")
	p.finds("shared", p.sharedFile)
	if err := os.Remove(p.sharedFile); err != nil {
		t.Fatal(err)
	}
	if _, _, err := bearer.DiscoverIn(p.getenv, p.uid, p.shared); !errors.Is(err, bearer.ErrNoToken) {
		t.Errorf("nothing: %v", err)
	}
}

// TestWhatIsNoTokenEndsTheSearch: a later place is not asked.
func TestWhatIsNoTokenEndsTheSearch(t *testing.T) {
	for _, text := range []string{"two words", "Bearer abc", "a\nb", "tök", "a=b", "====", "a\x00", "{}", strings.Repeat("a", 65537)} {
		p := newPlace(t)
		p.write(p.runFile, "run")
		p.write(p.named, text)
		p.fails("no bearer token")
		p.env["BEARER_TOKEN"] = text
		p.fails("BEARER_TOKEN holds no")
	}
	for _, text := range []string{"a", "a.b-c_d~e+f/g==", strings.Repeat("a", 65536)} {
		p := newPlace(t)
		p.write(p.named, text)
		p.finds(text, p.named)
	}
}

func TestWhatIsNoFile(t *testing.T) {
	p := newPlace(t)
	p.env["BEARER_TOKEN_FILE"] = p.run
	p.fails("is not a file")
	p.env["BEARER_TOKEN_FILE"] = p.named
	if err := syscall.Mkfifo(p.named, 0o600); err != nil {
		t.Fatal(err)
	}
	p.fails("is not a file") // and nobody waits for a writer
}

// TestOthersCannotPlantATokenInTheSharedDirectory: with somebody else's token a job would write
// its results where they can read them.
func TestOthersCannotPlantATokenInTheSharedDirectory(t *testing.T) {
	p := newPlace(t)
	target := filepath.Join(p.run, "target")
	p.write(target, "planted")
	if err := os.Symlink(target, p.sharedFile); err != nil {
		t.Fatal(err)
	}
	p.fails("is a link")
	if err := os.Symlink(target, p.runFile); err != nil { // where nobody else can make links, they are fine
		t.Fatal(err)
	}
	p.finds("planted", p.runFile)

	p = newPlace(t)
	p.uid++ // a file of ours, where theirs should be
	p.write(filepath.Join(p.shared, "bt_u"+strconv.Itoa(p.uid)), "ours")
	p.fails("belongs to somebody else")
}

func TestPath(t *testing.T) {
	if got := bearer.Path(func(string) string { return "" }, 1000); got != "/tmp/bt_u1000" {
		t.Error(got)
	}
	if got := bearer.Path(func(name string) string { return map[string]string{"XDG_RUNTIME_DIR": "/run/user/1000"}[name] }, 1000); got != "/run/user/1000/bt_u1000" {
		t.Error(got)
	}
}

func TestWrite(t *testing.T) {
	p := newPlace(t)
	for _, token := range []string{"first", "second"} {
		if err := bearer.Write(p.runFile, token); err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(p.runFile)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("%v %v", info.Mode(), err)
		}
		if text, err := os.ReadFile(p.runFile); err != nil || string(text) != token {
			t.Errorf("%q %v", text, err)
		}
	}
	p.finds("second", p.runFile)

	other := filepath.Join(p.shared, "other")
	p.write(other, "untouched")
	if err := os.Remove(p.runFile); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, p.runFile); err != nil {
		t.Fatal(err)
	}
	if err := bearer.Write(p.runFile, "third"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Lstat(p.runFile); err != nil || !info.Mode().IsRegular() {
		t.Errorf("the link is still there: %v %v", info.Mode(), err)
	}
	if text, _ := os.ReadFile(other); string(text) != "untouched" {
		t.Error("the link was followed")
	}
	if files, err := os.ReadDir(p.run); err != nil || len(files) != 1 {
		t.Errorf("left behind: %v %v", files, err)
	}
}

func TestWriteRefuses(t *testing.T) {
	p := newPlace(t)
	for _, token := range []string{"", "two words", "line\n", strings.Repeat("a", 65537)} {
		if err := bearer.Write(p.runFile, token); err == nil || token != "" && strings.Contains(err.Error(), token) {
			t.Errorf("%.20q: %v", token, err)
		}
	}
	if err := bearer.Write(filepath.Join(p.run, "nowhere", "file"), "token"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if err := os.Chmod(p.shared, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := bearer.Write(p.sharedFile, "token"); err == nil || !strings.Contains(err.Error(), "others may replace") {
		t.Errorf("a directory of everybody: %v", err)
	}
	if err := os.Chmod(p.shared, 0o777|fs.ModeSticky); err != nil {
		t.Fatal(err)
	}
	if err := bearer.Write(p.sharedFile, "token"); err != nil {
		t.Errorf("one where files are their owner's: %v", err)
	}
	if err := os.Mkdir(p.runFile, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := bearer.Write(p.runFile, "token"); err == nil {
		t.Error("a directory was replaced")
	}
	if files, _ := os.ReadDir(p.run); len(files) != 1 {
		t.Errorf("left behind: %v", files)
	}
}
