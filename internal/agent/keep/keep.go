// Package keep holds the list of what an agent keeps fresh on a person's machine, and the loop that
// does so. It imports rows 0 to 2.
package keep
