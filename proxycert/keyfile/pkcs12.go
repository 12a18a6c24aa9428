package keyfile

import (
	"bytes"
	"crypto"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // what old files are authenticated with
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"slices"
	"unicode/utf16"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"
)

const (
	maxPKCS12 = 1 << 20 // bytes
	maxBags   = 100

	oidData             = "1.2.840.113549.1.7.1"
	oidEncryptedData    = "1.2.840.113549.1.7.6"
	oidKeyBag           = "1.2.840.113549.1.12.10.1.1"
	oidShroudedKeyBag   = "1.2.840.113549.1.12.10.1.2"
	oidCertificateBag   = "1.2.840.113549.1.12.10.1.3"
	oidX509Certificate  = "1.2.840.113549.1.9.22.1"
	keyMaterial         = 1 // purposes of derived bytes (RFC 7292 §B.3)
	initialVector       = 2
	authenticationKey   = 3
	contextZeroImplicit = cryptobyte_asn1.Tag(0x80)
)

var errPKCS12 = errors.New("not a PKCS #12 file")

// PKCS12 returns the first private key of a PKCS #12 file (RFC 7292) in DER or BER, and all of its
// certificates: that of the key first, the others in the order of the file. Encryption may be that
// of old tools (3DES and RC2) or PBES2.
func PKCS12(data []byte, p Passphrase) (crypto.Signer, []*x509.Certificate, error) {
	if len(data) > maxPKCS12 {
		return nil, nil, fmt.Errorf("PKCS #12 file of %d bytes: at most %d are read", len(data), maxPKCS12)
	}
	f := pkcs12{opener: opener{ask: p, left: maxWork}}
	if err := f.read(data); err != nil {
		return nil, nil, fmt.Errorf("read PKCS #12 file: %w", err)
	}
	if f.key == nil {
		return nil, nil, errors.New("read PKCS #12 file: it holds no private key")
	}
	for i, c := range f.certificates {
		if public, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); ok && public.Equal(f.key.Public()) {
			return f.key, slices.Concat([]*x509.Certificate{c}, f.certificates[:i], f.certificates[i+1:]), nil
		}
	}
	return nil, nil, errors.New("read PKCS #12 file: it holds no certificate of its private key")
}

// pkcs12 is a file being read.
type pkcs12 struct {
	opener
	key          crypto.Signer
	certificates []*x509.Certificate
	bags         int
}

// read takes a PFX apart: a version, the contents and their authentication code.
func (f *pkcs12) read(data []byte) error {
	der, err := toDER(data)
	if err != nil {
		return errPKCS12
	}
	in, pfx := cryptobyte.String(der), cryptobyte.String(nil)
	var version int
	var info, mac cryptobyte.String
	var authenticated bool
	if !in.ReadASN1(&pfx, cryptobyte_asn1.SEQUENCE) || !pfx.ReadASN1Integer(&version) || version != 3 ||
		!pfx.ReadASN1(&info, cryptobyte_asn1.SEQUENCE) || !pfx.ReadOptionalASN1(&mac, &authenticated, cryptobyte_asn1.SEQUENCE) {
		return errPKCS12
	}
	contents, err := f.content(info)
	if err != nil {
		return err
	}
	if authenticated {
		if err := f.authenticate(mac, contents); err != nil {
			return err
		}
	}
	return f.safes(contents)
}

// safes reads an AuthenticatedSafe: a list of contents that are encrypted or not.
func (f *pkcs12) safes(ber []byte) error {
	der, err := toDER(ber)
	if err != nil {
		return errPKCS12
	}
	in, all := cryptobyte.String(der), cryptobyte.String(nil)
	if !in.ReadASN1(&all, cryptobyte_asn1.SEQUENCE) {
		return errPKCS12
	}
	for !all.Empty() {
		var info cryptobyte.String
		if !all.ReadASN1(&info, cryptobyte_asn1.SEQUENCE) {
			return errPKCS12
		}
		bags, err := f.content(info)
		if err != nil {
			return err
		}
		if err := f.safe(bags); err != nil {
			return err
		}
	}
	return nil
}

