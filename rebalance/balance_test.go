package rebalance

import (
	"math"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// TestSpread is the distance between the extremes, wherever they lie: clusters that lost nodes have more requested than they have.
func TestSpread(t *testing.T) {
	for name, c := range map[string]struct {
		taken []string
		want  float64
	}{
		"none reports": {nil, 0},
		"one":          {[]string{"7"}, 0},
		"some room":    {[]string{"2", "9", "5"}, 0.7},
		"no room":      {[]string{"12", "15"}, 0.3},
	} {
		var clusters []*clusterv1alpha1.Cluster
		for i, taken := range c.taken {
			cluster := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: string(rune('a' + i))}}
			cluster.Status.ResourceSummary = &clusterv1alpha1.ResourceSummary{
				Allocatable: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10")},
				Allocated:   corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(taken)},
			}
			clusters = append(clusters, cluster)
		}
		if got := balanceOf(placement.NewSnapshot(clusters)).Spread; math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
