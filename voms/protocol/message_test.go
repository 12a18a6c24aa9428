package protocol_test

import (
	"bytes"
	"encoding/pem"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/voms/protocol"
)

// TestWriteRequest pins the bytes. Those of the XML form are the C client's, as it was seen to
// send them; REST has the C server's order and none of its escaping.
func TestWriteRequest(t *testing.T) {
	full := protocol.Request{
		FQANs:    []string{"/lanyard/physics/Role=pilot", "/lanyard/Role=NULL/Capability=NULL", "/Role=pilot"},
		Lifetime: 12 * time.Hour, Order: []string{"/lanyard", "/lanyard/physics/Role=pilot", "/lanyard/Role=absent"}, Targets: []string{"a.test", "b.test"},
	}
	const xml = `<?xml version="1.0" encoding="US-ASCII"?><voms>`
	const head = " HTTP/1.1\r\nHost: voms.lanyard.test:21001\r\nUser-Agent: lanyard\r\nAccept: */*\r\nConnection: close\r\n\r\n"
	for _, tc := range []struct {
		name      string
		form      protocol.Form
		r         protocol.Request
		want      string
		wantError string
	}{
		{"the VO's default", protocol.REST, protocol.Request{}, "GET /generate-ac?fqans=/lanyard" + head, ""},
		{"all", protocol.REST, protocol.Request{All: true, Lifetime: time.Minute, Order: []string{"/lanyard/physics"}}, "GET /generate-ac?fqans=all&lifetime=60&order=/lanyard/physics" + head, ""},
		{"full", protocol.REST, full, "GET /generate-ac?fqans=/lanyard,/lanyard/physics/Role=pilot,/Role=pilot&lifetime=43200&order=/lanyard,/lanyard/physics/Role=pilot,/lanyard/Role=absent&targets=a.test,b.test" + head, ""},
		{"the VO's default", protocol.Legacy, protocol.Request{}, xml + "<command>G/lanyard</command><base64>1</base64><version>4</version><lifetime></lifetime></voms>", ""},
		{"all", protocol.Legacy, protocol.Request{All: true}, xml + "<command>A</command><base64>1</base64><version>4</version><lifetime></lifetime></voms>", ""},
		{"list", protocol.Legacy, protocol.Request{List: true}, xml + "<command>N</command><base64>1</base64><version>4</version><lifetime></lifetime></voms>", ""},
		{"full", protocol.Legacy, full, xml + "<command>B/lanyard/physics:pilot</command><command>G/lanyard</command><command>Rpilot</command><order>/lanyard,/lanyard/physics:pilot,/lanyard:absent</order><targets>a.test,b.test</targets><base64>1</base64><version>4</version><lifetime>43200</lifetime></voms>", ""},
		{"list", protocol.REST, protocol.Request{List: true}, "", "only the XML form can ask for a list"},
		{"request in a name", protocol.REST, protocol.Request{FQANs: []string{"/lanyard HTTP/1.1\r\nX: y"}}, "", "is no attribute"},
		{"parameter in a name", protocol.REST, protocol.Request{Order: []string{"/lanyard&lifetime=1"}}, "", "is no attribute to order by"},
		{"tag in a name", protocol.Legacy, protocol.Request{Targets: []string{"<x>"}}, "", "is no target"},
		{"long name", protocol.Legacy, protocol.Request{FQANs: []string{"/" + strings.Repeat("a", 255)}}, "", "is no attribute"},
		{"no name", protocol.REST, protocol.Request{FQANs: []string{""}}, "", "is no attribute"},
		{"no slash", protocol.REST, protocol.Request{FQANs: []string{"lanyard"}}, "", `"lanyard" is no attribute: /VO/GROUP... with at most one /Role=ROLE behind it, and no colon, is needed`},
		{"colon", protocol.Legacy, protocol.Request{FQANs: []string{"/lpt:ard/physics"}}, "", `"/lpt:ard/physics" is no attribute: /VO/GROUP... with at most one /Role=ROLE behind it, and no colon, is needed`},
		{"two roles", protocol.REST, protocol.Request{Order: []string{"/a/Role=x/Role=y"}}, "", `"/a/Role=x/Role=y" is no attribute to order by: /VO/GROUP... with at most one /Role=ROLE behind it, and no colon, is needed`},
		{"negative time", protocol.REST, protocol.Request{Lifetime: -1}, "", "a lifetime of -1ns cannot be asked for"},
		{"many targets", protocol.REST, protocol.Request{Targets: make([]string, 201)}, "", "more than 200 times a target"},
	} {
		var got bytes.Buffer
		err := protocol.WriteRequest(&got, tc.form, first, tc.r, "")
		if tc.wantError != "" {
			if err == nil || !strings.Contains(err.Error(), tc.wantError) || got.Len() > 0 {
				t.Errorf("%s over %v: %v after %q, want %q", tc.name, tc.form, err, &got, tc.wantError)
			}
			continue
		}
		if diff := cmp.Diff(tc.want, got.String()); err != nil || diff != "" {
			t.Errorf("%s over %v: %v %s", tc.name, tc.form, err, diff)
		}
	}
}

