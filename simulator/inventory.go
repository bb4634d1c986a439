package simulator

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/simulator/kube"
)

// client reads nodes and pods where they are: as objects in the store, or made from rows.
func (c *cluster) client() client.WithWatch {
	if c.columns == nil {
		return c.store.Client()
	}
	rows := c.columns.kube
	return interceptor.NewClient(c.store.Client(), interceptor.Funcs{
		Get: func(ctx context.Context, to client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			switch object := object.(type) {
			case *corev1.Node:
				return getNode(rows, key, object)
			case *corev1.Pod:
				return getPod(rows, key, object)
			}
			return to.Get(ctx, key, object, options...)
		},
		List: func(ctx context.Context, to client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			wanted := (&client.ListOptions{}).ApplyOptions(options)
			switch list := list.(type) {
			case *corev1.NodeList:
				listNodes(rows, list, wanted)
				return nil
			case *corev1.PodList:
				listPods(rows, list, wanted)
				return nil
			}
			return to.List(ctx, list, options...)
		},
	})
}

func getNode(rows *kube.Cluster, key client.ObjectKey, into *corev1.Node) error {
	node := rows.Node(key.Name)
	if node == nil {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "nodes"}, key.Name)
	}
	node.DeepCopyInto(into)
	return nil
}

func getPod(rows *kube.Cluster, key client.ObjectKey, into *corev1.Pod) error {
	for _, pod := range rows.Pods(key.Namespace, nil) {
		if pod.Name == key.Name {
			pod.DeepCopyInto(into)
			return nil
		}
	}
	return apierrors.NewNotFound(schema.GroupResource{Resource: "pods"}, key.Name)
}

func listNodes(rows *kube.Cluster, into *corev1.NodeList, wanted *client.ListOptions) {
	into.Items = nil
	for _, node := range rows.Nodes() {
		if wanted.LabelSelector == nil || wanted.LabelSelector.Matches(labels.Set(node.Labels)) {
			into.Items = append(into.Items, *node.DeepCopy())
		}
	}
}

func listPods(rows *kube.Cluster, into *corev1.PodList, wanted *client.ListOptions) {
	into.Items = nil
	for _, pod := range rows.Pods(wanted.Namespace, wanted.LabelSelector) {
		into.Items = append(into.Items, *pod.DeepCopy())
	}
}

// surveyed is a member that knows its sums.
type surveyed struct{ *member }

var _ control.Surveyor = surveyed{}

// Survey implements control.Surveyor.
func (s surveyed) Survey(_ context.Context, models []clusterv1alpha1.ResourceModel) (control.Survey, error) {
	if err := s.closed(); err != nil {
		return control.Survey{}, fmt.Errorf("reading the sums of the nodes: %w", err)
	}
	rows := s.cluster.columns.kube
	return control.Survey{Revision: rows.Version() + 1, Nodes: rows.NodeSummary(), Resources: rows.ResourceSummary(models)}, nil
}
