package engine

import (
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/omniproxy/omniproxy/resp/command"
)

// Commands made from the grammar in the command table, well formed or not: what no chapter's generator thought of.

// handledCommands are all commands and subcommands that an engine has.
func handledCommands() []*command.Spec {
	e := New(Options{})
	return slices.Collect(func(yield func(*command.Spec) bool) {
		for s := range command.All() {
			if e.handlers[s.Index] != nil && !yield(s) {
				return
			}
		}
	})
}

// grammatical is a command as its grammar says, and mostly one thing wrong with it.
func grammatical(r *rand.Rand, spec *command.Spec) trial {
	args := strings.Fields(spec.Name)
	for i := range spec.Arguments {
		args = append(args, spoken(r, spec, &spec.Arguments[i])...)
	}
	for range r.IntN(3) {
		args = garbled(r, args)
	}
	return asUsual(trial{args: args})
}

// asUsual is a command that is compared as its replies usually are.
func asUsual(c trial) trial {
	if spec := command.Lookup(words(c.args)); spec != nil {
		c.compare = comparisons[spec.Name]
	}
	return c
}

// comparisons are how the replies of commands compare that are not made by a chapter's generator.
var comparisons = map[string]comparison{
	"KEYS": asSet, "SMEMBERS": asSet, "SINTER": asSet, "SUNION": asSet, "SDIFF": asSet, "HGETALL": asPairs, "HKEYS": asSet, "HVALS": asSet, "SPOP": asSet,
	"PUBSUB CHANNELS": asSet, "PUBSUB SHARDCHANNELS": asSet,
	"HRANDFIELD": asShape, "SRANDMEMBER": asShape, "ZRANDMEMBER": asShape,
	"XPENDING": asTimeless, "XINFO STREAM": asTimeless, "XINFO GROUPS": asTimeless, "XINFO CONSUMERS": asTimeless,
	"TTL": asLifetime, "PTTL": asLifetime, "EXPIRETIME": asLifetime, "PEXPIRETIME": asLifetime,
}

// spoken are words for an argument of the grammar.
func spoken(r *rand.Rand, spec *command.Spec, a *command.Argument) (args []string) {
	if a.Flags.Has(command.ArgOptional) && r.IntN(2) == 0 {
		return nil
	}
	times := 1
	if a.Flags.Has(command.ArgMultiple) {
		times += r.IntN(3)
	}
	for i := range times {
		if a.Token != "" && (i == 0 || a.Flags.Has(command.ArgMultipleToken)) {
			args = append(args, a.Token)
		}
		switch a.Type {
		case "pure-token":
		case "oneof":
			args = append(args, spoken(r, spec, &a.Arguments[r.IntN(len(a.Arguments))])...)
		case "block":
			for j := range a.Arguments {
				args = append(args, spoken(r, spec, &a.Arguments[j])...)
			}
		default:
			args = append(args, word(r, spec, a))
		}
	}
	return args
}

func word(r *rand.Rand, spec *command.Spec, a *command.Argument) string {
	if r.IntN(10) == 0 {
		return edge(r)
	}
	switch {
	case a.Type == "key":
		return anyKey(r)
	case a.Type == "pattern":
		return roundPattern(r)
	case a.Type == "unix-time":
		return pick(r, "4000000000", "4000000000123", "1", "0", "-1")
	case strings.HasPrefix(a.Name, "group"):
		return group(r)
	case strings.HasPrefix(a.Name, "consumer"):
		return consumer(r)
	case spec.Group == "stream" && (a.Type == "string" || strings.Contains(a.Name, "id")):
		return pick(r, oddID(r), field(r))
	case spec.Group == "sorted-set" && (strings.HasPrefix(a.Name, "m") && len(a.Name) == 3 || a.Name == "start" || a.Name == "stop"):
		return pick(r, bound(r), rank(r))
	case a.Type == "double":
		return score(r)
	case a.Type == "integer":
		return pick(r, strconv.Itoa(r.IntN(12)-4), "1", "2", "100000000")
	}
	return pick(r, text(r), member(r), element(r), field(r))
}

// edge is a text at the border of what is a number, or of what anybody sends.
func edge(r *rand.Rand) string {
	if r.IntN(40) == 0 {
		return strings.Repeat(pick(r, "x", "\x00\xff", "9"), 50_000)
	}
	return pick(r, "9223372036854775807", "-9223372036854775808", "9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616",
		"4611686018427387904", "2147483647", "2147483648", "4294967296", "-2147483649", "536870913", "1e400", "-1e400", "1e-400", "nan", "-nan", "inf", "-inf", "+inf", "-0", "+1", "01",
		"0x10", " 1", "1 ", "1.0", "1.5", "0", "-1", "", "\x00", "\x00\xff\r\n", "é", "*", "$", ">", "~", "=", "-", "+", "(", "[", "(1", "[a")
}

// garbled does one thing wrong.
func garbled(r *rand.Rand, args []string) []string {
	args = slices.Clone(args)
	i := 1 + r.IntN(max(1, len(args)-1))
	if i == len(args) {
		return append(args, edge(r))
	}
	switch r.IntN(8) {
	case 0:
		return slices.Delete(args, i, i+1)
	case 1:
		return append(args, edge(r))
	case 2: // twice
		return slices.Insert(args, i, args[i])
	case 3:
		j := 1 + r.IntN(len(args)-1)
		args[i], args[j] = args[j], args[i]
	case 4:
		args[i] = strings.ToLower(args[i])
	case 5: // an option, its own or another's
		return slices.Insert(args, i, option(r, args))
	case 6:
		return append(args, option(r, args), edge(r))
	default:
		args[i] = edge(r)
	}
	return args
}

// option is a literal word of the command's grammar, or of nobody's.
func option(r *rand.Rand, args []string) string {
	list := []string{"NX", "LIMIT", "nope"}
	if spec := command.Lookup(words(args)); spec != nil {
		list = slices.AppendSeq(list, tokens(spec.Arguments))
	}
	return pick(r, list...)
}

func tokens(list []command.Argument) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range list {
			if list[i].Token != "" && !yield(list[i].Token) {
				return
			}
			for token := range tokens(list[i].Arguments) {
				if !yield(token) {
					return
				}
			}
		}
	}
}

// miscounted is a command with too few words, or too many.
func miscounted(r *rand.Rand, spec *command.Spec) trial {
	args := strings.Fields(spec.Name)
	n := 1 + r.IntN(max(1, max(spec.Arity, -spec.Arity)-1))
	if spec.Arity > 0 && r.IntN(2) == 0 {
		n = spec.Arity + 1 + r.IntN(2)
	}
	for len(args) < n {
		args = append(args, anyKey(r))
	}
	return asUsual(trial{args: args[:n]})
}
