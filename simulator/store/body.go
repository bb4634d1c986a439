package store

import (
	"bytes"
	"reflect"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
	// encoded says all there is in the metadata, under metadataField, and in each field.
	encoded  map[int]encode
	encoders *encoders
}

// metadataField stands for the metadata among the fields.
const metadataField = -2

// bodyOf inspects a Go type once; goType is nil for kinds that are kept as trees.
func bodyOf(goType reflect.Type, encoders *encoders) body {
	b := body{status: -1, encoded: map[int]encode{}, encoders: encoders}
	if goType == nil {
		return b
	}
	b.encoded[metadataField] = encoders.find(reflect.TypeFor[metav1.ObjectMeta]())
	for i := range goType.NumField() {
		switch goType.Field(i).Name {
		case "TypeMeta", "ObjectMeta":
			continue
		case "Status":
			b.status = i
		default:
			b.others = append(b.others, i)
		}
		b.encoded[i] = encoders.find(goType.Field(i).Type)
	}
	return b
}

// statusAlone is a Go value with the status of another one, which it shares, and nothing else.
func (b body) statusAlone(object client.Object) client.Object {
	alone := reflect.New(reflect.TypeOf(object).Elem()).Interface().(client.Object)
	b.copyStatus(alone, object)
	return alone
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
		if !b.sameValue(left.Field(index), right.Field(index), index) {
			return false
		}
	}
	return !withStatus || b.sameStatus(x, y)
}

// sameStatus compares the statuses of two Go values.
func (b body) sameStatus(x, y client.Object) bool {
	return b.status < 0 ||
		b.sameValue(reflect.ValueOf(x).Elem().Field(b.status), reflect.ValueOf(y).Elem().Field(b.status), b.status)
}

// sameMetadata compares the metadata of two objects.
func (b body) sameMetadata(x, y client.Object) bool {
	if tree, ok := x.(*unstructured.Unstructured); ok {
		return reflect.DeepEqual(tree.Object["metadata"], y.(*unstructured.Unstructured).Object["metadata"])
	}
	left, leftOK := x.(metav1.ObjectMetaAccessor)
	right, rightOK := y.(metav1.ObjectMetaAccessor)
	return leftOK && rightOK &&
		b.sameValue(reflect.ValueOf(left.GetObjectMeta()).Elem(), reflect.ValueOf(right.GetObjectMeta()).Elem(), metadataField)
}

// sameValue compares a field of two canonical values by what they are encoded in.
func (b body) sameValue(left, right reflect.Value, field int) bool {
	buffer := b.encoders.buffer()
	defer b.encoders.release(buffer)
	*buffer = b.encoded[field]((*buffer)[:0], left)
	length := len(*buffer)
	*buffer = b.encoded[field](*buffer, right)
	return bytes.Equal((*buffer)[:length], (*buffer)[length:])
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
