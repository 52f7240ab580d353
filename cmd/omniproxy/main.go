package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
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
	case "help", "rules", "explain", "completion", "man":
		fmt.Print(inv.Text)
	case "config":
		fmt.Print(inv.Text)
		if inv.Action == "check" {
			return checkConfig(inv.Listeners, inv.Warnings, os.Stdout, os.Stderr)
		}
	case "version":
		fmt.Println(versionLine())
	case "check":
		return inv.Check.run(os.Stdin, os.Stdout, os.Stderr)
	case "backup":
		return inv.Backup.run(os.Stdout, os.Stderr)
	case "ping":
		return inv.Ping.run(context.Background(), os.Stdout, os.Stderr)
	case "copy", "storage", "inspect", "validate":
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return inv.runTool(ctx, thisConsole())
	default:
		if onlyChecked() {
			return checkConfig(inv.Listeners, inv.Warnings, os.Stdout, os.Stderr)
		}
		return serve(inv)
	}
	return exitOK
}

// runTool runs a tool and returns the exit code.
func (inv invocation) runTool(ctx context.Context, c console) int {
	switch inv.Word {
	case "copy":
		return inv.Copy.run(ctx, c)
	case "storage":
		return inv.Storage.run(ctx, c)
	case "validate":
		return inv.Validate.run(ctx, c)
	}
	return inv.Inspect.run(ctx, c)
}
