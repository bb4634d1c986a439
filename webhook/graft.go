package webhook

import (
	"maps"
	"reflect"
)

// graft carries what changed between two trees of JSON over to a third, of which the first shows only a part: fields that the Go
// types do not know stay as they are. Lists of the same length change element by element, others as a whole.
func graft(onto, before, after any) any {
	if reflect.DeepEqual(before, after) {
		return onto
	}
	switch after := after.(type) {
	case map[string]any:
		before, wasMap := before.(map[string]any)
		current, isMap := onto.(map[string]any)
		if !wasMap || !isMap && onto != nil {
			return after
		}
		return graftFields(current, before, after)
	case []any:
		before, wasList := before.([]any)
		current, isList := onto.([]any)
		if !wasList || !isList || len(before) != len(after) || len(current) != len(after) {
			return after
		}
		grafted := make([]any, len(after))
		for i := range after {
			grafted[i] = graft(current[i], before[i], after[i])
		}
		return grafted
	default:
		return after
	}
}

func graftFields(current, before, after map[string]any) map[string]any {
	grafted := map[string]any{}
	maps.Copy(grafted, current)
	for key := range before {
		if _, kept := after[key]; !kept {
			delete(grafted, key)
		}
	}
	for key, value := range after {
		was, known := before[key]
		if known && reflect.DeepEqual(was, value) {
			continue
		}
		grafted[key] = graft(current[key], was, value)
	}
	return grafted
}
