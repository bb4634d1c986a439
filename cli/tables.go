package cli

import (
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/cli-runtime/pkg/printers"
	"k8s.io/kubectl/pkg/cmd/get"

	"github.com/seatrial/seatrial/api/names"
)

// Values of the column ADOPTION.
const (
	adopted    = "Y"
	notAdopted = "N"
	ofPlane    = "-"
)

// seen is what one place gave to print: a *metav1.Table, an object or a list, or a *metav1.WatchEvent of one of them.
type seen struct {
	place
	// mapping is nil for objects that are not laid out in tables.
	mapping       *meta.RESTMapping
	withNamespace bool
	object        runtime.Object
	// hidden rows are not shown: only changes are.
	hidden bool
}

// located is the table of what was seen, with the columns CLUSTER and ADOPTION.
func (s seen) located() *metav1.Table {
	table, laidOut := s.object.(*metav1.Table)
	if !laidOut {
		table = byNameAndAge(s.object)
	}
	table = table.DeepCopy()
	if len(table.ColumnDefinitions) > 0 {
		adoption := metav1.TableColumnDefinition{Name: "Adoption", Type: "string"}
		if s.mapping != nil && s.mapping.Resource.Resource == "pods" {
			adoption.Priority = 1
		}
		table.ColumnDefinitions = slices.Insert(table.ColumnDefinitions, 1, metav1.TableColumnDefinition{Name: "Cluster", Type: "string"})
		table.ColumnDefinitions = append(table.ColumnDefinitions, adoption)
	}
	if s.hidden {
		table.Rows = nil
	}
	for i := range table.Rows {
		row := &table.Rows[i]
		row.Cells = append(slices.Insert(row.Cells, min(1, len(row.Cells)), any(s.name)), s.adoption(row.Object.Object))
	}
	return table
}

func (s seen) adoption(object runtime.Object) string {
	if !s.member {
		return ofPlane
	}
	if found, err := meta.Accessor(object); err == nil && found.GetLabels()[names.LabelManaged] == names.LabelManagedValue {
		return adopted
	}
	return notAdopted
}

// byNameAndAge lays out what a server would not.
func byNameAndAge(object runtime.Object) *metav1.Table {
	table := &metav1.Table{ColumnDefinitions: []metav1.TableColumnDefinition{
		{Name: "Name", Type: "string", Format: "name"}, {Name: "Age", Type: "string"},
	}}
	items := []runtime.Object{object}
	if meta.IsListType(object) {
		// What is a list has items.
		items, _ = meta.ExtractList(object)
	}
	for _, item := range items {
		found, err := meta.Accessor(item)
		if err != nil {
			continue
		}
		age := "<unknown>"
		if created := found.GetCreationTimestamp(); !created.IsZero() {
			age = duration.HumanDuration(time.Since(created.Time))
		}
		table.Rows = append(table.Rows, metav1.TableRow{Cells: []any{found.GetName(), age}, Object: runtime.RawExtension{Object: item}})
	}
	return table
}

// printTables prints one table for each kind, with the rows of all places, and tells how many there were.
func printTables(options *get.GetOptions, all []seen) (rows int, err error) {
	var kinds []seen
	tables := map[string]*metav1.Table{}
	for _, s := range all {
		key := s.mapping.Resource.String()
		table := s.located()
		if known := tables[key]; known != nil {
			known.Rows = append(known.Rows, table.Rows...)
			continue
		}
		kinds, tables[key] = append(kinds, s), table
	}
	by := options.SortBy
	options.SortBy = ""
	for _, kind := range kinds {
		table := tables[kind.mapping.Resource.String()]
		if len(table.Rows) == 0 {
			continue
		}
		if err := sortRows(table, by); err != nil {
			return rows, err
		}
		if rows > 0 && !options.NoHeaders {
			fmt.Fprintln(options.Out)
		}
		rows += len(table.Rows)
		printer, err := options.ToPrinter(kind.mapping, nil, kind.withNamespace, len(kinds) > 1)
		if err != nil {
			return rows, err
		}
		if err := printer.PrintObj(table, options.Out); err != nil {
			return rows, err
		}
	}
	return rows, nil
}

// sortRows sorts the rows of all places together.
func sortRows(table *metav1.Table, by string) error {
	if by == "" {
		return nil
	}
	field, err := get.RelaxedJSONPathExpression(by)
	if err != nil {
		return fmt.Errorf("--sort-by %q: %w", by, err)
	}
	sorter, err := get.NewTableSorter(table, field)
	if err != nil {
		return fmt.Errorf("--sort-by %q: %w", by, err)
	}
	return sorter.Sort()
}

// printObjects prints the objects of all places in one of the formats for machines.
func printObjects(options *get.GetOptions, all []seen, several bool) error {
	if len(all) == 0 {
		return nil
	}
	printer, err := options.ToPrinter(nil, nil, false, false)
	if err != nil {
		return err
	}
	if !several {
		for _, s := range all {
			if err := printer.PrintObj(s.object, options.Out); err != nil {
				return err
			}
		}
		return nil
	}
	list := &unstructured.UnstructuredList{Object: map[string]any{"apiVersion": "v1", "kind": "List", "metadata": map[string]any{"resourceVersion": ""}}}
	for _, s := range all {
		list.Items = append(list.Items, s.objects()...)
	}
	return printer.PrintObj(list, options.Out)
}

// objects are marked with the member they come from.
func (s seen) objects() []unstructured.Unstructured {
	var items []unstructured.Unstructured
	switch found := s.object.(type) {
	case *unstructured.UnstructuredList:
		items = found.Items
	case *unstructured.Unstructured:
		items = append(items, *found)
	}
	if s.member {
		for i := range items {
			annotations := items[i].GetAnnotations()
			if annotations == nil {
				annotations = map[string]string{}
			}
			annotations[names.AnnotationCachedFromCluster] = s.name
			items[i].SetAnnotations(annotations)
		}
	}
	return items
}

// livePrinter shows what many places tell, one after the other, under one header.
type livePrinter struct {
	options *get.GetOptions
	lock    sync.Mutex
	printer printers.ResourcePrinterFunc
	out     interface {
		io.Writer
		Flush() error
	}
}

func newLivePrinter(options *get.GetOptions) *livePrinter {
	options.SortBy = ""
	// The same writer throughout keeps columns where they are.
	return &livePrinter{options: options, out: printers.GetNewTabWriter(options.Out)}
}

func (l *livePrinter) print(s seen) error {
	l.lock.Lock()
	defer l.lock.Unlock()
	if l.printer == nil {
		var err error
		if l.printer, err = l.options.ToPrinter(s.mapping, nil, s.withNamespace, false); err != nil {
			return err
		}
	}
	object := s.object
	event, isEvent := object.(*metav1.WatchEvent)
	switch {
	case l.options.IsHumanReadablePrinter && isEvent:
		s.object = event.Object.Object
		object = &metav1.WatchEvent{Type: event.Type, Object: runtime.RawExtension{Object: s.located()}}
	case l.options.IsHumanReadablePrinter:
		object = s.located()
	case s.hidden:
		return nil
	}
	if err := l.printer.PrintObj(object, l.out); err != nil {
		return err
	}
	return l.out.Flush()
}
