package proxy_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// answer is what "proxy verify --output json" prints, as far as it is promised.
type answer struct {
	Verdict   string `json:"verdict"`
	Reason    string `json:"reason"`
	Identity  string `json:"identity"`
	Limited   *bool  `json:"limited"`
	ExpiresAt string `json:"expires_at"`
	ACs       []struct {
		VO         string   `json:"vo"`
		Verdict    string   `json:"verdict"`
		Reason     string   `json:"reason"`
		FQANs      []string `json:"fqans"`
		Attributes []struct{ Name, Value, Qualifier string }
		ExpiresAt  string `json:"expires_at"`
	} `json:"acs"`
}

// rejectsSecond reports whether the first attribute certificate counts and the second does not.
func (a answer) rejectsSecond() bool {
	return a.Verdict == "reject" && len(a.ACs) == 2 && a.ACs[0].Verdict == "accept" && a.ACs[1].Verdict == "reject" && a.ACs[1].Reason != ""
}

// verify lets the command judge a file.
func (p *person) verify(file string, flags ...string) answer {
	p.t.Helper()
	args := []string{"verify", file, "--at", "2026-11-21T12:00:00Z", "--ca-dir", fixtures + "pki/certificates", "--voms-dir", fixtures + "pki/vomsdir", "--output", "json"}
	code := p.run(append(args, flags...)...)
	var a answer
	if err := json.Unmarshal(p.out.Bytes(), &a); err != nil {
		p.t.Fatalf("%s: %v in %q %q", file, err, &p.out, &p.errs)
	}
	switch {
	case a.Verdict == "accept" && code != 0, a.Verdict == "reject" && code != 1, a.Verdict != "accept" && a.Verdict != "reject":
		p.t.Errorf("%s: verdict %q with exit code %d", file, a.Verdict, code)
	case a.Verdict == "reject" && a.Reason == "", a.Limited == nil, a.ACs == nil:
		p.t.Errorf("%s: fields are missing: %s", file, &p.out)
	case p.errs.Len() > 0:
		p.t.Errorf("%s: said %s", file, &p.errs)
	}
	for _, ac := range a.ACs {
		if ac.FQANs == nil || (ac.Verdict == "reject") != (ac.Reason != "") || ac.Verdict == "reject" && a.Verdict == "accept" {
			p.t.Errorf("%s: attribute certificate %+v", file, ac)
		}
	}
	return a
}

// index reads the names and one column of an INDEX.tsv.
func index(t *testing.T, folder string, column int) [][2]string {
	t.Helper()
	text, err := os.ReadFile(fixtures + folder + "/INDEX.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var rows [][2]string
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		fields := strings.Split(line, "\t")
		rows = append(rows, [2]string{fields[0], fields[column]})
	}
	if len(rows) < 20 {
		t.Fatalf("%s has only %d rows", folder, len(rows))
	}
	return rows
}

// old are the fixtures that only --allow-legacy accepts.
func old(name string) bool {
	return strings.Contains(name, "legacy") || strings.Contains(name, "draft")
}

// TestHostile goes through every hostile fixture.
func TestHostile(t *testing.T) {
	for _, row := range index(t, "hostile", 1) {
		name, wanted := row[0], row[1]
		file := fixtures + "hostile/" + name + ".pem"
		t.Run(name, func(t *testing.T) {
			p := newPerson(t)
			strict, lax := p.verify(file), p.verify(file, "--allow-legacy")
			if old(name) && strings.HasPrefix(wanted, "accept") {
				if strict.Verdict != "reject" {
					t.Errorf("an old form is accepted without --allow-legacy")
				}
				strict = lax
			}
			switch wanted {
			case "accept", "accept-eec":
				wants(t, strict, "accept")
				wants(t, lax, "accept")
			case "reject":
				wants(t, strict, "reject")
				wants(t, lax, "reject")
			case "accept-limited":
				wants(t, strict, "accept")
				if !*strict.Limited {
					t.Error("it is not said to be limited")
				}
			case "reject-or-limited":
				if strict.Verdict == "accept" && !*strict.Limited {
					t.Error("rights were gained below a limited proxy")
				}
			case "policy":
				wants(t, strict, "reject")
			case "reject-second":
				if !strict.rejectsSecond() {
					t.Errorf("%+v", strict)
				}
			case "accept-on-host":
				wants(t, p.verify(file, "--host", "elsewhere.example.org"), "reject")
				wants(t, p.verify(file, "--host", "vm", "--host", "localhost"), "accept")
			case "accept-if-pem":
				wants(t, strict, "reject")
				wants(t, p.verify(file, "--voms-dir", fixtures+"pki/vomsdir-pem"), "accept")
			case "either", "reject-or-accept", "accept-or-reject":
			default:
				t.Errorf("%q is no verdict that this test knows", wanted)
			}
		})
	}
}

func wants(t *testing.T, got answer, verdict string) {
	t.Helper()
	if got.Verdict != verdict {
		t.Errorf("%s, want %s: %+v", got.Verdict, verdict, got)
	}
}

