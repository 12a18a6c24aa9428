package s3

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/lanyardhq/lanyard/internal/objectstore"
)

type signer struct {
	host, access, secret, token, region string
	day                                 atomic.Pointer[dayKey]
}

type dayKey struct {
	day   string
	scope string
	key   []byte
}

func newSigner(u objectstore.Upstream) *signer {
	return &signer{host: u.Host, access: u.Keys.AccessKeyID, secret: u.Keys.SecretAccessKey.Reveal(), token: u.Keys.SessionToken.Reveal(), region: u.Region}
}

func mac(k []byte, s string) []byte {
	h := hmac.New(sha256.New, k)
	h.Write([]byte(s))
	return h.Sum(nil)
}

func (s *signer) sign(b []byte, req *Request, path, query string, now time.Time) []byte {
	amz := now.UTC().Format("20060102T150405Z")
	d := s.day.Load()
	if d == nil || d.day != amz[:8] {
		d = &dayKey{day: amz[:8], scope: amz[:8] + "/" + s.region + "/s3/aws4_request"}
		d.key = mac(mac(mac(mac([]byte("AWS4"+s.secret), d.day), s.region), "s3"), "aws4_request")
		s.day.Store(d)
	}
	amzh := make([]Field, 0, 8)
	amzh = append(amzh, Field{"x-amz-content-sha256", "UNSIGNED-PAYLOAD"}, Field{"x-amz-date", amz})
	for _, f := range req.Header {
		if len(f.Name) > 6 && strings.EqualFold(f.Name[:6], "x-amz-") {
			amzh = append(amzh, Field{strings.ToLower(f.Name), strings.TrimSpace(f.Value)})
		}
	}
	if len(amzh) > 2 {
		slices.SortFunc(amzh, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	}
	c := make([]byte, 0, 512)
	c = append(c, req.Method...)
	c = append(c, '\n')
	c = append(c, path...)
	c = append(c, '\n')
	c = append(c, query...)
	c = append(c, "\nhost:"...)
	c = append(c, s.host...)
	c = append(c, '\n')
	names := make([]byte, 0, 128)
	names = append(names, "host"...)
	for _, f := range amzh {
		c = append(c, f.Name...)
		c = append(c, ':')
		c = append(c, f.Value...)
		c = append(c, '\n')
		names = append(names, ';')
		names = append(names, f.Name...)
	}
	c = append(c, '\n')
	c = append(c, names...)
	c = append(c, "\nUNSIGNED-PAYLOAD"...)
	sum := sha256.Sum256(c)
	c = append(c[:0], "AWS4-HMAC-SHA256\n"...)
	c = append(c, amz...)
	c = append(c, '\n')
	c = append(c, d.scope...)
	c = append(c, '\n')
	c = hex.AppendEncode(c, sum[:])
	h := hmac.New(sha256.New, d.key)
	h.Write(c)
	sig := h.Sum(sum[:0])
	b = append(b, "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD\r\nX-Amz-Date: "...)
	b = append(b, amz...)
	b = append(b, "\r\nAuthorization: AWS4-HMAC-SHA256 Credential="...)
	b = append(b, s.access...)
	b = append(b, '/')
	b = append(b, d.scope...)
	b = append(b, ",SignedHeaders="...)
	b = append(b, names...)
	b = append(b, ",Signature="...)
	b = hex.AppendEncode(b, sig)
	return append(b, "\r\n"...)
}

func escapePath(s string) string {
	n := 0
	for i := range len(s) {
		if !plain(s[i]) {
			n++
		}
	}
	if n == 0 {
		return s
	}
	b := make([]byte, 0, len(s)+2*n)
	for i := range len(s) {
		if plain(s[i]) {
			b = append(b, s[i])
		} else {
			b = append(b, '%', "0123456789ABCDEF"[s[i]>>4], "0123456789ABCDEF"[s[i]&15])
		}
	}
	return string(b)
}

func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' || c == '_' || c == '~' || c == '/'
}
