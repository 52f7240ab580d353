// Command packaging makes what people install: archives of the program, Python wheels, Debian packages.
//
//	go run ./packaging [-version v1.2.3] [-out dist] release|wheel|deb...
//
// It knows the program by its command line alone: the manual and the completions are what the program prints. Its
// invariant: the same commit, the same Go and the same GOFLAGS make the same bytes.
package main