// TestGolden goes through what the field's own tools made.
func TestGolden(t *testing.T) {
	bad := map[string]string{
		"g23-fake-expired-proxy": "expired", "g25-fake-wrong-vo-fqan": "FQAN", "g33-tampered-fqan": "signature",
		"g31-globus-independent": "rights"} // unless --allow-independent
	for _, row := range index(t, "golden", 1) {
		name := row[0]
		file := fixtures + "golden/" + name + ".pem"
		t.Run(name, func(t *testing.T) {
			p := newPerson(t)
			strict, lax := p.verify(file), p.verify(file, "--allow-legacy")
			if why, ok := bad[name]; ok {
				wants(t, lax, "reject")
				if !strings.Contains(strings.ToLower(strict.Reason), strings.ToLower(why)) {
					t.Errorf("the reason %q does not say %s", strict.Reason, why)
				}
				return
			}
			wants(t, lax, "accept")
			if old(name) {
				wants(t, strict, "reject")
			} else {
				wants(t, strict, "accept")
			}
			p.same(name, lax)
		})
	}
}

// same compares an answer with what voms-proxy-info printed of the file.
func (p *person) same(name string, got answer) {
	p.t.Helper()
	text, err := os.ReadFile(fixtures + "golden/" + name + ".java-all.txt")
	if err != nil {
		p.t.Fatal(err)
	}
	var vos, attributes []string
	identity := ""
	for line := range strings.Lines(string(text)) {
		label, value, _ := strings.Cut(strings.TrimRight(line, "\n"), ": ")
		switch strings.TrimSpace(label) {
		case "VO":
			vos = append(vos, value)
		case "attribute":
			attributes = append(attributes, value)
		case "identity":
			if identity == "" {
				identity = value
			}
		}
	}
	var gotVOs, gotAttributes []string
	for _, ac := range got.ACs {
		gotVOs = append(gotVOs, ac.VO)
		gotAttributes = append(gotAttributes, ac.FQANs...)
		for _, g := range ac.Attributes {
			gotAttributes = append(gotAttributes, g.Name+" = "+g.Value+" ("+g.Qualifier+")")
		}
		if ac.ExpiresAt == "" {
			p.t.Error("an end is missing")
		}
	}
	if !slices.Equal(vos, gotVOs) || !slices.Equal(attributes, gotAttributes) {
		p.t.Errorf("got %q %q, want %q %q", gotVOs, gotAttributes, vos, attributes)
	}
	if !strings.HasPrefix(identity, strings.ReplaceAll(got.Identity, `\/`, "/")) && !strings.Contains(name, "email") || got.Identity == "" || got.ExpiresAt == "" {
		p.t.Errorf("identity %q until %q, the tools say %q", got.Identity, got.ExpiresAt, identity)
	}
}

// TestUnreadableFilesAreRejected also as JSON, whatever is in the file, or if there is none.
func TestUnreadableFilesAreRejected(t *testing.T) {
	p := newPerson(t)
	good, err := os.ReadFile(fixtures + "golden/g07-c-voms.pem")
	if err != nil {
		t.Fatal(err)
	}
	write := func(name string, text []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, file := range map[string]string{
		"missing": filepath.Join(t.TempDir(), "none"), "a folder": t.TempDir(), "empty": write("e", nil),
		"truncated": write("t", good[:len(good)/3]), "too large": write("l", make([]byte, 2<<20)), "endless": "/dev/zero",
		"no certificate": write("k", []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")),
	} {
		if a := p.verify(file); a.Verdict != "reject" || a.Reason == "" {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if a := p.verify(fixtures+"golden/g07-c-voms.pem", "--ca-dir", t.TempDir()); a.Verdict != "reject" {
		t.Errorf("accepted without an authority: %+v", a)
	}
	if a := p.verify(fixtures+"golden/g07-c-voms.pem", "--voms-dir", t.TempDir()); a.Verdict != "reject" || len(a.ACs) != 1 || a.ACs[0].Verdict != "reject" {
		t.Errorf("accepted attributes for which nobody vouches: %+v", a)
	}
	if code := p.run("verify", "x", "--at", "yesterday"); code != 2 {
		t.Errorf("exit code %d for a wrong flag", code)
	}
}

// TestVerdictForPeople reads what is printed without --output json.
func TestVerdictForPeople(t *testing.T) {
	p := newPerson(t)
	p.must("verify", fixtures+"golden/g07-c-voms.pem")
	p.sees(&p.out, "✓ Accepted: /DC=test/DC=lanyard/", "RFC 3820", "✓ lanyard: /lanyard/Role=NULL/Capability=NULL, ", "ends in ")
	if code := p.run("verify", fixtures+"hostile/x40-second-ac-bad.pem"); code != 1 {
		t.Errorf("exit code %d", code)
	}
	p.sees(&p.out, "✗ Rejected: attributes of VO ", "  ✓ ", "  ✗ VO ")
	if code := p.run("verify", fixtures+"hostile/h19-eec-revoked.pem", "-o", "value"); code != 1 || p.out.String() != "reject\n" {
		t.Errorf("exit code %d, printed %q", code, &p.out)
	}
	p.must("verify", fixtures+"golden/g31-globus-independent.pem", "--allow-independent")
	p.sees(&p.out, "✓ Accepted", "none of its owner's rights")
}
