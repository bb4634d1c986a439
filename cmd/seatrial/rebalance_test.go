package main

import (
	"bytes"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/intstr"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/rebalance"
	"github.com/seatrial/seatrial/rebalance/waves"
)

// TestSurge is a number, or a part of the replicas that are divided among clusters, rounded up.
func TestSurge(t *testing.T) {
	sized := func(replicas int32, kind policyv1alpha1.ReplicaSchedulingType) binding.Binding {
		view := binding.New("default", "web")
		view.Spec.Replicas = replicas
		view.Spec.Placement = &policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{ReplicaSchedulingType: kind}}
		return view
	}
	bindings := []binding.Binding{
		sized(6, policyv1alpha1.ReplicaSchedulingTypeDivided), sized(3, policyv1alpha1.ReplicaSchedulingTypeDivided),
		sized(100, policyv1alpha1.ReplicaSchedulingTypeDuplicated),
	}
	for text, want := range map[string]int64{"25%": 3, "7": 7, "0": 0} {
		if got, err := surgeOf(intstr.Parse(text), bindings); err != nil || got != want {
			t.Errorf("%s is %d replicas (%v), want %d", text, got, err, want)
		}
	}
	run := newRebalanceCommand()
	run.SilenceUsage, run.SilenceErrors = true, true
	for _, text := range []string{"many", "-1", "5.5%"} {
		run.SetArgs([]string{"--surge", text})
		if err := run.Execute(); err == nil || !strings.Contains(err.Error(), "--surge") {
			t.Errorf("--surge %s: %v", text, err)
		}
	}
}

// TestLeft: what the last wave leaves in its place is told, and what is in place by now is not.
func TestLeft(t *testing.T) {
	if err := left(rebalance.Plan{}); err != nil {
		t.Errorf("all moved: %v", err)
	}
	var plan rebalance.Plan
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		plan.Skipped = append(plan.Skipped, rebalance.Skip{Workload: rebalance.Workload{Kind: "Deployment", Namespace: "shop", Name: name}, Reason: "no room"})
	}
	err := left(plan)
	if err == nil || !strings.HasPrefix(err.Error(), "7 workloads of the plan stay where they are: Deployment shop/a (no room), ") || !strings.HasSuffix(err.Error(), "shop/e (no room), and 2 more") {
		t.Errorf("it reads %v", err)
	}
}

// TestEnded: a wave ends without those that were deleted meanwhile, and names them.
func TestEnded(t *testing.T) {
	if got := ended(waves.Progress{Settled: 3}); got != "3 workloads moved and healthy" {
		t.Errorf("all moved: %s", got)
	}
	gone := []rebalance.Workload{{Kind: "Deployment", Namespace: "shop", Name: "web"}}
	if got := ended(waves.Progress{Settled: 2, Gone: gone}); got != "2 workloads moved and healthy, 1 deleted meanwhile: Deployment shop/web" {
		t.Errorf("one was deleted: %s", got)
	}
}

// TestPrintPlan shows waves, balance and cost, and what stays.
func TestPrintPlan(t *testing.T) {
	cost := 1.5
	of := func(name string) rebalance.Workload {
		return rebalance.Workload{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: name}
	}
	plan := rebalance.Plan{
		Waves: []rebalance.Wave{
			{Moves: []rebalance.Move{{Workload: of("web"), Replicas: 3, Shifts: []rebalance.Shift{{Cluster: "m1", From: 6, To: 3}, {Cluster: "m2", To: 3}}}}, Surge: 3},
			{Moves: []rebalance.Move{{Workload: of("api"), Replicas: 1, Shifts: []rebalance.Shift{{Cluster: "m2", From: 1, To: 2}}}}, Surge: 1},
		},
		Replicas: 4, Surge: 3, Cost: &cost,
		Before:  rebalance.Balance{Clusters: []rebalance.Load{{Cluster: "m1", Used: 0.75}, {Cluster: "m2", Used: 0.25}}, Spread: 0.5},
		After:   rebalance.Balance{Clusters: []rebalance.Load{{Cluster: "m1", Used: 0.5}, {Cluster: "m2", Used: 0.5}}},
		Skipped: []rebalance.Skip{{Workload: of("db"), Reason: "its scheduling is suspended"}},
	}
	var out bytes.Buffer
	if err := printPlan(&out, plan); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"2 workloads move 4 replicas in 2 waves, with up to 3 replicas twice at once; they then cost +1.5",
		"1      Deployment shop/web   3          m1:-3   m2:+3",
		"2      Deployment shop/api   1          -       m2:+1",
		"m1        75.0 %   50.0 %", "spread    50.0 %   0.0 %",
		"Deployment shop/db   its scheduling is suspended",
	} {
		if !strings.Contains(out.String(), line) {
			t.Errorf("%q is missing in\n%s", line, &out)
		}
	}
	out.Reset()
	if err := printPlan(&out, rebalance.Plan{}); err != nil || out.String() != "nothing to move\n" {
		t.Errorf("an empty plan reads %q (%v)", &out, err)
	}
}
