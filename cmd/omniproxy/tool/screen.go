package tool

import "os"

// ScreenOf tells what a file is as a screen: a terminal has a width and colours, unless NO_COLOR or TERM=dumb say otherwise;
// all else takes lines of any width, and no colours.
func ScreenOf(f *os.File) Screen {
	width, ok := terminalWidth(f)
	if !ok {
		return Screen{}
	}
	return Screen{Width: width, Terminal: true, Color: os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}
