package search

import (
	"context"
	"fmt"
	"mime"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/apiserver/pkg/registry/rest"
)

// Kinds of meta.k8s.io that objects may be asked for as. A list may be asked for by the name of its items' kind with "List".
const (
	asTable    = "Table"
	asMetadata = "PartialObjectMetadata"
)

// form is how a client wants objects: as they are, as rows of a table, or by their metadata alone.
type form struct {
	// kind is one of those above, or empty for objects as they are; version is that of meta.k8s.io.
	kind    string
	version schema.GroupVersion
	// include is what comes with each row of a table.
	include metav1.IncludeObjectPolicy
	columns rest.TableConvertor
}

// formOf reads what a client accepts. The first form that there is counts.
func (s *Search) formOf(r *http.Request, resource schema.GroupVersionResource) (form, error) {
	f := form{include: metav1.IncludeObjectPolicy(r.URL.Query().Get("includeObject"))}
	switch f.include {
	case "":
		f.include = metav1.IncludeMetadata
	case metav1.IncludeNone, metav1.IncludeMetadata, metav1.IncludeObject:
	default:
		return form{}, apierrors.NewBadRequest(fmt.Sprintf("includeObject %q is none of None, Metadata and Object", f.include))
	}
	for accepted := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		media, parameters, err := mime.ParseMediaType(strings.TrimSpace(accepted))
		if err != nil {
			continue
		}
		kind := strings.TrimSuffix(parameters["as"], "List")
		version := schema.GroupVersion{Group: parameters["g"], Version: parameters["v"]}
		switch {
		case kind == "" && (media == runtime.ContentTypeJSON || media == "application/*" || media == "*/*"):
			return f, nil
		case media != runtime.ContentTypeJSON || version.Group != metav1.GroupName || version.Version != "v1" && version.Version != "v1beta1":
		case kind == asMetadata:
			f.kind, f.version = kind, version
			return f, nil
		case kind == asTable:
			f.kind, f.version = kind, version
			f.columns = s.definitions.columnsOf(r.Context(), resource, s.cache.Clusters(resource))
			return f, nil
		}
	}
	// Clients that want another encoding get JSON all the same, and read it by its type.
	return f, nil
}

// of is an object, or a list of them, in this form.
func (f form) of(ctx context.Context, object runtime.Object) (any, error) {
	switch f.kind {
	case asTable:
		return f.table(ctx, object)
	case asMetadata:
		return f.metadata(object), nil
	}
	return object, nil
}

// event is what a watch tells, in this form. A table without rows is a bookmark.
func (f form) event(ctx context.Context, event watch.Event) (runtime.Object, error) {
	object, isObject := event.Object.(*unstructured.Unstructured)
	if f.kind == "" || !isObject {
		return event.Object, nil
	}
	if f.kind == asMetadata {
		return f.metadata(object), nil
	}
	if event.Type == watch.Bookmark {
		return &metav1.Table{TypeMeta: f.typeOf(asTable), ListMeta: metav1.ListMeta{ResourceVersion: object.GetResourceVersion()}}, nil
	}
	return f.table(ctx, object)
}

func (f form) typeOf(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: f.version.String(), Kind: kind}
}

func (f form) table(ctx context.Context, object runtime.Object) (*metav1.Table, error) {
	table, err := f.columns.ConvertToTable(ctx, object, nil)
	if err != nil {
		return nil, apierrors.NewInternalError(fmt.Errorf("making a table: %w", err))
	}
	table.TypeMeta = f.typeOf(asTable)
	for i := range table.Rows {
		row := &table.Rows[i].Object
		shown, isObject := row.Object.(*unstructured.Unstructured)
		switch {
		case f.include == metav1.IncludeNone || !isObject:
			row.Object = nil
		case f.include == metav1.IncludeMetadata:
			row.Object = f.metadata(shown)
		}
	}
	return table, nil
}

// metadata leaves away all else of an object, or of those in a list.
func (f form) metadata(object runtime.Object) runtime.Object {
	list, isList := object.(*unstructured.UnstructuredList)
	if !isList {
		kept := &unstructured.Unstructured{Object: map[string]any{"metadata": object.(*unstructured.Unstructured).Object["metadata"]}}
		kept.SetGroupVersionKind(f.version.WithKind(asMetadata))
		return kept
	}
	kept := &unstructured.UnstructuredList{Object: list.Object, Items: make([]unstructured.Unstructured, 0, len(list.Items))}
	for i := range list.Items {
		kept.Items = append(kept.Items, *f.metadata(&list.Items[i]).(*unstructured.Unstructured))
	}
	kept.SetGroupVersionKind(f.version.WithKind(asMetadata + "List"))
	return kept
}
