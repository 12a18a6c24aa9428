package config

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/lanyardhq/lanyard/material"
)

// SecretFile is the name of a file that holds one secret. The configuration itself holds none.
type SecretFile string

const maxSecret = 64 << 10 // bytes; a private key with its comments is far below

// Read returns the file's text without the line break at its end. It refuses files that others than
// the owner may read or write, and empty ones.
func (f SecretFile) Read() (material.Secret, error) {
	file, err := os.Open(string(f))
	if err != nil {
		return "", fmt.Errorf("open secret file: %w", err)
	}
	defer file.Close()
	info, err := file.Stat() // of the open file, so that nobody exchanges it in between
	if err != nil {
		return "", fmt.Errorf("look at secret file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is not a regular file", f)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s has mode %04o, so others than its owner may read it: chmod 600 %[1]s", f, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(file, maxSecret))
	if err != nil {
		return "", fmt.Errorf("read secret file: %w", err)
	}
	s := strings.TrimRight(string(text), "\r\n")
	if s == "" {
		return "", fmt.Errorf("%s is empty", f)
	}
	return material.Secret(s), nil
}

// readFor is Read for a secret that may not exist, as those of public clients: without a file it is
// empty. An error says whose it is.
func (f SecretFile) readFor(whose string) (material.Secret, error) {
	if f == "" {
		return "", nil
	}
	secret, err := f.Read()
	if err != nil {
		return "", fmt.Errorf("%s: %w", whose, err)
	}
	return secret, nil
}
