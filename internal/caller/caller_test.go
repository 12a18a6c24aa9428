package caller_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/internal/caller"
)

var ours = caller.Proxies{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("fd00::/8")}

// seen is the address that a handler behind p sees.
func seen(t *testing.T, p caller.Proxies, peer string, lines ...string) (address string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	r.RemoteAddr = peer
	for _, l := range lines {
		r.Header.Add("X-Forwarded-For", l)
	}
	// Other headers that claim an origin are nobody's business.
	r.Header.Set("Forwarded", "for=203.0.113.99")
	r.Header.Set("X-Real-IP", "203.0.113.99")
	p.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { address = caller.Address(r) })).ServeHTTP(httptest.NewRecorder(), r)
	return address
}

func TestAddress(t *testing.T) {
	for _, tt := range []struct {
		name, peer string
		lines      []string
		want       string
	}{
		{"nobody between", "192.0.2.7:4711", nil, "192.0.2.7"},
		{"IPv6", "[2001:db8::7]:4711", nil, "2001:db8::7"},
		{"IPv4 at an IPv6 socket", "[::ffff:192.0.2.7]:4711", nil, "192.0.2.7"},
		{"a stranger's claim", "192.0.2.7:4711", []string{"203.0.113.1"}, "192.0.2.7"},
		{"a stranger who names our proxy", "192.0.2.7:4711", []string{"203.0.113.1, 10.0.0.1"}, "192.0.2.7"},
		{"a UNIX socket", "@", []string{"203.0.113.1"}, "@"},

		{"one proxy", "10.0.0.1:4711", []string{"192.0.2.7"}, "192.0.2.7"},
		{"one proxy at an IPv6 socket", "[::ffff:10.0.0.1]:4711", []string{"192.0.2.7"}, "192.0.2.7"},
		{"one proxy by IPv6", "[::1]:4711", []string{"2001:db8::7"}, "2001:db8::7"},
		{"a proxy that says nothing", "10.0.0.1:4711", nil, "10.0.0.1"},
		{"a claim before the proxy's word", "10.0.0.1:4711", []string{"203.0.113.1, 192.0.2.7"}, "192.0.2.7"},
		{"a claim in a line of its own", "10.0.0.1:4711", []string{"203.0.113.1", "192.0.2.7"}, "192.0.2.7"},
		{"a claim to be a proxy", "10.0.0.1:4711", []string{"203.0.113.1, 10.0.0.9, 192.0.2.7"}, "192.0.2.7"},
		{"two proxies", "10.0.0.1:4711", []string{"192.0.2.7, 10.0.0.2"}, "192.0.2.7"},
		{"two proxies in two lines", "10.0.0.1:4711", []string{"203.0.113.1,192.0.2.7", "10.0.0.2"}, "192.0.2.7"},
		{"a proxy's own request", "10.0.0.1:4711", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},

		{"a port", "10.0.0.1:4711", []string{"192.0.2.7:80"}, "192.0.2.7"},
		{"IPv6 with a port", "10.0.0.1:4711", []string{"[2001:db8::7]:80"}, "2001:db8::7"},
		{"IPv6 in brackets", "10.0.0.1:4711", []string{"[2001:db8::7]"}, "2001:db8::7"},
		{"IPv4 in IPv6", "10.0.0.1:4711", []string{"::ffff:192.0.2.7"}, "192.0.2.7"},
		{"a proxy as IPv4 in IPv6", "10.0.0.1:4711", []string{"192.0.2.7, ::ffff:10.0.0.2"}, "192.0.2.7"},
		{"blanks", "10.0.0.1:4711", []string{" \t192.0.2.7 \t,\t10.0.0.2 "}, "192.0.2.7"},

		{"garbage", "10.0.0.1:4711", []string{"192.0.2.7, unknown"}, "10.0.0.1"},
		{"garbage behind a proxy", "10.0.0.1:4711", []string{"192.0.2.7, <script>, 10.0.0.2"}, "10.0.0.2"},
		{"garbage as a claim", "10.0.0.1:4711", []string{"\"';--, 192.0.2.7"}, "192.0.2.7"},
		{"an empty line", "10.0.0.1:4711", []string{""}, "10.0.0.1"},
		{"nothing between commas", "10.0.0.1:4711", []string{"192.0.2.7,,10.0.0.2"}, "10.0.0.2"},
		{"a zone", "10.0.0.1:4711", []string{"fe80::1%any text"}, "10.0.0.1"},
		{"a zone in brackets", "10.0.0.1:4711", []string{"[fe80::1%x]:80"}, "10.0.0.1"},
		{"a port that is none", "10.0.0.1:4711", []string{"192.0.2.7:99999"}, "10.0.0.1"},
		{"half a bracket", "10.0.0.1:4711", []string{"[2001:db8::7"}, "10.0.0.1"},
		{"a name", "10.0.0.1:4711", []string{"localhost"}, "10.0.0.1"},
		{"as many proxies as can be", "10.0.0.1:4711", []string{"192.0.2.7" + strings.Repeat(", 10.0.0.2", 15)}, "192.0.2.7"},
		{"more proxies than can be", "10.0.0.1:4711", []string{"192.0.2.7" + strings.Repeat(", 10.0.0.2", 1000)}, "10.0.0.2"},
	} {
		if got := seen(t, ours, tt.peer, tt.lines...); got != tt.want {
			t.Errorf("%s: %s with %q is taken for %s, not %s", tt.name, tt.peer, tt.lines, got, tt.want)
		}
	}
}

func TestNobodyIsBelievedByDefault(t *testing.T) {
	for _, peer := range []string{"127.0.0.1:1", "[::1]:1", "10.0.0.1:1"} {
		want := netip.MustParseAddrPort(peer).Addr().String()
		if got := seen(t, nil, peer, "192.0.2.7"); got != want {
			t.Errorf("%s is taken for %s", peer, got)
		}
	}
}
