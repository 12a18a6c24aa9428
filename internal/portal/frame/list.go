package frame

import "github.com/lanyardhq/lanyard/internal/credential"

// perPage bounds the rows of a list.
const perPage = 50

// List is what a list of credentials of a kind asks for: a page of the person's own, those behind the
// id "after", and those that have ended only where "ended" is said.
func (v *View) List(kind string) credential.Filter {
	f := credential.Filter{Kind: kind, OwnerID: v.By.AccountID, Before: v.FormValue("after"), Limit: perPage + 1}
	if v.FormValue("ended") == "" {
		f.Statuses = []credential.Status{credential.Intended, credential.Active, credential.Frozen}
	}
	return f
}

// Page is the page of what was found for List, with the id to continue after, empty on the last one.
func Page(found []credential.Credential) (page []credential.Credential, next string) {
	if len(found) <= perPage {
		return found, ""
	}
	return found[:perPage], found[perPage-1].ID
}
