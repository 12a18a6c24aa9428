package portal

import (
	"crypto/sha256"
	"encoding/hex"
	"html/template"
	"io/fs"
	"maps"
	"path"
	"strings"

	"github.com/lanyardhq/lanyard/internal/portal/wording"
)

// parse reads every page's template, with the layout around it.
func parse() (map[string]*template.Template, error) {
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return nil, err
	}
	pages := map[string]*template.Template{}
	for _, name := range names {
		t, err := template.New("").Funcs(functions()).ParseFS(files, "templates/layout.html", name)
		if err != nil {
			return nil, err
		}
		pages[strings.TrimSuffix(path.Base(name), ".html")] = t
	}
	return pages, nil
}

// functions are what templates call.
func functions() template.FuncMap {
	all := wording.Functions()
	maps.Copy(all, template.FuncMap{"asset": asset, "start": startPath})
	return all
}

// asset is the address of a static file, with a hash of its content so that it can be kept for good.
func asset(name string) (string, error) {
	text, err := files.ReadFile("static/" + name)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return "/static/" + name + "?v=" + hex.EncodeToString(sum[:4]), nil
}
