// Package lanyard_test holds the habits of this repository as tests: what imports what, that
// packages say what they are for, that nothing runs behind a reader's back, that tests do not
// sleep. It parses the tree itself, because a test that asks the go command is cached and misses
// changes.
package lanyard_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/lanyardhq/lanyard"

// rows is the dependency rule of the design: a package imports from lower rows only. A name that
// ends in /… stands for all packages below it.
var rows = map[string]int{
	"material": 0, "sigv4": 0, "wlcg": 0, "wlcg/…": 0, "internal/fault": 0, "internal/sigv2": 0, "internal/caller": 0, "internal/outgoing": 0, "internal/reply": 0, "internal/standin": 0,
	"proxycert/…": 0, "proxycert": 0, "voms": 0, "voms/…": 0,

	"api": 1, "internal/identity": 1, "internal/project": 1, "internal/bucket": 1, "internal/credential": 1,
	"internal/audit": 1, "internal/session": 1, "internal/feed": 1, "internal/deliver": 1, "internal/objectstore": 1,
	"internal/notice": 1, "internal/vo": 1, "internal/delegation": 1, "internal/grant": 1,
	// What the parts of the broker are made of.
	"internal/broker/access": 1, "internal/broker/ledger": 1,
	// How databases are spoken with.
	"internal/store/database": 1, "internal/store/seal": 1,

	"internal/kind/…": 2, "internal/deliver/…": 2, "internal/objectstore/…": 2, "internal/login/…": 2, "internal/broker/…": 2, "client": 2,
	"internal/store/…": 2, // what the store is made of
	"internal/signin":  2,
	"internal/keypool": 2, "internal/directory/…": 2, "internal/authority/…": 2,
	"internal/provider": 2, "internal/provider/…": 2, "internal/signing": 2,

	"internal/minting": 3, "internal/issuer/…": 3,
	"internal/broker": 3, "internal/login": 3, "internal/store": 3, "internal/gateway/…": 3, "internal/authority": 3,
	"internal/portal/…": 3, "internal/httpapi/…": 3, "internal/config/…": 3,
	"internal/custody": 3, "internal/custody/…": 2, "internal/subgrant": 3, "internal/subgrant/…": 2,
	// The command line's own use cases; its commands are a row above.
	"internal/cli/console": 3, "internal/cli/setup": 3, "internal/cli/shortkey": 3, "internal/cli/gridproxy": 2,
	"internal/cli/dropin": 2, "internal/cli/vomsinfo": 3,
	"internal/cli/lifecycle": 3, "internal/cli/show": 3, "internal/cli/site": 3, "internal/cli/tokens": 3,
	"internal/agent/oidcsocket": 2, "internal/agent/keep": 2,

	"internal/cli": 4, "internal/cli/…": 4, "internal/httpapi": 4, "internal/portal": 4, "internal/portal/tokens": 4, "internal/gateway": 4, "internal/issuer": 4,
	"internal/config": 4, "internal/attributeauthority": 4, "internal/mytoken": 4, "internal/agent": 4,

	"cmd/lanyard": 5,
}

// words are the packages of row 1 that the other packages of row 1 may import, in this order: the
// nouns that sentences are made of.
var words = []string{"internal/identity", "internal/project", "internal/bucket", "internal/credential",
	"internal/grant", "internal/audit", "internal/session", "internal/feed", "internal/notice"}

// grid are the public packages of X.509 and VOMS, and those of tokens. They stand in row 0 and may
// import those before them here: attribute certificates are about certificates, and all of it is
// about names.
var grid = []string{"proxycert/dn", "proxycert/keyfile", "proxycert/trust", "proxycert", "voms", "voms/vomses", "voms/protocol",
	"wlcg/strict", "wlcg", "wlcg/storage"}

// shared is what all commands are made of. It stands in row 3 and may import those before it here.
var shared = []string{"internal/cli/console", "internal/cli/lifecycle", "internal/cli/show", "internal/cli/site", "internal/cli/tokens"}

// gate is what the gateway's parts are made of. It stands in row 3 and may import those before it here.
var gate = []string{"internal/gateway/s3api", "internal/gateway/keytable", "internal/gateway/signer"}

// public packages can be imported by other programs, so they import nothing internal.
var public = []string{"material", "sigv4", "wlcg", "api", "client", "proxycert/dn", "proxycert/keyfile",
	"proxycert/trust", "proxycert", "voms", "voms/vomses", "voms/protocol", "wlcg/strict", "wlcg/storage", "wlcg/bearer"}

// outside is what stands beside the product: programs and tests that drive it.
var outside = []string{"bench", "e2e"}

type file struct {
	dir  string // relative to the root, with slashes
	name string
	ast  *ast.File
	fset *token.FileSet
}

