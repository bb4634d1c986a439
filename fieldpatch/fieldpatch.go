// Package fieldpatch writes single fields of objects that only controllers write, in the form that costs an API server least.
//
// Control planes are bound by the processor time of their API server. A patch made by comparing two whole objects, answered
// with a third, costs several times what its content is worth; the owners of fields that API servers keep for server-side
// apply double the size of small custom resources. Both are avoided here: a patch of anything but the status drops the owners
// that were recorded for plain writes. Nothing reads them on such objects, and an entry made by server-side apply keeps them all.
package fieldpatch

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"
	"strings"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	"k8s.io/apimachinery/pkg/api/equality"
	v1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Fields are what a patch sets, by the names on the wire. A nil value takes a field away; a map is merged, anything else
// replaces what was there.
type Fields struct {
	Labels      map[string]any
	Annotations map[string]any
	Spec        map[string]any
	Status      map[string]any
	// Finalizers take the place of all that were there; nil leaves those.
	Finalizers *[]string
	// KeepOwners is for objects that others write, too: they may want to know who owns a field.
	KeepOwners bool
	// Force writes also when the object has changed since it was read, which is a conflict otherwise. It is for fields that
	// nobody else writes.
	Force bool
}

// body is a JSON merge patch (RFC 7386).
type body struct {
	Metadata metadata       `json:"metadata"`
	Spec     map[string]any `json:"spec,omitempty"`
	Status   map[string]any `json:"status,omitempty"`
}

type metadata struct {
	ResourceVersion string                  `json:"resourceVersion,omitempty"`
	Labels          map[string]any          `json:"labels,omitempty"`
	Annotations     map[string]any          `json:"annotations,omitempty"`
	Finalizers      *[]string               `json:"finalizers,omitempty"`
	ManagedFields   []v1.ManagedFieldsEntry `json:"managedFields,omitempty"`
}

// Object sets labels, annotations, finalizers and spec of an object. The object takes over the version and the generation that came of it, and
// nothing else.
func Object(ctx context.Context, writer client.Client, read client.Object, fields Fields) error {
	var owners []v1.ManagedFieldsEntry
	if !fields.KeepOwners {
		owners = withoutOwners(read)
	}
	answer, patch, err := prepare(writer, read, fields, owners)
	if err != nil {
		return err
	}
	if err := writer.Patch(ctx, answer, patch, trusted, Unread{}); err != nil {
		return err
	}
	adopt(read, answer)
	return nil
}

// Status does the same to the status of an object, for which an API server does not let go of owners.
func Status(ctx context.Context, writer client.Client, read client.Object, fields Fields) error {
	answer, patch, err := prepare(writer, read, fields, nil)
	if err != nil {
		return err
	}
	if err := writer.Status().Patch(ctx, answer, patch, trusted, Unread{}); err != nil {
		return err
	}
	adopt(read, answer)
	return nil
}

// semantic is equality.Semantic, which would compare raw objects byte by byte through reflection.
var semantic = func() (equalities interface{ DeepEqual(a, b any) bool }) {
	copied := equality.Semantic.Copy()
	if err := copied.AddFunc(bytes.Equal); err != nil {
		panic(err)
	}
	return copied
}()

// Between lists the fields of a struct that differ, as they are in the second. Both are pointers to the same struct type, whose
// fields all have names on the wire.
func Between(before, after any) map[string]any {
	was, is := reflect.ValueOf(before).Elem(), reflect.ValueOf(after).Elem()
	changed := map[string]any{}
	for i := range is.NumField() {
		if semantic.DeepEqual(was.Field(i).Interface(), is.Field(i).Interface()) {
			continue
		}
		name, omits := wireName(is.Type().Field(i))
		if omits && empty(is.Field(i)) {
			changed[name] = nil
			continue
		}
		changed[name] = is.Field(i).Interface()
		if merges(is.Field(i).Type()) {
			changed[name] = replacement{before: was.Field(i).Interface(), after: is.Field(i).Interface()}
		}
	}
	return changed
}

// merges tells the types whose JSON is an object, which a merge patch would merge with what is there.
func merges(t reflect.Type) bool {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return (t.Kind() == reflect.Struct || t.Kind() == reflect.Map) && t != reflect.TypeFor[v1.Time]() && t != reflect.TypeFor[v1.MicroTime]()
}