// TestReadRequest reads what the field's clients were seen to send (testdata/requests) and what
// others may.
func TestReadRequest(t *testing.T) {
	const agent = "voms APIs 2.0"
	get := func(query string) string { return "GET /generate-ac" + query + " HTTP/1.1\r\n\r\n" }
	for _, tc := range []struct {
		name, text string
		want       protocol.Incoming
	}{
		{"c.rest", "", protocol.Incoming{UserAgent: agent, Request: protocol.Request{FQANs: []string{"/lanyard/physics/Role=pilot", "/lanyard"}, Lifetime: 12 * time.Hour,
			Order: []string{"/lanyard/physics", "/lanyard"}, Targets: []string{"a.test", "b.test"}}}},
		{"java.rest", "", protocol.Incoming{UserAgent: "Java/17.0.15", Request: protocol.Request{FQANs: []string{"/lanyard/physics", "/lanyard/physics/Role=pilot"}, Lifetime: 12 * time.Hour,
			Targets: []string{"a.test"}}}},
		{"c.xml", "", protocol.Incoming{Form: protocol.Legacy, Request: protocol.Request{FQANs: []string{"/lanyard/physics/Role=pilot", "/lanyard"}, Lifetime: 12 * time.Hour,
			Order: []string{"/lanyard/physics", "/lanyard/physics/Role=pilot"}, Targets: []string{"a.test", "b.test"}}}},
		{"c-all.xml", "", protocol.Incoming{Form: protocol.Legacy, Request: protocol.Request{All: true}}},
		{"c-list.xml", "", protocol.Incoming{Form: protocol.Legacy, Request: protocol.Request{List: true, Lifetime: 12 * time.Hour}}},
		{"java.xml", "", protocol.Incoming{Form: protocol.Legacy, Request: protocol.Request{FQANs: []string{"/lanyard"}, Lifetime: 12 * time.Hour}}},
		{"java-role.xml", "", protocol.Incoming{Form: protocol.Legacy, Request: protocol.Request{FQANs: []string{"/Role=pilot", "/lanyard/physics/Role=pilot"}, Lifetime: 12 * time.Hour}}},
		{"no query", get(""), protocol.Incoming{}},
		{"escaped", get("?fqans=%2Flanyard%2FRole%3Dpilot%2C/lanyard"), protocol.Incoming{Request: protocol.Request{FQANs: []string{"/lanyard/Role=pilot", "/lanyard"}}}},
		{"a role and all", get("?fqans=/lanyard/Role=pilot,ALL"), protocol.Incoming{Request: protocol.Request{FQANs: []string{"/lanyard/Role=pilot"}, All: true}}},
		{"long form", get("?fqans=/lanyard/Role=NULL/Capability=NULL"), protocol.Incoming{Request: protocol.Request{FQANs: []string{"/lanyard"}}}},
		{"no lifetime", get("?lifetime=0&fqans="), protocol.Incoming{}},
		{"negative lifetime", get("?lifetime=-5"), protocol.Incoming{}},
		{"a lifetime beyond all", get("?lifetime=9223372036854775807"), protocol.Incoming{Request: protocol.Request{Lifetime: 100 * 365 * 24 * time.Hour}}},
		{"unknown parameters", get("?x=1&lifetime=60&y=2"), protocol.Incoming{Warnings: []string{"Unknown parameters in the request were ignored!"}, Request: protocol.Request{Lifetime: time.Minute}}},
		{"order in the old words", get("?order=/lanyard:pilot,%20/lanyard"), protocol.Incoming{Request: protocol.Request{Order: []string{"/lanyard/Role=pilot", "/lanyard"}}}},
	} {
		text := tc.text
		if text == "" {
			text = string(read(t, "testdata/requests/"+tc.name))
		}
		// The peer keeps the connection open: no more may be read than there is.
		got, err := protocol.ReadRequest(io.MultiReader(strings.NewReader(text), unread{t}))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		if diff := cmp.Diff(tc.want, got, emptyIsNil); diff != "" {
			t.Errorf("%s: %s", tc.name, diff)
		}
	}
}

