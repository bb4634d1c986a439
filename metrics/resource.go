package metrics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/endpoints/request"
	"k8s.io/apiserver/pkg/registry/rest"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/autoscale/custom"
)

// use is the storage of what pods or nodes use: it keeps nothing, and asks members.
type use struct {
	fleet      *fleet
	resource   string
	singular   string
	kind       string
	namespaced bool
	one, list  func() runtime.Object
}

var (
	_ rest.Getter               = &use{}
	_ rest.Lister               = &use{}
	_ rest.Scoper               = &use{}
	_ rest.KindProvider         = &use{}
	_ rest.SingularNameProvider = &use{}
)

// usage returns the storage of metrics.k8s.io, by resource.
func usage(asked *fleet) map[string]rest.Storage {
	return map[string]rest.Storage{
		"pods": &use{
			fleet: asked, resource: "pods", singular: "pod", kind: "PodMetrics", namespaced: true,
			one:  func() runtime.Object { return &metricsv1beta1.PodMetrics{} },
			list: func() runtime.Object { return &metricsv1beta1.PodMetricsList{} },
		},
		"nodes": &use{
			fleet: asked, resource: "nodes", singular: "node", kind: "NodeMetrics",
			one:  func() runtime.Object { return &metricsv1beta1.NodeMetrics{} },
			list: func() runtime.Object { return &metricsv1beta1.NodeMetricsList{} },
		},
	}
}

func (u *use) New() runtime.Object     { return u.one() }
func (u *use) NewList() runtime.Object { return u.list() }
func (u *use) Kind() string            { return u.kind }
func (u *use) NamespaceScoped() bool   { return u.namespaced }
func (u *use) GetSingularName() string { return u.singular }

// Destroy does nothing: there is nothing to close.
func (u *use) Destroy() {}

// ask asks members for the sample of a name, or for all without one.
func (u *use) ask(ctx context.Context, name string, parameters map[string]string) ([]answer[[]byte], error) {
	namespace := request.NamespaceValue(ctx)
	if err := custom.CheckSegments(namespace, name); err != nil {
		return nil, err
	}
	root := path.Join("/apis", metricsv1beta1.SchemeGroupVersion.String())
	if namespace != "" {
		root = path.Join(root, "namespaces", namespace)
	}
	return u.fleet.get(ctx, path.Join(root, u.resource, name), parameters)
}

// Get implements rest.Getter. A name that several clusters have is a conflict.
func (u *use) Get(ctx context.Context, name string, _ *metav1.GetOptions) (runtime.Object, error) {
	answers, err := u.ask(ctx, name, nil)
	if err != nil {
		return nil, err
	}
	resource := metricsv1beta1.Resource(u.resource)
	switch len(answers) {
	case 0:
		return nil, apierrors.NewNotFound(resource, name)
	case 1:
	default:
		return nil, apierrors.NewConflict(resource, name, fmt.Errorf("several clusters have one, %s and %s among them: list them, or ask one cluster by its proxy", answers[0].cluster, answers[1].cluster))
	}
	found := u.one()
	if err := json.Unmarshal(answers[0].said, found); err != nil {
		return nil, apierrors.NewInternalError(fmt.Errorf("decoding the answer of cluster %s: %w", answers[0].cluster, err))
	}
	return found, mark(found, answers[0].cluster)
}

// List implements rest.Lister.
func (u *use) List(ctx context.Context, options *internalversion.ListOptions) (runtime.Object, error) {
	parameters := map[string]string{}
	wanted := fields.Everything()
	if options != nil && options.LabelSelector != nil && !options.LabelSelector.Empty() {
		parameters["labelSelector"] = options.LabelSelector.String()
	}
	if options != nil && options.FieldSelector != nil {
		wanted = options.FieldSelector
	}
	answers, err := u.ask(ctx, "", parameters)
	if err != nil {
		return nil, err
	}
	items := []runtime.Object{}
	for _, a := range answers {
		found, err := u.items(a, wanted)
		if err != nil {
			return nil, apierrors.NewInternalError(fmt.Errorf("reading the answer of cluster %s: %w", a.cluster, err))
		}
		items = append(items, found...)
	}
	all := u.list()
	return all, meta.SetList(all, items)
}

