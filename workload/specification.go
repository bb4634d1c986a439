package workload

import (
	"maps"
	"reflect"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// SameSpecification tells whether two versions of a template, both unstructured or both of its Go type, differ only in status
// and bookkeeping.
func SameSpecification(old, current client.Object) bool {
	if old.GetDeletionTimestamp().IsZero() != current.GetDeletionTimestamp().IsZero() ||
		!maps.Equal(old.GetLabels(), current.GetLabels()) || !maps.Equal(old.GetAnnotations(), current.GetAnnotations()) {
		return false
	}
	if generation := current.GetGeneration(); generation != 0 && generation == old.GetGeneration() {
		return true
	}
	return reflect.DeepEqual(content(old), content(current))
}

// SameStatus tells the same of their statuses.
func SameStatus(old, current client.Object) bool {
	return Equal(status(old), status(current))
}

func status(object client.Object) any {
	if tree, ok := object.(*unstructured.Unstructured); ok {
		return tree.Object["status"]
	}
	if field := reflect.ValueOf(object).Elem().FieldByName("Status"); field.IsValid() {
		return field.Interface()
	}
	return nil
}

// content is all but metadata and status.
func content(object client.Object) map[string]any {
	if tree, ok := object.(*unstructured.Unstructured); ok {
		return Specification(tree)
	}
	fields := map[string]any{}
	value := reflect.ValueOf(object).Elem()
	for i := range value.NumField() {
		switch name := value.Type().Field(i).Name; name {
		case "TypeMeta", "ObjectMeta", "Status":
		default:
			fields[name] = value.Field(i).Interface()
		}
	}
	return fields
}

// Specification is what users say in a template: its content without status, and of its metadata the labels and annotations, under
// the keys "labels" and "annotations". It shares memory with the template.
func Specification(template *unstructured.Unstructured) map[string]any {
	kept := make(map[string]any, len(template.Object)+2)
	for key, value := range template.Object {
		if key != "status" && key != "metadata" {
			kept[key] = value
		}
	}
	kept["labels"], kept["annotations"] = template.GetLabels(), template.GetAnnotations()
	return kept
}