// unread fails the test when somebody waits for more.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("read beyond the end of the request")
	return 0, io.EOF
}

func TestReadRequestRefuses(t *testing.T) {
	xml := func(s string) string { return "<voms>" + s + "</voms>" }
	for _, tc := range []struct {
		name, text string
		status     int
	}{
		{"another path", "GET / HTTP/1.1\n\n", 404},
		{"nothing after the question mark", "GET /generate-ac? HTTP/1.1\n\n", 404},
		{"a pair without =", "GET /generate-ac?fqans HTTP/1.1\n\n", 404},
		{"another method", "POST /generate-ac HTTP/1.1\n\n", 400},
		{"no HTTP", "GET /generate-ac\n\n", 400},
		{"another protocol", "SSH-2.0-x\r\n\r\n", 400},
		{"a blank in the query", "GET /generate-ac?order=/a, /b HTTP/1.1\n\n", 400},
		{"bad escape", "GET /generate-ac?fqans=%zz HTTP/1.1\n\n", 400},
		{"a line end in a name", "GET /generate-ac?fqans=/lanyard%0A/x HTTP/1.1\n\n", 400},
		{"no number", "GET /generate-ac?lifetime=12h HTTP/1.1\n\n", 400},
		{"too many names", "GET /generate-ac?fqans=" + strings.Repeat("/a,", 201) + " HTTP/1.1\n\n", 400},
		{"a long line", "GET /generate-ac?fqans=" + strings.Repeat("a", 9000), 431},
		{"a long head", "GET /generate-ac HTTP/1.1\n" + strings.Repeat("X: y\n", 2000), 431},
		{"no command", xml("<lifetime>1</lifetime>"), 400},
		{"an unknown command", xml("<command>X/lanyard</command>"), 400},
		{"an empty command", xml("<command></command>"), 400},
		{"a group without a name", xml("<command>G</command>"), 400},
		{"a role without a group", xml("<command>B:pilot</command>"), 400},
		{"a tag in a name", xml("<command>G/&lt;x&gt;</command>"), 400},
		{"an entity", `<!DOCTYPE v [<!ENTITY e "/lanyard">]><voms><command>G&e;</command></voms>`, 400},
		{"another document", "<a></voms>", 400},
		{"an unknown character set", `<?xml version="1.0" encoding="UTF-16"?>` + xml("<command>A</command>"), 400},
		{"without end", "<voms>" + strings.Repeat("<command>A</command>", 4000), 400},
	} {
		_, err := protocol.ReadRequest(strings.NewReader(tc.text))
		refusal, ok := errors.AsType[*protocol.Error](err)
		if !ok || refusal.HTTP != tc.status || refusal.Code != protocol.BadRequest {
			t.Errorf("%s: %#v, want a refusal with status %d", tc.name, err, tc.status)
		}
	}
	for _, text := range []string{"", "0", "GET /generate-ac HTTP/1.1\n", "<voms><command>"} {
		_, err := protocol.ReadRequest(strings.NewReader(text))
		if _, refused := errors.AsType[*protocol.Error](err); err == nil || refused {
			t.Errorf("%q, and the connection ends: %v", text, err)
		}
	}
}

