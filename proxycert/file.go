package proxycert

import "io/fs"

// DefaultPath returns where the proxy file of a user is: what X509_USER_PROXY says, else
// /tmp/x509up_uUID. TMPDIR is not asked, because no other tool does.
func DefaultPath(uid int, getenv func(string) string) string { return "" }

// WriteFile puts data, complete or not at all, at path with mode 0600.
func WriteFile(path string, data []byte) error { return errNotYet }

// A FileError is a key or certificate file that others could read or change.
type FileError struct {
	Path    string
	Problem string // what is wrong with it
	Fix     string // the command that mends it
}

// Error implements error.
func (e *FileError) Error() string { return e.Path + ": " + e.Problem }

// CheckKeyFile refuses a file with a private key that others can read.
func CheckKeyFile(path string, uid int, modes ...fs.FileMode) error { return errNotYet }

// CheckCertFile refuses a certificate file that others can change.
func CheckCertFile(path string) error { return errNotYet }
