package trust

import (
	"fmt"
	"sync"
	"time"
)

// lookEvery is how long a change of the files may go unnoticed.
const lookEvery = 5 * time.Second

// A Directory is a trust directory that is read again when its files change, as fetch-crl changes
// them every few hours. Path and Now have to be set; it must not be copied.
type Directory struct {
	Path string
	Now  func() time.Time

	mutex  sync.Mutex
	store  *Store
	files  map[string]file
	looked time.Time
}

// Current returns what the directory holds now, or held a few seconds ago. A file that has become
// unreadable counts as it was before, and is one of Problems; one that has gone does not count any
// more. The first call, and any after the last authority has gone, return an error as Load does.
func (d *Directory) Current() (*Store, error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	now := d.Now()
	if since := now.Sub(d.looked); d.store != nil && since >= 0 && since < lookEvery {
		return d.store, nil
	}
	files, changed, err := readAll(d.Path, d.files)
	if err != nil {
		if d.store == nil {
			return nil, err
		}
		// The file system may be away for a moment. What was trusted stays so.
		d.looked = now
		s := *d.store
		s.problems = append(s.Problems(), fmt.Errorf("%s counts as it was before: %w", d.Path, err))
		return &s, nil
	}
	if d.store == nil || changed {
		if d.store, err = build(d.Path, files); err != nil {
			return nil, err
		}
	}
	d.files, d.looked = files, now
	return d.store, nil
}
