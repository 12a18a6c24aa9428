package credential

import (
	"fmt"
	"time"
)

// Noun is what people call a credential of the kind.
func Noun(kind string) string {
	switch kind {
	case "s3key":
		return "key"
	case "proxy", "grant":
		return kind
	}
	return "credential"
}

// Nouns is Noun for several.
func Nouns(kind string) string {
	if kind == "proxy" {
		return "proxies"
	}
	return Noun(kind) + "s"
}

// Words renders d in the largest unit that divides it, for messages: "7 days", "36 hours".
func Words(d time.Duration) string {
	d = d.Truncate(time.Second)
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		if d >= u.unit && d%u.unit == 0 {
			n := d / u.unit
			if n == 1 {
				return "1 " + u.name
			}
			return fmt.Sprintf("%d %ss", n, u.name)
		}
	}
	return d.String()
}
