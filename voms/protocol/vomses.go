package protocol

import "errors"

// Server is one line of a vomses file: an attribute authority of one VO.
type Server struct {
	Alias string // what people call the VO here; the key of the look-up
	Host  string
	Port  int
	DN    string // of the server's certificate, slash form; nobody checks it
	VO    string // the VO's own name, which its FQANs begin with
}

// ParseVomses reads a vomses file.
func ParseVomses(data []byte) ([]Server, error) { return nil, errors.New("not written yet") }

// String returns the line for a vomses file, without line end.
func (s Server) String() string { return "" }

// Address returns host:port.
func (s Server) Address() string { return "" }

// SearchPathC returns where the C client looks for vomses files.
func SearchPathC(given []string, home string, getenv func(string) string) []string { return nil }

// SearchPathJava returns where the Java client looks for vomses files.
func SearchPathJava(given []string, home string) []string { return nil }

// SearchPath returns where a tool without a past looks for vomses files.
func SearchPath(given []string, home string, getenv func(string) string) []string { return nil }

// LoadServers reads vomses files and directories of them.
func LoadServers(paths []string) ([]Server, error) { return nil, errors.New("not written yet") }

// ByAlias returns the servers whose alias is name, each once: all that the field's clients look at.
func ByAlias(servers []Server, name string) []Server { return nil }

// ByName returns the servers whose alias is name or, if there are none, whose VO is.
func ByName(servers []Server, name string) []Server { return nil }
