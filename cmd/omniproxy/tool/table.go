package tool

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Table is what is shown to people.
type Table struct {
	Columns []Column
	Rows    [][]Cell
}

// Column is a column of a table.
type Column struct {
	Title string
	Right bool // numbers
	Cut   bool // its cells may be shortened where the table is too wide
}

// Cell is a cell with its colour.
type Cell struct {
	Text  string
	Color Color
}

// Color is an SGR code of terminals; 0 is none.
type Color int

// The colours in use.
const (
	Plain  Color = 0
	bold   Color = 1
	dim    Color = 2
	Red    Color = 31
	Green  Color = 32
	Yellow Color = 33
)

// Screen is where a table is shown.
type Screen struct {
	Width    int  // in columns; 0 = whatever it takes
	Color    bool // it understands colours
	Terminal bool // somebody looks at it
}

// least is how many columns a cell that is shortened has, at least.
const least = 8

// Write writes the table, a line each row.
func (t Table) Write(w io.Writer, s Screen) error {
	widths := t.widths(s.Width)
	head := make([]Cell, len(t.Columns))
	for i, c := range t.Columns {
		head[i] = Cell{c.Title, bold}
	}
	for _, row := range append([][]Cell{head}, t.Rows...) {
		var line strings.Builder
		for i, cell := range row {
			text := fit(printable(cell.Text), widths[i])
			pad := strings.Repeat(" ", widths[i]-width(text))
			if s.Color && cell.Color != Plain {
				text = fmt.Sprintf("\x1b[%dm%s\x1b[0m", cell.Color, text)
			}
			switch {
			case t.Columns[i].Right:
				text = pad + text
			case i < len(row)-1:
				text += pad
			}
			if i > 0 {
				line.WriteString("  ")
			}
			line.WriteString(text)
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line.String(), " ")); err != nil {
			return err
		}
	}
	return nil
}

// widths are those of the columns. Where the table is wider than the screen, the widest columns that may be cut give way.
func (t Table) widths(screen int) []int {
	widths := make([]int, len(t.Columns))
	total := 2 * (len(widths) - 1)
	for i, c := range t.Columns {
		widths[i] = width(c.Title)
		for _, row := range t.Rows {
			widths[i] = max(widths[i], width(printable(row[i].Text)))
		}
		total += widths[i]
	}
	for screen > 0 && total > screen {
		widest := -1
		for i, c := range t.Columns {
			if c.Cut && widths[i] > max(least, width(c.Title)) && (widest < 0 || widths[i] > widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
		total--
	}
	return widths
}

// printable shows what would move the cursor, or the reader's attention, as Go spells it.
func printable(text string) string {
	clean := true
	for _, r := range text {
		clean = clean && r != utf8.RuneError && unicode.IsPrint(r)
	}
	if clean {
		return text
	}
	var b strings.Builder
	for len(text) > 0 {
		r, n := utf8.DecodeRuneInString(text)
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, text[0])
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x20 || r == 0x7f:
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		text = text[n:]
	}
	return b.String()
}

// fit shortens a text to so many columns.
func fit(text string, columns int) string {
	if width(text) <= columns {
		return text
	}
	used, end := 0, 0
	for i, r := range text {
		if used += widthOf(r); used > columns-1 {
			break
		}
		end = i + utf8.RuneLen(r)
	}
	return text[:end] + "…"
}

// width is how many columns a text takes.
func width(text string) (n int) {
	for _, r := range text {
		n += widthOf(r)
	}
	return n
}

// widthOf is how many columns terminals give to a character: none to one that goes over the one before, two to those of
// eastern Asia and to most pictures (Unicode's East_Asian_Width W and F, in their large blocks).
func widthOf(r rune) int {
	switch {
	case unicode.Is(unicode.Mn, r), unicode.Is(unicode.Me, r), r == 0x200d, 0xfe00 <= r && r <= 0xfe0f:
		return 0
	case 0x1100 <= r && r <= 0x115f, 0x2e80 <= r && r <= 0xa4cf, 0xac00 <= r && r <= 0xd7a3, 0xf900 <= r && r <= 0xfaff,
		0xfe30 <= r && r <= 0xfe6f, 0xff00 <= r && r <= 0xff60, 0xffe0 <= r && r <= 0xffe6, 0x1f300 <= r && r <= 0x1faff, 0x20000 <= r && r <= 0x3fffd:
		return 2
	}
	return 1
}
