package authority

import (
	"cmp"
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"

	"github.com/lanyardhq/lanyard/internal/audit"
	"github.com/lanyardhq/lanyard/internal/fault"
	"github.com/lanyardhq/lanyard/internal/vo"
	"github.com/lanyardhq/lanyard/proxycert/dn"
	"github.com/lanyardhq/lanyard/voms"
	"github.com/lanyardhq/lanyard/voms/protocol"
)

const backdate = 5 * time.Minute // for clocks that are late

// Attributes gives the holder an attribute certificate of the VO with that name, and records it. What
// it refuses is a *protocol.Error; any other error is ours to repair. The edge has verified who the
// holder is; whether certificates of our own CA are still in force is decided here, by the database.
func (a *Authority) Attributes(ctx context.Context, name string, h vo.Holder, r protocol.Request) (protocol.Answer, error) {
	v, err := a.vo(name)
	if err != nil {
		return protocol.Answer{}, protocol.NewError(protocol.BadRequest, "%v", err)
	}
	who := audit.Record{At: a.now(), Actor: stranger, ActorName: h.Result.Identity, Subject: v.Name, Address: h.Address}
	answer, err := a.attributes(ctx, v, h, r, &who)
	if refusal, ok := errors.AsType[*protocol.Error](err); ok {
		return answer, errors.Join(a.refuse(ctx, who, refusal), err)
	}
	return answer, err
}

// attributes fills in who asks as far as it finds out.
func (a *Authority) attributes(ctx context.Context, v vo.VO, h vo.Holder, r protocol.Request, who *audit.Record) (none protocol.Answer, err error) {
	q, own, err := a.question(v, h)
	if err != nil {
		return none, err
	}
	facts, err := a.c.Store.Holding(ctx, q)
	if err != nil {
		return none, err
	}
	switch {
	case facts.Account != nil:
		who.Actor, who.ActorName = facts.Account.ID, facts.Account.Name
	case len(facts.Members) > 0:
		who.Actor = facts.Members[0].ID
	}
	standing, err := v.Judge(own, facts, who.At)
	if err != nil {
		return none, err
	}
	if r.List {
		return protocol.Answer{List: standing.List()}, nil
	}
	choice, err := standing.Choose(r, h.ACs)
	if err != nil {
		return none, err
	}
	return a.sign(ctx, v, h, r, choice, who)
}

// question says by what a holder is looked up. Who claims the name of our CA without its signature
// is nobody.
func (a *Authority) question(v vo.VO, h vo.Holder) (q vo.Question, own bool, err error) {
	c := h.Result.EndEntity
	q = vo.Question{VO: v.Name, Subject: dn.Slash(c.RawSubject), Issuer: dn.Slash(c.RawIssuer)}
	if a.c.CA == nil {
		return q, false, nil
	}
	own, foreign := a.c.CA.Issued(h.Result.Path)
	if foreign {
		return q, false, protocol.NewError(protocol.NoSuchUser, "%s: User unknown to this VO.", v.Name)
	}
	if own {
		q.Serial = c.SerialNumber.Text(16)
	}
	return q, own, nil
}

// sign makes the certificate and records it, before anybody gets it.
func (a *Authority) sign(ctx context.Context, v vo.VO, h vo.Holder, r protocol.Request, choice vo.Choice, who *audit.Record) (protocol.Answer, error) {
	now := who.At
	pair, err := a.signer(v, now)
	if err != nil {
		return protocol.Answer{}, err
	}
	key, ok := pair.PrivateKey.(crypto.Signer)
	if !ok {
		return protocol.Answer{}, fmt.Errorf("the key of the attribute authority of %s cannot sign", v.Name)
	}
	end, warnings := v.Life(r.Lifetime, now, choice.EndsBy, pair.Leaf.NotAfter, h.Result.EndEntity.NotAfter)
	if !end.After(now) {
		return protocol.Answer{}, protocol.NewError(protocol.NoAttributes, "%s: Nothing that you hold lasts any longer.", v.Name)
	}
	serial := acSerial()
	ac, err := voms.Create(voms.Template{VO: v.Name, Host: v.Host, Port: v.Port, FQANs: choice.FQANs, Attributes: choice.Attributes,
		Targets: r.Targets, NotBefore: now.Add(-backdate), NotAfter: end, Serial: serial}, h.Result.EndEntity, pair.Leaf, key)
	if err != nil {
		return protocol.Answer{}, fmt.Errorf("sign attribute certificate: %w", err)
	}
	record := *who
	record.Action = "ac.issue"
	record.Detail = map[string]string{"holder": h.Result.Identity, "certificate": h.Result.EndEntity.SerialNumber.Text(16),
		"serial": serial.Text(16), "fqans": strings.Join(choice.FQANs, " "), "until": end.Format(time.RFC3339)}
	if err := a.c.Store.Record(ctx, record); err != nil {
		return protocol.Answer{}, fmt.Errorf("record attribute certificate: %w", err)
	}
	return protocol.Answer{AC: ac, Warnings: append(choice.Warnings, warnings...)}, nil
}

// acSerial returns 127 random bits, never 0.
func acSerial() *big.Int {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b[:])
}

// stranger is the actor of those whom nothing is known of.
const stranger = "stranger"

// How often refusals are recorded: one of a kind for each holder in a while, and those of so many
// holders. Nobody shall be able to fill the disk by asking.
const (
	refusalEvery = 10 * time.Minute
	refusalsKept = 4096
)

// refusals remembers what was recorded lately.
type refusals struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// fresh reports whether nothing like key was recorded lately.
func (r *refusals) fresh(key string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.last[key]; ok && now.Sub(at) < refusalEvery {
		return false
	}
	if len(r.last) >= refusalsKept {
		for k, at := range r.last {
			if now.Sub(at) >= refusalEvery {
				delete(r.last, k)
			}
		}
		if len(r.last) >= refusalsKept {
			return false
		}
	}
	if r.last == nil {
		r.last = map[string]time.Time{}
	}
	r.last[key] = now
	return true
}

// refuse records a refusal, unless one like it was recorded not long ago. It is logged in any case.
func (a *Authority) refuse(ctx context.Context, who audit.Record, e *protocol.Error) error {
	reason, _, _ := strings.Cut(strings.ReplaceAll(e.Message, "\n", " "), "\x00")
	a.c.Log.InfoContext(ctx, "attribute certificate refused", "vo", who.Subject, "holder", who.ActorName, "code", e.Code, "reason", reason, "address", who.Address)
	if !a.refusals.fresh(strings.Join([]string{who.Subject, cmp.Or(who.ActorName, who.Actor), e.Name}, "\x00"), who.At) {
		return nil
	}
	who.Action, who.Detail = "ac.refuse", map[string]string{"code": e.Name, "reason": reason}
	if err := a.c.Store.Record(ctx, who); err != nil && fault.CodeOf(err) != fault.Unavailable {
		return fmt.Errorf("record refusal: %w", err)
	}
	return nil
}
