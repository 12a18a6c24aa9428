package sigv4_test

import (
	"encoding/base64"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/sigv4"
)

func encode(policy string) string { return base64.StdEncoding.EncodeToString([]byte(policy)) }

// conditions that the form of TestPolicyConditions fulfils.
const fulfilled = `["starts-with","$key","foo"],{"acl":"private"},["starts-with","$Content-Type","text/plain"],{"bucket":"uploads"}`

func TestPolicyConditions(t *testing.T) {
	form := map[string]string{"key": "foo.txt", "acl": "private", "content-type": "text/plain", "policy": "…", "signature": "…",
		"awsaccesskeyid": "AK", "x-ignore-me": "1"}
	for _, c := range []struct {
		name, conditions string
		fields           map[string]string
		want             sigv4.Code
	}{
		{name: "all fulfilled", conditions: fulfilled},
		{name: "case of names and operators", conditions: `["StArTs-WiTh","$KeY","foo"],{"AcL":"private"},["EQ","$CoNtEnT-TyPe","text/plain"],{"bUcKeT":"uploads"}`},
		{name: "anything", conditions: fulfilled + `,["starts-with","$x-amz-meta-a",""]`, fields: map[string]string{"x-amz-meta-a": "b"}},
		{name: "anything, but absent", conditions: fulfilled + `,["starts-with","$x-amz-meta-a",""]`},
		{name: "empty is not something", conditions: fulfilled + `,["eq","$x-amz-meta-a",""]`, fields: map[string]string{"x-amz-meta-a": "b"}, want: sigv4.AccessDenied},
		{name: "field missing", conditions: fulfilled + `,["starts-with","$x-amz-meta-a","b"]`, want: sigv4.AccessDenied},
		{name: "field not named", conditions: fulfilled, fields: map[string]string{"x-amz-meta-a": "b"}, want: sigv4.AccessDenied},
		{name: "other value", conditions: fulfilled, fields: map[string]string{"acl": "public-read"}, want: sigv4.AccessDenied},
		{name: "other case", conditions: fulfilled, fields: map[string]string{"acl": "Private"}, want: sigv4.AccessDenied},
		{name: "other prefix", conditions: fulfilled, fields: map[string]string{"key": "../foo"}, want: sigv4.AccessDenied},
		{name: "other bucket", conditions: strings.Replace(fulfilled, "uploads", "private", 1), want: sigv4.AccessDenied},
		{name: "field cannot rename the bucket", conditions: strings.Replace(fulfilled, "uploads", "private", 1), fields: map[string]string{"bucket": "private"}, want: sigv4.AccessDenied},
		{name: "bucket not named", conditions: strings.Replace(fulfilled, `,{"bucket":"uploads"}`, "", 1), want: sigv4.AccessDenied},
		{name: "none", conditions: "", want: sigv4.AccessDenied},
		{name: "empty object", conditions: "{}", want: sigv4.InvalidPolicyDocument},
		{name: "two in an object", conditions: `{"a":"b","c":"d"}`, want: sigv4.InvalidPolicyDocument},
		{name: "number", conditions: `{"a":1}`, want: sigv4.InvalidPolicyDocument},
		{name: "text", conditions: `"a"`, want: sigv4.InvalidPolicyDocument},
		{name: "unknown operator", conditions: `["ends-with","$key","x"]`, want: sigv4.InvalidPolicyDocument},
		{name: "no dollar", conditions: `["eq","key","x"]`, want: sigv4.InvalidPolicyDocument},
		{name: "two elements", conditions: `["eq","$key"]`, want: sigv4.InvalidPolicyDocument},
		{name: "range without end", conditions: `["content-length-range",0]`, want: sigv4.InvalidPolicyDocument},
		{name: "negative range", conditions: `["content-length-range",-1,0]`, want: sigv4.InvalidPolicyDocument},
		{name: "fraction", conditions: `["content-length-range",0,1.5]`, want: sigv4.InvalidPolicyDocument},
		{name: "huge range", conditions: `["content-length-range",0,9223372036854775808]`, want: sigv4.InvalidPolicyDocument},
	} {
		policy, err := sigv4.ParsePolicy(encode(`{"expiration":"2030-01-01T12:00:00.000Z","conditions":[` + c.conditions + `]}`))
		if err == nil {
			fields := maps.Clone(form)
			maps.Copy(fields, c.fields)
			err = policy.Check(fields, "uploads", exampleTime)
		}
		if code(err) != c.want {
			t.Errorf("%s: got %s: %v, want %q", c.name, code(err), err, c.want)
		}
	}
}

