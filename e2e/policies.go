package e2e

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/policy"
)

// DeletedPolicyKeepsCopies deletes a policy: what it propagated stays where it is and belongs to nobody any more.
func DeletedPolicyKeepsCopies(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("keep")()
	config := configMap("keep", "settings", map[string]string{"mode": "calm"})
	f.create(config)
	claimer := f.propagate(config, "member1", "member2")
	f.awaitHolders(config, "member1", "member2")

	f.delete(f.plane, claimer)
	f.awaitAbsent(f.plane, claimer)
	f.awaitClaim(config, "")
	f.stays("copies in member1 and member2", f.held(config, "member1", "member2"))
	f.delete(f.plane, config)
	f.awaitHolders(config)
}

// ForcedPolicyLeavesNoClaim deletes a policy past its finalizer, as impatient users do: its claims go all the same.
func ForcedPolicyLeavesNoClaim(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("forced")()
	config := configMap("forced", "settings", nil)
	f.create(config)
	claimer := f.propagate(config, "member1")
	f.awaitHolders(config, "member1")
	update(f, f.plane, claimer, func(p *policyv1alpha1.PropagationPolicy) { p.Finalizers = nil })
	f.delete(f.plane, claimer)
	f.awaitAbsent(f.plane, claimer)
	f.awaitClaim(config, "")
}

// DeselectedTemplateIsLetGo changes the selectors of a policy: a template that they miss from now on is claimed no more, and
// goes to the next policy that selects it.
func DeselectedTemplateIsLetGo(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("deselect")()
	config, secret := configMap("deselect", "settings", nil), &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "deselect", Name: "settings"}}
	f.create(config)
	f.create(secret)
	claimer := f.propagate(config, "member1")
	update(f, f.plane, claimer, func(p *policyv1alpha1.PropagationPolicy) {
		p.Spec.ResourceSelectors = append(p.Spec.ResourceSelectors, f.placed(secret).ResourceSelectors...)
	})
	f.awaitHolders(secret, "member1")

	update(f, f.plane, claimer, func(p *policyv1alpha1.PropagationPolicy) { p.Spec.ResourceSelectors = p.Spec.ResourceSelectors[:1] })
	f.awaitClaim(secret, "")
	f.awaitClaim(config, "settings")
	f.stays("the copy in member1", f.held(secret, "member1"))
	next := &policyv1alpha1.PropagationPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "deselect", Name: "next"}, Spec: f.placed(secret, "member2"),
	}
	f.create(next)
	f.awaitClaim(secret, "next")
	f.awaitHolders(secret, "member2")
}

// ExcludedClusterGivesUpCopy excludes the one cluster that holds a workload: another one gets it.
func ExcludedClusterGivesUpCopy(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("exclude")()
	web := deployment("exclude", "web", 2)
	f.create(web)
	claimer := &policyv1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "exclude", Name: "web"}, Spec: f.placed(web, members...)}
	claimer.Spec.Placement.SpreadConstraints = []policyv1alpha1.SpreadConstraint{
		{SpreadByField: policyv1alpha1.SpreadByFieldCluster, MinGroups: 1, MaxGroups: 1},
	}
	f.create(claimer)
	holder := ""
	f.awaitBinding(web, "one cluster scheduled", func(b binding.Binding) bool {
		if len(b.Spec.Clusters) == 1 {
			holder = b.Spec.Clusters[0].Name
		}
		return len(b.Spec.Clusters) == 1
	})
	f.awaitPlacement("exclude", "web", map[string]int32{holder: 2})

	update(f, f.plane, claimer, func(p *policyv1alpha1.PropagationPolicy) {
		p.Spec.Placement.ClusterAffinity.ExcludeClusters = []string{holder}
	})
	f.awaitBinding(web, "another cluster scheduled", func(b binding.Binding) bool {
		return len(b.Spec.Clusters) == 1 && b.Spec.Clusters[0].Name != holder
	})
	f.awaitAbsent(f.member(holder), web)
	f.awaitBinding(web, "the copy moved", func(b binding.Binding) bool {
		return len(b.Status.AggregatedStatus) == 1 && b.Status.AggregatedStatus[0].ClusterName != holder && b.Status.AggregatedStatus[0].Applied
	})
}

// BestPolicyClaims lets policies contend for a template: the higher priority wins, then the name; and when the winner goes
// the next one takes over.
func BestPolicyClaims(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("contend")()
	config := configMap("contend", "settings", nil)
	rival := func(name string, priority int32, cluster string) *policyv1alpha1.PropagationPolicy {
		made := &policyv1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "contend", Name: name}, Spec: f.placed(config, cluster)}
		made.Spec.Priority = ptr.To(priority)
		f.create(made)
		return made
	}
	// The weakest comes first, so that age decides nothing.
	rival("c", 1, "member3")
	rival("b", 5, "member2")
	strongest := rival("a", 5, "member1")
	f.create(config)
	f.awaitClaim(config, "a")
	f.awaitHolders(config, "member1")
	f.delete(f.plane, strongest)
	f.awaitClaim(config, "b")
	f.awaitHolders(config, "member2")
}

// awaitClaim waits until the template and its binding belong to the policy of that name; to none when it is empty.
func (f *fixture) awaitClaim(template client.Object, name string) {
	f.Helper()
	for _, object := range []client.Object{template, f.bindingOf(template)} {
		eventually(f, f.plane, object, "a claim of policy \""+name+"\" on "+object.GetName(), func(found client.Object) bool {
			claim, claimed := policy.ClaimOf(found)
			return claim.Policy.Name == name && claimed == (name != "") && (claim.ID != "") == claimed
		})
	}
}

// WishesTravelToBindings asks for more than the wire kinds can say, in an annotation of a policy: its binding carries it for
// as long as the policy does.
func WishesTravelToBindings(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("wishes")()
	config := configMap("wishes", "settings", nil)
	f.create(config)
	claimer := f.propagate(config, "member1")
	f.awaitHolders(config, "member1")
	update(f, f.plane, claimer, func(p *policyv1alpha1.PropagationPolicy) {
		p.Annotations = map[string]string{names.AnnotationPrefer: names.PreferCheap, "example.com/other": "1"}
	})
	f.awaitBinding(config, "the wish and nothing else", func(b binding.Binding) bool {
		_, other := b.GetAnnotations()["example.com/other"]
		return b.GetAnnotations()[names.AnnotationPrefer] == names.PreferCheap && !other
	})
	update(f, f.plane, claimer, func(p *policyv1alpha1.PropagationPolicy) { delete(p.Annotations, names.AnnotationPrefer) })
	f.awaitBinding(config, "no wish", func(b binding.Binding) bool {
		_, asked := b.GetAnnotations()[names.AnnotationPrefer]
		return !asked
	})
}
