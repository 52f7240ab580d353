// Command supported prints docs/commands.md: every command of Redis, and whether the json backend has it.
package main

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/omniproxy/omniproxy/jsonbackend/engine"
	"github.com/omniproxy/omniproxy/resp/command"
)

func main() {
	e := engine.New(engine.Options{})
	byGroup := map[string][]*command.Spec{}
	have, all := 0, 0
	for s := range command.All() {
		if s.IsContainer() {
			continue
		}
		byGroup[s.Docs.Group] = append(byGroup[s.Docs.Group], s)
		all++
		if e.Supports(s) {
			have++
		}
	}
	w := bufio.NewWriter(os.Stdout)
	defer w.Flush()
	fmt.Fprintf(w, `# Commands

The commands of Redis %s, and what the json backend makes of them. What it does not have it answers with
`+"`-ERR command 'X' is not supported by the json backend`"+`, on a connection that goes on. `+"`COMMAND`"+` lists only what it has.

It has %d of %d. This page is made by `+"`make docs`"+` from the command table.
`, command.RedisVersion(), have, all)
	groups := make([]string, 0, len(byGroup))
	for g := range byGroup {
		groups = append(groups, g)
	}
	slices.Sort(groups)
	for _, g := range groups {
		fmt.Fprintf(w, "\n## %s\n\n| command | json | |\n|---|---|---|\n", g)
		for _, s := range byGroup[g] {
			mark := ""
			if e.Supports(s) {
				mark = "yes"
			}
			fmt.Fprintf(w, "| `%s` | %s | %s |\n", strings.ReplaceAll(s.Synopsis(), "|", `\|`), mark, s.Doc)
		}
	}
}
