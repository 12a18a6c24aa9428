package credential_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/fault"
)

var now = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const hour = time.Hour

// key is a credential in some state, made an hour ago and good for another hour.
func key(status credential.Status, why credential.Reason) credential.Credential {
	c := credential.Credential{ID: "crd_1", Kind: "s3key", PublicID: "LYD1", Status: status, Reason: why,
		CreatedAt: now.Add(-hour), ExpiresAt: now.Add(hour), DueAt: now.Add(hour)}
	if status == credential.Ending || status == credential.Ended {
		c.EndedAt = now.Add(-time.Minute)
	}
	return c
}

// The whole life: from each state, what each change leads to; "" where it is refused.
func TestWaysFromStateToState(t *testing.T) {
	type state struct {
		status credential.Status
		why    credential.Reason
	}
	const none = credential.Status("")
	for _, tc := range []struct {
		from                                          state
		extend, freeze, stop, thaw, lift, end, finish credential.Status // what it is then
	}{
		{state{credential.Intended, ""}, none, none, none, none, none, credential.Ending, credential.Intended},
		{state{credential.Active, ""}, credential.Active, credential.Frozen, credential.Frozen, credential.Active, credential.Active, credential.Ending, credential.Active},
		{state{credential.Frozen, credential.FrozenByOwner}, none, credential.Frozen, credential.Frozen, credential.Active, none, credential.Ending, credential.Frozen},
		{state{credential.Frozen, credential.Stopped}, none, credential.Frozen, credential.Frozen, none, credential.Active, credential.Ending, credential.Frozen},
		{state{credential.Ending, credential.Deleted}, none, none, none, none, none, credential.Ending, credential.Ended},
		{state{credential.Ended, credential.Deleted}, none, none, none, none, none, credential.Ended, credential.Ended},
	} {
		for name, change := range map[string]struct {
			do   func(credential.Credential) (credential.Credential, error)
			want credential.Status
		}{
			"extend": {func(c credential.Credential) (credential.Credential, error) { return c.Extend(now, now.Add(2*hour)) }, tc.extend},
			"freeze": {func(c credential.Credential) (credential.Credential, error) {
				return c.Freeze(now, credential.FrozenByOwner)
			}, tc.freeze},
			"stop": {func(c credential.Credential) (credential.Credential, error) { return c.Freeze(now, credential.Stopped) }, tc.stop},
			"thaw": {func(c credential.Credential) (credential.Credential, error) {
				return c.Thaw(now, credential.FrozenByOwner)
			}, tc.thaw},
			"lift": {func(c credential.Credential) (credential.Credential, error) { return c.Thaw(now, credential.Stopped) }, tc.lift},
			"end": {func(c credential.Credential) (credential.Credential, error) {
				return c.End(now, credential.Deleted), nil
			}, tc.end},
			"finish": {func(c credential.Credential) (credential.Credential, error) { return c.Finish(), nil }, tc.finish},
		} {
			before := key(tc.from.status, tc.from.why)
			after, err := change.do(before)
			switch {
			case change.want == none && fault.CodeOf(err) != fault.Conflict:
				t.Errorf("%s from %s: got %v, want conflict", name, tc.from, err)
			case change.want == none && (after.Status != before.Status || after.Reason != before.Reason):
				t.Errorf("%s from %s was refused and changed it to %s (%s)", name, tc.from, after.Status, after.Reason)
			case change.want != none && (err != nil || after.Status != change.want):
				t.Errorf("%s from %s: got %s, %v, want %s", name, tc.from, after.Status, err, change.want)
			}
			if after.Status == credential.Active && after.Reason != "" {
				t.Errorf("%s from %s: active with the reason %s", name, tc.from, after.Reason)
			}
		}
	}
}

