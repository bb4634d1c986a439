package admission

import (
	"cmp"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
)

const gibibyte = int64(1) << 30

// DefaultCluster completes a new cluster: taints that evict get now as their time, the deprecated zone moves into zones, and
// with modeling on, missing resource models become DefaultResourceModels and given ones are put in order.
func DefaultCluster(cluster *clusterv1alpha1.Cluster, now metav1.Time, modeling bool) {
	DefaultClusterUpdate(cluster, now, modeling)
	if modeling && len(cluster.Spec.ResourceModels) == 0 {
		cluster.Spec.ResourceModels = DefaultResourceModels()
	}
}

// DefaultClusterUpdate completes a changed cluster like DefaultCluster, but lets models stay removed.
func DefaultClusterUpdate(cluster *clusterv1alpha1.Cluster, now metav1.Time, modeling bool) {
	for i := range cluster.Spec.Taints {
		taint := &cluster.Spec.Taints[i]
		if taint.Effect == corev1.TaintEffectNoExecute && taint.TimeAdded == nil {
			taint.TimeAdded = now.DeepCopy()
		}
	}
	if cluster.Spec.Zone != "" && len(cluster.Spec.Zones) == 0 {
		cluster.Spec.Zones = []string{cluster.Spec.Zone}
		cluster.Spec.Zone = ""
	}
	if modeling {
		orderResourceModels(cluster.Spec.ResourceModels)
	}
}

// DefaultResourceModels are nine grades, bounded by 0, 1, 2, 4, 8, 16, 32, 64 and 128 CPUs and by 0, 4, 16, 32, 64, 128,
// 256, 512 and 1024 GiB of memory; the last grade is open.
func DefaultResourceModels() []clusterv1alpha1.ResourceModel {
	cpus := []int64{0, 1, 2, 4, 8, 16, 32, 64, 128, math.MaxInt64}
	memories := []int64{0, 4, 16, 32, 64, 128, 256, 512, 1024, math.MaxInt64}
	models := make([]clusterv1alpha1.ResourceModel, 0, len(cpus)-1)
	for grade := range len(cpus) - 1 {
		models = append(models, clusterv1alpha1.ResourceModel{
			Grade: uint(grade),
			Ranges: []clusterv1alpha1.ResourceModelRange{
				{Name: corev1.ResourceCPU, Min: cores(cpus[grade]), Max: cores(cpus[grade+1])},
				{Name: corev1.ResourceMemory, Min: gibibytes(memories[grade]), Max: gibibytes(memories[grade+1])},
			},
		})
	}
	return models
}

func cores(count int64) resource.Quantity {
	return *resource.NewQuantity(count, resource.DecimalSI)
}

func gibibytes(count int64) resource.Quantity {
	if count == math.MaxInt64 {
		return unbounded()
	}
	return *resource.NewQuantity(count*gibibyte, resource.BinarySI)
}

// unbounded is the upper end of the last grade.
func unbounded() resource.Quantity {
	return *resource.NewQuantity(math.MaxInt64, resource.DecimalSI)
}

// orderResourceModels sorts models by grade and opens the first grade downwards and the last one upwards.
func orderResourceModels(models []clusterv1alpha1.ResourceModel) {
	if len(models) == 0 {
		return
	}
	slices.SortStableFunc(models, func(a, b clusterv1alpha1.ResourceModel) int { return cmp.Compare(a.Grade, b.Grade) })
	first, last := models[0].Ranges, models[len(models)-1].Ranges
	for i := range first {
		first[i].Min = *resource.NewQuantity(0, first[i].Min.Format)
	}
	for i := range last {
		last[i].Max = unbounded()
	}
}
