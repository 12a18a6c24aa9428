package keep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/internal/fault"
)

// Kind is what is kept.
type Kind string

// The kinds.
const (
	Token Kind = "token" // an access token in a file
	Proxy Kind = "proxy" // an X.509 proxy in a file
	Key   Kind = "key"   // an S3 key, whose end is moved; it stands in files already
)

// most is how many things one list has.
const most = 100

// Item is one thing to keep fresh.
type Item struct {
	Kind Kind `json:"kind"`
	// Ref is the grant's name or provider, or the id of the proxy or key.
	Ref string `json:"ref"`
	// Title is how the person called it.
	Title string `json:"title"`
	// Path is the file; empty for keys.
	Path      string   `json:"path,omitempty"`
	Scopes    []string `json:"scopes,omitempty"`
	Audiences []string `json:"audiences,omitempty"`
	// Life is how long a proxy or a key shall live from each renewal, in seconds; 0: as usual.
	Life int64 `json:"life,omitempty"`
}

// Name is what tells an item from others: its file, or its title.
func (i Item) Name() string {
	if i.Path != "" {
		return i.Path
	}
	return i.Title
}

// same reports whether i and o are the same in all respects.
func (i Item) same(o Item) bool {
	return i.Kind == o.Kind && i.Ref == o.Ref && i.Title == o.Title && i.Path == o.Path && i.Life == o.Life &&
		slices.Equal(i.Scopes, o.Scopes) && slices.Equal(i.Audiences, o.Audiences)
}

// A List is a file (0600) that holds items. Many processes may use it at once.
type List struct{ Path string }

// Read returns the items; none if there is no file.
func (l List) Read() ([]Item, error) {
	text, err := os.ReadFile(l.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var all []Item
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("read what to keep: %w", err)
	}
	return all[:min(len(all), most)], nil
}

// Put adds an item, in place of one of that name.
func (l List) Put(ctx context.Context, i Item) error {
	return l.change(ctx, func(all []Item) ([]Item, error) {
		all = slices.DeleteFunc(all, func(o Item) bool { return o.Name() == i.Name() })
		if len(all) >= most {
			return nil, fault.New(fault.Limited, "an agent keeps at most %d things", most).WithHint("let go of some: lanyard agent drop")
		}
		return append(all, i), nil
	})
}

// Drop takes out the items that are called name, by their file or their title, and returns them.
func (l List) Drop(ctx context.Context, name string) (dropped []Item, err error) {
	err = l.change(ctx, func(all []Item) (rest []Item, err error) {
		for _, i := range all {
			if i.Name() == name || i.Title == name {
				dropped = append(dropped, i)
			} else {
				rest = append(rest, i)
			}
		}
		return rest, nil
	})
	return dropped, err
}

func (l List) change(ctx context.Context, do func([]Item) ([]Item, error)) error {
	return deliver.Exclusive(ctx, l.Path+".lock", func(context.Context) error {
		all, err := l.Read()
		if err != nil {
			return err
		}
		if all, err = do(all); err != nil {
			return err
		}
		text, err := json.MarshalIndent(all, "", " ")
		if err != nil {
			return err
		}
		return deliver.Replace(l.Path, append(text, '\n'))
	})
}