// items are those of one answer that have certain fields, marked with their cluster.
func (u *use) items(a answer[[]byte], wanted fields.Selector) ([]runtime.Object, error) {
	list := u.list()
	if err := json.Unmarshal(a.said, list); err != nil {
		return nil, err
	}
	items, err := meta.ExtractList(list)
	if err != nil {
		return nil, err
	}
	var found []runtime.Object
	for _, item := range items {
		accessor, err := meta.Accessor(item)
		if err != nil {
			return nil, err
		}
		if !wanted.Matches(fields.Set{"metadata.name": accessor.GetName(), "metadata.namespace": accessor.GetNamespace()}) {
			continue
		}
		if err := mark(item, a.cluster); err != nil {
			return nil, err
		}
		found = append(found, item)
	}
	return found, nil
}

// mark says of a sample which cluster it is from.
func mark(sample runtime.Object, cluster string) error {
	accessor, err := meta.Accessor(sample)
	if err != nil {
		return err
	}
	annotations := accessor.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[names.AnnotationQueryFromCluster] = cluster
	accessor.SetAnnotations(annotations)
	return nil
}

// ConvertToTable implements rest.TableConvertor.
func (u *use) ConvertToTable(_ context.Context, object runtime.Object, options runtime.Object) (*metav1.Table, error) {
	table := &metav1.Table{}
	if given, ok := options.(*metav1.TableOptions); !ok || !given.NoHeaders {
		table.ColumnDefinitions = []metav1.TableColumnDefinition{
			{Name: "Name", Type: "string", Format: "name", Description: "Name of the " + u.singular},
			{Name: "Cluster", Type: "string", Description: "Cluster that it is in"},
			{Name: "CPU", Type: "string", Description: "What it uses of processors"},
			{Name: "Memory", Type: "string", Description: "What it uses of memory"},
			{Name: "Window", Type: "string", Description: "The time this was measured over"},
		}
	}
	if !meta.IsListType(object) {
		return table, addRow(table, object)
	}
	return table, meta.EachListItem(object, func(item runtime.Object) error { return addRow(table, item) })
}

func addRow(table *metav1.Table, sample runtime.Object) error {
	accessor, err := meta.Accessor(sample)
	if err != nil {
		return err
	}
	used, window, err := sum(sample)
	if err != nil {
		return err
	}
	cpu, memory := used[corev1.ResourceCPU], used[corev1.ResourceMemory]
	table.Rows = append(table.Rows, metav1.TableRow{
		Cells:  []any{accessor.GetName(), accessor.GetAnnotations()[names.AnnotationQueryFromCluster], cpu.String(), memory.String(), window.String()},
		Object: runtime.RawExtension{Object: sample},
	})
	return nil
}

// sum is what a node uses, or all containers of a pod together.
func sum(sample runtime.Object) (corev1.ResourceList, time.Duration, error) {
	switch measured := sample.(type) {
	case *metricsv1beta1.NodeMetrics:
		return measured.Usage, measured.Window.Duration, nil
	case *metricsv1beta1.PodMetrics:
		all := corev1.ResourceList{}
		for _, container := range measured.Containers {
			for name, used := range container.Usage {
				total := all[name]
				total.Add(used)
				all[name] = total
			}
		}
		return all, measured.Window.Duration, nil
	}
	return nil, 0, errors.New("it is neither a pod's nor a node's")
}

// wireScheme knows the kinds of metrics.k8s.io as clients see them.
func wireScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	if err := metricsv1beta1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering the kinds of metrics.k8s.io: %w", err)
	}
	metav1.AddToGroupVersion(scheme, schema.GroupVersion{Version: "v1"})
	return scheme, nil
}

// usageScheme is wireScheme with the served types standing in for the internal version of the generic API server.
func usageScheme() (*runtime.Scheme, error) {
	scheme, err := wireScheme()
	if err != nil {
		return nil, err
	}
	internal := schema.GroupVersion{Group: metricsv1beta1.GroupName, Version: runtime.APIVersionInternal}
	scheme.AddKnownTypes(internal, &metricsv1beta1.PodMetrics{}, &metricsv1beta1.PodMetricsList{}, &metricsv1beta1.NodeMetrics{}, &metricsv1beta1.NodeMetricsList{})
	return scheme, nil
}
