package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/scheduler/placement"
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
	clusters, err := readFleet(t.Context(), plane)
	if err != nil {
		t.Fatal(err)
	}
	explanation, err := explainBinding(t.Context(), plane, scheduler.Options{Name: "default-scheduler"}, clusters, "default/nginx-deployment")
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

// halfBlind is an estimator of one cluster that it has lost sight of.
type halfBlind struct{}

func (halfBlind) Estimate(_ context.Context, _ estimator.Question, clusters []string) []estimator.Answer {
	answers := make([]estimator.Answer, len(clusters))
	for i, name := range clusters {
		answers[i].Count, answers[i].Stale = 5, true
		if name != "seen" {
			answers[i].Err = errors.New("asking the estimator of cluster " + name + ": connection refused")
		}
	}
	return answers
}

// TestExplainedEstimates: what is less certain than it could be is marked, and what extenders say is told.
func TestExplainedEstimates(t *testing.T) {
	var clusters []*clusterv1alpha1.Cluster
	for _, name := range []string{"banned", "blind", "seen"} {
		clusters = append(clusters, &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: clusterv1alpha1.ClusterStatus{
			APIEnablements: []clusterv1alpha1.APIEnablement{{GroupVersion: "apps/v1", Resources: []clusterv1alpha1.APIResource{{Kind: "Deployment"}}}},
			ResourceSummary: &clusterv1alpha1.ResourceSummary{Allocatable: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("8"), corev1.ResourcePods: resource.MustParse("100"),
			}},
		}})
	}
	bound := binding.New("default", "web-deployment")
	bound.SetAnnotations(map[string]string{"propagationpolicy.karmada.io/namespace": "default", "propagationpolicy.karmada.io/name": "web"})
	bound.Spec.Resource = workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: "web"}
	bound.Spec.Replicas = 10
	bound.Spec.ReplicaRequirements = &workv1alpha2.ReplicaRequirements{ResourceRequest: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}}
	bound.Spec.Placement = &policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{
		ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided, ReplicaDivisionPreference: policyv1alpha1.ReplicaDivisionPreferenceAggregated,
	}}
	options := scheduler.Options{Name: "default-scheduler", Estimators: halfBlind{}, Gather: func(context.Context, *placement.CandidateSet) ([]placement.Foreign, error) {
		return []placement.Foreign{
			{Cluster: "banned", Plugin: "Extender http://x", Reason: "no licence"}, {Cluster: "seen", Plugin: "Extender http://x", Score: 30}, {Cluster: "seen", Plugin: "Other", Score: 5},
		}, nil
	}}
	var text bytes.Buffer
	if err := printExplanation(&text, options.Explain(t.Context(), bound, placement.NewSnapshot(clusters))); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"A decision now gives ",
		"banned    0       0      -          -       filtered out: no licence (Extender http://x)",
		"blind     6       0      8*         0       chosen",
		"seen      4       0      5*         35      chosen (Extender http://x 30, Other 5)",
		"* blind: counted by the resource summary of the cluster alone: asking the estimator of cluster blind: connection refused",
		"* seen: counted on the nodes of an earlier moment: its estimator has lost sight of the nodes",
		"Capacities do not heed what was assigned lately and clusters do not report yet",
	} {
		if !strings.Contains(text.String(), line) {
			t.Errorf("%q is missing in\n%s", line, text.String())
		}
	}
}

func TestBindingName(t *testing.T) {
	for text, want := range map[string]string{"default/nginx-deployment": "default/nginx-deployment", "admin-clusterrole": "/admin-clusterrole"} {
		if got := bindingName(text).String(); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
