package keyspace_test

import (
	"fmt"

	"github.com/omniproxy/omniproxy/keyspace"
)

func Example() {
	l := keyspace.Layout{Prefix: keyspace.DefaultPrefix}
	fmt.Println(l.Agent("file.uploaded", "file-processor"))
	fmt.Println(l.AgentsOfTopic("file.uploaded"))
	fmt.Println(l.Result("42"))
	fmt.Println(l.BusStream("file.uploaded"))
	// Output:
	// omni:agent:file.uploaded:file-processor
	// omni:agents:topic:file.uploaded
	// omni:result:42
	// omni-stream:file.uploaded
}

func ExampleFamilies() {
	for _, f := range keyspace.Families() {
		fmt.Printf("%-30s %-7s %s\n", f.Pattern, f.Type, f.Expiry)
	}
	// Output:
	// {prefix}:agent:{topic}:{name}  hash    none
	// {prefix}:agents:topic:{topic}  set     none
	// {prefix}:topics                set     none
	// {prefix}:result:{task_id}      string  optional
	// {prefix}:results:index         zset    none
	// {prefix}:metrics:stream        stream  none
	// {prefix}:config:{key}          string  none
	// omni-stream:{topic}            stream  none
	// omni-dlq:{group}               stream  none
	// retry_counts:{group}           hash    always
	// omni-metrics                   stream  none
}

func ExampleLayout_Parse() {
	l := keyspace.Layout{Prefix: "omni"}
	for _, key := range []string{"omni:result:42", "omni:topics", "omni-dlq:group:t:a", "sessions:7"} {
		k := l.Parse(key)
		fmt.Printf("%s: %q\n", k.Family, k.Rest)
	}
	// Output:
	// result: "42"
	// topics: ""
	// omni-dlq: "group:t:a"
	// other: "sessions:7"
}

func ExampleKey_Splits() {
	k := keyspace.Layout{Prefix: "omni"}.Parse("omni:agent:a:b:c")
	fmt.Println("ambiguous:", k.Ambiguous())
	for topic, name := range k.Splits() {
		fmt.Printf("topic %s, name %s\n", topic, name)
	}
	// Output:
	// ambiguous: true
	// topic a, name b:c
	// topic a:b, name c
}
