package placement_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// TestLabelSelectors holds the columns of labels to the selectors of Kubernetes, malformed keys and values among them, which
// match nothing even where a cluster has them.
func TestLabelSelectors(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 7))
	keys := []string{"env", "example.com/rack", "a/b/c", "", "-x"}
	values := []string{"prod", "", "not valid!", strings.Repeat("v", 64)}
	operators := []metav1.LabelSelectorOperator{"In", "NotIn", "Exists", "DoesNotExist", "Near"}
	pick := func(list []string) string { return list[random.IntN(len(list))] }
	matched := 0
	for range 3000 {
		clusters := make([]*clusterv1alpha1.Cluster, 4)
		for i := range clusters {
			clusters[i] = &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("m", i), Labels: map[string]string{}}}
			for range random.IntN(3) {
				clusters[i].Labels[pick(keys)] = pick(values)
			}
		}
		wanted := &metav1.LabelSelector{MatchLabels: map[string]string{}}
		for range random.IntN(3) {
			wanted.MatchLabels[pick(keys)] = pick(values)
		}
		for range random.IntN(2) {
			requirement := metav1.LabelSelectorRequirement{Key: pick(keys), Operator: operators[random.IntN(len(operators))]}
			if random.IntN(2) == 0 {
				requirement.Values = []string{pick(values)}
			}
			wanted.MatchExpressions = append(wanted.MatchExpressions, requirement)
		}
		var want []string
		if selector, err := metav1.LabelSelectorAsSelector(wanted); err == nil {
			for _, cluster := range clusters {
				if selector.Matches(labels.Set(cluster.Labels)) {
					want = append(want, cluster.Name)
				}
			}
		}
		request := deployment(policyv1alpha1.Placement{ClusterAffinity: &policyv1alpha1.ClusterAffinity{LabelSelector: wanted}})
		request.Options.Disabled = 1 << placement.APIEnablement
		got := placement.Candidates(request, placement.NewSnapshot(clusters)).Names()
		if diff := cmp.Diff(want, append([]string(nil), got...)); diff != "" {
			t.Fatalf("%+v (-want +got)\n%s", wanted, diff)
		}
		matched += len(want)
	}
	if matched == 0 {
		t.Error("nothing ever matched")
	}
}
