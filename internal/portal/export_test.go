package portal

import (
	"html/template"

	"github.com/lanyardhq/lanyard/internal/portal/frame"
)

// Samples are every page's template, with a value of the type that it is shown.
func Samples() (map[string]*template.Template, map[string]any, error) {
	pages, err := parse(nil)
	return pages, map[string]any{
		"account": frame.Of[accountPage]{}, "continue": frame.Of[string]{}, "delete": frame.Of[deletePage]{}, "device": frame.Of[devicePage]{},
		"key": frame.Of[keyPage]{}, "local": frame.Of[localPage]{}, "login": frame.Of[chooserPage]{}, "message": frame.Of[frame.Message]{},
		"newkey": frame.Of[newKeyPage]{}, "project": frame.Of[projectPage]{}, "projects": frame.Of[projectsPage]{}, "reveal": frame.Of[revealPage]{},
		"newproxy": frame.Of[newProxyPage]{}, "proxies": frame.Of[proxiesPage]{}, "proxy": frame.Of[proxyPage]{},
	}, err
}
