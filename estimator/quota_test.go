package estimator_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
)

func amounts(pairs ...string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		list[corev1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return list
}

func quota(hard, used corev1.ResourceList) *corev1.ResourceQuota {
	return &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "q"},
		Status: corev1.ResourceQuotaStatus{Hard: hard, Used: used}}
}

func classScope(operator corev1.ScopeSelectorOperator, values ...string) *corev1.ScopeSelector {
	return &corev1.ScopeSelector{MatchExpressions: []corev1.ScopedResourceSelectorRequirement{
		{ScopeName: corev1.ResourceQuotaScopePriorityClass, Operator: operator, Values: values}}}
}

func TestQuotaReplicas(t *testing.T) {
	scoped := func(scopes []corev1.ResourceQuotaScope, selector *corev1.ScopeSelector) *corev1.ResourceQuota {
		q := quota(amounts("cpu", "4"), nil)
		q.Spec.Scopes, q.Spec.ScopeSelector = scopes, selector
		return q
	}
	for name, c := range map[string]struct {
		quota *corev1.ResourceQuota
		class string
		want  int32
	}{
		"requests":            {quota(amounts("requests.cpu", "4", "requests.memory", "10Gi"), amounts("requests.cpu", "500m")), "", 3},
		"bare name":           {quota(amounts("cpu", "4"), amounts("cpu", "1")), "", 3},
		"limits":              {quota(amounts("limits.cpu", "1", "count/pods", "1"), nil), "", estimator.Unbounded},
		"something else":      {quota(amounts("requests.example.com/gpu", "1"), nil), "", estimator.Unbounded},
		"over its limit":      {quota(amounts("cpu", "4"), amounts("cpu", "6")), "", 0},
		"huge":                {quota(amounts("cpu", "8E"), nil), "", estimator.Unbounded},
		"another scope":       {scoped([]corev1.ResourceQuotaScope{corev1.ResourceQuotaScopeBestEffort}, nil), "", estimator.Unbounded},
		"class scope":         {scoped([]corev1.ResourceQuotaScope{corev1.ResourceQuotaScopePriorityClass}, nil), "high", 4},
		"class scope without": {scoped([]corev1.ResourceQuotaScope{corev1.ResourceQuotaScopePriorityClass}, nil), "", estimator.Unbounded},
		"in":                  {scoped(nil, classScope(corev1.ScopeSelectorOpIn, "high")), "high", 4},
		"not among":           {scoped(nil, classScope(corev1.ScopeSelectorOpIn, "high")), "low", estimator.Unbounded},
		"not in":              {scoped(nil, classScope(corev1.ScopeSelectorOpNotIn, "high")), "low", 4},
		"does not exist":      {scoped(nil, classScope(corev1.ScopeSelectorOpDoesNotExist)), "", 4},
		"unknown operator":    {scoped(nil, classScope("Like", "high")), "high", estimator.Unbounded},
	} {
		who := estimator.Claimant{Namespace: "ns", PriorityClassName: c.class}
		if got := estimator.QuotaReplicas([]*corev1.ResourceQuota{c.quota}, who, amounts("cpu", "1", "memory", "1Gi"), nil); got != c.want {
			t.Errorf("%s: %d replicas, want %d", name, got, c.want)
		}
		who.Namespace = "other"
		if got := estimator.QuotaReplicas([]*corev1.ResourceQuota{c.quota}, who, amounts("cpu", "1"), nil); got != estimator.Unbounded {
			t.Errorf("%s: %d replicas in a namespace without quota", name, got)
		}
	}
}

func TestQuotaSets(t *testing.T) {
	component := func(name, class, cpu string, replicas int32) workv1alpha2.Component {
		return workv1alpha2.Component{Name: name, Replicas: replicas, ReplicaRequirements: &workv1alpha2.ComponentReplicaRequirements{
			PriorityClassName: class, ResourceRequest: amounts("cpu", cpu)}}
	}
	components := []workv1alpha2.Component{component("a", "high", "1", 2), component("b", "low", "500m", 4), {Name: "c", Replicas: 3}}
	all, high := quota(amounts("requests.cpu", "13"), amounts("requests.cpu", "1")), quota(amounts("cpu", "5"), nil)
	high.Spec.ScopeSelector = classScope(corev1.ScopeSelectorOpIn, "high")
	assumed := []estimator.AssumedWorkload{{Namespace: "ns", Components: components[:1]}, {Namespace: "other", Components: components}}
	for name, c := range map[string]struct {
		quotas  []*corev1.ResourceQuota
		assumed []estimator.AssumedWorkload
		want    int32
	}{
		"all":                  {[]*corev1.ResourceQuota{all}, nil, 3},
		"one class":            {[]*corev1.ResourceQuota{high}, nil, 2},
		"both":                 {[]*corev1.ResourceQuota{all, high}, nil, 2},
		"both, beside assumed": {[]*corev1.ResourceQuota{all, high}, assumed, 1},
		"none":                 {nil, assumed, estimator.Unbounded},
	} {
		if got := estimator.QuotaSets(c.quotas, "ns", components, c.assumed); got != c.want {
			t.Errorf("%s: %d sets, want %d", name, got, c.want)
		}
	}
}
