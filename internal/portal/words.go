package portal

import (
	"crypto/sha256"
	"encoding/hex"
	"html/template"
	"io/fs"
	"maps"
	"strings"

	"github.com/lanyardhq/lanyard/internal/portal/wording"
)

// parse reads every page's template, with the layout around it.
func parse(more Section) (map[string]*template.Template, error) {
	own, err := fs.Sub(files, "templates")
	if err != nil {
		return nil, err
	}
	layout, err := template.New("").Funcs(functions()).ParseFS(own, "layout.html")
	if err != nil {
		return nil, err
	}
	pages := map[string]*template.Template{}
	if err := parseInto(pages, layout, own); err != nil || more == nil {
		return pages, err
	}
	shared, err := layout.ParseFS(more.Templates(), "parts.html")
	if err != nil {
		return nil, err
	}
	return pages, parseInto(pages, shared, more.Templates())
}

// parseInto adds the pages of a folder, each with what they share.
func parseInto(pages map[string]*template.Template, shared *template.Template, folder fs.FS) error {
	names, err := fs.Glob(folder, "*.html")
	if err != nil {
		return err
	}
	for _, name := range names {
		t, err := shared.Clone()
		if err == nil {
			t, err = t.ParseFS(folder, name)
		}
		if err != nil {
			return err
		}
		pages[strings.TrimSuffix(name, ".html")] = t
	}
	return nil
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
