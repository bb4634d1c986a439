package webhook

import (
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gomodules.xyz/jsonpatch/v2"
)

// patch lists what makes one tree of JSON the other, as operations of RFC 6902 in the order of the fields. Lists of the same length
// change element by element, others as a whole. Numbers stay what they are: whole ones above 2^53 are no floats on the way.
func patch(at string, from, to any) []jsonpatch.Operation {
	if reflect.DeepEqual(from, to) {
		return nil
	}
	switch to := to.(type) {
	case map[string]any:
		if from, ok := from.(map[string]any); ok {
			return patchFields(at, from, to)
		}
	case []any:
		if from, ok := from.([]any); ok && len(from) == len(to) {
			var all []jsonpatch.Operation
			for i := range to {
				all = append(all, patch(at+"/"+strconv.Itoa(i), from[i], to[i])...)
			}
			return all
		}
	}
	return []jsonpatch.Operation{jsonpatch.NewOperation("replace", at, to)}
}

func patchFields(at string, from, to map[string]any) []jsonpatch.Operation {
	// Of RFC 6901.
	escaped := strings.NewReplacer("~", "~0", "/", "~1")
	keys := slices.Collect(maps.Keys(from))
	for key := range to {
		if _, known := from[key]; !known {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	var all []jsonpatch.Operation
	for _, key := range keys {
		field := at + "/" + escaped.Replace(key)
		was, known := from[key]
		is, stays := to[key]
		switch {
		case !stays:
			all = append(all, jsonpatch.NewOperation("remove", field, nil))
		case !known:
			all = append(all, jsonpatch.NewOperation("add", field, is))
		default:
			all = append(all, patch(field, was, is)...)
		}
	}
	return all
}
