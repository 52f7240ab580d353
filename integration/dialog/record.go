package dialog

import "fmt"

// Record plays the commands of f against two real redis-servers, one for each
// protocol, so that neither is at work on what the other was asked (BGSAVE).
// It replaces the answers of f by what was heard, or fails and changes nothing.
func (f *File) Record(addr2, addr3 string) error {
	resp2, err := f.hear(addr2, 2)
	if err != nil {
		return fmt.Errorf("record RESP2: %w", err)
	}
	resp3, err := f.hear(addr3, 3)
	if err != nil {
		return fmt.Errorf("record RESP3: %w", err)
	}
	f.resp2, f.resp3 = resp2, resp3
	return nil
}

func (f *File) hear(addr string, proto int) (*script, error) {
	sc := f.resp2.withoutAnswers()
	p := &player{path: f.path, addr: addr, proto: proto, timeout: answerTimeout}
	p.heard = func(s *step, got []string, err error) error {
		s.answer = got
		return err
	}
	return sc, p.run(sc)
}

func (sc *script) withoutAnswers() *script {
	bare := &script{tail: sc.tail}
	for _, s := range sc.steps {
		c := *s
		c.answer = nil
		bare.steps = append(bare.steps, &c)
	}
	return bare
}
