package api

import _ "embed"

// Description is the OpenAPI 3.1 document of the interface, YAML.
//
//go:embed openapi.yaml
var Description string
