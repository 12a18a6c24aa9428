package gridproxy

import (
	"time"

	"github.com/lanyardhq/lanyard/proxycert"
	"github.com/lanyardhq/lanyard/voms/vomses"
)

// An Event tells what Init does. It is one of the types below.
type Event interface{ event() }

type (
	// Identified comes when the credential is loaded.
	Identified struct{ Identity string }
	// Contacting comes before a server is asked.
	Contacting struct {
		Alias  string
		Server vomses.Server
	}
	// Contacted comes when that server answered with attributes.
	Contacted struct {
		Alias  string
		Server vomses.Server
	}
	// Refused comes when that server answered with an error, or not at all.
	Refused struct {
		Alias  string
		Server vomses.Server
		Err    error
	}
	// Warned comes with what a server says beside its answer.
	Warned struct {
		Alias  string
		Server vomses.Server
		Text   string
	}
	// Forced comes when the proxy must be other than asked for, because of the issuing one.
	Forced struct {
		Kind    proxycert.Kind // of the proxy; None if the kind is as asked for
		Limited bool           // it had to be limited
	}
	// Making comes before the proxy is signed.
	Making struct{}
	// Saved comes when attribute certificates are written to a file of their own.
	Saved struct{ Path string }
	// Made comes when the proxy is written.
	Made struct {
		Path     string
		NotAfter time.Time
		Clipped  bool
	}
)

func (Identified) event() {}
func (Contacting) event() {}
func (Contacted) event()  {}
func (Refused) event()    {}
func (Warned) event()     {}
func (Forced) event()     {}
func (Making) event()     {}
func (Saved) event()      {}
func (Made) event()       {}
