package portal

import "html/template"

// Samples are every page's template, with a value of the type that it is shown.
func Samples() (map[string]*template.Template, map[string]any, error) {
	pages, err := parse()
	return pages, map[string]any{
		"account": frame[accountPage]{}, "continue": frame[string]{}, "delete": frame[deletePage]{}, "device": frame[devicePage]{},
		"key": frame[keyPage]{}, "local": frame[localPage]{}, "login": frame[chooserPage]{}, "message": frame[message]{},
		"newkey": frame[newKeyPage]{}, "project": frame[projectPage]{}, "projects": frame[projectsPage]{}, "reveal": frame[revealPage]{},
		"newproxy": frame[newProxyPage]{}, "proxies": frame[proxiesPage]{}, "proxy": frame[proxyPage]{},
	}, err
}