func (f file) test() bool { return strings.HasSuffix(f.name, "_test.go") }

func parse(t *testing.T) []file {
	t.Helper()
	var files []file
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && p != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules" || d.Name() == "bin") {
			return fs.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(p, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		a, err := parser.ParseFile(fset, p, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		files = append(files, file{dir: filepath.ToSlash(filepath.Dir(p)), name: d.Name(), ast: a, fset: fset})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 20 {
		t.Fatalf("only %d Go files found: the walk is broken", len(files))
	}
	return files
}

func row(dir string) (int, bool) {
	if r, ok := rows[dir]; ok {
		return r, true
	}
	for d := path.Dir(dir); d != "."; d = path.Dir(d) {
		if r, ok := rows[d+"/…"]; ok {
			return r, true
		}
	}
	return 0, false
}

func index(list []string, s string) int {
	for i, v := range list {
		if v == s {
			return i
		}
	}
	return -1
}

// before reports whether one package of a list stands there before another.
func before(list []string, one, other string) bool {
	i := index(list, one)
	return i >= 0 && i < index(list, other)
}

func TestImportsComeFromLowerRows(t *testing.T) {
	for _, f := range parse(t) {
		if f.test() || f.dir == "." || index(outside, strings.Split(f.dir, "/")[0]) >= 0 {
			continue
		}
		mine, ok := row(f.dir)
		if !ok {
			t.Errorf("%s has no row: give it one here and in the design", f.dir)
			continue
		}
		for _, imp := range f.ast.Imports {
			p, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			dir, own := strings.CutPrefix(p, module+"/")
			if !own {
				continue
			}
			where := f.fset.Position(imp.Pos())
			if index(public, f.dir) >= 0 && strings.HasPrefix(dir, "internal/") {
				t.Errorf("%s: %s is public and imports %s", where, f.dir, dir)
			}
			theirs, ok := row(dir)
			words1 := index(words, dir) >= 0 && (index(words, f.dir) < 0 || index(words, dir) < index(words, f.dir))
			switch {
			case !ok:
				t.Errorf("%s: %s has no row", where, dir)
			case theirs == 1 && mine == 1 && words1, before(grid, dir, f.dir), before(shared, dir, f.dir), before(gate, dir, f.dir):
			case theirs >= mine:
				t.Errorf("%s: %s (row %d) imports %s (row %d)", where, f.dir, mine, dir, theirs)
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	said, dirs := map[string]bool{}, map[string]string{}
	for _, f := range parse(t) {
		if f.test() {
			continue
		}
		dirs[f.dir] = f.ast.Name.Name
		if f.ast.Doc != nil && (strings.HasPrefix(f.ast.Doc.Text(), "Package "+f.ast.Name.Name+" ") || f.ast.Name.Name == "main") {
			said[f.dir] = true
		}
	}
	for dir, name := range dirs {
		if !said[dir] {
			t.Errorf("package %s in %s has no doc comment that begins with %q", name, dir, "Package "+name)
		}
	}
}

func TestNothingRunsAtImport(t *testing.T) {
	for _, f := range parse(t) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: init function", f.fset.Position(fn.Pos()))
			}
		}
	}
}

// calls yields each call of pkg.name in f.
func calls(f file, pkg, name string, yield func(token.Position)) {
	ast.Inspect(f.ast, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if id, ok := sel.X.(*ast.Ident); ok && id.Name == pkg && sel.Sel.Name == name {
			yield(f.fset.Position(sel.Pos()))
		}
		return true
	})
}

// TestTestsDoNotSleep lets one file wait: the one that polls programs of other people.
func TestTestsDoNotSleep(t *testing.T) {
	for _, f := range parse(t) {
		if !f.test() || f.dir == "e2e" {
			continue
		}
		synctest := false
		for _, imp := range f.ast.Imports {
			synctest = synctest || imp.Path.Value == `"testing/synctest"`
		}
		if !synctest { // in a bubble, sleeping takes no time
			calls(f, "time", "Sleep", func(p token.Position) { t.Errorf("%s: a test sleeps", p) })
		}
	}
}

func TestTheClockIsInjected(t *testing.T) {
	for _, f := range parse(t) {
		if f.test() || f.dir == "cmd/lanyard" || index(outside, strings.Split(f.dir, "/")[0]) >= 0 {
			continue
		}
		calls(f, "time", "Now", func(p token.Position) { t.Errorf("%s: time.Now outside cmd", p) })
	}
}

func TestFilesHoldOneIdea(t *testing.T) {
	for _, f := range parse(t) {
		if lines := f.fset.File(f.ast.Pos()).LineCount(); lines > 500 && !f.test() {
			t.Errorf("%s/%s has %d lines; 500 is the limit", f.dir, f.name, lines)
		}
	}
}
