package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/omniproxy/omniproxy/keyspace"
	"github.com/omniproxy/omniproxy/resp"
)

// Layout is what becomes of writes that break a rule of the key layout.
type Layout struct {
	General resp.Reaction
	Rules   map[keyspace.ID]resp.Reaction // where it is another one
}

// defaultReaction: in development a warning is welcome; who puts a proxy into production asks first.
func defaultReaction(backend string) resp.Reaction {
	if backend == "json" {
		return resp.Warn
	}
	return resp.Observe
}

func (w serveWord) layout(g given, s Settings) (l Layout, err error) {
	l = Layout{defaultReaction(s.Backend), map[keyspace.ID]resp.Reaction{}}
	if w.Validate != "" {
		if l.General, err = parseReaction(w.Validate); err != nil {
			return Layout{}, fmt.Errorf("%s: %w", g.of("validate"), err)
		}
	}
	for word := range strings.SplitSeq(w.ValidateRules, ",") {
		name, how, _ := strings.Cut(strings.TrimSpace(word), "=")
		if name == "" {
			continue
		}
		rule, ok := keyspace.FindRule(name)
		if !ok || !rule.Inline {
			return Layout{}, fmt.Errorf("%s: no write is judged by a rule %q; omniproxy rules lists them", g.of("validate-rules"), name)
		}
		if l.Rules[rule.ID], err = parseReaction(how); err != nil {
			return Layout{}, fmt.Errorf("%s: %s: %w", g.of("validate-rules"), name, err)
		}
	}
	return l, nil
}

func parseReaction(text string) (resp.Reaction, error) {
	word, err := oneOf(text, "off", "observe", "warn", "enforce")
	if err != nil {
		return 0, err
	}
	reaction, _ := resp.ParseReaction(word)
	return reaction, nil
}

// rules returns what --validate-rules takes.
func (l Layout) rules() string {
	var words []string
	for _, id := range slices.Sorted(maps.Keys(l.Rules)) {
		words = append(words, id.String()+"="+l.Rules[id].String())
	}
	return strings.Join(words, ",")
}

// validation returns what judges writes. A reload tells it to react in another way.
func (s Settings) validation(log *zap.Logger) *resp.Validation {
	checker := keyspace.Checker{Layout: keyspace.Layout{Prefix: s.Prefix}}
	return resp.NewValidation(checker, s.Layout.General, s.Layout.Rules, func(v resp.Violation, more int64) {
		text := "a write breaks the key layout"
		if v.Refused {
			text = "a write is refused, for it breaks the key layout"
		}
		fields := []zap.Field{zap.Stringer("rule", v.Rule), zap.String("what", v.Text), zap.String("client", v.Client)}
		if more > 0 {
			fields = append(fields, zap.Int64("more", more))
		}
		log.Warn(text, fields...)
	})
}
