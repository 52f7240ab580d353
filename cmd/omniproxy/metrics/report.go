package metrics

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// report is what is read of an entry. The text is that of the entry, and dies with it.
type report struct {
	topic, agent, group, event []byte
	processing                 float64 // seconds
	processed                  bool    // it says how long that took
}

// read reads JSON: as long as it is flat and without escapes, as OmniDaemon writes it, by looking for its fields; else as
// JSON is read, which takes ten times as long. ok is false if it is no report.
func (r *report) read(data []byte) (ok bool) {
	*r = report{}
	texts := true
	flat := fields(data, func(name, value []byte, text bool) {
		number := string(name) == "processing_time_sec"
		switch string(name) {
		case "topic":
			r.topic = value
		case "agent":
			r.agent = value
		case "agent_name":
			if len(r.agent) == 0 {
				r.agent = value
			}
		case "group":
			r.group = value
		case "event":
			r.event = value
		case "processing_time_sec":
			n, err := strconv.ParseFloat(string(value), 64)
			r.processing, r.processed = n, err == nil
		default:
			return
		}
		texts = texts && text != number
	})
	if !flat {
		return r.readAny(data)
	}
	return texts && len(r.event) > 0
}

func (r *report) readAny(data []byte) bool {
	var said struct {
		Topic      string   `json:"topic"`
		Agent      string   `json:"agent"`
		AgentName  string   `json:"agent_name"`
		Group      string   `json:"group"`
		Event      string   `json:"event"`
		Processing *float64 `json:"processing_time_sec"`
	}
	if err := json.Unmarshal(data, &said); err != nil || said.Event == "" {
		return false
	}
	if said.Agent == "" {
		said.Agent = said.AgentName
	}
	*r = report{topic: []byte(said.Topic), agent: []byte(said.Agent), group: []byte(said.Group), event: []byte(said.Event)}
	if said.Processing != nil {
		r.processing, r.processed = *said.Processing, true
	}
	return true
}

// fields shows the fields of a JSON object of strings without escapes and of numbers. It returns false, perhaps after some, if
// data is not one.
func fields(data []byte, show func(name, value []byte, text bool)) bool {
	rest, ok := bytes.CutPrefix(data, []byte("{"))
	for ok {
		var name, value []byte
		if name, rest, ok = plainString(rest); !ok {
			return false
		}
		if rest, ok = bytes.CutPrefix(rest, []byte(":")); !ok {
			return false
		}
		rest = bytes.TrimLeft(rest, " ")
		text := len(rest) > 0 && rest[0] == '"'
		if text {
			if value, rest, ok = plainString(rest); !ok {
				return false
			}
		} else {
			end := bytes.IndexAny(rest, ",}")
			if end < 1 || rest[0] != '-' && (rest[0] < '0' || rest[0] > '9') {
				return false
			}
			value, rest = rest[:end], rest[end:]
		}
		show(name, value, text)
		if len(rest) == 1 && rest[0] == '}' {
			return true
		}
		rest, ok = bytes.CutPrefix(rest, []byte(","))
	}
	return false
}

// plainString takes a string without escapes from the head of some JSON.
func plainString(data []byte) (text, rest []byte, ok bool) {
	data = bytes.TrimLeft(data, " ")
	if len(data) == 0 || data[0] != '"' {
		return nil, nil, false
	}
	end := bytes.IndexByte(data[1:], '"')
	if end < 0 || bytes.IndexByte(data[1:end+1], '\\') >= 0 {
		return nil, nil, false
	}
	return data[1 : end+1], data[end+2:], true
}
