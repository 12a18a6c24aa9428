package storage_test

import (
	"fmt"

	"github.com/lanyardhq/lanyard/wlcg/storage"
)

func ExampleConfusable() {
	for _, pair := range storage.Confusable([]string{"/data", "/data2", "/data/raw", "/home"}) {
		fmt.Printf("older servers open %s to tokens for %s\n", pair[1], pair[0])
	}
	// Output:
	// older servers open /data2 to tokens for /data
}
