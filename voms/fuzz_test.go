package voms_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/voms"
)

// seeds returns every AC of the fixtures, and their extensions.
func seeds(f *testing.F) (acs, extensions [][]byte) {
	for _, index := range []string{"golden", "hostile"} {
		for _, row := range rows(f, index+"/INDEX.tsv") {
			if _, has := reasons[row[0]]; !has {
				continue
			}
			for _, c := range proxy(f, index+"/"+row[0]).Chain {
				for _, e := range c.Extensions {
					if e.Id.String() != "1.3.6.1.4.1.8005.100.100.5" {
						continue
					}
					extensions = append(extensions, e.Value)
					all, err := voms.ParseExtension(e.Value)
					if err != nil {
						continue
					}
					for _, one := range all {
						if one.Err == nil {
							acs = append(acs, one.AC.Raw)
						}
					}
				}
			}
		}
	}
	if len(acs) < 20 || len(extensions) < 20 {
		f.Fatalf("only %d ACs and %d extensions found", len(acs), len(extensions))
	}
	return acs, extensions
}

// harmless checks that what was read can be shown line by line and used as a file name.
func harmless(t *testing.T, ac *voms.AC) {
	t.Helper()
	if path, err := voms.LSCPath("/d", ac.VO, ac.Host); err != nil || filepath.Dir(filepath.Dir(path)) != "/d" {
		t.Errorf("VO %q and host %q make the path %q, %v", ac.VO, ac.Host, path, err)
	}
	texts := append([]string{ac.VO, ac.URI(), ac.Issuer, ac.Holder.Name}, append(ac.FQANs, ac.Targets...)...)
	for _, a := range ac.Attributes {
		texts = append(texts, a.String())
	}
	for _, text := range texts {
		if strings.ContainsAny(text, "\n\r\x00\x1b\x7f") {
			t.Errorf("%q has control characters", text)
		}
	}
}

func FuzzParse(f *testing.F) {
	acs, _ := seeds(f)
	for _, der := range acs {
		f.Add(der)
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		ac, err := voms.Parse(der)
		if err != nil {
			if reason(t, err) != voms.Malformed {
				t.Errorf("the reason is %q", reason(t, err))
			}
			return
		}
		harmless(t, ac)
		if !bytes.Equal(ac.Raw, der) {
			t.Error("Raw is not what was read")
		}
	})
}

// FuzzVerify stands apart from FuzzParse, because signatures are slow to check.
func FuzzVerify(f *testing.F) {
	acs, _ := seeds(f)
	for _, der := range acs {
		f.Add(der)
	}
	v := verifier(f)
	holder, _ := certificate(f, "ada")
	f.Fuzz(func(t *testing.T, der []byte) {
		ac, err := voms.Parse(der)
		if err != nil {
			return
		}
		if err := v.Verify(ac, holder); reason(t, err) == "" && !known(acs, der) {
			t.Error("an AC that nobody issued was accepted")
		}
	})
}

func known(acs [][]byte, der []byte) bool {
	for _, ac := range acs {
		if bytes.Equal(ac, der) {
			return true
		}
	}
	return false
}

func FuzzParseExtension(f *testing.F) {
	_, extensions := seeds(f)
	for _, value := range extensions {
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		all, err := voms.ParseExtension(value)
		if err != nil {
			return
		}
		var good [][]byte
		for _, one := range all {
			if one.Err == nil {
				harmless(t, one.AC)
				good = append(good, one.AC.Raw)
			}
		}
		if len(good) != len(all) {
			return
		}
		if again, err := voms.Extension(good...); err != nil || !bytes.Equal(again, value) {
			t.Errorf("encoded again: %v", err)
		}
	})
}

func FuzzParseLSC(f *testing.F) {
	for _, file := range []string{"lanyard/voms.lanyard.test.lsc", "lanyard/voms2.lanyard.test.lsc", "gamma/voms.lanyard.test.lsc"} {
		f.Add(read(f, filepath.Join(vomsdir, file)))
	}
	f.Add([]byte("# note\r\n\r\n/DC=a/CN=b\\/c\r\n /DC=a/E=d@e \r\n- NEXT CHAIN -\n/CN=\\xC3\\xA9\n/CN=x\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		lsc, err := voms.ParseLSC(text)
		if err != nil {
			return
		}
		again, err := voms.ParseLSC([]byte(lsc.String()))
		if err != nil || again.String() != lsc.String() {
			t.Errorf("written as %q, read again as %q, %v", lsc, again, err)
		}
		if lsc.Match(nil) {
			t.Error("it matches nothing at all")
		}
	})
}

func FuzzParseFQAN(f *testing.F) {
	for _, text := range []string{"/cms", "/cms/higgs/Role=production/Capability=NULL", "/vo.0/Role=NULL", "/a/Capability=b", "/a/Role=b/Role=c", "//", "/a/../b"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		fqan, err := voms.ParseFQAN(text)
		if err != nil {
			return
		}
		if short, err := voms.ParseFQAN(fqan.Short()); err != nil || short != fqan {
			t.Errorf("%s: the short form is read as %+v, %v", text, short, err)
		}
		if long, err := voms.ParseFQAN(fqan.Long()); len(fqan.Long()) <= voms.MaxFQAN && (err != nil || long != fqan) {
			t.Errorf("%s: the long form is read as %+v, %v", text, long, err)
		}
		if !strings.HasPrefix(fqan.Group+"/", "/"+fqan.VO()+"/") {
			t.Errorf("%s: the VO is %s", text, fqan.VO())
		}
	})
}
