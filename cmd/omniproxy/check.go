package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/omniproxy/omniproxy/jsonbackend"
	"github.com/omniproxy/omniproxy/jsonbackend/aof"
)

// checkWord is the command line of check.
type checkWord struct {
	Dir    string `arg:"" help:"the data directory"`
	Prefix string `group:"Data, as it is served" placeholder:"TEXT" default:"omni" fallback:"REDIS_KEY_PREFIX" empty:"" help:"what OmniDaemon's keys begin with"`
	DB     string `group:"Data, as it is served" name:"db" placeholder:"N" default:"0" help:"the database, 0 to 15, that the JSON files show"`
	Repair bool   `group:"Repair" typed:"" help:"cut off the append-only file where it cannot be read, after saying what that costs"`
	Yes    bool   `group:"Repair" typed:"" help:"do not ask before"`

	db int // what DB means
}

// mean gives the flags their meaning.
func (w *checkWord) mean(g given) (err error) {
	w.db, err = parseDB(w.DB)
	if err != nil {
		return fmt.Errorf("%s: %w", g.of("db"), err)
	}
	return nil
}

// Help stands at the end of omniproxy check --help.
func (checkWord) Help() string {
	return `A line that begins with "problem:" says what stops a start, which file a start leaves alone, or
what it forgets. The exit code is 0 if there is none, else 1. Nothing is changed without --repair.
That shows first how many units and bytes would be lost and which keys they concern, then asks, and
keeps what the files held in others beside them.`
}

// mostKeys is how many keys are listed.
const mostKeys = 1000

func (w checkWord) options() jsonbackend.Options {
	return jsonbackend.Options{Dir: w.Dir, Prefix: w.Prefix, DB: w.db}
}

// run prints a line for each finding and returns the exit code.
func (w checkWord) run(stdin *os.File, stdout, stderr io.Writer) int {
	c, err := jsonbackend.Check(w.options())
	if err != nil {
		fmt.Fprintln(stderr, "omniproxy:", err)
		return exitFailed
	}
	for _, line := range c.Notes {
		fmt.Fprintln(stdout, line)
	}
	for _, line := range c.Problems {
		fmt.Fprintln(stdout, "problem:", line)
	}
	switch {
	case c.Damage != nil && w.Repair:
		if err := w.repair(c.Damage, stdin, stdout); err != nil {
			fmt.Fprintln(stderr, "omniproxy:", err)
			return exitFailed
		}
		if len(c.Problems) == 1 {
			return exitOK
		}
	case c.Damage != nil:
		fmt.Fprintf(stdout, "what a repair would cost: omniproxy check %s --repair\n", w.Dir)
	}
	if len(c.Problems) > 0 {
		return exitFailed
	}
	return exitOK
}

// repair says what is lost, asks, and cuts.
func (w checkWord) repair(damage *aof.Damage, stdin *os.File, stdout io.Writer) error {
	loss, err := jsonbackend.Behind(w.options(), damage)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "a repair cuts %s at offset %d: %d units and %d bytes are lost", damage.File, damage.Offset, loss.Units, loss.Bytes)
	fmt.Fprintf(stdout, "; they concern %d keys:\n", len(loss.Keys))
	for _, key := range loss.Keys[:min(len(loss.Keys), mostKeys)] {
		fmt.Fprintf(stdout, "  %q\n", key)
	}
	if more := len(loss.Keys) - mostKeys; more > 0 {
		fmt.Fprintf(stdout, "  and %d more\n", more)
	}
	if !w.Yes && !agreed(stdin, stdout) {
		return fmt.Errorf("nothing was changed: confirm with --yes")
	}
	kept, err := jsonbackend.Repair(w.options(), damage)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "cut; what was there before is in %s\n", strings.Join(kept, ", "))
	return nil
}

// agreed asks whoever sits at the terminal; nobody there means no.
func agreed(stdin *os.File, stdout io.Writer) bool {
	if info, err := stdin.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	fmt.Fprint(stdout, "Cut it? [yes/no] ")
	answer, _ := bufio.NewReader(stdin).ReadString('\n')
	return strings.TrimSpace(answer) == "yes"
}
