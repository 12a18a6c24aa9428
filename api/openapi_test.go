package api_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/lanyardhq/lanyard/api"
)

// wire is every struct of the interface, by the name that the document gives it.
var wire = map[string]any{
	"Problem": api.Problem{}, "WhoAmI": api.WhoAmI{}, "Notice": api.Notice{}, "Project": api.Project{}, "ProjectOrder": api.ProjectOrder{},
	"Member": api.Member{}, "MemberOrder": api.MemberOrder{}, "CredentialOrder": api.CredentialOrder{}, "S3Rights": api.S3Rights{},
	"S3Grant": api.S3Grant{}, "Extension": api.Extension{}, "Credential": api.Credential{}, "Configuration": api.Configuration{},
	"RobotOrder": api.RobotOrder{}, "Robot": api.Robot{}, "Session": api.Session{}, "Account": api.Account{}, "Freeze": api.Freeze{},
	"ProviderFreeze": api.ProviderFreeze{}, "Receipt": api.Receipt{}, "AuditRecord": api.AuditRecord{},
	"AuditVerification": api.AuditVerification{},
	"ProjectList":       api.List[api.Project]{}, "MemberList": api.List[api.Member]{}, "CredentialList": api.List[api.Credential]{},
	"ConfigurationList": api.List[api.Configuration]{}, "RobotList": api.List[api.Robot]{}, "SessionList": api.List[api.Session]{},
	"AccountList": api.List[api.Account]{}, "AuditRecordList": api.List[api.AuditRecord]{},
	"VOMS": api.VOMS{}, "ProxyOrder": api.ProxyOrder{}, "Proxy": api.Proxy{}, "ProxyChain": api.ProxyChain{}, "ProxyRetrieval": api.ProxyRetrieval{},
	"ProxyMaterial": api.ProxyMaterial{}, "VO": api.VO{}, "VOServer": api.VOServer{}, "VOGroup": api.VOGroup{}, "VOAttribute": api.VOAttribute{},
	"VOMember": api.VOMember{}, "VOMemberOrder": api.VOMemberOrder{}, "VOList": api.List[api.VO]{}, "VOMemberList": api.List[api.VOMember]{},
	"VOImportOrder": api.VOImportOrder{}, "VOImport": api.VOImport{}, "AccountCertificate": api.AccountCertificate{},
	"Provider": api.Provider{}, "GrantOrder": api.GrantOrder{}, "Grant": api.Grant{}, "Approval": api.Approval{}, "TokenRequest": api.TokenRequest{},
	"Token": api.Token{}, "Narrowing": api.Narrowing{}, "Subgrant": api.Subgrant{}, "ProviderList": api.List[api.Provider]{},
	"SubgrantList":     api.List[api.Subgrant]{},
	"CertificateNames": api.CertificateNames{}, "CertificateList": api.List[api.AccountCertificate]{},
}

type schema struct {
	Type       any               `yaml:"type"`
	Format     string            `yaml:"format"`
	Ref        string            `yaml:"$ref"`
	Required   []string          `yaml:"required"`
	Properties map[string]schema `yaml:"properties"`
	Items      *schema           `yaml:"items"`
	Enum       []string          `yaml:"enum"`
}

func schemas(t *testing.T) map[string]schema {
	t.Helper()
	var document struct {
		Components struct {
			Schemas map[string]schema `yaml:"schemas"`
		} `yaml:"components"`
	}
	if err := yaml.Unmarshal([]byte(api.Description), &document); err != nil {
		t.Fatal(err)
	}
	return document.Components.Schemas
}

func TestEveryFieldIsDescribed(t *testing.T) {
	described := schemas(t)
	for name, v := range wire {
		s, ok := described[name]
		if !ok {
			t.Errorf("openapi.yaml has no schema %s", name)
			continue
		}
		var required []string
		properties := map[string]string{}
		for i := range reflect.TypeOf(v).NumField() {
			f := reflect.TypeOf(v).Field(i)
			field, option, _ := strings.Cut(f.Tag.Get("json"), ",")
			properties[field] = jsonType(f.Type)
			// An order's empty field is allowed to be absent; an answer's is, if it is marked so.
			if option == "" {
				required = append(required, field)
			}
		}
		got := map[string]string{}
		for field, p := range s.Properties {
			got[field] = p.describe(described)
		}
		if diff := cmp.Diff(properties, got); diff != "" {
			t.Errorf("%s: fields differ (-api +openapi.yaml):\n%s", name, diff)
		}
		slices.Sort(required)
		slices.Sort(s.Required)
		if diff := cmp.Diff(required, s.Required); diff != "" {
			t.Errorf("%s: required fields differ (-api +openapi.yaml):\n%s", name, diff)
		}
	}
	for name, s := range described {
		if _, ok := wire[name]; !ok && s.Properties != nil {
			t.Errorf("openapi.yaml describes %s, which is nowhere", name)
		}
	}
}

// jsonType says what a Go type looks like in JSON.
func jsonType(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return "string date-time"
	case t.Kind() == reflect.Pointer:
		return jsonType(t.Elem())
	case t.Kind() == reflect.Slice:
		return "array of " + jsonType(t.Elem())
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Map:
		return "object"
	case t.Kind() == reflect.Bool:
		return "boolean"
	case t.Kind() == reflect.Int, t.Kind() == reflect.Int64:
		return "integer"
	}
	return t.Kind().String()
}

func (s schema) describe(all map[string]schema) string {
	if s.Ref != "" {
		return all[strings.TrimPrefix(s.Ref, "#/components/schemas/")].describe(all)
	}
	kind, _ := s.Type.(string)
	if list, ok := s.Type.([]any); ok { // [string, "null"]
		kind, _ = list[0].(string)
	}
	if s.Items != nil {
		return "array of " + s.Items.describe(all)
	}
	return strings.TrimSpace(kind + " " + s.Format)
}

// TestEveryStructIsDescribed finds structs that nobody entered into the table above.
func TestEveryStructIsDescribed(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if s, ok := n.(*ast.TypeSpec); ok && s.TypeParams == nil {
				if _, ok := wire[s.Name.Name]; !ok {
					t.Errorf("%s is not in openapi.yaml, or not in the table of this test", s.Name.Name)
				}
			}
			return true
		})
	}
}

func TestCodesAndStatuses(t *testing.T) {
	if diff := cmp.Diff(schemas(t)["Problem"].Properties["code"].Enum, api.Codes()); diff != "" {
		t.Errorf("codes differ (-openapi.yaml +api):\n%s", diff)
	}
	for _, code := range api.Codes() {
		if got := api.CodeOf(api.Status(code)); got != code {
			t.Errorf("%s has status %d, which means %s", code, api.Status(code), got)
		}
	}
	for status, code := range map[int]string{405: api.Invalid, 413: api.Invalid, 410: api.NotFound, 502: api.Unavailable, 504: api.Unavailable, 505: api.Internal} {
		if got := api.CodeOf(status); got != code {
			t.Errorf("status %d means %s, want %s", status, got, code)
		}
	}
	if api.Status("new") != 500 {
		t.Error("an unknown code has another status than 500")
	}
}

func TestAbsentTimesAndSecretsAreNotSent(t *testing.T) {
	text, err := json.Marshal(api.Credential{ID: "crd_1"})
	if err != nil {
		t.Fatal(err)
	}
	for _, absent := range []string{"secret_access_key", "extend_until", "ended_at", "last_used_at", "refused_since"} {
		if strings.Contains(string(text), absent) {
			t.Errorf("an empty %s is sent: %s", absent, text)
		}
	}
}