func TestCompleting(t *testing.T) {
	young, old := key(credential.Intended, ""), key(credential.Intended, "")
	young.CreatedAt = now.Add(time.Second - credential.Patience)
	for _, tc := range []struct {
		name    string
		from    credential.Credential
		expires time.Time
		want    time.Time // zero: refused
		over    credential.Reason
	}{
		{"in time", young, now.Add(2 * hour), now.Add(2 * hour), ""},
		{"with an earlier end than was wished", young, now.Add(time.Minute), now.Add(time.Minute), ""},
		{"too late", old, now.Add(2 * hour), time.Time{}, credential.Abandoned},
		{"again", key(credential.Active, ""), now.Add(2 * hour), now.Add(2 * hour), ""},
		{"again, without a later end", key(credential.Active, ""), now.Add(time.Minute), now.Add(hour), ""},
		{"while it is frozen", key(credential.Frozen, credential.Stopped), now.Add(2 * hour), time.Time{}, ""},
		{"after its end", key(credential.Ended, credential.Deleted), now.Add(2 * hour), time.Time{}, ""},
	} {
		got, err := tc.from.Complete(now, tc.expires)
		switch {
		case tc.want.IsZero() && fault.CodeOf(err) != fault.Conflict:
			t.Errorf("%s: got %s, %v, want a conflict", tc.name, got.Status, err)
		case !tc.want.IsZero() && (err != nil || !got.Usable(now) || !got.ExpiresAt.Equal(tc.want) || !got.DueAt.Equal(tc.want)):
			t.Errorf("%s: got %s until %s, %v", tc.name, got.Status, got.ExpiresAt, err)
		}
		if over := tc.from.Over(now); over != tc.over {
			t.Errorf("%s: over is %q, want %q", tc.name, over, tc.over)
		}
	}
	if over := key(credential.Frozen, credential.Stopped).Over(now.Add(hour)); over != credential.Expired {
		t.Errorf("a frozen one at its end: %q", over)
	}
}

func TestRefusal(t *testing.T) {
	if err := key(credential.Active, "").Refusal(now); err != nil {
		t.Error(err)
	}
	for status, want := range map[credential.Status]string{
		credential.Intended: "abandoned", credential.Frozen: "it is frozen", credential.Ending: "ended (deleted)",
	} {
		err := key(status, credential.Deleted).Refusal(now)
		if fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", status, err)
		}
	}
}

func TestAFreezeThatIsStrongerStays(t *testing.T) {
	for from, want := range map[credential.Reason]credential.Reason{
		credential.FrozenByOwner: credential.Stopped,
		credential.LeftProject:   credential.LeftProject,
		credential.ProjectFrozen: credential.ProjectFrozen,
	} {
		got, err := key(credential.Frozen, from).Freeze(now, credential.Stopped)
		if err != nil || got.Reason != want {
			t.Errorf("from %s: got %s, %v, want %s", from, got.Reason, err, want)
		}
	}
	got, err := key(credential.Frozen, credential.Stopped).Freeze(now, credential.FrozenByOwner)
	if err != nil || got.Reason != credential.Stopped {
		t.Errorf("an owner weakened the freeze to %s, %v", got.Reason, err)
	}
}

func TestUsableToTheInstant(t *testing.T) {
	c := key(credential.Active, "")
	for at, want := range map[time.Time]bool{
		c.ExpiresAt.Add(-1): true, c.ExpiresAt: false, c.ExpiresAt.Add(1): false,
	} {
		if got := c.Usable(at); got != want {
			t.Errorf("at %s: %t, want %t", at, got, want)
		}
	}
	for _, s := range []credential.Status{credential.Intended, credential.Frozen, credential.Ending, credential.Ended} {
		if key(s, "").Usable(now) {
			t.Errorf("%s is usable", s)
		}
	}
}

