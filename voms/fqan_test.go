package voms_test

import (
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/voms"
)

func TestFQAN(t *testing.T) {
	for _, test := range []struct{ text, vo, group, role, short, long string }{
		{"/cms", "cms", "/cms", "", "/cms", "/cms/Role=NULL/Capability=NULL"},
		{"/cms/Role=NULL/Capability=NULL", "cms", "/cms", "", "/cms", "/cms/Role=NULL/Capability=NULL"},
		{"/cms/Role=NULL", "cms", "/cms", "", "/cms", "/cms/Role=NULL/Capability=NULL"},
		{"/cms/Capability=NULL", "cms", "/cms", "", "/cms", "/cms/Role=NULL/Capability=NULL"},
		{"/vo.0/a_b/c-d/Role=lcg.admin", "vo.0", "/vo.0/a_b/c-d", "lcg.admin", "/vo.0/a_b/c-d/Role=lcg.admin", "/vo.0/a_b/c-d/Role=lcg.admin/Capability=NULL"},
		{"/cms/Role=pilot/Capability=x", "cms", "/cms", "pilot", "/cms/Role=pilot/Capability=x", "/cms/Role=pilot/Capability=x"},
	} {
		f, err := voms.ParseFQAN(test.text)
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
			continue
		}
		if f.VO() != test.vo || f.Group != test.group || f.Role != test.role || f.Short() != test.short || f.Long() != test.long {
			t.Errorf("%s: got %+v, VO %s, short %s, long %s", test.text, f, f.VO(), f.Short(), f.Long())
		}
		for _, form := range []string{f.Short(), f.Long(), f.String()} {
			if again, err := voms.ParseFQAN(form); again != f || err != nil {
				t.Errorf("%s is not what %s is: %+v, %v", form, test.text, again, err)
			}
		}
	}
}

func TestFQANRefused(t *testing.T) {
	for _, text := range []string{
		"", "cms", "/", "//", "/cms/", "/cms//higgs", "cms/higgs", "/cms/../atlas", "/cms/.",
		"/cms/Role=", "/cms/Role=a/b", "/cms/Role=a/Role=b", "/cms/Capability=", "/cms/Capability=x/Role=y",
		"/cms\n/Role=admin", "/cms\x00", "/cms/a b", "/cms/Rôle", "/cms/a=b", "/cms,/atlas", "/Role=admin",
		"/" + strings.Repeat("x", voms.MaxFQAN),
	} {
		if f, err := voms.ParseFQAN(text); err == nil {
			t.Errorf("%q: got %+v, want an error", text, f)
		}
	}
	if _, err := voms.ParseFQAN("/" + strings.Repeat("x", voms.MaxFQAN-1)); err != nil {
		t.Errorf("the longest FQAN: %v", err)
	}
}