// replacement is an object in the place of another one.
type replacement struct{ before, after any }

// MarshalJSON tells what to merge into the former object so that the latter comes of it.
func (r replacement) MarshalJSON() ([]byte, error) {
	before, err := json.Marshal(r.before)
	if err != nil {
		return nil, err
	}
	after, err := json.Marshal(r.after)
	if err != nil {
		return nil, err
	}
	if bytes.Equal(before, []byte("null")) {
		return after, nil
	}
	return jsonpatch.CreateMergePatch(before, after)
}

// BetweenTrees does the same to two trees of JSON values.
func BetweenTrees(before, after map[string]any) map[string]any {
	changed := map[string]any{}
	for name, value := range after {
		if was, there := before[name]; !there || !reflect.DeepEqual(was, value) {
			changed[name] = mergeable(was, value)
		}
	}
	for name := range before {
		if _, stays := after[name]; !stays {
			changed[name] = nil
		}
	}
	return changed
}

// BetweenText does the same to labels or annotations.
func BetweenText(before, after map[string]string) map[string]any {
	changed := map[string]any{}
	for key, value := range after {
		if was, there := before[key]; !there || was != value {
			changed[key] = value
		}
	}
	for key := range before {
		if _, stays := after[key]; !stays {
			changed[key] = nil
		}
	}
	return changed
}

// mergeable is what a merge patch has to say for a field to be left with a value: objects are merged.
func mergeable(was, value any) any {
	before, wasObject := was.(map[string]any)
	after, isObject := value.(map[string]any)
	if wasObject && isObject {
		return BetweenTrees(before, after)
	}
	return value
}

// wireName is what a field is called in JSON, and whether it is left out when it is empty.
func wireName(field reflect.StructField) (name string, omits bool) {
	name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
	for option := range strings.SplitSeq(options, ",") {
		omits = omits || option == "omitempty"
	}
	return name, omits
}

// empty is what encoding/json means by it.
func empty(value reflect.Value) bool {
	switch value.Kind() {
	case reflect.Slice, reflect.Map:
		return value.Len() == 0
	case reflect.Struct:
		return false
	}
	return value.IsZero()
}

// trusted spares the API server a search for unknown fields; what is written here comes out of Go types.
var trusted = &validation{}

type validation struct{}

func (*validation) ApplyToPatch(options *client.PatchOptions) { options.Raw = ignoring() }

func (*validation) ApplyToSubResourcePatch(options *client.SubResourcePatchOptions) {
	options.Raw = ignoring()
}

func ignoring() *v1.PatchOptions {
	return &v1.PatchOptions{FieldValidation: v1.FieldValidationIgnore}
}

// prepare makes a patch, and what takes the answer: metadata only.
func prepare(writer client.Client, read client.Object, fields Fields, owners []v1.ManagedFieldsEntry) (*v1.PartialObjectMetadata, client.Patch, error) {
	gvk, err := writer.GroupVersionKindFor(read)
	if err != nil {
		return nil, nil, err
	}
	content := body{
		Metadata: metadata{Labels: fields.Labels, Annotations: fields.Annotations, Finalizers: fields.Finalizers, ManagedFields: owners},
		Spec:     fields.Spec, Status: fields.Status,
	}
	if !fields.Force {
		content.Metadata.ResourceVersion = read.GetResourceVersion()
	}
	answer := &v1.PartialObjectMetadata{ObjectMeta: v1.ObjectMeta{Namespace: read.GetNamespace(), Name: read.GetName()}}
	answer.SetGroupVersionKind(gvk)
	return answer, &patch{content}, nil
}

func adopt(read client.Object, answer *v1.PartialObjectMetadata) {
	read.SetResourceVersion(answer.ResourceVersion)
	read.SetGeneration(answer.Generation)
}

// withoutOwners is the list by which an API server stops keeping owners of fields, nil when it should go on or keeps none.
func withoutOwners(read client.Object) []v1.ManagedFieldsEntry {
	entries := read.GetManagedFields()
	for i := range entries {
		if entries[i].Operation == v1.ManagedFieldsOperationApply {
			return nil
		}
	}
	if len(entries) == 0 {
		return nil
	}
	return []v1.ManagedFieldsEntry{{}}
}
