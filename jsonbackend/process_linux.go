package jsonbackend

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
)

// usage is what the system knows about this process and the machine.
func usage() (p engine.Process) {
	processorTime(&p)
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		var words []string
		for _, field := range [][]byte{name.Sysname[:], name.Release[:], name.Machine[:]} {
			word, _, _ := bytes.Cut(field, []byte{0})
			words = append(words, string(word))
		}
		p.System = strings.Join(words, " ")
	}
	var machine unix.Sysinfo_t
	if unix.Sysinfo(&machine) == nil {
		p.Memory = uint64(machine.Totalram) * uint64(machine.Unit)
	}
	if pages, err := os.ReadFile("/proc/self/statm"); err == nil {
		var size, resident uint64
		if n, _ := fmt.Sscan(string(pages), &size, &resident); n == 2 {
			p.Resident = resident * uint64(os.Getpagesize())
		}
	}
	return p
}
