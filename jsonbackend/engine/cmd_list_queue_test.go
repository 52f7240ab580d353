package engine

import (
	"fmt"
	"slices"
	"sync"
	"testing"
)

// As celery does: producers push to queues of four priorities, workers wait for all of them in a loop. Every task is done
// once, those of one producer and queue in their order, and the log says where everything went.
func TestWorkersShareOutEveryTask(t *testing.T) {
	const workers, producers, tasks = 4, 3, 100
	queues := []string{"celery", "celery3", "celery6", "celery9"}
	s := newStage(t)

	var working, producing sync.WaitGroup
	done := make([][]string, workers)
	for i := range done {
		worker := s.client()
		working.Go(func() {
			for {
				r, err := sendAndReceive(worker, slices.Concat([]string{"BRPOP"}, queues, []string{"60"}))
				if err != nil || len(r.items) != 2 {
					t.Errorf("BRPOP: %v, %v", r, err)
					return
				}
				task := r.items[1].text
				if task == "stop" {
					return
				}
				done[i] = append(done[i], task)
			}
		})
	}
	for i := range producers {
		producer := s.client()
		producing.Go(func() {
			for n := range tasks {
				queue := queues[n%len(queues)]
				for _, args := range [][]string{{"MULTI"}, {"LPUSH", queue, fmt.Sprintf("%s:%d:%03d", queue, i, n)}, {"LLEN", queue}, {"EXEC"}} {
					if r, err := sendAndReceive(producer, args); err != nil || r.kind == '-' {
						t.Errorf("%s: %v, %v", args, r, err)
					}
				}
			}
		})
	}
	producing.Wait()
	last := s.client()
	for range workers {
		last.line("LPUSH celery9 stop")
	}
	working.Wait()

	all := slices.Concat(done...)
	slices.Sort(all)
	if different := len(slices.Compact(slices.Clone(all))); len(all) != producers*tasks || different != len(all) {
		t.Errorf("%d tasks were done, %d different ones, of %d", len(all), different, producers*tasks)
	}
	for i, tasks := range done {
		latest := map[string]string{} // by queue and producer
		for _, task := range tasks {
			from := task[:len(task)-len("000")]
			if task < latest[from] {
				t.Errorf("worker %d did %s after %s", i, task, latest[from])
			}
			latest[from] = task
		}
	}
	if left := last.line("EXISTS celery celery3 celery6 celery9"); left != "0" {
		t.Errorf("%s queues are left", left)
	}
	if diff := s.log.replayed(t, s.e); diff != "" {
		t.Error(diff)
	}
}

// As reliable queues do: a task is moved to a list of the worker's own, and taken out of it when it is done. What a worker
// leaves there when it dies, another one brings back.
func TestATaskOfADeadWorkerIsDoneByAnother(t *testing.T) {
	s := newStage(t)
	producer, dead := s.client(), s.park("BLMOVE tasks doing:1 RIGHT LEFT 0")
	producer.line("LPUSH tasks a b c")
	s.expect("the first worker", dead.read().plain(), "a")
	dead.send("BLMOVE", "none", "doing:1", "RIGHT", "LEFT", "0")
	s.await(1)
	dead.conn.Close()
	s.await(0)

	worker := s.client()
	s.expect("brought back", worker.line("LMOVE doing:1 tasks RIGHT RIGHT"), "a")
	for _, task := range []string{"a", "b", "c"} {
		s.expect("the second worker", worker.line("BLMOVE tasks doing:2 RIGHT LEFT 0"), task)
		s.expect("done", worker.line("LREM doing:2 1 "+task), "1")
	}
	s.expect("what is left", worker.line("EXISTS tasks doing:1 doing:2"), "0")
	if diff := s.log.replayed(t, s.e); diff != "" {
		t.Error(diff)
	}
}

// sendAndReceive is do for goroutines that are not the test's own.
func sendAndReceive(c *client, args []string) (reply, error) {
	if _, err := c.conn.Write(appendCommand(nil, words(args))); err != nil {
		return reply{}, err
	}
	return c.next()
}
