package storage

import (
	"context"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/utils/clock"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
)

// tableConvertor prints Clusters as `kubectl get` shows them.
type tableConvertor struct {
	clock clock.PassiveClock
}

var _ rest.TableConvertor = tableConvertor{}

// absent stands in wide columns for a field the user left out.
const absent = "<none>"

// ConvertToTable turns a Cluster or a ClusterList into a table with a row per cluster.
func (t tableConvertor) ConvertToTable(_ context.Context, obj, options runtime.Object) (*metav1.Table, error) {
	table := &metav1.Table{}
	if opts, ok := options.(*metav1.TableOptions); !ok || !opts.NoHeaders {
		table.ColumnDefinitions = columns()
	}
	switch obj := obj.(type) {
	case *clusterv1alpha1.Cluster:
		table.ResourceVersion = obj.ResourceVersion
		table.Rows = []metav1.TableRow{t.row(obj)}
	case *clusterv1alpha1.ClusterList:
		table.ListMeta = obj.ListMeta
		table.Rows = make([]metav1.TableRow, 0, len(obj.Items))
		for i := range obj.Items {
			table.Rows = append(table.Rows, t.row(&obj.Items[i]))
		}
	default:
		return nil, fmt.Errorf("printing clusters as a table: unexpected %T", obj)
	}
	return table, nil
}

func columns() []metav1.TableColumnDefinition {
	return []metav1.TableColumnDefinition{
		{Name: "Name", Type: "string", Format: "name", Description: metav1.ObjectMeta{}.SwaggerDoc()["name"]},
		{Name: "Version", Type: "string", Description: "Kubernetes version of the cluster."},
		{Name: "Mode", Type: "string", Description: "How the control plane and the cluster talk: Push or Pull."},
		{Name: "Ready", Type: "string", Description: "Status of the Ready condition."},
		{Name: "Age", Type: "string", Description: metav1.ObjectMeta{}.SwaggerDoc()["creationTimestamp"]},
		{Name: "Zones", Type: "string", Priority: 1, Description: "Zones the cluster spans."},
		{Name: "Region", Type: "string", Priority: 1, Description: "Region of the cluster."},
		{Name: "Provider", Type: "string", Priority: 1, Description: "Cloud provider of the cluster."},
		{Name: "API-Endpoint", Type: "string", Priority: 1, Description: "URL of the cluster's API server."},
		{Name: "Proxy-URL", Type: "string", Priority: 1, Description: "Proxy on the way to the cluster's API server."},
	}
}

func (t tableConvertor) row(cluster *clusterv1alpha1.Cluster) metav1.TableRow {
	spec := &cluster.Spec
	return metav1.TableRow{
		Object: runtime.RawExtension{Object: cluster},
		Cells: []any{
			cluster.Name,
			cluster.Status.KubernetesVersion,
			string(spec.SyncMode),
			readiness(cluster),
			t.age(cluster),
			orAbsent(strings.Join(spec.Zones, ",")),
			orAbsent(spec.Region),
			orAbsent(spec.Provider),
			orAbsent(spec.APIEndpoint),
			orAbsent(spec.ProxyURL),
		},
	}
}

// readiness is Unknown for a cluster that nobody has looked at yet.
func readiness(cluster *clusterv1alpha1.Cluster) string {
	if ready := meta.FindStatusCondition(cluster.Status.Conditions, names.ConditionClusterReady); ready != nil {
		return string(ready.Status)
	}
	return string(metav1.ConditionUnknown)
}

func (t tableConvertor) age(cluster *clusterv1alpha1.Cluster) string {
	if cluster.CreationTimestamp.IsZero() {
		return "<unknown>"
	}
	return duration.HumanDuration(t.clock.Since(cluster.CreationTimestamp.Time))
}

func orAbsent(value string) string {
	if value == "" {
		return absent
	}
	return value
}
