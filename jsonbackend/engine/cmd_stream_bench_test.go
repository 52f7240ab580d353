package engine

import (
	"fmt"
	"strings"
	"testing"

	"github.com/omniproxy/omniproxy/resp"
)

// What OmniDaemon's bus does for every message: publish, consume, acknowledge.
func BenchmarkPublishConsumeAck(b *testing.B) {
	e := New(Options{Log: forgetful{}})
	do := inProcess(b, e)
	do(request(b, "XGROUP CREATE s g $ MKSTREAM"))
	payload := strings.Repeat("x", 500)
	publish := make([]resp.Command, 64)
	ack := make([]resp.Command, 64)
	read := request(b, "XREADGROUP GROUP g c COUNT 10 BLOCK 5000 STREAMS s >")
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if i%64 == 0 {
			b.StopTimer()
			for j := range publish {
				publish[j] = request(b, fmt.Sprintf("XADD s MAXLEN ~ 10000 %d-1 data %s", i+j+1, payload))
				ack[j] = request(b, fmt.Sprintf("XACK s g %d-1", i+j+1))
			}
			b.StartTimer()
		}
		do(publish[i%64])
		do(read)
		do(ack[i%64])
	}
}

func benchmarkOne(b *testing.B, prepare []string, line string) {
	e := New(Options{Log: forgetful{}})
	do := inProcess(b, e)
	for _, p := range prepare {
		do(request(b, p))
	}
	cmd := request(b, line)
	b.ReportAllocs()
	for b.Loop() {
		do(cmd)
	}
}

func BenchmarkXAdd(b *testing.B) {
	benchmarkOne(b, nil, "XADD s MAXLEN ~ 10000 * data "+strings.Repeat("x", 500))
}

func BenchmarkXRange10(b *testing.B) {
	var prepare []string
	for i := range 1000 {
		prepare = append(prepare, fmt.Sprintf("XADD s %d-1 data %s", i+1, strings.Repeat("x", 500)))
	}
	benchmarkOne(b, prepare, "XREVRANGE s + - COUNT 10")
}

// forgetful is a log that takes units and keeps none.
type forgetful struct{ NoLog }