func TestPolicySizes(t *testing.T) {
	for _, c := range []struct {
		conditions string
		size       int64
		want       sigv4.Code
	}{
		{``, 1 << 40, ""},
		{`["content-length-range",0,0]`, 0, ""},
		{`["content-length-range",0,0]`, 1, sigv4.EntityTooLarge},
		{`["content-length-range",512,1000]`, 511, sigv4.EntityTooSmall},
		{`["content-length-range","512","1000"]`, 1000, ""},
		{`["content-length-range",0,1000],["content-length-range",10,2000]`, 9, sigv4.EntityTooSmall},
		{`["content-length-range",0,1000],["content-length-range",10,2000]`, 1001, sigv4.EntityTooLarge},
	} {
		policy, err := sigv4.ParsePolicy(encode(`{"expiration":"2030-01-01T12:00:00Z","conditions":[` + c.conditions + `]}`))
		if err != nil {
			t.Fatal(err)
		}
		if err := policy.CheckSize(c.size); code(err) != c.want {
			t.Errorf("%s, %d bytes: %v", c.conditions, c.size, err)
		}
	}
}

func TestMalformedPolicies(t *testing.T) {
	for name, policy := range map[string]string{
		"not base64":               "{}",
		"not JSON":                 encode(`{`),
		"array":                    encode(`[]`),
		"no expiration":            encode(`{"conditions":[]}`),
		"case of expiration":       encode(`{"EXPIRATION":"2030-01-01T12:00:00Z","conditions":[]}`),
		"expiration without zone":  encode(`{"expiration":"2030-01-01T12:00:00","conditions":[]}`),
		"expiration is a number":   encode(`{"expiration":1893499200,"conditions":[]}`),
		"no conditions":            encode(`{"expiration":"2030-01-01T12:00:00Z"}`),
		"case of conditions":       encode(`{"expiration":"2030-01-01T12:00:00Z","CONDITIONS":[]}`),
		"conditions in an object":  encode(`{"expiration":"2030-01-01T12:00:00Z","conditions":{"key":"x"}}`),
		"text behind the document": encode(`{"expiration":"2030-01-01T12:00:00Z","conditions":[]} {}`),
	} {
		if _, err := sigv4.ParsePolicy(policy); code(err) != sigv4.InvalidPolicyDocument {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestPolicyExpires(t *testing.T) {
	policy, err := sigv4.ParsePolicy(encode(`{"expiration":"2013-05-24T00:00:00Z","conditions":[{"bucket":"b"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := policy.Check(nil, "b", exampleTime.Add(-time.Second)); err != nil {
		t.Error(err)
	}
	if err := policy.Check(nil, "b", exampleTime); code(err) != sigv4.AccessDenied {
		t.Errorf("at its end: %v", err)
	}
}

// TestPostExampleOfAWS is the example of the S3 API Reference, "Browser-Based Upload using HTTP
// POST".
func TestPostExampleOfAWS(t *testing.T) {
	const policy = `eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9`
	fields := map[string]string{"policy": policy, "key": "user/user1/${filename}", "acl": "public-read",
		"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html", "content-type": "image/jpeg",
		"x-amz-meta-uuid": "14365123651274", "x-amz-server-side-encryption": "AES256", "x-amz-meta-tag": "",
		"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request", "x-amz-algorithm": "AWS4-HMAC-SHA256",
		"x-amz-date": "20151229T000000Z", "x-amz-signature": "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"}
	now := time.Date(2015, 12, 29, 1, 0, 0, 0, time.UTC)
	var v sigv4.Verifier
	post := func(now time.Time) error {
		sig, err := sigv4.ParsePost(fields)
		if err != nil {
			return err
		}
		return v.Verify(sig, exampleSecret, now)
	}
	if err := post(now); err != nil {
		t.Error(explain(err))
	}
	parsed, err := sigv4.ParsePolicy(policy)
	if err != nil {
		t.Fatal(err)
	}
	if err := parsed.Check(fields, "sigv4examplebucket", now); err != nil {
		t.Error(err)
	}
	if err := post(now.Add(7 * 24 * time.Hour)); code(err) != sigv4.AccessDenied {
		t.Errorf("after a week: %v", err)
	}
	for name, want := range map[string]sigv4.Code{"x-amz-credential": sigv4.AuthorizationQueryParametersError, "x-amz-algorithm": sigv4.AuthorizationQueryParametersError,
		"x-amz-date": sigv4.AuthorizationQueryParametersError, "x-amz-signature": sigv4.AuthorizationQueryParametersError, "policy": sigv4.SignatureDoesNotMatch} {
		old := fields[name]
		fields[name] = old + "x"
		if err := post(now); code(err) != want {
			t.Errorf("%s altered: %v", name, err)
		}
		delete(fields, name)
		if err := post(now); code(err) != sigv4.InvalidArgument {
			t.Errorf("%s missing: %v", name, err)
		}
		fields[name] = old
	}
	if _, err := sigv4.ParsePost(map[string]string{"key": "k"}); !errors.Is(err, sigv4.ErrUnsigned) {
		t.Errorf("a form without a policy: %v", err)
	}
	if _, err := sigv4.ParsePost(map[string]string{"policy": policy, "signature": "x", "awsaccesskeyid": "AK"}); !errors.Is(err, sigv4.ErrOtherScheme) {
		t.Errorf("a form of version 2: %v", err)
	}
}
