package search

import (
	"context"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/registry/customresource/tableconvertor"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/meta/table"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"

	"github.com/seatrial/seatrial/api/names"
)

// Types of the cells of a column.
const (
	text  = "string"
	count = "integer"
)

// column is one of those that a table shows of a kind.
type column[T any] struct {
	name, kind string
	// last columns come after the age, and so do wide ones, which are shown to who asks for more.
	last, wide bool
	of         func(*T) any
}

func (c column[T]) afterAge() bool { return c.last || c.wide }

// columns make the tables of a kind whose Go type is T: name, cluster, what the kind has of its own, and age.
type columns[T any] []column[T]

var _ rest.TableConvertor = plain{}

// plain are the columns of kinds of which nothing more is known.
type plain = columns[metav1.PartialObjectMetadata]

// ConvertToTable implements rest.TableConvertor. Of an object that is not as its kind should be, its own cells are empty.
func (c columns[T]) ConvertToTable(_ context.Context, object, _ runtime.Object) (*metav1.Table, error) {
	made := &metav1.Table{ColumnDefinitions: c.headers()}
	if list, err := meta.ListAccessor(object); err == nil {
		made.ResourceVersion, made.Continue, made.RemainingItemCount = list.GetResourceVersion(), list.GetContinue(), list.GetRemainingItemCount()
	} else if single, err := meta.CommonAccessor(object); err == nil {
		made.ResourceVersion = single.GetResourceVersion()
	}
	var err error
	made.Rows, err = table.MetaToTableRow(object, func(object runtime.Object, of metav1.Object, name, age string) ([]any, error) {
		typed := new(T)
		if tree, isTree := object.(*unstructured.Unstructured); !isTree || runtime.DefaultUnstructuredConverter.FromUnstructured(tree.Object, typed) != nil {
			typed = nil
		}
		cells := append([]any{name, of.GetAnnotations()[names.AnnotationCachedFromCluster]}, c.cells(typed, false)...)
		return append(append(cells, age), c.cells(typed, true)...), nil
	})
	return made, err
}

func (c columns[T]) headers() []metav1.TableColumnDefinition {
	headers := []metav1.TableColumnDefinition{
		{Name: "Name", Type: text, Format: "name", Description: "Name of the object"},
		{Name: "Cluster", Type: text, Description: clusterColumn().Description},
	}
	var after []metav1.TableColumnDefinition
	for _, own := range c {
		header := metav1.TableColumnDefinition{Name: own.name, Type: own.kind}
		if own.wide {
			header.Priority = 1
		}
		if own.afterAge() {
			after = append(after, header)
		} else {
			headers = append(headers, header)
		}
	}
	headers = append(headers, metav1.TableColumnDefinition{Name: "Age", Type: text, Description: "Time since it was created"})
	return append(headers, after...)
}

func (c columns[T]) cells(typed *T, afterAge bool) []any {
	var cells []any
	for _, own := range c {
		switch {
		case own.afterAge() != afterAge:
		case typed == nil:
			cells = append(cells, nil)
		default:
			cells = append(cells, own.of(typed))
		}
	}
	return cells
}

func clusterColumn() apiextensionsv1.CustomResourceColumnDefinition {
	path := ".metadata.annotations." + strings.ReplaceAll(names.AnnotationCachedFromCluster, ".", `\.`)
	return apiextensionsv1.CustomResourceColumnDefinition{Name: "Cluster", Type: text, JSONPath: path, Description: "Cluster that it is in"}
}

// definedColumns are those that a CustomResourceDefinition names for a version, its age where it names none, and the cluster.
func definedColumns(definition *apiextensionsv1.CustomResourceDefinition, version string) (rest.TableConvertor, error) {
	shown := []apiextensionsv1.CustomResourceColumnDefinition{clusterColumn()}
	for _, served := range definition.Spec.Versions {
		if served.Name == version {
			shown = append(shown, served.AdditionalPrinterColumns...)
		}
	}
	if len(shown) == 1 {
		shown = append(shown, apiextensionsv1.CustomResourceColumnDefinition{
			Name: "Age", Type: "date", JSONPath: ".metadata.creationTimestamp", Description: "Time since it was created",
		})
	}
	return tableconvertor.New(shown)
}
