package sigv4_test

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/lanyardhq/lanyard/sigv4"
)

// endless yields zeros.
type endless struct{}

func (endless) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestOneHugeChunk reads a gigabyte that the client sends as one chunk.
func TestOneHugeChunk(t *testing.T) {
	const size = 1 << 30
	r := receive(t, upload{payload: unsignedTrailer, decodedLength: fmt.Sprint(size)}.text())
	r.Body = io.NopCloser(io.MultiReader(strings.NewReader(fmt.Sprintf("%x\r\n", size)), io.LimitReader(endless{}, size), strings.NewReader("\r\n0\r\n\r\n")))
	sig, err := verify(r, exampleSecret, exampleTime)
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	body, err := sigv4.NewBody(r, sig)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, body); n != size || err != nil {
		t.Errorf("read %d: %v", n, err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		t.Errorf("allocated %d bytes", used)
	}
}

// TestMadeUpRegions lets a stranger invent more scopes than the cache of derived keys holds.
func TestMadeUpRegions(t *testing.T) {
	var v sigv4.Verifier
	heap := func() uint64 {
		runtime.GC()
		runtime.GC() // the second empties pools
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range 5000 {
		text := strings.Replace(examples["get object"], "us-east-1", fmt.Sprintf("%s-%d", strings.Repeat("r", 100), i), 1)
		sig, err := sigv4.Parse(receive(t, text))
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Verify(sig, exampleSecret, exampleTime); code(err) != sigv4.SignatureDoesNotMatch {
			t.Fatal(err)
		}
	}
	if grown := int64(heap()) - int64(before); grown > 8<<20 {
		t.Errorf("the cache holds %d bytes", grown)
	}
	sig, err := sigv4.Parse(receive(t, examples["get object"]))
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Verify(sig, exampleSecret, exampleTime); err != nil {
		t.Errorf("after that: %v", err)
	}
	runtime.KeepAlive(&v)
}

// TestUnknownKeyTakesTheSameWork compares what a gateway does for a key that it does not know, by a
// random secret, with a known key and a bad signature: the same error in the same time. The
// fastest of many is compared, which what else runs on the machine disturbs least.
func TestUnknownKeyTakesTheSameWork(t *testing.T) {
	var v sigv4.Verifier
	r := receive(t, strings.Replace(examples["get object"], "f0e8bdb8", "00000000", 1))
	work := func(secret string) {
		sig, err := sigv4.Parse(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Verify(sig, secret, exampleTime); code(err) != sigv4.SignatureDoesNotMatch {
			t.Fatal(err)
		}
	}
	secrets := []string{exampleSecret, "made at start, never told anybody"}
	fastest := []time.Duration{time.Hour, time.Hour}
	for range 5000 {
		for i, secret := range secrets {
			start := time.Now()
			work(secret)
			fastest[i] = min(fastest[i], time.Since(start))
		}
	}
	if ratio := float64(fastest[0]) / float64(fastest[1]); ratio < 0.8 || ratio > 1.25 {
		t.Errorf("a known key takes %s, an unknown one %s", fastest[0], fastest[1])
	}
}
