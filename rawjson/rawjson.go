// Package rawjson judges JSON without decoding it.
package rawjson

import (
	"bytes"
	"strconv"
)

// Canonical tells whether JSON is certainly as encoding/json writes maps: compact, its keys in order, and of strings and numbers
// only such as are sure to come back as they are, which are printable ASCII without escapes, and integers. What API servers keep
// mostly is. Two canonical values are equal if, and only if, their bytes are.
func Canonical(data []byte) bool {
	rest, ok := sortedValue(data, 0)
	return ok && len(rest) == 0
}

// Integers tells the members of an object. It reports false for anything but a canonical object whose members are integers that fit,
// of which it may have told some.
func Integers(data []byte, each func(name []byte, value int64)) bool {
	return Members(data, func(name, digits []byte) bool {
		value, err := strconv.ParseInt(string(digits), 10, 64)
		if err != nil || !plainInteger(digits) {
			return false
		}
		each(name, value)
		return true
	})
}

// Members tells the members of a canonical object, in order, until one is refused. It reports false then, and for anything but a
// canonical object, of which it may have told some.
func Members(data []byte, each func(name, value []byte) bool) bool {
	if len(data) < 2 || data[0] != '{' {
		return false
	}
	if data[1] == '}' {
		return len(data) == 2
	}
	var last []byte
	for rest := data[1:]; ; rest = rest[1:] {
		name, after, ok := plainText(rest)
		if !ok || last != nil && bytes.Compare(last, name) >= 0 || len(after) == 0 || after[0] != ':' {
			return false
		}
		last = name
		if rest, ok = sortedValue(after[1:], 1); !ok || len(rest) == 0 || !each(name, after[1:len(after)-len(rest)]) {
			return false
		}
		switch rest[0] {
		case ',':
		case '}':
			return len(rest) == 1
		default:
			return false
		}
	}
}

// Text is the content of a canonical string.
func Text(data []byte) (text string, ok bool) {
	content, rest, ok := plainText(data)
	return string(content), ok && len(rest) == 0
}

func plainInteger(data []byte) bool {
	if len(data) == 0 || string(data) == "0" {
		return len(data) > 0
	}
	rest, ok := plainNumber(data)
	return ok && len(rest) == 0
}

// deepest bounds the nesting that is looked into.
const deepest = 64

func sortedValue(data []byte, depth int) (rest []byte, ok bool) {
	if len(data) == 0 || depth > deepest {
		return nil, false
	}
	switch c := data[0]; {
	case c == '{':
		return sortedObject(data[1:], depth)
	case c == '[':
		return sortedArray(data[1:], depth)
	case c == '"':
		_, rest, ok = plainText(data)
		return rest, ok
	case c >= '1' && c <= '9', c == '-':
		return plainNumber(data)
	}
	for _, word := range []string{"0", "true", "false", "null"} {
		if rest, found := bytes.CutPrefix(data, []byte(word)); found {
			return rest, len(rest) == 0 || bytes.IndexByte([]byte(",]}"), rest[0]) >= 0
		}
	}
	return nil, false
}

func sortedObject(data []byte, depth int) (rest []byte, ok bool) {
	if len(data) > 0 && data[0] == '}' {
		return data[1:], true
	}
	var last []byte
	for first := true; ; first = false {
		key, after, ok := plainText(data)
		if !ok || !first && bytes.Compare(last, key) >= 0 || len(after) == 0 || after[0] != ':' {
			return nil, false
		}
		last = key
		if data, ok = sortedValue(after[1:], depth+1); !ok || len(data) == 0 {
			return nil, false
		}
		switch data[0] {
		case '}':
			return data[1:], true
		case ',':
			data = data[1:]
		default:
			return nil, false
		}
	}
}

func sortedArray(data []byte, depth int) (rest []byte, ok bool) {
	if len(data) > 0 && data[0] == ']' {
		return data[1:], true
	}
	for {
		if data, ok = sortedValue(data, depth+1); !ok || len(data) == 0 {
			return nil, false
		}
		switch data[0] {
		case ']':
			return data[1:], true
		case ',':
			data = data[1:]
		default:
			return nil, false
		}
	}
}

// plainText reads a string of printable ASCII that needs no escape.
func plainText(data []byte) (text, rest []byte, ok bool) {
	if len(data) == 0 || data[0] != '"' {
		return nil, nil, false
	}
	for i := 1; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			return data[1:i], data[i+1:], true
		case c < ' ', c > '~', c == '\\', c == '<', c == '>', c == '&':
			return nil, nil, false
		}
	}
	return nil, nil, false
}

// plainNumber reads an integer.
func plainNumber(data []byte) (rest []byte, ok bool) {
	i := 0
	if data[0] == '-' {
		i++
	}
	begin := i
	for i < len(data) && data[i] >= '0' && data[i] <= '9' {
		i++
	}
	if i == begin || data[begin] == '0' {
		return nil, false
	}
	return data[i:], i == len(data) || bytes.IndexByte([]byte(",]}"), data[i]) >= 0
}
