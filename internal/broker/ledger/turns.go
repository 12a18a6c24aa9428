package ledger

import (
	"hash/fnv"
	"io"
	"sync"
)

// Turns let what has the same name go one after the other in this server, so that a limit counts
// right. (Several servers may each go one beyond it.)
type Turns [64]sync.Mutex

// Take waits for the turn of name and returns how to give it back.
func (t *Turns) Take(name string) (done func()) {
	h := fnv.New32a()
	_, _ = io.WriteString(h, name)
	m := &t[h.Sum32()%uint32(len(t))]
	m.Lock()
	return m.Unlock
}
