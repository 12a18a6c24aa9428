package onlineca

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base32"
	"net/url"
	"strings"

	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/identity"
)

// maxValue is how long one part of a name may be (ub-common-name and ub-organization-name, RFC 5280
// appendix A.1).
const maxValue = 64

// subject is the name that an account is given, below the base: its identity provider, and its name
// there with 60 bits that only this account has. What providers call people changes; the database
// keeps the first name.
func (a *CA) subject(who identity.Account) string {
	sum := sha256.Sum256([]byte(who.Issuer + "\x00" + who.Subject))
	id := strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:12]
	organisation := a.c.Organisations[who.Issuer]
	if u, err := url.Parse(who.Issuer); organisation == "" && err == nil {
		organisation = cmp.Or(u.Hostname(), who.Issuer)
	}
	name := cmp.Or(plain(who.Name, maxValue-len("Robot ")-1-len(id)), "Unnamed")
	if who.Kind == identity.Robot {
		organisation, name = "Robots", "Robot "+name
	}
	return "/O=" + cmp.Or(plain(organisation, maxValue), "Unnamed") + "/CN=" + name + " " + id
}

// letters write what is not ASCII in names of people as the field's authorities do: without marks.
var letters = strings.NewReplacer(
	"à", "a", "á", "a", "â", "a", "ã", "a", "ä", "a", "å", "a", "ā", "a", "ă", "a", "ą", "a", "æ", "ae",
	"À", "A", "Á", "A", "Â", "A", "Ã", "A", "Ä", "A", "Å", "A", "Ā", "A", "Ă", "A", "Ą", "A", "Æ", "Ae",
	"ç", "c", "ć", "c", "č", "c", "Ç", "C", "Ć", "C", "Č", "C", "ď", "d", "đ", "d", "ð", "d", "Ď", "D", "Đ", "D", "Ð", "D",
	"è", "e", "é", "e", "ê", "e", "ë", "e", "ē", "e", "ė", "e", "ę", "e", "ě", "e",
	"È", "E", "É", "E", "Ê", "E", "Ë", "E", "Ē", "E", "Ė", "E", "Ę", "E", "Ě", "E",
	"ğ", "g", "ģ", "g", "Ğ", "G", "Ģ", "G", "ì", "i", "í", "i", "î", "i", "ï", "i", "ī", "i", "į", "i", "ı", "i",
	"Ì", "I", "Í", "I", "Î", "I", "Ï", "I", "Ī", "I", "Į", "I", "İ", "I", "ķ", "k", "Ķ", "K", "ļ", "l", "ł", "l", "Ļ", "L", "Ł", "L",
	"ñ", "n", "ń", "n", "ņ", "n", "ň", "n", "Ñ", "N", "Ń", "N", "Ņ", "N", "Ň", "N",
	"ò", "o", "ó", "o", "ô", "o", "õ", "o", "ö", "o", "ø", "o", "ő", "o", "œ", "oe",
	"Ò", "O", "Ó", "O", "Ô", "O", "Õ", "O", "Ö", "O", "Ø", "O", "Ő", "O", "Œ", "Oe", "ŕ", "r", "ř", "r", "Ŕ", "R", "Ř", "R",
	"ś", "s", "š", "s", "ş", "s", "ș", "s", "ß", "ss", "Ś", "S", "Š", "S", "Ş", "S", "Ș", "S", "ť", "t", "ț", "t", "Ť", "T", "Ț", "T", "þ", "th", "Þ", "Th",
	"ù", "u", "ú", "u", "û", "u", "ü", "u", "ū", "u", "ů", "u", "ű", "u", "ų", "u",
	"Ù", "U", "Ú", "U", "Û", "U", "Ü", "U", "Ū", "U", "Ů", "U", "Ű", "U", "Ų", "U",
	"ý", "y", "ÿ", "y", "Ý", "Y", "ź", "z", "ż", "z", "ž", "z", "Ź", "Z", "Ż", "Z", "Ž", "Z", "’", "'")

// plain makes text fit for a PrintableString (X.680 §41.4), of at most n characters and without what
// slash form or a policy's patterns could be misled by.
func plain(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', strings.ContainsRune(" '(),-.", r):
			return r
		}
		return -1
	}, letters.Replace(strings.NewReplacer("_", "-", "@", " at ", "\t", " ").Replace(s)))
	s = strings.Join(strings.Fields(s), " ")
	return strings.TrimSpace(s[:min(n, len(s))])
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// checkKey refuses public keys that no certificate should be made for.
func checkKey(public crypto.PublicKey) error {
	switch k := public.(type) {
	case *rsa.PublicKey:
		if bits := k.N.BitLen(); bits >= 2048 && bits <= 8192 && k.E >= 65537 && k.E%2 == 1 {
			return nil
		}
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() || k.Curve == elliptic.P384() {
			return nil
		}
	}
	return fault.New(fault.Invalid, "this key cannot be certified").WithHint("use RSA with 2048 to 8192 bits, or ECDSA on P-256 or P-384")
}