// content returns the bytes of a ContentInfo (RFC 5652 §3), decrypted.
func (f *pkcs12) content(info cryptobyte.String) ([]byte, error) {
	var oid asn1.ObjectIdentifier
	var explicit, content cryptobyte.String
	if !info.ReadASN1ObjectIdentifier(&oid) || !info.ReadASN1(&explicit, contextZero) {
		return nil, errPKCS12
	}
	switch oid.String() {
	case oidData:
		if !explicit.ReadASN1(&content, cryptobyte_asn1.OCTET_STRING) {
			return nil, errPKCS12
		}
		return content, nil
	case oidEncryptedData:
		return f.encrypted(explicit)
	}
	return nil, fmt.Errorf("content of type %s is not supported", oid)
}

// encrypted reads EncryptedData (RFC 5652 §8).
func (f *pkcs12) encrypted(in cryptobyte.String) ([]byte, error) {
	var data, info, algorithm, ciphertext cryptobyte.String
	var version int
	var oid asn1.ObjectIdentifier
	if !in.ReadASN1(&data, cryptobyte_asn1.SEQUENCE) || !data.ReadASN1Integer(&version) || !data.ReadASN1(&info, cryptobyte_asn1.SEQUENCE) ||
		!info.ReadASN1ObjectIdentifier(&oid) || !info.ReadASN1(&algorithm, cryptobyte_asn1.SEQUENCE) {
		return nil, errPKCS12
	}
	if info.PeekASN1Tag(contextZero) { // an octet string in pieces, behind an implicit tag
		if !info.ReadASN1(&ciphertext, contextZero) {
			return nil, errPKCS12
		}
		whole, err := octets(ciphertext)
		if err != nil {
			return nil, err
		}
		return f.decrypt(algorithm, whole)
	}
	if !info.ReadASN1(&ciphertext, contextZeroImplicit) {
		return nil, errPKCS12
	}
	return f.decrypt(algorithm, ciphertext)
}

