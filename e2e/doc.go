// Package e2e holds the tests that drive the whole program the way people do: the binary as it is
// built, unmodified clients of this field, other people's servers behind it, kill -9, a browser.
// It is the one place where tests wait for programs that they cannot ask.
package e2e
