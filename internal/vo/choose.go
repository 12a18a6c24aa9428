package vo

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lanyardhq/lanyard/voms"
	"github.com/lanyardhq/lanyard/voms/protocol"
)

// A Choice is what an attribute certificate will say.
type Choice struct {
	FQANs      []string // as they are written into it, primary first
	Attributes []voms.Attribute
	Warnings   []string
	// EndsBy is when the first of the attributes ends; zero if all are open.
	EndsBy time.Time
}

// Choose answers a request as the field's servers do: what is asked for comes first, in that order,
// then all other groups; roles are given only if asked for; the request's order then moves what is
// held to the front. A client that came with attributes of the VO (already) gets no more than those:
// passing a proxy on must never gain rights. What cannot be given is a *protocol.Error.
func (s Standing) Choose(r protocol.Request, already []*voms.AC) (Choice, error) {
	var c Choice
	list, err := s.asked(r)
	if err != nil {
		return c, err
	}
	for _, f := range s.List() {
		if (r.All || roles(f) == 0) && !slices.Contains(list, f) {
			list = append(list, f)
		}
	}
	var limit map[string]bool
	if len(already) > 0 {
		limit = held(already)
		all := len(list)
		list = slices.DeleteFunc(list, func(f string) bool { return !limit[f] })
		subset := s.VO.Name + " : your certificate already contains attributes, only a subset of them can be issued."
		if len(list) == 0 {
			return c, protocol.NewError(protocol.NoAttributes, "%s", subset)
		}
		if len(list) < all {
			c.Warnings = append(c.Warnings, subset)
		}
	}
	list, warning := order(list, r.Order)
	c.Warnings = append(c.Warnings, warning...)
	for _, f := range list {
		if end := s.FQANs[f]; !end.IsZero() && (c.EndsBy.IsZero() || end.Before(c.EndsBy)) {
			c.EndsBy = end
		}
		c.FQANs = append(c.FQANs, s.VO.written(f))
	}
	c.Attributes = s.attributes(list, already)
	return c, nil
}

// asked returns the FQANs that the request names, in short form, each once.
func (s Standing) asked(r protocol.Request) (list []string, err error) {
	for _, text := range r.FQANs {
		found, err := s.find(text)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			if !slices.Contains(list, f) {
				list = append(list, f)
			}
		}
	}
	return list, nil
}

// find returns what one requested FQAN means: itself, or for "/Role=r" that role wherever it is held.
func (s Standing) find(text string) (found []string, err error) {
	if role, ok := strings.CutPrefix(text, "/Role="); ok {
		for _, f := range s.List() {
			if strings.HasSuffix(f, "/Role="+role) {
				found = append(found, f)
			}
		}
		if len(found) == 0 {
			return nil, s.unsatisfied("R" + role)
		}
		return found, nil
	}
	f, err := voms.ParseFQAN(text)
	if err != nil {
		return nil, protocol.NewError(protocol.BadRequest, "%s: Unable to interpret command: %.100q", s.VO.Name, text)
	}
	if _, ok := s.FQANs[f.Short()]; ok {
		return []string{f.Short()}, nil
	}
	if f.Role != "" {
		return nil, s.unsatisfied("B" + f.Group + ":" + f.Role)
	}
	return nil, s.unsatisfied("G" + f.Group)
}

func (s Standing) unsatisfied(command string) error {
	return protocol.NewError(protocol.NoSuchAttribute, "%s: Unable to satisfy %s request!", s.VO.Name, command)
}

// held returns, in short form, what attribute certificates say.
func held(acs []*voms.AC) map[string]bool {
	all := map[string]bool{}
	for _, ac := range acs {
		for _, text := range ac.FQANs {
			if f, err := voms.ParseFQAN(text); err == nil {
				all[f.Short()] = true
			}
		}
	}
	return all
}

// order moves those of list that first names to the front. It cannot add any.
func order(list, first []string) (ordered, warnings []string) {
	var front []string
	for _, text := range first {
		f, err := voms.ParseFQAN(text)
		if err == nil && slices.Contains(list, f.Short()) && !slices.Contains(front, f.Short()) {
			front = append(front, f.Short())
		}
	}
	for _, f := range list {
		if !slices.Contains(front, f) {
			front = append(front, f)
		}
	}
	if len(first) > 0 {
		if f, err := voms.ParseFQAN(first[0]); err != nil || f.Short() != front[0] {
			warnings = append(warnings, fmt.Sprintf("FQAN: %s is not the first selected!", first[0]))
		}
	}
	return front, warnings
}

// written is a FQAN in the form that v gives out.
func (v VO) written(short string) string {
	f, err := voms.ParseFQAN(short)
	if err != nil || v.ShortFQANs {
		return short
	}
	return f.Long()
}

// attributes returns the generic attributes that hang on the member or on one of the FQANs, none
// that the client's own certificates lack.
func (s Standing) attributes(fqans []string, already []*voms.AC) (all []voms.Attribute) {
	for _, a := range s.Attributes {
		g := voms.Attribute{Name: a.Name, Value: a.Value, Qualifier: s.VO.Name}
		if a.Group != "" {
			f, err := voms.ParseFQAN(a.Group)
			if err != nil || !slices.Contains(fqans, f.Short()) {
				continue
			}
			g.Qualifier = f.Short()
		}
		has := func(ac *voms.AC) bool { return slices.Contains(ac.Attributes, g) }
		if !slices.Contains(all, g) && (len(already) == 0 || slices.ContainsFunc(already, has)) {
			all = append(all, g)
		}
	}
	return all
}

// Life returns when a certificate ends that is asked to live for some time from now on, or for as
// long as v allows if that is zero. It ends no later than its attributes (endsBy, zero if they are
// open), than the certificate that signs it (aaEnd) and than the holder's own (holderEnd). What cuts
// it short is told, but for the last: beyond its holder's end it would be of no use.
func (v VO) Life(asked time.Duration, now, endsBy, aaEnd, holderEnd time.Time) (end time.Time, warnings []string) {
	life := asked
	if asked <= 0 || asked > v.MaxLife {
		life = v.MaxLife
	}
	end = now.Add(life)
	for _, limit := range []time.Time{endsBy, aaEnd} {
		if !limit.IsZero() && limit.Before(end) {
			end = limit
		}
	}
	if asked > 0 && end.Before(now.Add(asked)) {
		warnings = append(warnings, fmt.Sprintf("%s:%d: The validity of this VOMS AC in your proxy is shortened to %d seconds!",
			v.Host, v.Port, int64(end.Sub(now)/time.Second)))
	}
	if holderEnd.Before(end) {
		end = holderEnd
	}
	return end.UTC().Truncate(time.Second), warnings
}
