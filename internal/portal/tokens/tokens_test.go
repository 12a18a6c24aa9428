package tokens_test

import (
	"html/template"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/jba/templatecheck"

	"github.com/lanyardhq/lanyard/internal/delegation"
	"github.com/lanyardhq/lanyard/internal/portal/tokens"
	"github.com/lanyardhq/lanyard/internal/portal/wording"
)

func TestTemplatesFitTheirPages(t *testing.T) {
	funcs := wording.Functions()
	funcs["asset"] = func(string) (string, error) { return "", nil }
	funcs["start"] = func(string) string { return "" }
	folder := (&tokens.Pages{}).Templates()
	names, err := fs.Glob(folder, "*.html")
	if err != nil || len(names) != len(tokens.Samples())+1 {
		t.Errorf("%d templates, %v", len(names), err)
	}
	for name, sample := range tokens.Samples() {
		page, err := template.New("").Funcs(funcs).ParseFS(os.DirFS("../templates"), "layout.html")
		if err == nil {
			page, err = page.ParseFS(folder, "parts.html", name+".html")
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := templatecheck.CheckHTML(page.Lookup("layout.html"), sample); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestScopesInWords(t *testing.T) {
	for scope, want := range map[string]string{
		"storage.read:/": "read everywhere in the storage", "storage.read:/data/cms": "read below /data/cms", "storage.modify:/": "add, change and delete everywhere in the storage",
		"storage.create:/new": "add files below /new", "compute.cancel": "end jobs", "write:/home": "add, change and delete below /home",
		"wlcg.groups:/cms/production": "say that you are in the group /cms/production", "openid": "know which account you have there",
		"offline_access": "go on while you are away, until it ends",
		// What is not known is not guessed.
		"storage.read": "", "storage.read:data": "", "read:all": "", "urn:x:/y": "", "": "", "Storage.Read:/": "",
	} {
		if got := tokens.Scope(scope); got != want {
			t.Errorf("%q is %q, want %q", scope, got, want)
		}
	}
}

// Each capability that somebody can be given has words.
func TestCapabilitiesInWords(t *testing.T) {
	for _, name := range delegation.AllCapabilities().Intersect(delegation.Capabilities{"AT", "tokeninfo", "tokeninfo:introspect", "tokeninfo:history", "tokeninfo:subtokens",
		"tokeninfo:notify", "tokeninfo:tags", "create_mytoken", "manage_mytokens", "manage_mytokens:list", "manage_mytokens:revoke", "manage_mytokens:history",
		"manage_mytokens:notify", "manage_mytokens:tags", "settings", "settings:grants", "settings:grants:ssh", "settings:email", "settings:tags",
		"read@settings", "read@settings:grants", "read@settings:grants:ssh", "read@settings:email", "read@settings:tags"}) {
		words := tokens.Capability(name)
		if words == "" || strings.HasPrefix(name, "read@") && strings.Contains(words, "change") {
			t.Errorf("%s is %q", name, words)
		}
	}
}
