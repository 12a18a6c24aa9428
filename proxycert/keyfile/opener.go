package keyfile

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/des" //nolint:gosec // what old files are encrypted with
	"crypto/md5" //nolint:gosec // as above
	"crypto/pbkdf2"
	"crypto/sha1" //nolint:gosec // as above
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/scrypt"
)

// maxWork bounds the rounds of key derivation spent on one file. Firefox uses 600,000 for each of
// three keys; this many take about a second.
const maxWork = 6_000_000

// An opener decrypts the parts of one file.
type opener struct {
	ask   Passphrase
	text  []byte // the passphrase once it was asked for
	asked bool
	left  int // rounds that may still be spent
}

func (o *opener) passphrase() ([]byte, error) {
	switch {
	case o.asked:
		return o.text, nil
	case o.ask == nil:
		return nil, errMissing
	}
	text, err := o.ask()
	if err != nil {
		return nil, fmt.Errorf("ask for the passphrase: %w", err)
	}
	o.text, o.asked = text, true
	return text, nil
}

func (o *opener) spend(rounds int) error {
	if rounds <= 0 || rounds > o.left {
		return errors.New("the file wants more rounds of key derivation than any tool makes")
	}
	o.left -= rounds
	return nil
}

// shrouded reads an EncryptedPrivateKeyInfo (RFC 5208 §6).
func (o *opener) shrouded(der []byte) (crypto.Signer, error) {
	in, all := cryptobyte.String(der), cryptobyte.String(nil)
	var algorithm, ciphertext cryptobyte.String
	if !in.ReadASN1(&all, cryptobyte_asn1.SEQUENCE) || !all.ReadASN1(&algorithm, cryptobyte_asn1.SEQUENCE) ||
		!all.ReadASN1(&ciphertext, cryptobyte_asn1.OCTET_STRING) {
		return nil, errors.New("not an encrypted PKCS #8 key")
	}
	plain, err := o.decrypt(algorithm, ciphertext)
	if err != nil {
		return nil, err
	}
	return o.decrypted(plain)
}

// decrypted reads what came out of decryption. One time in 256 the padding looks right although the
// passphrase is wrong, but then the rest is noise.
func (*opener) decrypted(der []byte) (crypto.Signer, error) {
	key, err := parse(der)
	in, all := cryptobyte.String(der), cryptobyte.String(nil)
	if err != nil && (!in.ReadASN1(&all, cryptobyte_asn1.SEQUENCE) || !in.Empty()) {
		return nil, errWrong
	}
	return key, err
}

// A decrypter is the half of cipher.Block that reading files needs.
type decrypter interface {
	BlockSize() int
	Decrypt(dst, src []byte)
}

type newBlock func(key []byte) (decrypter, error)

func standard(make func([]byte) (cipher.Block, error)) newBlock {
	return func(key []byte) (decrypter, error) { return make(key) }
}

// A scheme derives a key and an initial vector in the ways of PBES1 and PKCS #12.
type scheme struct {
	block  newBlock
	key    int // bytes
	derive func(o *opener, salt []byte, rounds, key int) ([]byte, []byte, error)
}

// Password-based encryption schemes of RFC 8018 §A.3 and RFC 7292 §C.
var schemes = map[string]scheme{
	"1.2.840.113549.1.5.3":    {standard(des.NewCipher), 8, pbkdf1(md5.New)},
	"1.2.840.113549.1.5.10":   {standard(des.NewCipher), 8, pbkdf1(sha1.New)},
	"1.2.840.113549.1.12.1.3": {standard(des.NewTripleDESCipher), 24, pkcs12SHA1},
	"1.2.840.113549.1.12.1.4": {standard(twoKeyDES), 16, pkcs12SHA1},
	"1.2.840.113549.1.12.1.5": {newRC2, 16, pkcs12SHA1},
	"1.2.840.113549.1.12.1.6": {newRC2, 5, pkcs12SHA1},
}

