package admission

import (
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// amounts reads "cpu=2 memory=1Gi".
func amounts(text string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for pair := range strings.FieldsSeq(text) {
		name, amount, _ := strings.Cut(pair, "=")
		list[corev1.ResourceName(name)] = resource.MustParse(amount)
	}
	return list
}

func written(list corev1.ResourceList) string {
	var pairs []string
	for name, amount := range list {
		pairs = append(pairs, string(name)+"="+amount.String())
	}
	slices.Sort(pairs)
	return strings.Join(pairs, " ")
}

// asking is a workload assigned to clusters m1, m2 and so on.
func asking(request string, replicas ...int32) *workv1alpha2.ResourceBinding {
	bound := &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	if request != "" {
		bound.Spec.ReplicaRequirements = &workv1alpha2.ReplicaRequirements{ResourceRequest: amounts(request)}
	}
	for i, count := range replicas {
		bound.Spec.Clusters = append(bound.Spec.Clusters, workv1alpha2.TargetCluster{Name: "m" + string(rune('1'+i)), Replicas: count})
	}
	return bound
}

// made has a component for each request, with as many replicas as the number before it says: "2*cpu=1".
func made(bound *workv1alpha2.ResourceBinding, components ...string) *workv1alpha2.ResourceBinding {
	for _, text := range components {
		count, request, _ := strings.Cut(text, "*")
		component := workv1alpha2.Component{Name: text, Replicas: int32(count[0] - '0')}
		if request != "" {
			component.ReplicaRequirements = &workv1alpha2.ComponentReplicaRequirements{ResourceRequest: amounts(request)}
		}
		bound.Spec.Components = append(bound.Spec.Components, component)
	}
	return bound
}

func TestQuotaUsage(t *testing.T) {
	for name, c := range map[string]struct {
		bound *workv1alpha2.ResourceBinding
		want  string
	}{
		"not placed":                      {asking("cpu=1"), ""},
		"asks nothing":                    {asking("", 2, 3), ""},
		"replicas in several clusters":    {asking("cpu=250m memory=1Gi", 2, 3), "cpu=1250m memory=5Gi"},
		"without replicas":                {asking("cpu=1", 0), ""},
		"a negative request":              {asking("cpu=-1", 2), ""},
		"whole sets":                      {made(asking("", 0, 0), "1*cpu=1", "2*cpu=500m memory=1Gi", "3*"), "cpu=4 memory=4Gi"},
		"one component, divided":          {made(asking("", 2, 1), "3*cpu=1"), "cpu=3"},
		"one component, not divided":      {made(asking("", 0, 0), "3*cpu=1"), "cpu=6"},
		"one component that asks nothing": {made(asking("", 2), "2*"), ""},
	} {
		if got := written(QuotaUsage(&c.bound.Spec)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

func TestQuotaUsed(t *testing.T) {
	used := QuotaUsed(amounts("cpu=9 requests.memory=9Gi limits.cpu=9 example.com/gpu=9"), amounts("cpu=2 memory=1Gi ephemeral-storage=1Gi"))
	if got, want := written(used), "cpu=2 example.com/gpu=0 limits.cpu=0 requests.memory=1Gi"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestChargeQuotas(t *testing.T) {
	quota := func(overall, used string) policyv1alpha1.FederatedResourceQuota {
		made := policyv1alpha1.FederatedResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "budget"}}
		made.Spec.Overall, made.Status.OverallUsed = amounts(overall), amounts(used)
		return made
	}
	for name, c := range map[string]struct {
		quotas        []policyv1alpha1.FederatedResourceQuota
		before, after *workv1alpha2.ResourceBinding
		// want are the used amounts of charged quotas, in order.
		want, fault string
	}{
		"a new binding":         {[]policyv1alpha1.FederatedResourceQuota{quota("cpu=4", "cpu=1")}, nil, asking("cpu=1", 3), "cpu=4", ""},
		"too much":              {[]policyv1alpha1.FederatedResourceQuota{quota("cpu=4", "cpu=2")}, nil, asking("cpu=1", 3), "", "allows 4 of cpu and 2 are used: 3 more are too much"},
		"another cluster":       {[]policyv1alpha1.FederatedResourceQuota{quota("cpu=4", "cpu=2")}, asking("cpu=1", 2), asking("cpu=1", 2, 3), "", "3 more"},
		"a greater request":     {[]policyv1alpha1.FederatedResourceQuota{quota("cpu=4", "cpu=2")}, asking("cpu=1", 2), asking("cpu=3", 2), "", "4 more"},
		"a greater component":   {[]policyv1alpha1.FederatedResourceQuota{quota("cpu=5", "cpu=3")}, made(asking("", 0), "1*cpu=1", "2*cpu=1"), made(asking("", 0), "1*cpu=1", "2*cpu=3"), "", "4 more"},
		"moved":                 {[]policyv1alpha1.FederatedResourceQuota{quota("cpu=2", "cpu=2")}, asking("cpu=1", 2), asking("cpu=1", 0, 2), "", ""},
		"less of too much":      {[]policyv1alpha1.FederatedResourceQuota{quota("cpu=2", "cpu=9")}, asking("cpu=1", 4), asking("cpu=1", 3), "cpu=8", ""},
		"less than was charged": {[]policyv1alpha1.FederatedResourceQuota{quota("cpu=2", "cpu=1")}, asking("cpu=1", 4), asking("cpu=1"), "cpu=0", ""},
		"not limited":           {[]policyv1alpha1.FederatedResourceQuota{quota("memory=1Gi", "")}, nil, asking("cpu=1", 3), "", ""},
		"under another name":    {[]policyv1alpha1.FederatedResourceQuota{quota("requests.cpu=2 limits.cpu=1", "")}, nil, asking("cpu=1", 2), "requests.cpu=2", ""},
		"two quotas":            {[]policyv1alpha1.FederatedResourceQuota{quota("cpu=4", ""), quota("cpu=9", "cpu=1")}, nil, asking("cpu=1", 3), "cpu=3, cpu=4", ""},
		"one of two refuses":    {[]policyv1alpha1.FederatedResourceQuota{quota("cpu=4", ""), quota("cpu=2", "")}, nil, asking("cpu=1", 3), "", "allows 2 of cpu"},
	} {
		var before []string
		for i := range c.quotas {
			before = append(before, written(c.quotas[i].Status.OverallUsed))
		}
		charged, err := ChargeQuotas(c.quotas, c.before, c.after)
		var used []string
		for i := range charged {
			used = append(used, written(charged[i].Status.OverallUsed))
		}
		if got := strings.Join(used, ", "); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		if c.fault == "" && err != nil || c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault) ||
			apierrors.ReasonForError(err) != names.ReasonQuotaExceeded) {
			t.Errorf("%s: error %v, want %q", name, err, c.fault)
		}
		for i := range c.quotas {
			if written(c.quotas[i].Status.OverallUsed) != before[i] {
				t.Errorf("%s: the given quota was changed", name)
			}
		}
	}
}
