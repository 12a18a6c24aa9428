package tokens

import "github.com/lanyardhq/lanyard/internal/portal/frame"

// Samples are a value of the type that each page is shown, by the page's name.
func Samples() map[string]any {
	return map[string]any{
		"answer": frame.Of[answerPage]{}, "approval": frame.Of[approvalPage]{}, "consent": frame.Of[consentPage]{}, "endgrant": frame.Of[endPage]{},
		"grant": frame.Of[grantPage]{}, "narrow": frame.Of[narrowPage]{}, "newgrant": frame.Of[newPage]{}, "onward": frame.Of[onwardPage]{},
		"subtoken": frame.Of[subgrantPage]{}, "tokens": frame.Of[listPage]{},
	}
}

// Scope and Capability say in words what these are.
var (
	Scope      = scope
	Capability = capability
)
