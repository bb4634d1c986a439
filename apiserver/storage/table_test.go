package storage

import (
	"context"
	"encoding/json"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clocktesting "k8s.io/utils/clock/testing"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
)

func testTable(t *testing.T, object, options runtime.Object) *metav1.Table {
	t.Helper()
	table, err := tableConvertor{clock: clocktesting.NewFakePassiveClock(testTime)}.ConvertToTable(context.Background(), object, options)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestTableRows(t *testing.T) {
	full := clusterv1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: "member1", CreationTimestamp: metav1.NewTime(testTime.Add(-10 * time.Minute))},
		Spec: clusterv1alpha1.ClusterSpec{
			SyncMode: clusterv1alpha1.Push, Zones: []string{"a", "b"}, Region: "north", Provider: "p",
			APIEndpoint: "https://10.0.0.1:6443", ProxyURL: "socks5://10.0.0.2",
		},
		Status: clusterv1alpha1.ClusterStatus{
			KubernetesVersion: "v1.36.3",
			Conditions:        []metav1.Condition{{Type: "Other", Status: "False"}, {Type: "Ready", Status: "True"}},
		},
	}
	bare := clusterv1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: "member2"},
		Spec:       clusterv1alpha1.ClusterSpec{SyncMode: clusterv1alpha1.Pull},
	}
	list := &clusterv1alpha1.ClusterList{
		ListMeta: metav1.ListMeta{ResourceVersion: "12", Continue: "more"},
		Items:    []clusterv1alpha1.Cluster{full, bare},
	}

	table := testTable(t, list, nil)

	want := [][]any{
		{"member1", "v1.36.3", "Push", "True", "10m", "a,b", "north", "p", "https://10.0.0.1:6443", "socks5://10.0.0.2"},
		{"member2", "", "Pull", "Unknown", "<unknown>", "<none>", "<none>", "<none>", "<none>", "<none>"},
	}
	var got [][]any
	for _, row := range table.Rows {
		got = append(got, row.Cells)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(list.ListMeta, table.ListMeta); diff != "" {
		t.Errorf("list metadata (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want[:1][0], testTable(t, &full, nil).Rows[0].Cells); diff != "" {
		t.Errorf("a single cluster (-want +got):\n%s", diff)
	}
}

func TestTableHeadersCanBeLeftOut(t *testing.T) {
	list := &clusterv1alpha1.ClusterList{}
	if got := len(testTable(t, list, &metav1.TableOptions{NoHeaders: true}).ColumnDefinitions); got != 0 {
		t.Errorf("%d column definitions, want none", got)
	}
	if got := len(testTable(t, list, &metav1.TableOptions{}).ColumnDefinitions); got == 0 {
		t.Error("no column definitions without NoHeaders")
	}
}

func TestTableRefusesOtherKinds(t *testing.T) {
	if _, err := (tableConvertor{}).ConvertToTable(context.Background(), &metav1.Status{}, nil); err == nil {
		t.Error("a Status was printed as a cluster")
	}
}

// The columns are part of the contract with the reference.
func TestTableColumnsAreThoseOfTheReference(t *testing.T) {
	type column struct {
		Name, Type string
		Priority   int32
	}
	var surface struct {
		Resources []struct {
			Group, Kind string
			Versions    []struct {
				AdditionalPrinterColumns []column
			}
		}
	}
	text, err := os.ReadFile("../../testdata/api-surface.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &surface); err != nil {
		t.Fatal(err)
	}
	var want []column
	for _, resource := range surface.Resources {
		if resource.Group == clusterv1alpha1.GroupName && resource.Kind == clusterv1alpha1.ResourceKindCluster {
			want = resource.Versions[0].AdditionalPrinterColumns
		}
	}
	var got []column
	for _, definition := range columns() {
		got = append(got, column{definition.Name, definition.Type, definition.Priority})
		if definition.Description == "" {
			t.Errorf("column %s has no description", definition.Name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
}
