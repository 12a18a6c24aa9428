package vo

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
	"github.com/lanyardhq/lanyard/proxycert/dn"
	"github.com/lanyardhq/lanyard/voms"
)

// Limits on what people write. FQANs are held to what the Java client takes (255 characters).
const (
	maxFQAN       = 255
	maxFQANs      = 200 // of one member
	maxAttributes = 50  // of one member
	longestLife   = 7 * 24 * time.Hour
)

var (
	voName   = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)
	partName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$`) // of a group, or a role
)

// CheckName refuses what cannot be a VO's name, with an Invalid fault. Names become the names of
// files and the first part of FQANs: lower-case labels of letters, digits and dashes with dots
// between them.
func CheckName(s string) error {
	if len(s) <= 64 && voName.MatchString(s) {
		return nil
	}
	return fault.New(fault.Invalid, "%.70q is not a VO name: use lower-case letters, digits, inner dashes and dots, at most 64 characters", s)
}

// CheckFQAN returns the short form of a FQAN of the VO called name, or an Invalid fault.
func CheckFQAN(name, text string) (string, error) {
	f, err := voms.ParseFQAN(text)
	bad := err != nil || len(text) > maxFQAN || f.Capability != "" || f.VO() != name || f.Role != "" && !partName.MatchString(f.Role)
	if !bad {
		parts := strings.Split(f.Group, "/")[1:]
		bad = slices.ContainsFunc(parts[1:], func(p string) bool { return !partName.MatchString(p) })
	}
	if bad {
		return "", fault.New(fault.Invalid, "%.100q is no attribute of %s: write /%[2]s/GROUP, /%[2]s/Role=ROLE or /%[2]s/GROUP/Role=ROLE", text, name)
	}
	return f.Short(), nil
}

// Defines reports whether f, in short form, is a group or role of v.
func (v VO) Defines(short string) bool {
	f, err := voms.ParseFQAN(short)
	if err != nil {
		return false
	}
	if f.Role == "" && f.Group == "/"+v.Name {
		return true
	}
	for _, g := range v.Groups {
		if g.Name == f.Group {
			return f.Role == "" || slices.Contains(g.Roles, f.Role)
		}
	}
	return false
}

// Check reports every mistake in what the operator wrote, as Invalid faults.
func (v VO) Check() []error {
	if err := CheckName(v.Name); err != nil {
		return []error{err}
	}
	var errs []error
	if v.MaxLife <= 0 || v.MaxLife > longestLife {
		errs = append(errs, fault.New(fault.Invalid, "max_life is from 1s to 7d"))
	}
	errs = append(errs, v.checkGroups()...)
	for _, r := range v.Rules {
		errs = append(errs, v.checkRule(r)...)
	}
	return append(errs, v.checkAttributes(v.Attributes)...)
}

func (v VO) checkGroups() (errs []error) {
	seen := map[string]bool{}
	for _, g := range v.Groups {
		short, err := CheckFQAN(v.Name, g.Name)
		switch {
		case err != nil:
			errs = append(errs, err)
			continue
		case strings.Contains(short, "/Role="):
			errs = append(errs, fault.New(fault.Invalid, "%s names a role; write its group, and the role under roles", g.Name))
		case seen[short]:
			errs = append(errs, fault.New(fault.Invalid, "group %s stands twice", g.Name))
		}
		seen[short] = true
		for _, r := range g.Roles {
			if _, err := CheckFQAN(v.Name, short+"/Role="+r); err != nil {
				errs = append(errs, err)
			}
		}
	}
	for _, g := range v.Groups {
		up := g.Name[:max(0, strings.LastIndexByte(g.Name, '/'))]
		if seen[g.Name] && up != "" && up != "/"+v.Name && !seen[up] {
			errs = append(errs, fault.New(fault.Invalid, "group %s lies below %s, which is not listed", g.Name, up))
		}
	}
	return errs
}

func (v VO) checkRule(r Rule) (errs []error) {
	if err := v.known(r.FQAN); err != nil {
		errs = append(errs, err)
	}
	project, claim := r.Project != "", r.Issuer != "" && r.Claim != ""
	if project == claim || project && (r.Issuer != "" || r.Claim != "") {
		errs = append(errs, fault.New(fault.Invalid, "a rule for %s needs a project, or else an issuer and a group of its claim", r.FQAN))
	}
	if r.Role != "" && r.Role.Rank() == 0 {
		errs = append(errs, fault.New(fault.Invalid, "%q is not user, deputy or manager", r.Role))
	}
	return errs
}

// known refuses what v does not define.
func (v VO) known(fqan string) error {
	short, err := CheckFQAN(v.Name, fqan)
	if err == nil && !v.Defines(short) {
		return fault.New(fault.Invalid, "%s has no group or role %s", v.Name, short).WithHint("groups and roles are defined in the server's configuration, under vos")
	}
	return err
}

func (v VO) checkAttributes(as []Attribute) (errs []error) {
	if len(as) > maxAttributes {
		errs = append(errs, fault.New(fault.Invalid, "%d attributes are more than %d", len(as), maxAttributes))
	}
	for _, a := range as {
		if !partName.MatchString(a.Name) || len(a.Value) > maxFQAN || !printable(a.Value) {
			errs = append(errs, fault.New(fault.Invalid, "attribute %.70q needs a name of letters, digits, dots, dashes and a value of at most %d printable characters", a.Name, maxFQAN))
		}
		if a.Group != "" {
			if err := v.known(a.Group); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errs
}

// CheckMember returns m with its FQANs and names as they are stored, or what is wrong with it, as an
// Invalid fault.
func (v VO) CheckMember(m Member) (Member, error) {
	if (m.AccountID == "") == (m.Subject == "") || m.AccountID != "" && m.Issuer != "" {
		return m, fault.New(fault.Invalid, "a member is either an account or the subject of a certificate")
	}
	for _, text := range []*string{&m.Subject, &m.Issuer} {
		var err error
		if *text, err = CheckDN(*text); err != nil && *text != "" {
			return m, err
		}
	}
	if len(m.FQANs) > maxFQANs {
		return m, fault.New(fault.Invalid, "%d groups and roles are more than %d", len(m.FQANs), maxFQANs)
	}
	fqans := make([]string, 0, len(m.FQANs))
	for _, f := range m.FQANs {
		if err := v.known(f); err != nil {
			return m, err
		}
		short, err := CheckFQAN(v.Name, f)
		if err != nil {
			return m, err
		}
		fqans = append(fqans, short)
	}
	slices.Sort(fqans)
	m.FQANs = slices.Compact(fqans)
	if errs := v.checkAttributes(m.Attributes); len(errs) > 0 {
		return m, errs[0]
	}
	return m, identity.CheckReason(m.Reason)
}

// CheckDN returns the name of a certificate, given in either form, in slash form, or an Invalid
// fault.
func CheckDN(text string) (string, error) {
	name, err := dn.Parse(text)
	if err != nil || len(text) > 1000 || name.Equal(dn.Name{}) {
		return text, fault.New(fault.Invalid, "%.100q is not the name of a certificate: write it like /DC=org/DC=example/CN=Ada Tester", text)
	}
	return name.String(), nil
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}
