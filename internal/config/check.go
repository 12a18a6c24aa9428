package config

import (
	"io"
	"os"
	"path/filepath"

	"github.com/lanyardhq/lanyard/internal/config/strict"
)

// A Mistake is one thing that the operator must put right.
type Mistake = strict.Mistake

const maxFile = 1 << 20 // bytes

// Check reads the file at path over the defaults for dataDir and returns the configuration with
// every mistake in it, in the file's order. It starts nothing and changes nothing; it opens the
// files that the configuration names. Names in the file are relative to its directory.
func Check(path, dataDir string) (Config, []Mistake) {
	file, err := os.Open(path) //nolint:gosec // the operator names it
	if err != nil {
		return Config{}, []Mistake{{File: path, Text: err.Error()}}
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	switch {
	case err != nil:
		return Config{}, []Mistake{{File: path, Text: err.Error()}}
	case len(text) > maxFile:
		return Config{}, []Mistake{{File: path, Text: "the file is larger than 1 MiB"}}
	}
	dir, err := filepath.Abs(filepath.Dir(path)) // parts of the server change their working directory
	if err != nil {
		return Config{}, []Mistake{{File: path, Text: err.Error()}}
	}
	return parse(path, dir, text, dataDir)
}

func parse(path, dir string, text []byte, dataDir string) (Config, []Mistake) {
	c := Default(dataDir)
	// What lies in the data directory is placed anew: the file may move the directory.
	c.AdminSocket, c.MasterKeyFile, c.Upstream.Directory = "", "", ""
	d := strict.Decode(path, text, &c)
	c.resolve(dir)
	c.place()
	judge{d}.all(c)
	return c, d.Mistakes()
}

// resolve makes file names absolute, seen from dir.
func (c *Config) resolve(dir string) {
	names := []*string{&c.DataDir, &c.AdminSocket, (*string)(&c.MasterKeyFile), &c.Upstream.Directory,
		&c.Portal.TLS.Cert, (*string)(&c.Portal.TLS.Key), &c.S3.TLS.Cert, (*string)(&c.S3.TLS.Key),
		(*string)(&c.Database.URLFile), (*string)(&c.Upstream.AccessKeyFile), (*string)(&c.Upstream.SecretKeyFile), &c.Grid.Certificates, &c.Grid.Vomsdir}
	for i := range c.SignIn.Providers {
		names = append(names, (*string)(&c.SignIn.Providers[i].ClientSecretFile))
	}
	for i := range c.Clients {
		names = append(names, (*string)(&c.Clients[i].SecretFile))
	}
	for i := range c.Providers {
		names = append(names, (*string)(&c.Providers[i].ClientSecretFile))
	}
	for i := range c.Grid.Vomses {
		names = append(names, &c.Grid.Vomses[i])
	}
	for i := range c.VOs {
		v := &c.VOs[i]
		names = append(names, &v.TLS.Cert, (*string)(&v.TLS.Key), &v.LDAP.CA, (*string)(&v.LDAP.PasswordFile))
	}
	for _, n := range names {
		if *n != "" && !filepath.IsAbs(*n) {
			*n = filepath.Join(dir, *n)
		}
	}
}
