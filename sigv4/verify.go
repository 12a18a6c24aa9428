package sigv4

import "time"

// MaxSkew is how far the clocks of client and server may differ. It is AWS's value, which clients
// count on; a shorter one shuts out machines without NTP, a longer one lengthens replays.
const MaxSkew = 15 * time.Minute

// Verifier checks signatures and keeps a bounded number of derived keys, which makes a check
// cheap. The zero value is ready; it is safe for use by several goroutines.
type Verifier struct{}

// Verify returns nil if secret made s and s is valid at now; otherwise an *Error. It compares in
// constant time. Keys are cached under the secret itself, so a changed secret counts at once.
func (v *Verifier) Verify(s *Signature, secret string, now time.Time) error { return errNotWritten }