// safe reads SafeContents (RFC 7292 §4.2). Bags of other things than keys and certificates do not
// matter here.
func (f *pkcs12) safe(ber []byte) error {
	der, err := toDER(ber)
	if err != nil {
		return errPKCS12
	}
	in, all := cryptobyte.String(der), cryptobyte.String(nil)
	if !in.ReadASN1(&all, cryptobyte_asn1.SEQUENCE) {
		return errPKCS12
	}
	for ; !all.Empty(); f.bags++ {
		var bag, value cryptobyte.String
		var oid asn1.ObjectIdentifier
		if !all.ReadASN1(&bag, cryptobyte_asn1.SEQUENCE) || !bag.ReadASN1ObjectIdentifier(&oid) || !bag.ReadASN1(&value, contextZero) {
			return errPKCS12
		}
		if f.bags == maxBags {
			return fmt.Errorf("it holds more than %d keys and certificates", maxBags)
		}
		var err error
		switch {
		case oid.String() == oidCertificateBag:
			err = f.certificate(value)
		case oid.String() == oidKeyBag && f.key == nil:
			f.key, err = parse(value)
		case oid.String() == oidShroudedKeyBag && f.key == nil:
			f.key, err = f.shrouded(value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *pkcs12) certificate(in cryptobyte.String) error {
	var bag, explicit, der cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !in.ReadASN1(&bag, cryptobyte_asn1.SEQUENCE) || !bag.ReadASN1ObjectIdentifier(&oid) || !bag.ReadASN1(&explicit, contextZero) {
		return errPKCS12
	}
	if oid.String() != oidX509Certificate {
		return nil
	}
	if !explicit.ReadASN1(&der, cryptobyte_asn1.OCTET_STRING) {
		return errPKCS12
	}
	c, err := Certificate(der)
	if err == nil {
		f.certificates = append(f.certificates, c)
	}
	return err
}

// digests are those that the authentication code may be made with.
var digests = map[string]func() hash.Hash{
	"1.3.14.3.2.26":          sha1.New,
	"2.16.840.1.101.3.4.2.1": sha256.New,
	"2.16.840.1.101.3.4.2.2": sha512.New384,
	"2.16.840.1.101.3.4.2.3": sha512.New,
	"2.16.840.1.101.3.4.2.4": sha256.New224,
}

// authenticate checks MacData (RFC 7292 §4): the usual way to learn that the passphrase is wrong.
func (f *pkcs12) authenticate(mac cryptobyte.String, contents []byte) error {
	var info, algorithm, want, salt cryptobyte.String
	var oid asn1.ObjectIdentifier
	rounds := 1
	if !mac.ReadASN1(&info, cryptobyte_asn1.SEQUENCE) || !info.ReadASN1(&algorithm, cryptobyte_asn1.SEQUENCE) ||
		!algorithm.ReadASN1ObjectIdentifier(&oid) || !info.ReadASN1(&want, cryptobyte_asn1.OCTET_STRING) ||
		!mac.ReadASN1(&salt, cryptobyte_asn1.OCTET_STRING) || !mac.Empty() && !mac.ReadASN1Integer(&rounds) {
		return errPKCS12
	}
	sum, ok := digests[oid.String()]
	if !ok {
		return fmt.Errorf("authentication with digest %s is not supported", oid)
	}
	key, err := f.pkcs12Key(sum, authenticationKey, salt, rounds, sum().Size())
	if err != nil {
		return err
	}
	code := hmac.New(sum, key)
	code.Write(contents)
	if !hmac.Equal(code.Sum(nil), want) {
		return errWrong
	}
	return nil
}

func pkcs12SHA1(o *opener, salt []byte, rounds, length int) (key, iv []byte, err error) {
	if key, err = o.pkcs12Key(sha1.New, keyMaterial, salt, rounds, length); err != nil {
		return nil, nil, err
	}
	iv, err = o.pkcs12Key(sha1.New, initialVector, salt, rounds, 8)
	return key, iv, err
}

// pkcs12Key derives bytes for a purpose as RFC 7292 §B.2 says, in its words.
func (o *opener) pkcs12Key(sum func() hash.Hash, purpose byte, salt []byte, rounds, length int) ([]byte, error) {
	passphrase, err := o.passphrase()
	if err != nil {
		return nil, err
	}
	h := sum()
	u, v := h.Size(), h.BlockSize()
	blocks := (length + u - 1) / u
	if err := o.spend(min(rounds, maxWork+1) * blocks); err != nil {
		return nil, err
	}
	d := bytes.Repeat([]byte{purpose}, v)
	i := append(fill(salt, v), fill(wide(passphrase), v)...)
	var out []byte
	for range blocks {
		a := append(bytes.Clone(d), i...)
		for range rounds {
			h.Reset()
			h.Write(a)
			a = h.Sum(a[:0])
		}
		out = append(out, a...)
		b := fill(a, v)
		for at := 0; at < len(i); at += v { // I_j = I_j + B + 1 modulo 2^v
			carry := 1
			for k := v - 1; k >= 0; k-- {
				carry += int(i[at+k]) + int(b[k])
				i[at+k] = byte(carry & 0xFF)
				carry >>= 8
			}
		}
	}
	return out[:length], nil
}

// fill repeats b up to a multiple of v bytes.
func fill(b []byte, v int) []byte {
	if len(b) == 0 {
		return nil
	}
	size := (len(b) + v - 1) / v * v
	return bytes.Repeat(b, size/len(b)+1)[:size]
}

// wide returns the passphrase as a BMPString that ends with a zero character.
func wide(passphrase []byte) []byte {
	var out []byte
	for _, c := range append(utf16.Encode([]rune(string(passphrase))), 0) {
		out = binary.BigEndian.AppendUint16(out, c)
	}
	return out
}
