package tool

import (
	"strconv"

	"github.com/omniproxy/omniproxy/jsonbackend/lens/pyjson"
)

// Object is a JSON object whose members have an order.
type Object []Property

// Property is a member of an object. The value is a string, an int64, a float64, a bool, nil, a JSON, an Object, []Object or
// []string.
type Property struct {
	Name  string
	Value any
}

// JSON is a text that json.loads of Python accepts, so that NaN may be in it.
type JSON string

// jsonOf is a text as JSON, or as a string if it is none; nil if there is none.
func jsonOf(text string) any {
	switch {
	case text == "":
		return nil
	case pyjson.Check([]byte(text)) != nil:
		return text
	}
	return JSON(text)
}

// Document returns the object as a text of several lines.
func (o Object) Document() []byte { return document(o) }

// Document returns objects as an array, a text of several lines.
func Document(objects []Object) []byte { return document(objects) }

func document(value any) []byte {
	text := appendJSON(nil, value)
	if doc, err := pyjson.Indent(nil, text, 0); err == nil {
		text = doc
	}
	return append(text, '\n')
}

func appendJSON(dst []byte, value any) []byte {
	switch v := value.(type) {
	case string:
		return pyjson.QuoteBytes(dst, []byte(v))
	case JSON:
		return append(dst, v...)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float64:
		return strconv.AppendFloat(dst, v, 'g', -1, 64)
	case bool:
		return strconv.AppendBool(dst, v)
	case Object:
		dst = append(dst, '{')
		for i, p := range v {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			dst = pyjson.QuoteBytes(dst, []byte(p.Name))
			dst = appendJSON(append(dst, ": "...), p.Value)
		}
		return append(dst, '}')
	case []Object:
		return appendList(dst, v)
	case []string:
		return appendList(dst, v)
	}
	return append(dst, "null"...)
}

func appendList[T any](dst []byte, items []T) []byte {
	dst = append(dst, '[')
	for i, item := range items {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = appendJSON(dst, item)
	}
	return append(dst, ']')
}
