package engine

import (
	"math/rand/v2"
	"strings"

	"github.com/omniproxy/omniproxy/resp"
)

// lolwutSizes is how many arguments are numbers for Redis' pictures of a version; it looks at no others.
var lolwutSizes = map[uint32]int{5: 3, 6: 2}

// lolwut answers LOLWUT [VERSION version] [argument...] with a maze of one line of BASIC, whatever the version.
func lolwut(c *Call) error {
	if len(c.Args) > 2 && c.Is(1, "VERSION") {
		version, err := c.Int(2)
		if err != nil {
			return err
		}
		sizes := c.Args[3:]
		for _, size := range sizes[:min(len(sizes), lolwutSizes[uint32(version)])] {
			if _, err := parseInt(size); err != nil {
				return err
			}
		}
	}
	const rows, columns = 8, 40
	var b strings.Builder
	for range rows {
		for range columns {
			b.WriteRune([2]rune{'╱', '╲'}[rand.IntN(2)])
		}
		b.WriteByte('\n')
	}
	b.WriteString("\n10 PRINT CHR$(205.5+RND(1)); : GOTO 10, 1982. Redis ver. " + resp.Version + "\n")
	c.Reply.Verbatim("txt", b.String())
	return nil
}
