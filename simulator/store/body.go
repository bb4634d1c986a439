package store

import (
	"reflect"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// body takes objects of one kind apart. It works alike on trees and on Go types; both objects of a call have the same
// form.
type body struct {
	// status is the field index of the status, -1 when there is none; others are the fields beside type, metadata and
	// status. Unused for trees.
	status int
	others []int
}

// bodyOf inspects a Go type once; goType is nil for kinds that are kept as trees.
func bodyOf(goType reflect.Type) body {
	b := body{status: -1}
	if goType == nil {
		return b
	}
	for i := range goType.NumField() {
		switch goType.Field(i).Name {
		case "TypeMeta", "ObjectMeta":
		case "Status":
			b.status = i
		default:
			b.others = append(b.others, i)
		}
	}
	return b
}

// withoutOthers copies metadata and status of a Go value alone; everything below them stays shared.
func (b body) withoutOthers(object client.Object) client.Object {
	copied := shallow(object)
	value := reflect.ValueOf(copied).Elem()
	for _, index := range b.others {
		value.Field(index).SetZero()
	}
	return copied
}

// copyStatus gives to the status of from; from may be nil for none.
func (b body) copyStatus(to, from client.Object) {
	if tree, ok := to.(*unstructured.Unstructured); ok {
		var status any
		found := false
		if from != nil {
			status, found = from.(*unstructured.Unstructured).Object["status"]
		}
		if found {
			tree.Object["status"] = status
		} else {
			delete(tree.Object, "status")
		}
		return
	}
	if b.status < 0 {
		return
	}
	field := reflect.ValueOf(to).Elem().Field(b.status)
	if from == nil {
		field.SetZero()
		return
	}
	field.Set(reflect.ValueOf(from).Elem().Field(b.status))
}

// copyOthers gives to all content of from that is neither metadata nor status.
func (b body) copyOthers(to, from client.Object) {
	target, source := reflect.ValueOf(to).Elem(), reflect.ValueOf(from).Elem()
	for _, index := range b.others {
		target.Field(index).Set(source.Field(index))
	}
}

// same tells whether all content beside metadata is equal; withStatus false leaves the status out too.
func (b body) same(x, y client.Object, withStatus bool) bool {
	if tree, ok := x.(*unstructured.Unstructured); ok {
		return sameTrees(tree.Object, y.(*unstructured.Unstructured).Object, withStatus)
	}
	left, right := reflect.ValueOf(x).Elem(), reflect.ValueOf(y).Elem()
	for _, index := range b.others {
		if !sameField(left, right, index) {
			return false
		}
	}
	return !withStatus || b.status < 0 || sameField(left, right, b.status)
}

// sameStatus compares the statuses of two Go values.
func (b body) sameStatus(x, y client.Object) bool {
	return b.status < 0 || sameField(reflect.ValueOf(x).Elem(), reflect.ValueOf(y).Elem(), b.status)
}

func sameField(left, right reflect.Value, index int) bool {
	return apiequality.Semantic.DeepEqual(left.Field(index).Addr().Interface(), right.Field(index).Addr().Interface())
}

func sameTrees(x, y map[string]any, withStatus bool) bool {
	ignored := func(key string) bool {
		return key == "metadata" || (key == "status" && !withStatus)
	}
	for key, value := range x {
		other, found := y[key]
		if !ignored(key) && (!found || !reflect.DeepEqual(value, other)) {
			return false
		}
	}
	for key := range y {
		if _, found := x[key]; !found && !ignored(key) {
			return false
		}
	}
	return true
}

// shallow copies the object so that its metadata's own fields can be set; everything below stays shared.
func shallow(object client.Object) client.Object {
	if tree, ok := object.(*unstructured.Unstructured); ok {
		content := make(map[string]any, len(tree.Object))
		for key, value := range tree.Object {
			content[key] = value
		}
		if metadata, ok := content["metadata"].(map[string]any); ok {
			copied := make(map[string]any, len(metadata))
			for key, value := range metadata {
				copied[key] = value
			}
			content["metadata"] = copied
		}
		return &unstructured.Unstructured{Object: content}
	}
	copied := reflect.New(reflect.TypeOf(object).Elem())
	copied.Elem().Set(reflect.ValueOf(object).Elem())
	return copied.Interface().(client.Object)
}
