package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/api/scheme"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/scheduler"
)

func TestExplainBinding(t *testing.T) {
	kinds := runtime.NewScheme()
	if err := scheme.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	roomy := clusterv1alpha1.ClusterStatus{
		APIEnablements: []clusterv1alpha1.APIEnablement{{
			GroupVersion: "apps/v1", Resources: []clusterv1alpha1.APIResource{{Name: "deployments", Kind: "Deployment"}},
		}},
		ResourceSummary: &clusterv1alpha1.ResourceSummary{Allocatable: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourcePods: resource.MustParse("100"),
		}},
	}
	cluster := func(name string, taints ...corev1.Taint) *clusterv1alpha1.Cluster {
		return &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: clusterv1alpha1.ClusterSpec{Taints: taints}, Status: roomy}
	}
	bound := &workv1alpha2.ResourceBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "nginx-deployment", Annotations: map[string]string{
			"propagationpolicy.karmada.io/namespace": "default", "propagationpolicy.karmada.io/name": "nginx",
		}},
		Spec: workv1alpha2.ResourceBindingSpec{
			Resource: workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: "nginx"}, Replicas: 3,
			ReplicaRequirements: &workv1alpha2.ReplicaRequirements{ResourceRequest: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}},
			Clusters:            []workv1alpha2.TargetCluster{{Name: "open", Replicas: 2}},
			Placement: &policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{
				ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided, ReplicaDivisionPreference: policyv1alpha1.ReplicaDivisionPreferenceAggregated,
			}},
		},
	}
	plane := fake.NewClientBuilder().WithScheme(kinds).WithObjects(bound, cluster("open"), cluster("shut", corev1.Taint{Key: "shut", Effect: corev1.TaintEffectNoSchedule})).Build()
	explanation, err := explainBinding(t.Context(), plane, scheduler.Options{Name: "default-scheduler"}, "default/nginx-deployment")
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := printExplanation(&text, explanation); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"default/nginx-deployment is on open:2", "A decision now gives open:3",
		"open      3       2      8          100     chosen",
		"shut      0       0      -          -       filtered out: ",
	} {
		if !strings.Contains(text.String(), line) {
			t.Errorf("%q is missing in\n%s", line, text.String())
		}
	}
	var data bytes.Buffer
	if err := printJSON(&data, explanation); err != nil {
		t.Fatal(err)
	}
	var back scheduler.Explanation
	if err := json.Unmarshal(data.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if len(back.Clusters) != 2 || back.Clusters[0].Share != 3 || back.Clusters[1].Rejections[0].Plugin != "TaintToleration" {
		t.Errorf("as data: %s", data.String())
	}
}

func TestBindingName(t *testing.T) {
	for text, want := range map[string]string{"default/nginx-deployment": "default/nginx-deployment", "admin-clusterrole": "/admin-clusterrole"} {
		if got := bindingName(text).String(); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