var ciphers = map[string]struct {
	block newBlock
	key   int // bytes
}{
	"2.16.840.1.101.3.4.1.2":  {standard(aes.NewCipher), 16},
	"2.16.840.1.101.3.4.1.22": {standard(aes.NewCipher), 24},
	"2.16.840.1.101.3.4.1.42": {standard(aes.NewCipher), 32},
	"1.2.840.113549.3.7":      {standard(des.NewTripleDESCipher), 24},
}

// Pseudo-random functions of PBKDF2, all of them HMACs.
var hmacs = map[string]func() hash.Hash{
	"1.2.840.113549.2.7":  sha1.New,
	"1.2.840.113549.2.8":  sha256.New224,
	"1.2.840.113549.2.9":  sha256.New,
	"1.2.840.113549.2.10": sha512.New384,
	"1.2.840.113549.2.11": sha512.New,
}

const (
	oidPBES2  = "1.2.840.113549.1.5.13"
	oidPBKDF2 = "1.2.840.113549.1.5.12"
	oidScrypt = "1.3.6.1.4.1.11591.4.11"
)

var errParameters = errors.New("the parameters of the encryption are malformed")

// decrypt resolves an AlgorithmIdentifier without its SEQUENCE.
func (o *opener) decrypt(algorithm cryptobyte.String, ciphertext []byte) ([]byte, error) {
	var oid asn1.ObjectIdentifier
	var parameters cryptobyte.String
	if !algorithm.ReadASN1ObjectIdentifier(&oid) || !algorithm.ReadASN1(&parameters, cryptobyte_asn1.SEQUENCE) {
		return nil, errParameters
	}
	if oid.String() == oidPBES2 {
		return o.pbes2(parameters, ciphertext)
	}
	s, ok := schemes[oid.String()]
	if !ok {
		return nil, fmt.Errorf("encryption scheme %s is not supported", oid)
	}
	var salt cryptobyte.String
	var rounds int
	if !parameters.ReadASN1(&salt, cryptobyte_asn1.OCTET_STRING) || !parameters.ReadASN1Integer(&rounds) {
		return nil, errParameters
	}
	key, iv, err := s.derive(o, salt, rounds, s.key)
	if err != nil {
		return nil, err
	}
	return cbc(s.block, key, iv, ciphertext)
}

// pbes2 decrypts by RFC 8018 §6.2.
func (o *opener) pbes2(parameters cryptobyte.String, ciphertext []byte) ([]byte, error) {
	var kdf, enc, iv cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !parameters.ReadASN1(&kdf, cryptobyte_asn1.SEQUENCE) || !parameters.ReadASN1(&enc, cryptobyte_asn1.SEQUENCE) ||
		!enc.ReadASN1ObjectIdentifier(&oid) || !enc.ReadASN1(&iv, cryptobyte_asn1.OCTET_STRING) {
		return nil, errParameters
	}
	c, ok := ciphers[oid.String()]
	if !ok {
		return nil, fmt.Errorf("cipher %s is not supported", oid)
	}
	var kdfParameters cryptobyte.String
	if !kdf.ReadASN1ObjectIdentifier(&oid) || !kdf.ReadASN1(&kdfParameters, cryptobyte_asn1.SEQUENCE) {
		return nil, errParameters
	}
	var key []byte
	var err error
	switch oid.String() {
	case oidPBKDF2:
		key, err = o.pbkdf2(kdfParameters, c.key)
	case oidScrypt:
		key, err = o.scrypt(kdfParameters, c.key)
	default:
		err = fmt.Errorf("key derivation %s is not supported", oid)
	}
	if err != nil {
		return nil, err
	}
	return cbc(c.block, key, iv, ciphertext)
}

