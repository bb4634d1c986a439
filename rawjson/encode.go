package rawjson

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
)

// Encode writes a tree of JSON values, byte for byte as encoding/json does, in a fraction of its time. Errors are those of
// encoding/json, for values that JSON cannot hold.
func Encode(tree any) ([]byte, error) {
	encoded, err := appendValue(make([]byte, 0, 2048), tree)
	if err != nil {
		return nil, err
	}
	// Whoever encodes something keeps it, and mostly much of it.
	return bytes.Clone(encoded), nil
}

func appendValue(buffer []byte, value any) ([]byte, error) {
	switch value := value.(type) {
	case nil:
		return append(buffer, "null"...), nil
	case string:
		return appendString(buffer, value)
	case bool:
		return strconv.AppendBool(buffer, value), nil
	case int64:
		return strconv.AppendInt(buffer, value, 10), nil
	case map[string]any:
		if value != nil {
			return appendObject(buffer, value)
		}
	case []any:
		if value != nil {
			return appendArray(buffer, value)
		}
	}
	return appendOther(buffer, value)
}

func appendObject(buffer []byte, object map[string]any) (_ []byte, err error) {
	var room [32]string
	keys := room[:0]
	for key := range object {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	buffer = append(buffer, '{')
	for i, key := range keys {
		if i > 0 {
			buffer = append(buffer, ',')
		}
		if buffer, err = appendString(buffer, key); err != nil {
			return nil, err
		}
		if buffer, err = appendValue(append(buffer, ':'), object[key]); err != nil {
			return nil, err
		}
	}
	return append(buffer, '}'), nil
}

func appendArray(buffer []byte, array []any) (_ []byte, err error) {
	buffer = append(buffer, '[')
	for i, element := range array {
		if i > 0 {
			buffer = append(buffer, ',')
		}
		if buffer, err = appendValue(buffer, element); err != nil {
			return nil, err
		}
	}
	return append(buffer, ']'), nil
}

func appendString(buffer []byte, text string) ([]byte, error) {
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ', c > '~', c == '"', c == '\\', c == '<', c == '>', c == '&':
			return appendOther(buffer, text)
		}
	}
	buffer = append(buffer, '"')
	buffer = append(buffer, text...)
	return append(buffer, '"'), nil
}

// appendOther leaves what takes more than copying to encoding/json.
func appendOther(buffer []byte, value any) ([]byte, error) {
	encoded, err := json.Marshal(value)
	return append(buffer, encoded...), err
}
