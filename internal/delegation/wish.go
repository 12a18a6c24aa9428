package delegation

import (
	"encoding/json"
	"errors"
	"time"
)

// ParseWish reads a creating request of mytoken's API (its fields oidc_issuer, restrictions,
// capabilities, name, response_type, max_token_len, rotation, application_name, include and
// error_on_restrictions; others are passed over). Times relative to now ("+7d") are resolved. What
// is wrong is an *Error.
func ParseWish(text []byte, now time.Time) (Wish, error) {
	return Wish{}, errors.New("not written yet")
}

// MarshalJSON writes a restriction as tokens and replies hold it.
func (c Clause) MarshalJSON() ([]byte, error) { return json.Marshal(struct{}{}) }

// MarshalJSON writes a rotation as tokens and replies hold it.
func (r Rotation) MarshalJSON() ([]byte, error) { return json.Marshal(struct{}{}) }
