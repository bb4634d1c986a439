package estimator_test

import (
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
)

// longest is far more than any estimate takes, and far less than one step for each replica would.
const longest = 10 * time.Second

// FuzzGeneral asks about clusters and demands of any numbers. The answers are held against exact arithmetic where that is
// simple: replicas by summary. Everything else must end, and stay in range.
func FuzzGeneral(f *testing.F) {
	f.Add("8", "16Gi", int64(110), "500m", "1Gi", int32(3), int64(20), int64(0), true)
	f.Add("9223372036854775807", "8Ei", int64(math.MaxInt64), "1", "1", int32(math.MaxInt32), int64(math.MaxInt64), int64(math.MaxInt64), true)
	f.Add("9223372036854776", "1e30", int64(1)<<62, "9223372036854776", "1", int32(1), int64(1)<<31, int64(7), false)
	f.Add("-5", "-1", int64(-1), "-3", "0", int32(-1), int64(-1), int64(-1), true)
	f.Add("1n", "0", int64(1)<<31, "1n", "1u", int32(1), int64(0), int64(1)<<31, true)
	f.Add("1e18", "1E", int64(1)<<40, "2147483648", "9223372036854775808", int32(2), int64(1)<<40, int64(1)<<20, true)
	f.Fuzz(func(t *testing.T, cpu, memory string, pods int64, wantCPU, wantMemory string, replicas int32, small, large int64, models bool) {
		allocatable, request := list(cpu, memory), list(wantCPU, wantMemory)
		if allocatable == nil || request == nil {
			t.Skip()
		}
		allocatable[corev1.ResourcePods] = *resource.NewQuantity(pods, resource.DecimalSI)
		cluster := &clusterv1alpha1.Cluster{}
		cluster.Spec.ResourceModels = []clusterv1alpha1.ResourceModel{
			{Grade: 0, Ranges: []clusterv1alpha1.ResourceModelRange{{Name: "cpu", Min: resource.MustParse("1")}, {Name: "memory", Min: resource.MustParse("4Gi")}}},
			{Grade: 1, Ranges: []clusterv1alpha1.ResourceModelRange{{Name: "cpu", Min: allocatable["cpu"]}, {Name: "memory", Min: allocatable["memory"]}}},
		}
		cluster.Status.ResourceSummary = &clusterv1alpha1.ResourceSummary{
			Allocatable: allocatable, Allocated: corev1.ResourceList{"cpu": resource.MustParse("250m")},
			AllocatableModelings: []clusterv1alpha1.AllocatableModeling{{Grade: 0, Count: int(small)}, {Grade: 1, Count: int(large)}},
		}
		components := []workv1alpha2.Component{
			{Name: "a", Replicas: replicas, ReplicaRequirements: &workv1alpha2.ComponentReplicaRequirements{ResourceRequest: request}},
			{Name: "b", Replicas: 1},
		}
		assumed := []estimator.AssumedWorkload{{Components: components}}
		began := time.Now()
		general := estimator.General{UseModels: models}
		requirements := &workv1alpha2.ReplicaRequirements{ResourceRequest: request}
		free := general.Replicas(cluster, requirements, nil)
		if !models && exact(allocatable, request) {
			if want := bySummary(cluster.Status.ResourceSummary, request); free != want {
				t.Errorf("room for %d replicas, want %d", free, want)
			}
		}
		answers := map[string]int32{
			"replicas": free, "replicas beside others": general.Replicas(cluster, requirements, assumed),
			"sets": general.Sets(cluster, components, nil), "sets beside others": general.Sets(cluster, components, assumed),
		}
		if took := time.Since(began); took > longest {
			t.Errorf("the estimates took %s", took)
		}
		for what, got := range answers {
			if got < 0 || int64(got) > max(pods, 0) {
				t.Errorf("%s: %d, with %d pods free", what, got, pods)
			}
		}
	})
}

// list is nil when a text is no quantity, and for exponents of four digits and more: reading those alone takes seconds.
func list(cpu, memory string) corev1.ResourceList {
	made := corev1.ResourceList{}
	for name, text := range map[corev1.ResourceName]string{"cpu": cpu, "memory": memory} {
		if at := strings.IndexAny(text, "eE"); at >= 0 && len(text)-at > len("e-999") || len(text) > 40 {
			return nil
		}
		quantity, err := resource.ParseQuantity(text)
		if err != nil {
			return nil
		}
		made[name] = quantity
	}
	return made
}

// thousandths rounds up, in the units that CPU is divided in; every other resource is divided in whole units.
func thousandths(name corev1.ResourceName, q resource.Quantity) *big.Int {
	value, ok := new(big.Rat).SetString(q.AsDec().String())
	if !ok {
		panic("a quantity is no number: " + q.String())
	}
	if name == corev1.ResourceCPU {
		value.Mul(value, big.NewRat(1000, 1))
	}
	up := new(big.Int).Sub(value.Denom(), big.NewInt(1))
	return up.Div(up.Add(up, value.Num()), value.Denom())
}

// exact reports whether all amounts are within 64 bits. Beyond that, answers are bounds.
func exact(lists ...corev1.ResourceList) bool {
	for _, list := range lists {
		for name, quantity := range list {
			if !thousandths(name, quantity).IsInt64() {
				return false
			}
		}
	}
	return true
}

func bySummary(summary *clusterv1alpha1.ResourceSummary, request corev1.ResourceList) int32 {
	pods := summary.Allocatable[corev1.ResourcePods]
	fit := max(pods.Value(), 0)
	for name, wanted := range request {
		left := summary.Allocatable[name].DeepCopy()
		left.Sub(summary.Allocated[name])
		if wanted.Sign() <= 0 {
			continue
		}
		if left.Sign() <= 0 {
			return 0
		}
		ratio := new(big.Int).Div(thousandths(name, left), thousandths(name, wanted))
		if ratio.IsInt64() {
			fit = min(fit, ratio.Int64())
		}
	}
	return int32(min(fit, math.MaxInt32))
}
