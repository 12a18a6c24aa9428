package fault_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/lanyardhq/lanyard/internal/fault"
)

var errDisk = errors.New("disk /dev/sdb: i/o error")

func TestCodeOf(t *testing.T) {
	f := fault.New(fault.Limited, "at most %d", 3)
	for _, tc := range []struct {
		err  error
		want fault.Code
	}{
		{nil, ""}, {errDisk, fault.Internal}, {f, fault.Limited}, {fmt.Errorf("issue: %w", f), fault.Limited},
		{errors.Join(errDisk, f), fault.Limited}, {fault.New(fault.Denied, "no").WithCause(f), fault.Denied}, {fault.ErrStale, fault.Internal},
	} {
		if got := fault.CodeOf(tc.err); got != tc.want {
			t.Errorf("%v is %q, want %q", tc.err, got, tc.want)
		}
	}
}

func TestPublicTellsNothingOfTheCause(t *testing.T) {
	got := fault.Public(fmt.Errorf("insert credential crd_1: %w", errDisk))
	if got.Code != fault.Internal || got.Error() != "internal error" || got.Hint != "" || !errors.Is(got, errDisk) {
		t.Errorf("got %+v", got)
	}
	f := fault.New(fault.Unavailable, "the object store does not answer").WithCause(errDisk)
	if got := fault.Public(fmt.Errorf("create bucket: %w", f)); got != f || got.Error() != "the object store does not answer" || !errors.Is(got, errDisk) {
		t.Errorf("got %+v", got)
	}
}

func TestWithCopies(t *testing.T) {
	f := fault.New(fault.Conflict, "no")
	hinted := f.WithHint("try %d times", 3)
	if f.Hint != "" || hinted.Hint != "try 3 times" || hinted.WithCause(errDisk).Cause == nil || hinted.Cause != nil {
		t.Errorf("%+v became %+v", f, hinted)
	}
}
