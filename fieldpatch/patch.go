package fieldpatch

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// patch is a merge patch that is encoded when somebody asks for its bytes.
type patch struct{ body body }

// Type implements client.Patch.
func (p *patch) Type() types.PatchType { return types.MergePatchType }

// Data implements client.Patch.
func (p *patch) Data(client.Object) ([]byte, error) {
	encoded, err := json.Marshal(p.body)
	if err != nil {
		return nil, fmt.Errorf("encoding a patch: %w", err)
	}
	return encoded, nil
}

// SetStatus does to a Go value what the patch does to its JSON, where it changes nothing but the status. The fields take over
// the values of the patch as they are. It reports false, and changes nothing, when only JSON knows what would come of it:
// objects within a status are merged, not replaced.
func (p *patch) SetStatus(object client.Object) bool {
	if said := p.body.Metadata; p.body.Spec != nil || said.Labels != nil || said.Annotations != nil || said.Finalizers != nil || said.ManagedFields != nil {
		return false
	}
	if !p.set(object, "Status", p.body.Status) {
		return false
	}
	p.demandVersion(object)
	return true
}

// SetObject does the same where the patch leaves the status alone. It forgets about the owners of fields.
func (p *patch) SetObject(object client.Object) bool {
	if p.body.Status != nil {
		return false
	}
	labels, labelled := mergedText(object.GetLabels(), p.body.Metadata.Labels)
	annotations, annotated := mergedText(object.GetAnnotations(), p.body.Metadata.Annotations)
	if !labelled || !annotated || len(p.body.Spec) > 0 && !p.set(object, "Spec", p.body.Spec) {
		return false
	}
	object.SetLabels(labels)
	object.SetAnnotations(annotations)
	if p.body.Metadata.Finalizers != nil {
		object.SetFinalizers(*p.body.Metadata.Finalizers)
	}
	p.demandVersion(object)
	return true
}

func (p *patch) demandVersion(object client.Object) {
	if version := p.body.Metadata.ResourceVersion; version != "" {
		object.SetResourceVersion(version)
	}
}

// set gives values to the fields of a part of an object.
func (p *patch) set(object client.Object, part string, said map[string]any) bool {
	target := reflect.ValueOf(object).Elem().FieldByName(part)
	if !target.IsValid() || target.Kind() != reflect.Struct {
		return false
	}
	values := make(map[int]reflect.Value, len(said))
	for i := range target.NumField() {
		field := target.Type().Field(i)
		name, _ := wireName(field)
		content, found := said[name]
		if !found {
			continue
		}
		if whole, replaces := content.(replacement); replaces && p.body.Metadata.ResourceVersion != "" {
			// The version sees to it that what is replaced is what was compared.
			values[i] = reflect.ValueOf(whole.after)
			continue
		}
		value, ok := inPlaceOf(content, field.Type)
		if !ok {
			return false
		}
		values[i] = value
	}
	if len(values) < len(said) {
		return false
	}
	for i, value := range values {
		target.Field(i).Set(value)
	}
	return true
}

// mergedText is what comes of labels or annotations, in a map of its own unless nothing changes.
func mergedText(before map[string]string, said map[string]any) (after map[string]string, ok bool) {
	if len(said) == 0 {
		return before, true
	}
	after = maps.Clone(before)
	if after == nil {
		after = make(map[string]string, len(said))
	}
	for key, value := range said {
		switch value := value.(type) {
		case nil:
			delete(after, key)
		case string:
			after[key] = value
		default:
			return nil, false
		}
	}
	return after, true
}

// inPlaceOf is a value as a field of a type holds it, if it takes the place of whatever was there.
func inPlaceOf(said any, field reflect.Type) (value reflect.Value, ok bool) {
	if said == nil {
		return reflect.Zero(field), true
	}
	value = reflect.ValueOf(said)
	switch value.Kind() {
	case reflect.Struct, reflect.Map, reflect.Interface:
		return value, false
	case reflect.Pointer:
		return value, value.Type() == field && (field == reflect.TypeFor[*metav1.Time]() || field == reflect.TypeFor[*metav1.MicroTime]())
	case reflect.Int64:
		if value.Type() != field && value.Type() == reflect.TypeFor[int64]() && field.Kind() == reflect.Int32 {
			return value.Convert(field), int64(int32(value.Int())) == value.Int()
		}
	case reflect.Slice:
		if elements, tree := said.([]any); tree && field != value.Type() {
			return structs(elements, field)
		}
	}
	return value, value.Type() == field
}

// structs makes a slice of structs of what JSON calls an array of objects.
func structs(elements []any, field reflect.Type) (value reflect.Value, ok bool) {
	if field.Kind() != reflect.Slice || field.Elem().Kind() != reflect.Struct {
		return value, false
	}
	value = reflect.MakeSlice(field, len(elements), len(elements))
	for i, element := range elements {
		object, isObject := element.(map[string]any)
		if !isObject || runtime.DefaultUnstructuredConverter.FromUnstructured(object, value.Index(i).Addr().Interface()) != nil {
			return value, false
		}
	}
	return value, true
}
