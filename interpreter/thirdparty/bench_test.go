package thirdparty

import (
	"context"
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// BenchmarkAggregateStatus sums up the reports of fleets of several sizes.
func BenchmarkAggregateStatus(b *testing.B) {
	made := Interpreter()
	release := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
		"metadata": map[string]any{"name": "web", "namespace": "shop", "generation": int64(2)}, "spec": map[string]any{},
	}}
	report := []byte(`{"generation":2,"resourceTemplateGeneration":2,"observedGeneration":2,"helmChart":"shop/web","conditions":[
		{"type":"Ready","status":"True","reason":"Succeeded","message":"ok","lastTransitionTime":"2024-01-01T10:00:00Z"},
		{"type":"Released","status":"True","reason":"Succeeded","message":"ok","lastTransitionTime":"2024-01-01T10:00:00Z"}]}`)
	for _, clusters := range []int{3, 100, 1000} {
		b.Run(fmt.Sprint(clusters), func(b *testing.B) {
			items := make([]workv1alpha2.AggregatedStatusItem, clusters)
			for i := range items {
				items[i] = workv1alpha2.AggregatedStatusItem{ClusterName: fmt.Sprintf("m%d", i), Status: &runtime.RawExtension{Raw: report}}
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := made.AggregateStatus(context.Background(), release, items); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
