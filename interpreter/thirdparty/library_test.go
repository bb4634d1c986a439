package thirdparty

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// TestConditions puts the conditions of clusters together, with a HelmRelease as the kind that has them.
func TestConditions(t *testing.T) {
	condition := func(kind, status string) string {
		return fmt.Sprintf(`{"type":%q,"status":%q,"message":"m"}`, kind, status)
	}
	for _, test := range []struct {
		name string
		// each are the conditions of one cluster.
		each []string
		want []string
	}{
		{"good everywhere", []string{condition("Ready", "True"), condition("Ready", "True")}, []string{"Ready=True c1=m, c2=m"}},
		{"good in one", []string{condition("Ready", "True"), condition("Ready", "False")}, []string{"Ready=False c2=m"}},
		{"false before unknown", []string{condition("Ready", "Unknown"), condition("Ready", "False")}, []string{"Ready=False c2=m"}},
		{"unknown before true", []string{condition("Ready", "Unknown"), condition("Ready", "True")}, []string{"Ready=Unknown c1=m"}},
		{"told by one", []string{condition("Ready", "True"), ""}, []string{"Ready=Unknown c1=m; reported by 1 of 2 clusters"}},
		{"bad told by one", []string{condition("Ready", "False"), ""}, []string{"Ready=False c1=m"}},
		{"trouble in one", []string{condition("Stalled", "False"), condition("Stalled", "True")}, []string{"Stalled=True c2=m"}},
		{"trouble told by one", []string{"", condition("Stalled", "True")}, []string{"Stalled=True c2=m"}},
		{"no trouble", []string{condition("Stalled", "False"), condition("Stalled", "False")}, []string{"Stalled=False c1=m, c2=m"}},
		{"several types", []string{condition("Ready", "True") + "," + condition("Stalled", "False")}, []string{"Ready=True c1=m", "Stalled=False c1=m"}},
		{"many clusters", []string{
			condition("Ready", "False"), condition("Ready", "False"), condition("Ready", "False"), condition("Ready", "False"),
			condition("Ready", "False"), condition("Ready", "False"), condition("Ready", "False"),
		}, []string{"Ready=False c1=m, c2=m, c3=m, c4=m, c5=m, and 2 more"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var reports []string
			for _, conditions := range test.each {
				reports = append(reports, `{"conditions":[`+conditions+`]}`)
			}
			status := aggregate(t, reports...)
			list, _, err := unstructured.NestedSlice(status, "conditions")
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, one := range list {
				one := one.(map[string]any)
				got = append(got, fmt.Sprintf("%s=%s %s", one["type"], one["status"], one["message"]))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestObservedGeneration tells of the template's generation once every cluster has seen it.
func TestObservedGeneration(t *testing.T) {
	const seen = `{"generation":7,"observedGeneration":7,"resourceTemplateGeneration":2}`
	for _, test := range []struct {
		name    string
		reports []string
		want    any
	}{
		{"all", []string{seen, seen}, int64(2)},
		{"a later one", []string{seen, `{"generation":1,"observedGeneration":1,"resourceTemplateGeneration":3}`}, int64(2)},
		{"old template", []string{seen, `{"generation":7,"observedGeneration":7,"resourceTemplateGeneration":1}`}, int64(1)},
		{"old object", []string{seen, `{"generation":7,"observedGeneration":6,"resourceTemplateGeneration":2}`}, int64(1)},
		{"no report", []string{seen, `{}`}, int64(1)},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := aggregate(t, test.reports...)["observedGeneration"]; got != test.want {
				t.Errorf("observed %v, want %v", got, test.want)
			}
		})
	}
}

// aggregate is the status of a release of generation 2, which was seen at generation 1, by the reports of clusters c1, c2, ...
func aggregate(t *testing.T, reports ...string) map[string]any {
	t.Helper()
	release := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
		"metadata": map[string]any{"name": "web", "namespace": "shop", "generation": int64(2)},
		"spec":     map[string]any{}, "status": map[string]any{"observedGeneration": int64(1)},
	}}
	var items []workv1alpha2.AggregatedStatusItem
	for i, report := range reports {
		items = append(items, workv1alpha2.AggregatedStatusItem{
			ClusterName: fmt.Sprintf("c%d", i+1), Status: &runtime.RawExtension{Raw: []byte(report)},
		})
	}
	aggregated, err := Interpreter().AggregateStatus(t.Context(), release, items)
	if err != nil {
		t.Fatal(err)
	}
	status, _, err := unstructured.NestedMap(aggregated.Object, "status")
	if err != nil {
		t.Fatal(err)
	}
	return status
}