// TestReadAnswer reads answers of the other servers. The C server is not in the way of a test run
// (it needs MySQL or Oracle) and VOMS-AA is a web application behind a web server of its own, so
// what stands in testdata/answers was not caught on a wire here: it was written after the servers'
// sources and documentation, byte for byte as those say. What our own server answers is read in
// the tests of package attributeauthority.
func TestReadAnswer(t *testing.T) {
	block, _ := pem.Decode(read(t, "../../testdata/voms/golden/g34-separate.ac"))
	const (
		unknown   = "lanyard: User unknown to this VO."
		unknownAA = "User unknown to this VO: '/DC=test/DC=lanyard/OU=Users/CN=Ada Tester' (issued by '/DC=test/DC=lanyard/CN=Lanyard Fixture CA')"
		shortened = "lanyard://voms.lanyard.test:21001: The validity of this VOMS AC in your proxy is shortened to 86400 seconds!"
	)
	refused := func(code int, name, message string, status int) *protocol.Error {
		return &protocol.Error{Code: code, Name: name, Message: message, HTTP: status}
	}
	for _, tc := range []struct {
		file     string
		ac       bool
		warnings []string
		list     []string
		refusal  *protocol.Error
		err      string
	}{
		{file: "c-rest-ok.http", ac: true},
		{file: "c-rest-warning.http", ac: true, warnings: []string{shortened}},
		{file: "c-rest-unknown.http", refusal: refused(1001, "NoSuchUser", unknown, 403)},
		{file: "c-rest-suspended.http", refusal: refused(1004, "SuspendedUser", "User is currently suspended!\nSuspension reason: asked for by the site", 403)},
		{file: "c-rest-not-held.http", refusal: refused(1005, "BadRequest", "lanyard: Unable to satisfy B/lanyard:admin request!", 400)},
		{file: "c-rest-internal.http", refusal: refused(1006, "InternalError", "lanyard: Problems in DB communication.", 500)},
		{file: "c-rest-not-found.http", err: "it closed the connection without an answer"},
		{file: "c-rest-debian12.http", err: "it closed the connection without an answer"},
		{file: "vomsaa-ok.http", ac: true},
		{file: "vomsaa-warning.http", ac: true, warnings: []string{"WARNING: lanyard : The validity of this VOMS AC in your proxy is shortened to 43200 seconds!"}},
		{file: "vomsaa-unknown.http", refusal: refused(1001, "NoSuchUser", unknownAA, 200)},
		{file: "vomsaa-not-held.http", refusal: refused(1007, "BadRequest", "User is not authorized to request attribute '/lanyard/Role=admin' or attribute does not exist.", 200)},
		{file: "vomsaa-suspended.http", refusal: refused(1004, "SuspendedUser", "User '/DC=test/DC=lanyard/OU=Users/CN=Ada Tester, /DC=test/DC=lanyard/CN=Lanyard Fixture CA' is not active.", 200)},
		{file: "vomsaa-old-form.http", refusal: refused(1001, "NoSuchUser", unknownAA, 200)},
		{file: "vomsaa-nginx.http", err: "it answers 400 Bad Request"},
		{file: "c-xml-ok.xml", ac: true},
		{file: "c-xml-private.xml", ac: true},
		{file: "c-xml-warning.xml", ac: true, warnings: []string{shortened, "FQAN: /lanyard is not the first selected!"}},
		{file: "c-xml-unknown.xml", refusal: refused(1001, "NoSuchUser", unknown, 0)},
		{file: "c-xml-unknown-private.xml", refusal: refused(1001, "NoSuchUser", unknown, 0)},
		{file: "c-xml-list.xml", list: []string{"/lanyard/Role=NULL/Capability=NULL", "/lanyard/physics/Role=NULL/Capability=NULL"}},
		{file: "c-xml-list-private.xml", list: []string{"/lanyard", "/lanyard/physics"}},
	} {
		form := protocol.REST
		if strings.HasSuffix(tc.file, ".xml") {
			form = protocol.Legacy
		}
		got, err := protocol.ReadAnswer(bytes.NewReader(read(t, "testdata/answers/"+tc.file)), form)
		if refusal, ok := errors.AsType[*protocol.Error](err); ok || tc.refusal != nil {
			if diff := cmp.Diff(tc.refusal, refusal); diff != "" {
				t.Errorf("%s: %s", tc.file, diff)
			}
		} else if tc.err != "" && (err == nil || err.Error() != tc.err) || tc.err == "" && err != nil {
			t.Errorf("%s: error %v, want %q", tc.file, err, tc.err)
		}
		if tc.ac != bytes.Equal(got.AC, block.Bytes) || !tc.ac && got.AC != nil {
			t.Errorf("%s: the certificate is %d bytes of %d", tc.file, len(got.AC), len(block.Bytes))
		}
		if diff := cmp.Diff(tc.warnings, got.Warnings) + cmp.Diff(tc.list, got.List); diff != "" {
			t.Errorf("%s: %s", tc.file, diff)
		}
	}
}