func TestWhatExpiredIsRefused(t *testing.T) {
	late := now.Add(hour)
	c := key(credential.Active, "")
	for name, do := range map[string]func() error{
		"extend": func() error { _, err := c.Extend(late, late.Add(hour)); return err },
		"freeze": func() error { _, err := c.Freeze(late, credential.FrozenByOwner); return err },
		"thaw":   func() error { _, err := c.Thaw(late, credential.FrozenByOwner); return err },
	} {
		err := do()
		if fault.CodeOf(err) != fault.Conflict || !strings.Contains(err.Error(), "expired at 2026-11-21T13:00:00Z") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	frozen := key(credential.Frozen, credential.FrozenByOwner)
	if _, err := frozen.Thaw(late, credential.FrozenByOwner); fault.CodeOf(err) != fault.Conflict {
		t.Errorf("thaw of what expired while frozen: %v", err)
	}
}

func TestEndIsDatedOnce(t *testing.T) {
	c := key(credential.Active, "").End(now.Add(300*time.Millisecond), credential.Deleted)
	if !c.EndedAt.Equal(now) || !c.DueAt.Equal(now) || c.Reason != credential.Deleted {
		t.Errorf("ended at %s, due %s, because %s", c.EndedAt, c.DueAt, c.Reason)
	}
	again := c.End(now.Add(hour), credential.Expired)
	if !again.EndedAt.Equal(now) || again.Reason != credential.Deleted {
		t.Errorf("ended again at %s, because %s", again.EndedAt, again.Reason)
	}
	if done := again.Finish(); !done.DueAt.IsZero() || done.Status != credential.Ended {
		t.Errorf("finished: due %s, %s", done.DueAt, done.Status)
	}
}

func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{
		"rclone on lumi-login2": true, "x": true, "käyttö 日本 ✓": true, strings.Repeat("ä", 60): true,
		"": false, " ": false, " x": false, "x ": false, strings.Repeat("a", 61): false,
		"a\nb": false, "a\tb": false, "a\x1b[31mb": false, "a\x00b": false, "a\u202eb": false, "a\u200bb": false, "a\xffb": false,
	} {
		err := credential.CheckName(name)
		if ok != (err == nil) || !ok && fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%q: got %v, good is %t", name, err, ok)
		}
	}
}

func FuzzCheckName(f *testing.F) {
	for _, s := range []string{"rclone", "", "a\x1b[2J", "\u202e", "\xff", strings.Repeat("a", 61)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if credential.CheckName(s) != nil {
			return
		}
		if n := utf8.RuneCountInString(s); n < 1 || n > 60 || !utf8.ValidString(s) {
			t.Errorf("took %q of %d characters", s, n)
		}
		for _, r := range s {
			if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
				t.Errorf("took %q, which disturbs a terminal", s)
			}
		}
	})
}

func TestStateIsNeverPrinted(t *testing.T) {
	secret := credential.State("wJalrXUtnFEMI")
	held := struct {
		Name  string
		State credential.State
	}{"x", secret}
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("made", "state", secret, "held", held)
	for _, text := range []string{
		fmt.Sprint(secret), fmt.Sprintf("%s %v %+v %#v %q %x %X %d %o %c", secret, secret, secret, secret, secret, secret, secret, secret, secret, secret),
		fmt.Sprintf("%v %+v %#v", held, held, held), fmt.Sprintf("%v", []credential.State{secret}), log.String(),
	} {
		for _, leak := range []string{"wJal", "774a61", "774A61", "119 74 97", "119, 74, 97", "0x77, 0x4a"} {
			if strings.Contains(text, leak) {
				t.Errorf("%q shows the state", text)
			}
		}
	}
}

func TestEndsSoon(t *testing.T) {
	const day = 24 * hour
	for _, tc := range []struct {
		life, left time.Duration
		want       bool
	}{
		{hour, 7 * time.Minute, false}, {hour, 6 * time.Minute, true}, {hour, 0, false}, // ended
		{2 * day, 5 * hour, false}, {2 * day, 4 * hour, true},
		{7 * day, 3*day + time.Second, false}, {7 * day, 3 * day, true},
		{60 * day, 7 * day, false}, {60 * day, 6 * day, true},
	} {
		c := key(credential.Active, "")
		c.CreatedAt, c.ExpiresAt = now.Add(tc.left-tc.life), now.Add(tc.left)
		if got := c.EndsSoon(now); got != tc.want {
			t.Errorf("%s before the end of %s: %t", tc.left, tc.life, got)
		}
	}
	if key(credential.Frozen, credential.FrozenByOwner).EndsSoon(now.Add(59 * time.Minute)) {
		t.Error("a frozen one is said to end soon: it is refused already")
	}
}
