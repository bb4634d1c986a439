package propagate

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

func TestGroupsOf(t *testing.T) {
	together := &policyv1alpha1.WorkloadAffinityTerm{GroupByLabelKey: "team"}
	apart := &policyv1alpha1.WorkloadAntiAffinityTerm{GroupByLabelKey: "shard"}
	labels := map[string]string{"team": "shop", "shard": "7", "empty": ""}
	for _, c := range []struct {
		name   string
		wanted *policyv1alpha1.WorkloadAffinity
		want   *workv1alpha2.WorkloadAffinityGroups
	}{
		{"nothing asked", nil, nil},
		{"nothing in it", &policyv1alpha1.WorkloadAffinity{}, nil},
		{"together", &policyv1alpha1.WorkloadAffinity{Affinity: together}, &workv1alpha2.WorkloadAffinityGroups{AffinityGroup: "team=shop"}},
		{"apart", &policyv1alpha1.WorkloadAffinity{AntiAffinity: apart}, &workv1alpha2.WorkloadAffinityGroups{AntiAffinityGroup: "shard=7"}},
		{"both", &policyv1alpha1.WorkloadAffinity{Affinity: together, AntiAffinity: apart},
			&workv1alpha2.WorkloadAffinityGroups{AffinityGroup: "team=shop", AntiAffinityGroup: "shard=7"}},
		{"without the label", &policyv1alpha1.WorkloadAffinity{Affinity: &policyv1alpha1.WorkloadAffinityTerm{GroupByLabelKey: "tier"}}, nil},
		{"with an empty label", &policyv1alpha1.WorkloadAffinity{Affinity: &policyv1alpha1.WorkloadAffinityTerm{GroupByLabelKey: "empty"}},
			&workv1alpha2.WorkloadAffinityGroups{AffinityGroup: "empty="}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, groupsOf(labels, policyv1alpha1.Placement{WorkloadAffinity: c.wanted})); diff != "" {
				t.Errorf("groups (-want +got):\n%s", diff)
			}
		})
	}
}
