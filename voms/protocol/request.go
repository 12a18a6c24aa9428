package protocol

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/voms/vomses"
)

// Form is one of the two ways to write a request.
type Form int

// The forms.
const (
	REST   Form = iota // GET /generate-ac
	Legacy             // one XML document
)

// String returns a word for messages and logs.
func (f Form) String() string {
	if f == Legacy {
		return "xml"
	}
	return "rest"
}

// userAgent is what clients call themselves that say nothing else.
const userAgent = "lanyard"

// WriteRequest writes r to server s in the form that is asked for, in one call of w.Write. The
// agent goes into REST's User-Agent; empty means "lanyard". Check says which requests it refuses.
func WriteRequest(w io.Writer, form Form, s vomses.Server, r Request, agent string) error {
	if err := r.Check(); err != nil {
		return err
	}
	text := r.xml(s)
	if form == REST {
		if r.List {
			return fmt.Errorf("only the XML form can ask for a list")
		}
		text = r.rest(s, agent)
	}
	_, err := io.WriteString(w, text)
	return err
}

// rest is the REST form. Names stand in the query as they are: the C server decodes nothing.
func (r Request) rest(s vomses.Server, agent string) string {
	if agent == "" {
		agent = userAgent
	}
	var b strings.Builder
	b.WriteString("GET /generate-ac?fqans=")
	b.WriteString(strings.Join(r.wanted(s), ","))
	if r.Lifetime > 0 {
		fmt.Fprintf(&b, "&lifetime=%d", int64(r.Lifetime/time.Second))
	}
	if len(r.Order) > 0 {
		b.WriteString("&order=" + strings.Join(shortAll(r.Order), ","))
	}
	if len(r.Targets) > 0 {
		b.WriteString("&targets=" + strings.Join(r.Targets, ","))
	}
	fmt.Fprintf(&b, " HTTP/1.1\r\nHost: %s\r\nUser-Agent: %s\r\nAccept: */*\r\nConnection: close\r\n\r\n", s.Address(), agent)
	return b.String()
}

// wanted are the FQANs in the order in which REST asks for them. Servers other than the C one know
// no order, so it is merged in, as the C and the Java client do: what it names comes first; a group
// that was not asked for is, because it would come anyway; a role that was not asked for is not.
func (r Request) wanted(s vomses.Server) []string {
	if r.All {
		return []string{"all"}
	}
	fqans := shortAll(r.FQANs)
	if len(fqans) == 0 {
		fqans = []string{"/" + s.VO}
	}
	var merged []string
	for _, o := range shortAll(r.Order) {
		if slices.Contains(fqans, o) || !strings.Contains(o, "/Role=") {
			merged = append(merged, o)
		}
	}
	for _, f := range fqans {
		if !slices.Contains(merged, f) {
			merged = append(merged, f)
		}
	}
	return merged
}

func shortAll(fqans []string) []string {
	all := make([]string, len(fqans))
	for i, f := range fqans {
		all[i] = short(f)
	}
	return all
}

// xml is the XML form, byte for byte as the C client writes it. Check has refused all characters
// that would need escaping.
func (r Request) xml(s vomses.Server) string {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="US-ASCII"?><voms>`)
	for _, c := range r.commands(s) {
		b.WriteString("<command>" + c + "</command>")
	}
	if len(r.Order) > 0 {
		b.WriteString("<order>" + strings.ReplaceAll(strings.Join(shortAll(r.Order), ","), "/Role=", ":") + "</order>")
	}
	if len(r.Targets) > 0 {
		b.WriteString("<targets>" + strings.Join(r.Targets, ",") + "</targets>")
	}
	b.WriteString("<base64>1</base64><version>4</version><lifetime>")
	if r.Lifetime > 0 {
		b.WriteString(strconv.FormatInt(int64(r.Lifetime/time.Second), 10))
	}
	b.WriteString("</lifetime></voms>")
	return b.String()
}

// commands are the XML form's words for what is asked for.
func (r Request) commands(s vomses.Server) []string {
	switch {
	case r.List:
		return []string{"N"}
	case r.All:
		return []string{"A"}
	case len(r.FQANs) == 0:
		return []string{"G/" + s.VO}
	}
	var all []string
	for _, f := range shortAll(r.FQANs) {
		group, role, isRole := strings.Cut(f, "/Role=")
		switch {
		case isRole && group == "":
			all = append(all, "R"+role)
		case isRole:
			all = append(all, "B"+group+":"+role)
		default:
			all = append(all, "G"+group)
		}
	}
	return all
}
