package fieldpatch

import (
	"encoding/json"
	"fmt"
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
	if p.body.Spec != nil || p.body.Metadata.Annotations != nil || p.body.Metadata.ManagedFields != nil {
		return false
	}
	status := reflect.ValueOf(object).Elem().FieldByName("Status")
	if !status.IsValid() || status.Kind() != reflect.Struct {
		return false
	}
	values := make(map[int]reflect.Value, len(p.body.Status))
	for i := range status.NumField() {
		field := status.Type().Field(i)
		name, _ := wireName(field)
		said, found := p.body.Status[name]
		if !found {
			continue
		}
		if whole, replaces := said.(replacement); replaces && p.body.Metadata.ResourceVersion != "" {
			// The version sees to it that what is replaced is what was compared.
			values[i] = reflect.ValueOf(whole.after)
			continue
		}
		value, ok := inPlaceOf(said, field.Type)
		if !ok {
			return false
		}
		values[i] = value
	}
	if len(values) < len(p.body.Status) {
		return false
	}
	for i, value := range values {
		status.Field(i).Set(value)
	}
	if version := p.body.Metadata.ResourceVersion; version != "" {
		object.SetResourceVersion(version)
	}
	return true
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
		return value, value.Type() == field && field == reflect.TypeFor[*metav1.Time]()
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
