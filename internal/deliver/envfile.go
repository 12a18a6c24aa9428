package deliver

import (
	"path/filepath"
	"strings"
)

// EnvFile is a file of a.Name for a shell to source, for clients that have no file of their own.
func EnvFile(h Home, a Access, suffix string) string {
	if h.Path != "" {
		return h.Path
	}
	dir := h.Getenv("XDG_CONFIG_HOME")
	if dir == "" {
		dir = filepath.Join(h.Dir, ".config")
	}
	return filepath.Join(dir, "lanyard", a.Name+suffix)
}

// Exports renders variables for a POSIX shell.
func Exports(comment string, vars ...Key) string {
	var b strings.Builder
	b.WriteString("# " + comment + "\n")
	for _, v := range vars {
		b.WriteString("export " + v.Name + "=" + ShellQuote([]string{v.Value}) + "\n")
	}
	return b.String()
}
