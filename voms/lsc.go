package voms

import (
	"bufio"
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/lanyardhq/lanyard/proxycert/dn"
)

// An LSC says whose word counts for a VO: the certificate chains that its attribute authority may
// have. One of them has to match. The zero LSC matches nothing.
type LSC struct{ Chains [][]Pair }

// A Pair is the names in one certificate, in slash form.
type Pair struct{ Subject, Issuer string }

const (
	maxLSC    = 64 << 10 // bytes
	nextChain = "------ NEXT CHAIN ------"
)

// ParseLSC reads an LSC file: for each certificate of the authority's chain, its own first, a line
// with the subject and one with the issuer. A line "------ NEXT CHAIN ------" begins an
// alternative. Blank lines and lines that begin with # do not count.
func ParseLSC(text []byte) (LSC, error) {
	if len(text) > maxLSC {
		return LSC{}, fmt.Errorf("an LSC file has at most %d bytes", maxLSC)
	}
	var l LSC
	var names []string
	end := func() error {
		if len(names) == 0 || len(names)%2 != 0 {
			return fmt.Errorf("chain %d of the LSC file has %d names: it must have two for each certificate, subject and issuer", len(l.Chains)+1, len(names))
		}
		var chain []Pair
		for i := 0; i < len(names); i += 2 {
			chain = append(chain, Pair{Subject: names[i], Issuer: names[i+1]})
		}
		l.Chains, names = append(l.Chains, chain), nil
		return nil
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, maxLSC+1)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		switch {
		case line == "" || line[0] == '#':
		case strings.Trim(line, "- ") == "NEXT CHAIN":
			if err := end(); err != nil {
				return LSC{}, err
			}
		default:
			if _, err := dn.Parse(line); err != nil || line[0] != '/' {
				return LSC{}, fmt.Errorf("%q in the LSC file is no name in slash form", line)
			}
			names = append(names, line)
		}
	}
	if err := errors.Join(lines.Err(), end()); err != nil {
		return LSC{}, err
	}
	return l, nil
}

// LSCOf returns the LSC for the given chain, the authority's certificate first. Give it that one
// alone where it is the only one in the ACs, which is what every reader understands.
func LSCOf(chain ...*x509.Certificate) LSC {
	if len(chain) == 0 {
		return LSC{}
	}
	var pairs []Pair
	for _, c := range chain {
		pairs = append(pairs, Pair{Subject: dn.Slash(c.RawSubject), Issuer: dn.Slash(c.RawIssuer)})
	}
	return LSC{Chains: [][]Pair{pairs}}
}

// String returns the file's text.
func (l LSC) String() string {
	var text strings.Builder
	for i, chain := range l.Chains {
		if i > 0 {
			text.WriteString(nextChain + "\n")
		}
		for _, p := range chain {
			text.WriteString(p.Subject + "\n" + p.Issuer + "\n")
		}
	}
	return text.String()
}

// Match reports whether certs, the authority's own first, is one of the chains.
func (l LSC) Match(certs []*x509.Certificate) bool {
	return len(certs) > 0 && slices.ContainsFunc(l.Chains, func(chain []Pair) bool {
		return slices.EqualFunc(chain, certs, func(p Pair, c *x509.Certificate) bool {
			return sameText(p.Subject, c.RawSubject) && sameText(p.Issuer, c.RawIssuer)
		})
	})
}

// sameText compares a name that a person wrote with one of a certificate.
func sameText(text string, raw []byte) bool {
	written, err1 := dn.Parse(text)
	name, err2 := dn.Of(raw)
	return err1 == nil && err2 == nil && written.Equal(name)
}

// sameName compares two encoded names.
func sameName(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return true
	}
	one, err1 := dn.Of(a)
	other, err2 := dn.Of(b)
	return err1 == nil && err2 == nil && one.Equal(other)
}

// LSCPath returns the name of the LSC file for the authority of vo on host, below the folder dir.
// It refuses names that would lead out of it.
func LSCPath(dir, vo, host string) (string, error) {
	if !safeName(vo) || !safeName(host) {
		return "", fmt.Errorf("%q and %q cannot be the names of a VO and a host", vo, host)
	}
	return filepath.Join(dir, vo, host+".lsc"), nil
}
