package tool

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/omniproxy/omniproxy/cmd/omniproxy/source"
	"github.com/omniproxy/omniproxy/keyspace"
)

// The functions that clear return how many of what they deleted, as OmniDaemon's stores do: {"agents": 3}.

// ClearAgents deletes all agents, and counts them (BaseStore.clear_agents).
func ClearAgents(ctx context.Context, s *source.Source) (Object, error) {
	n, err := clearAll(ctx, s, s.Layout.Prefix+":agent:")
	if err == nil {
		err = s.Redis.Del(ctx, s.Layout.Topics()).Err()
	}
	if err == nil {
		_, err = clearAll(ctx, s, s.Layout.AgentsOfTopic(""))
	}
	if err == nil {
		err = forgetFile(ctx, s, source.AgentsFile)
	}
	return Object{{"agents", n}}, failed(s, err)
}

// ClearResults deletes all results, and counts them (BaseStore.clear_results).
func ClearResults(ctx context.Context, s *source.Source) (Object, error) {
	n, err := clearAll(ctx, s, s.Layout.Result(""))
	if err == nil {
		err = s.Redis.Del(ctx, s.Layout.ResultsIndex()).Err()
	}
	if err == nil {
		err = forgetFile(ctx, s, source.ResultsFile)
	}
	return Object{{"results", n}}, failed(s, err)
}

// ClearMetrics deletes all metrics of agents, and counts them (BaseStore.clear_metrics). Those of the event bus stay.
func ClearMetrics(ctx context.Context, s *source.Source) (Object, error) {
	key := s.Layout.MetricsStream()
	n, err := s.Redis.XLen(ctx, key).Result()
	if err == nil || isWrongType(err) {
		err = s.Redis.Del(ctx, key).Err()
	}
	if err == nil {
		err = forgetFile(ctx, s, source.MetricsFile)
	}
	return Object{{"metrics", n}}, failed(s, err)
}

// ClearAll deletes agents, results, metrics and settings, and counts them (BaseStore.clear_all). The event bus stays, but for
// what its consumers read among the settings: without that they stop.
func ClearAll(ctx context.Context, s *source.Source) (all Object, err error) {
	for _, clear := range []func(context.Context, *source.Source) (Object, error){ClearAgents, ClearResults, ClearMetrics, clearConfig} {
		cleared, err := clear(ctx, s)
		if err != nil {
			return all, err
		}
		all = append(all, cleared...)
	}
	return all, nil
}

func clearConfig(ctx context.Context, s *source.Source) (Object, error) {
	n, err := clearAll(ctx, s, s.Layout.Config(""))
	if err == nil {
		err = forgetFile(ctx, s, source.ConfigFile)
	}
	return Object{{"config", n}}, failed(s, err)
}

func failed(s *source.Source, err error) error {
	if err != nil {
		err = fmt.Errorf("%s: %w", s.Name, err)
	}
	return err
}

// clearAll deletes the keys that begin with a text, and counts those that it deleted.
func clearAll(ctx context.Context, s *source.Source, begin string) (n int64, err error) {
	for batch, err := range batched(s.Keys(ctx, nil), func(string) int { return 1 }) {
		if err != nil {
			return n, err
		}
		batch = slices.DeleteFunc(batch, func(key string) bool { return !strings.HasPrefix(key, begin) })
		if len(batch) == 0 {
			continue
		}
		deleted, err := s.Redis.Del(ctx, batch...).Result()
		if err != nil {
			return n, err
		}
		n += deleted
	}
	return n, nil
}

// alive is how long ago a consumer may have asked to count as active: OmniDaemon's ask every five seconds.
const alive = 30 * time.Second

