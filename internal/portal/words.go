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
	folders := []fs.FS{own}
	if more != nil {
		folders = append(folders, more.Templates())
	}
	for _, folder := range folders {
		base, err := layout.Clone()
		if err != nil {
			return nil, err
		}
		if folder != own {
			if _, err := base.ParseFS(folder, "parts.html"); err != nil {
				return nil, err
			}
		}
		names, err := fs.Glob(folder, "*.html")
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			t, err := base.Clone()
			if err == nil {
				t, err = t.ParseFS(folder, name)
			}
			if err != nil {
				return nil, err
			}
			pages[strings.TrimSuffix(name, ".html")] = t
		}
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
