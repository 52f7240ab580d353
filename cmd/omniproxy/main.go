package main

import (
	"context"
	"fmt"
	"os"
)

// Exit codes of every word.
const (
	exitOK     = 0
	exitFailed = 1 // what was asked for did not work
	exitUsage  = 2 // what was asked for makes no sense
	exitForced = 3 // serve was made to stop before it had finished
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	inv, err := parse(args, thisMachine())
	if err != nil {
		fmt.Fprintln(os.Stderr, "omniproxy:", err)
		return exitUsage
	}
	switch inv.Word {
	case "help":
		fmt.Print(inv.Help)
	case "version":
		fmt.Println(versionLine())
	case "check":
		return inv.Check.run(os.Stdin, os.Stdout, os.Stderr)
	case "backup":
		return inv.Backup.run(os.Stdout, os.Stderr)
	case "ping":
		return inv.Ping.run(context.Background(), os.Stdout, os.Stderr)
	default:
		return serve(inv.Settings)
	}
	return exitOK
}
