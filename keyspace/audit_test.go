package keyspace

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// placed is a finding without its text.
type placed struct {
	Rule          ID
	Key, At, With string
}

func placesOf(found []Finding) (places []placed) {
	for _, f := range found {
		places = append(places, placed{f.Rule, f.Key, f.Field + f.Member + f.Entry, f.Other})
	}
	return places
}

func TestRelationsAreFoundWhereTheyBreak(t *testing.T) {
	s := newStore(t)
	s.run(indexed + `
HSET omni:agent:orders:lost name lost callback_name run tools '[]' description '' config '{}' topic orders created_at 1
SADD omni:agents:topic:orders gone
SADD omni:agents:topic:unlisted bot
SADD omni:topics empty
ZADD omni:results:index 1 expired 5 drifted
SETEX omni:result:drifted 60 '{"task_id": "drifted", "result": 1, "saved_at": 50.5}'
SETEX omni:result:unindexed 60 '{"task_id": "unindexed", "result": 1, "saved_at": 7.5}'
SET omni:config:_supervisor_registry '["a", "b"]'
SET omni:config:supervisor:a '{}'
SET omni:config:supervisor:b null
SET omni:config:supervisor:c '{}'
SET omni:config:_subscription_active:group:orders:bot true
SET omni:config:_subscription_active:group:orders:idle false
XGROUP CREATE omni-stream:orders group:orders:other $ MKSTREAM`)
	want := []placed{
		{AgentNotIndexed, "omni:agent:orders:lost", "", "omni:agents:topic:orders"},
		{MemberOrphan, "omni:agents:topic:orders", "gone", "omni:agent:orders:gone"},
		{TopicNotListed, "omni:agents:topic:unlisted", "", "omni:topics"},
		{MemberOrphan, "omni:agents:topic:unlisted", "bot", "omni:agent:unlisted:bot"},
		{FlagWithoutGroup, "omni:config:_subscription_active:group:orders:bot", "", "group:orders:bot"},
		{SupervisorRegistry, "omni:config:_supervisor_registry", "b", "omni:config:supervisor:b"},
		{SupervisorRegistry, "omni:config:supervisor:c", "", "omni:config:_supervisor_registry"},
		{ResultNotIndexed, "omni:result:unindexed", "", "omni:results:index"},
		{IndexScoreDrift, "omni:results:index", "drifted", "omni:result:drifted"},
		{ResultIndexOrphan, "omni:results:index", "expired", "omni:result:expired"},
		{TopicOrphan, "omni:topics", "empty", "omni:agents:topic:empty"},
	}
	for range 10 { // in any order
		rand.Shuffle(len(s.order), func(i, j int) { s.order[i], s.order[j] = s.order[j], s.order[i] })
		if diff := cmp.Diff(want, placesOf(s.audit())); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
}

// What a store does between two looks is no finding: each is right at its time.
func TestWhatFitsTheSecondTimeIsNoFinding(t *testing.T) {
	before, after := newStore(t), newStore(t)
	before.run(resultLine + "\nSADD omni:topics soon\nZADD omni:results:index 1 expires")
	after.run(resultLine + "\nZADD omni:results:index 1763859213.6 42\nSADD omni:topics soon\nSADD omni:agents:topic:soon bot\nSADD omni:agents:topic:new bot")
	a := NewAudit(Checker{Layout: before.layout}, exampleNow)
	for _, key := range before.order {
		a.First(before.entries[key])
	}
	if n := a.Doubts(); n != 3 {
		t.Errorf("%d doubts, want 3", n)
	}
	for _, key := range after.order {
		a.Again(after.entries[key])
	}
	if found := a.Rest(); len(found) > 0 {
		t.Errorf("found %+v", found)
	}
}

func TestPartsOfALargeValueAreOneKey(t *testing.T) {
	a := NewAudit(Checker{Layout: Layout{DefaultPrefix}}, exampleNow)
	agent := Entry{Key: "omni:agent:orders:bot", Family: Agent, Type: Hash}
	var found []Finding
	parts := [][]Field{{{"name", "bot"}, {"owner", "a"}}, {{"callback_name", "run"}, {"topic", "orders"}, {"tools", "[]"}}, {{"config", "{}"}, {"description", ""}}}
	for i, fields := range parts {
		e := agent
		e.First, e.Last, e.Fields = i == 0, i == len(parts)-1, fields
		found = append(found, a.First(&e)...)
	}
	want := []placed{{AgentOtherField, agent.Key, "owner", ""}, {AgentCreatedAt, agent.Key, "created_at", ""}}
	if diff := cmp.Diff(want, placesOf(found)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if n := a.Doubts(); n != 1 {
		t.Errorf("%d doubts, want that no set has the agent", n)
	}
}

// Results and their index take the room of numbers, not of their names.
func TestManyKeysTakeLittleMemory(t *testing.T) {
	a := NewAudit(Checker{Layout: Layout{DefaultPrefix}}, exampleNow)
	const keys = 200_000
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for i := range keys {
		id := fmt.Sprintf("bc688778-0001-4000-8000-%012d", i)
		text := `{"task_id": "` + id + `", "result": {}, "saved_at": 1763859213.5}`
		a.First(&Entry{Key: "omni:result:" + id, Family: Result, Type: String, First: true, Last: true, Expires: 1, Text: text})
		a.First(&Entry{Key: "omni:results:index", Family: ResultsIndex, Type: ZSet, First: i == 0, Members: []Member{{id, 1763859213.6}}})
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (after.HeapAlloc - before.HeapAlloc) / keys
	t.Logf("%d bytes for each result and its place in the index", each)
	if each > 100 {
		t.Errorf("%d bytes for each result", each)
	}
	if n := a.Doubts(); n != 0 {
		t.Errorf("%d doubts", n)
	}
}
