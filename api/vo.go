package api

import "time"

// The schemas of certificates of accounts, and of imports of members.
const (
	SchemaCertificate  = "lanyard/v1/certificate"
	SchemaCertificates = "lanyard/v1/certificate.list"
	SchemaVOImport     = "lanyard/v1/vo.import"
)

// AccountCertificate is a certificate of an authority outside that belongs to an account. Names are
// in slash form.
type AccountCertificate struct {
	Schema    string    `json:"schema,omitempty"` // lanyard/v1/certificate
	AccountID string    `json:"account_id"`
	Subject   string    `json:"subject"`
	Issuer    string    `json:"issuer"`
	Source    string    `json:"source"` // admin, delegation
	Since     time.Time `json:"since"`
}

// CertificateNames are those in a certificate, in slash form.
type CertificateNames struct {
	Subject string `json:"subject"`
	Issuer  string `json:"issuer"`
}

// VOImportOrder asks for an import of members from the VO's directory now.
type VOImportOrder struct {
	// ConfirmRemovals allows so many memberships to go; without it more than a tenth stop the import.
	ConfirmRemovals int `json:"confirm_removals,omitempty"`
}

// VOImport tells what an import did.
type VOImport struct {
	Schema  string `json:"schema"` // lanyard/v1/vo.import
	Added   int    `json:"added"`
	Changed int    `json:"changed"`
	Removed int    `json:"removed"`
	Kept    int    `json:"kept"`
}
