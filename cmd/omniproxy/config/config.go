package config

import "fmt"

// Kind is what a setting's value must be in the file.
type Kind int

const (
	Text   Kind = iota // a string or a number: what stands there, without quotes
	Switch             // true or false
	List               // a list of Text, or one Text; commas divide it, too
)

// Key is a setting that there is.
type Key struct {
	Name   string
	Kind   Kind
	Shared bool // it concerns the whole process, and listeners have no other of their own
}

// listeners is the key of the list of listeners.
const listeners = "listeners"

// Position is where something stands in a file. Lines and columns count from 1.
type Position struct {
	File         string
	Line, Column int
}

// String returns FILE:LINE:COLUMN.
func (p Position) String() string { return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column) }

// Value is what the file says of a setting, as its flag takes it: the elements of a list have commas between them.
type Value struct {
	Text string
	At   Position // of the value
}

// Section is what stands at the top of the file or at a listener.
type Section struct {
	At     Position
	Values map[string]Value // by the name of the setting
}

// File is what a file says.
type File struct {
	Top       Section
	Listeners []Section // nil if the file has no such list
}

// Error is what is wrong with a file.
type Error struct {
	At   Position
	Text string
}

func (e *Error) Error() string { return e.At.String() + ": " + e.Text }