// pbkdf2 reads PBKDF2-params (RFC 8018 §A.2).
func (o *opener) pbkdf2(in cryptobyte.String, length int) ([]byte, error) {
	var salt, prf cryptobyte.String
	var rounds, keyLength int
	var hasPRF bool
	if !in.ReadASN1(&salt, cryptobyte_asn1.OCTET_STRING) || !in.ReadASN1Integer(&rounds) ||
		in.PeekASN1Tag(cryptobyte_asn1.INTEGER) && (!in.ReadASN1Integer(&keyLength) || keyLength != length) ||
		!in.ReadOptionalASN1(&prf, &hasPRF, cryptobyte_asn1.SEQUENCE) {
		return nil, errParameters
	}
	sum := sha1.New
	if hasPRF {
		var oid asn1.ObjectIdentifier
		ok := prf.ReadASN1ObjectIdentifier(&oid)
		if sum = hmacs[oid.String()]; !ok || sum == nil {
			return nil, fmt.Errorf("pseudo-random function %s is not supported", oid)
		}
	}
	passphrase, err := o.passphrase()
	if err != nil {
		return nil, err
	}
	const perRound = 2 // an HMAC is two hashes
	blocks := (length + sum().Size() - 1) / sum().Size()
	if rounds > maxWork {
		rounds = maxWork + 1
	}
	if err := o.spend(rounds * blocks * perRound); err != nil {
		return nil, err
	}
	return pbkdf2.Key(sum, string(passphrase), salt, rounds, length)
}

// scrypt reads scrypt-params (RFC 7914 §7.1).
func (o *opener) scrypt(in cryptobyte.String, length int) ([]byte, error) {
	var salt cryptobyte.String
	var n, r, p int
	if !in.ReadASN1(&salt, cryptobyte_asn1.OCTET_STRING) || !in.ReadASN1Integer(&n) || !in.ReadASN1Integer(&r) || !in.ReadASN1Integer(&p) {
		return nil, errParameters
	}
	const most = 1 << 20 // together: 128 MiB, or half a second
	if n <= 0 || r <= 0 || p <= 0 || n > most || r > most/n || p > most/n/r {
		return nil, errors.New("the file wants more memory for key derivation than any tool takes")
	}
	passphrase, err := o.passphrase()
	if err != nil {
		return nil, err
	}
	if err := o.spend(2 * n * r * p); err != nil {
		return nil, err
	}
	return scrypt.Key(passphrase, salt, n, r, p, length)
}

// pbkdf1 is RFC 8018 §5.1.
func pbkdf1(sum func() hash.Hash) func(*opener, []byte, int, int) ([]byte, []byte, error) {
	return func(o *opener, salt []byte, rounds, length int) ([]byte, []byte, error) {
		passphrase, err := o.passphrase()
		if err != nil {
			return nil, nil, err
		}
		if err := o.spend(rounds); err != nil {
			return nil, nil, err
		}
		h, t := sum(), append(append([]byte(nil), passphrase...), salt...)
		for range rounds {
			h.Reset()
			h.Write(t)
			t = h.Sum(t[:0])
		}
		return t[:length], t[length : 2*length], nil
	}
}

// cbc decrypts and takes off the padding (RFC 8018 §6.1.1). Wrong padding means a wrong key.
func cbc(block newBlock, key, iv, ciphertext []byte) ([]byte, error) {
	b, err := block(key)
	if err != nil {
		return nil, err
	}
	size := b.BlockSize()
	if len(iv) != size || len(ciphertext) == 0 || len(ciphertext)%size != 0 {
		return nil, errParameters
	}
	plain := make([]byte, len(ciphertext))
	for i := 0; i < len(plain); i += size {
		b.Decrypt(plain[i:i+size], ciphertext[i:i+size])
		subtle.XORBytes(plain[i:i+size], plain[i:i+size], iv)
		iv = ciphertext[i : i+size]
	}
	padding := int(plain[len(plain)-1])
	if padding == 0 || padding > size {
		return nil, errWrong
	}
	for _, c := range plain[len(plain)-padding:] {
		if int(c) != padding {
			return nil, errWrong
		}
	}
	return plain[:len(plain)-padding], nil
}

func twoKeyDES(key []byte) (cipher.Block, error) {
	return des.NewTripleDESCipher(append(append([]byte(nil), key...), key[:8]...)) //nolint:gosec // what old files are encrypted with
}