// ActiveConsumers returns the consumer groups whose consumers ask for tasks at present, as long as the store says that the
// subscription is active: they stop when ClearAll deletes that.
func ActiveConsumers(ctx context.Context, s *source.Source) (groups []string, err error) {
	now, err := s.Redis.Time(ctx).Result()
	if err != nil {
		return nil, failed(s, err)
	}
	for key, err := range s.Keys(ctx, source.Families{keyspace.BusStream}) {
		if err != nil {
			return nil, err
		}
		about, err := s.Stream(ctx, key)
		if err != nil {
			return nil, err
		}
		if about == nil {
			continue
		}
		for _, g := range about.Groups {
			awake := slices.ContainsFunc(g.Consumers, func(c source.Consumer) bool { return now.Sub(time.UnixMilli(c.Seen)) < alive })
			if !awake {
				continue
			}
			subscribed, err := isSubscribed(ctx, s, g.Name)
			if err != nil {
				return nil, err
			}
			if subscribed {
				groups = append(groups, g.Name)
			}
		}
	}
	slices.Sort(groups)
	return slices.Compact(groups), nil
}

// isSubscribed reports whether the store says that a group's subscription is active (RedisStreamBus.subscribe).
func isSubscribed(ctx context.Context, s *source.Source, group string) (bool, error) {
	flag, err := s.Redis.Get(ctx, s.Layout.Config("_subscription_active:"+group)).Result()
	if err == redis.Nil || err != nil && isWrongType(err) {
		return false, nil
	}
	return strings.TrimSpace(flag) == "true", failed(s, err)
}

// Unhealthy is the health of what cannot be opened.
func Unhealthy(name string, err error) Object {
	backend := "json"
	if source.IsURL(name) {
		backend = "redis"
	}
	return Object{{"status", "unhealthy"}, {"backend", backend}, {"error", err.Error()}}
}

// CheckHealth asks a store how it is (BaseStore.health_check): a directory as JSONStore does, a Redis as RedisStore does, and an
// omniproxy that serves a directory as both do.
func CheckHealth(ctx context.Context, s *source.Source) Object {
	begun := time.Now()
	if err := s.Redis.Ping(ctx).Err(); err != nil {
		return Unhealthy(s.Name, err)
	}
	latency := time.Since(begun)
	dir := s.Dir
	if dir == "" && servesJSON(ctx, s) {
		dir, _ = s.Info(ctx, "omniproxy", "dir")
	}
	h := Object{{"status", "healthy"}, {"backend", "redis"}}
	if dir != "" {
		counts, err := count(ctx, s)
		if err != nil {
			return Unhealthy(s.Name, err)
		}
		h = Object{{"status", "healthy"}, {"backend", "json"}, {"storage_dir", dir}, {"connected", true},
			{"agents_count", counts[keyspace.Agent]}, {"results_count", counts[keyspace.Result]}, {"metrics_count", counts[keyspace.MetricsStream]}}
	}
	address := s.Address()
	if address == "" {
		return h
	}
	h = append(h, Property{"redis_url", address})
	if dir == "" {
		h = append(h, Property{"connected", true})
	}
	h = append(h, Property{"latency_ms", float64(latency.Microseconds()/10) / 100})
	for _, f := range []struct{ section, name, shown string }{
		{"server", "redis_version", ""}, {"memory", "used_memory_human", "used_memory"}, {"clients", "connected_clients", ""},
	} {
		value, err := s.Info(ctx, f.section, f.name)
		if err != nil {
			return Unhealthy(s.Name, err)
		}
		h = append(h, Property{cmp.Or(f.shown, f.name), asNumber(value)})
	}
	return h
}

// asNumber is a text as a number, if it is a whole one.
func asNumber(text string) any {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return n
	}
	return text
}

// count counts agents, results and metrics.
func count(ctx context.Context, s *source.Source) (map[keyspace.Family]int64, error) {
	counts := map[keyspace.Family]int64{}
	for key, err := range s.Keys(ctx, source.Families{keyspace.Agent, keyspace.Result}) {
		if err != nil {
			return nil, err
		}
		counts[s.Layout.Family(key)]++
	}
	n, err := s.Redis.XLen(ctx, s.Layout.MetricsStream()).Result()
	if err != nil && isWrongType(err) {
		err = nil
	}
	counts[keyspace.MetricsStream] = n
	return counts, err
}
