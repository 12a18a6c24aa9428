// Package caller tells from which network address a request comes, also behind reverse proxies, and
// what limits count as one caller. It imports the standard library only.
package caller

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// maxHops bounds how many proxies may stand in a row.
const maxHops = 16

// Proxies are the reverse proxies whose word for a client's address is taken, each host a network of
// its own. Nil believes nobody.
type Proxies []netip.Prefix

// Handler gives next requests whose RemoteAddr is the client's, with port 0 where a proxy told it.
//
// Each proxy adds the address that it was called from at the end of X-Forwarded-For, so only what
// stands right of the first stranger, seen from the right, was written by a proxy of ours: that
// stranger is the client, and all that stands left of it is what it claims. From peers that are no
// proxies of ours the header means nothing.
func (p Proxies) Handler(next http.Handler) http.Handler {
	if len(p) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if peer, err := netip.ParseAddrPort(r.RemoteAddr); err == nil && p.trusted(peer.Addr().Unmap()) {
			r.RemoteAddr = netip.AddrPortFrom(p.client(peer.Addr().Unmap(), r.Header.Values("X-Forwarded-For")), 0).String()
		}
		next.ServeHTTP(w, r)
	})
}

// client walks from the peer towards the client and returns the first address that is no proxy of
// ours. What is not an address ends the walk at the hop that said so.
func (p Proxies) client(peer netip.Addr, lines []string) netip.Addr {
	rest := strings.Join(lines, ",") // RFC 9110 §5.3
	for range maxHops {
		comma := strings.LastIndexByte(rest, ',')
		hop, ok := parse(strings.Trim(rest[comma+1:], " \t"))
		if !ok {
			return peer
		}
		if peer = hop; comma < 0 || !p.trusted(hop) {
			return hop
		}
		rest = rest[:comma]
	}
	return peer
}

func (p Proxies) trusted(a netip.Addr) bool {
	return slices.ContainsFunc(p, func(n netip.Prefix) bool { return n.Contains(a) })
}

// parse reads an address as proxies write it: with or without port, IPv6 with or without brackets. A
// zone means something on the proxy's own links only, and could be any text.
func parse(s string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(s)
	if err != nil {
		var with netip.AddrPort
		with, err = netip.ParseAddrPort(s)
		a = with.Addr()
	}
	if err != nil && strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		a, err = netip.ParseAddr(s[1 : len(s)-1])
	}
	return a.Unmap(), err == nil && a.Zone() == ""
}

// Address is where a request comes from, without the port. What is no TCP connection has none and
// says so in its own words, such as "@" for a UNIX socket.
func Address(r *http.Request) string {
	a, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return a.Addr().Unmap().String()
}

// Network is the key that limits go by: an IPv4 address, or the /64 that an IPv6 host can choose
// its addresses from.
func Network(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if a = a.Unmap(); a.Is6() {
		p, _ := a.WithZone("").Prefix(64)
		return p.String()
	}
	return a.String()
}