func TestReadAnswerFromAHostilePeer(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
	for _, tc := range []struct{ name, text, want string }{
		{"huge", head + strings.Repeat(" ", 2<<20), "its answer is larger than 1048576 bytes"},
		{"huge head", "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 1<<20), "it does not answer as a web server does"},
		{"huge, says so", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n<voms>", "its answer breaks off"},
		{"no HTTP", "SSH-2.0-x\r\n", "it does not answer as a web server does"},
		{"no XML", head + "hello", "its answer cannot be read: it is no XML"},
		{"a page", head + "<html></html>", "its answer is not one of an attribute authority"},
		{"redirect", "HTTP/1.1 302 Found\r\nLocation: https://elsewhere.test/\r\nContent-Length: 1\r\n\r\nx", "it points to another address, which is not followed (302)"},
		{"nothing in it", head + "<voms></voms>", "its answer has no attribute certificate and no reason why"},
		{"no base64", head + "<voms><ac>!!\n</ac></voms>", "the attribute certificate in its answer is not in base64"},
		{"no certificate", head + "<voms><ac>QUJD\n</ac></voms>", "its answer has something else in place of an attribute certificate"},
		{"an entity", head + `<!DOCTYPE v [<!ENTITY e "x">]><voms><warning>&e;</warning></voms>`, "its answer cannot be read: XML syntax error on line 1: invalid character entity &e;"},
		{"a refusal without words", head + "<voms><error><code>NoSuchUser</code></error></voms>", "the server gives no reason"},
		{"a terminal's commands", head + "<voms><error><code>x</code><message>a\x9b\u202ebc\u200fd&#x9b;</message></error></voms>", "a?bcd"},
	} {
		got, err := protocol.ReadAnswer(strings.NewReader(tc.text), protocol.REST)
		if err == nil || err.Error() != tc.want || got.AC != nil {
			t.Errorf("%s: %q, want %q", tc.name, err, tc.want)
		}
	}
}

// TestWriteAnswer pins the bytes that the C and the Java client need.
func TestWriteAnswer(t *testing.T) {
	ac := bytes.Repeat([]byte{0x30}, 60)
	const b64 = "MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw\nMDAwMDAwMDAwMDAw\n"
	const rest = `<?xml version="1.0" encoding="UTF-8"?><voms>`
	const xml = `<?xml version="1.0" encoding = "US-ASCII"?><vomsans><version>3</version>`
	warned := protocol.Answer{AC: ac, Warnings: []string{protocol.WarnShortened("lanyard://h:1", 60), protocol.WarnOrder("/lanyard"), protocol.WarnSubset("lanyard")}}
	for _, tc := range []struct {
		name   string
		in     protocol.Incoming
		answer protocol.Answer
		err    error
		status string
		want   string
	}{
		{"certificate", protocol.Incoming{}, protocol.Answer{AC: ac}, nil, "200 OK", rest + "<ac>" + b64 + "</ac></voms>"},
		{"warnings", protocol.Incoming{Warnings: []string{"Unknown <x>"}}, warned, nil, "200 OK", rest + "<ac>" + b64 + "</ac>" +
			"<warning>Unknown &#60;x&#62;</warning>" +
			"<warning>lanyard://h:1: The validity of this VOMS AC in your proxy is shortened to 60 seconds!</warning>" +
			"<warning>FQAN: /lanyard is not the first selected!</warning>" +
			"<warning>lanyard : your certificate already contains attributes, only a subset of them can be issued.</warning></voms>"},
		{"refusal", protocol.Incoming{}, protocol.Answer{}, protocol.NewError(protocol.SuspendedUser, "é & so\non\x1b"), "403 Forbidden",
			rest + "<error><code>SuspendedUser</code><message>&#233; &#38; so\non</message></error></voms>"},
		{"trouble", protocol.Incoming{}, protocol.Answer{}, errors.New("disk sdb is broken"), "500 Internal Server Error",
			rest + "<error><code>InternalError</code><message>The server has met an internal error. Its operator finds the reason in its log.</message></error></voms>"},
		{"certificate", protocol.Incoming{Form: protocol.Legacy}, protocol.Answer{AC: ac}, nil, "", xml + "<ac>" + b64 + "</ac></vomsans>"},
		{"list", protocol.Incoming{Form: protocol.Legacy}, protocol.Answer{List: []string{"/a", "/a/b"}}, nil, "", xml + "<bitstr>L2EKL2EvYgo=\n</bitstr></vomsans>"},
		{"warnings", protocol.Incoming{Form: protocol.Legacy, Warnings: []string{"Unknown"}}, warned, nil, "", xml + "<error>" +
			"<item><number>4</number><message>Unknown</message></item>" +
			"<item><number>2</number><message>lanyard://h:1: The validity of this VOMS AC in your proxy is shortened to 60 seconds!</message></item>" +
			"<item><number>1</number><message>FQAN: /lanyard is not the first selected!</message></item>" +
			"<item><number>3</number><message>lanyard : your certificate already contains attributes, only a subset of them can be issued.</message></item>" +
			"</error><ac>" + b64 + "</ac></vomsans>"},
		{"refusal", protocol.Incoming{Form: protocol.Legacy}, protocol.Answer{}, protocol.NewError(protocol.NoSuchUser, "x: User unknown to this VO."), "",
			xml + "<error><item><number>1001</number><message>x: User unknown to this VO.</message></item></error><ac>QQ==\n</ac></vomsans>"},
	} {
		var got bytes.Buffer
		if err := protocol.WriteAnswer(&got, tc.in, tc.answer, tc.err); err != nil {
			t.Fatal(err)
		}
		body := got.String()
		if tc.in.Form == protocol.REST {
			head, rest, _ := strings.Cut(body, "\r\n\r\n")
			// The C client takes HTTP/1.1 200 alone, though it asks in 1.0.
			if !strings.HasPrefix(head, "HTTP/1.1 "+tc.status+"\r\n") || !strings.Contains(head, "\r\nConnection: close") {
				t.Errorf("%s: head %q", tc.name, head)
			}
			body = rest
		}
		if diff := cmp.Diff(tc.want, body); diff != "" {
			t.Errorf("%s over %v: %s", tc.name, tc.in.Form, diff)
		}
		// What we write we also read.
		again, err := protocol.ReadAnswer(&got, tc.in.Form)
		if (err == nil) != (tc.err == nil) || !bytes.Equal(again.AC, tc.answer.AC) || !cmp.Equal(again.List, tc.answer.List, emptyIsNil) {
			t.Errorf("%s over %v is read as %v, %v", tc.name, tc.in.Form, again, err)
		}
	}
}
