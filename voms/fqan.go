package voms

// A FQAN is a fully qualified attribute name, /vo[/group...][/Role=role][/Capability=capability].
// Absent and NULL are the same, so values that mean the same are == each other.
type FQAN struct {
	Group      string // with all above it, from the VO down: "/cms/higgs"
	Role       string // empty: none
	Capability string // empty: none
}

// ParseFQAN reads a FQAN in its short or long form.
func ParseFQAN(text string) (FQAN, error) { return FQAN{}, errNotYet }

// VO returns the name of the VO.
func (f FQAN) VO() string { return "" }

// Short returns the form without NULL parts: /cms, /cms/Role=production.
func (f FQAN) Short() string { return "" }

// Long returns the form with all parts: /cms/Role=NULL/Capability=NULL.
func (f FQAN) Long() string { return "" }

// String returns the short form.
func (f FQAN) String() string { return f.Short() }
