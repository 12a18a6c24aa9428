package vomses_test

import (
	"fmt"
	"log"

	"github.com/lanyardhq/lanyard/voms/vomses"
)

// Read a vomses file and find the servers of a VO by what its members call it.
func ExampleParse() {
	servers, err := vomses.Parse([]byte(`# from the VO's web page
"climate" "voms.climate.example" "15000" "/DC=example/CN=voms.climate.example" "climate.example"
"ocean" "voms.ocean.example" "15001" "/DC=example/CN=voms.ocean.example" "ocean.example"
`))
	if err != nil {
		log.Fatal(err)
	}
	for _, s := range vomses.ByName(servers, "climate") {
		fmt.Println(s.VO, "is at", s.Address())
	}
	// Output: climate.example is at voms.climate.example:15000
}
