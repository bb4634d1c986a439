package e2e

import (
	"context"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
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

// DependenciesFollowTemplates sends a Deployment with the objects it refers to: they move with it, change with their own
// templates, come late, and go when nothing refers to them any more.
func DependenciesFollowTemplates(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("follow")()
	config, key := configMap("follow", "settings", map[string]string{"mode": "calm"}), secret("follow", "key")
	web := needing(deployment("follow", "web", 1), "settings", "key")
	f.create(config)
	f.create(web)
	claimer := f.propagateWithDependencies(web, "member1")
	f.awaitHolders(config, "member1")
	f.awaitAttached(config, web)
	f.create(key)
	f.awaitHolders(key, "member1")

	update(f, f.plane, claimer, func(p *policyv1alpha1.PropagationPolicy) {
		p.Spec.Placement.ClusterAffinity.ClusterNames = []string{"member2"}
	})
	f.awaitHolders(config, "member2")
	f.awaitHolders(key, "member2")
	update(f, f.plane, config, func(c *corev1.ConfigMap) { c.Data["mode"] = "loud" })
	f.awaitMode(config, "loud", "member2")

	f.Log("letting the key go")
	update(f, f.plane, web, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].EnvFrom = nil })
	f.awaitHolders(key)
	f.awaitAbsent(f.plane, f.bindingOf(key))
	f.stays("the settings in member2", f.held(config, "member2"))

	f.Log("propagating the template alone")
	update(f, f.plane, claimer, func(p *policyv1alpha1.PropagationPolicy) { p.Spec.PropagateDeps = false })
	f.awaitHolders(config)
	f.awaitAbsent(f.plane, f.bindingOf(config))
	f.awaitBinding(web, "no trace of dependencies", func(b binding.Binding) bool {
		_, noted := b.GetAnnotations()[names.AnnotationDependencies]
		return !noted && !strings.Contains(strings.Join(b.GetFinalizers(), " "), names.FinalizerDependenciesDistributor)
	})
	f.awaitHolders(web, "member2")
}

// SharedDependencyServesAll lets two Deployments in different members need one ConfigMap: it is where either is, what they
// want differently of it is settled, and it goes with the last of them.
func SharedDependencyServesAll(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("share")()
	config := configMap("share", "settings", map[string]string{"mode": "calm"})
	one, two := needing(deployment("share", "one", 1), "settings", ""), needing(deployment("share", "two", 1), "settings", "")
	f.create(config)
	f.create(one)
	f.create(two)
	f.propagateWithDependencies(one, "member1")
	strong := f.propagateWithDependencies(two, "member2")
	f.awaitHolders(config, "member1", "member2")
	f.awaitAttached(config, one, two)
	resolved := func(what string, resolution policyv1alpha1.ConflictResolution, preserves bool) {
		t.Helper()
		f.awaitBinding(config, what, func(b binding.Binding) bool {
			return b.Spec.ConflictResolution == resolution && ptr.Deref(b.Spec.PreserveResourcesOnDeletion, false) == preserves
		})
	}
	resolved("the defaults", policyv1alpha1.ConflictAbort, false)
	update(f, f.plane, strong, func(p *policyv1alpha1.PropagationPolicy) {
		p.Spec.ConflictResolution, p.Spec.PreserveResourcesOnDeletion = policyv1alpha1.ConflictOverwrite, ptr.To(true)
	})
	resolved("what the stronger policy wants", policyv1alpha1.ConflictOverwrite, true)
	update(f, f.plane, strong, func(p *policyv1alpha1.PropagationPolicy) { p.Spec.PreserveResourcesOnDeletion = nil })
	resolved("overwriting alone", policyv1alpha1.ConflictOverwrite, false)

	f.delete(f.plane, two)
	f.awaitHolders(config, "member1")
	f.awaitAttached(config, one)
	resolved("what the one left wants", policyv1alpha1.ConflictAbort, false)
	f.delete(f.plane, one)
	f.awaitHolders(config)
	f.awaitAbsent(f.plane, f.bindingOf(config))
}

// DependencyWithPolicyGoesBoth gives a dependency a policy of its own: it is where that sends it, and where it is needed.
func DependencyWithPolicyGoesBoth(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("both")()
	config := configMap("both", "settings", nil)
	web := needing(deployment("both", "web", 1), "settings", "")
	f.create(config)
	f.create(web)
	f.propagateWithDependencies(web, "member1")
	f.awaitHolders(config, "member1")
	f.propagate(config, "member3")
	f.awaitHolders(config, "member1", "member3")
	f.awaitBinding(config, "a binding that is claimed and needed", func(b binding.Binding) bool {
		claim, _ := policy.ClaimOf(b)
		return claim.Policy.Name == "settings" && len(b.Spec.RequiredBy) == 1 && len(b.Spec.Clusters) == 1
	})
	f.delete(f.plane, web)
	f.awaitHolders(config, "member3")
	f.awaitBinding(config, "a binding that nobody needs", func(b binding.Binding) bool {
		_, labelled := b.GetLabels()[f.dependedBy(web)]
		return len(b.Spec.RequiredBy) == 0 && !labelled
	})
}

// RecreatedDependencyComesBack deletes a dependency and its binding, and makes the dependency again.
func RecreatedDependencyComesBack(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("again")()
	config := configMap("again", "settings", map[string]string{"mode": "1"})
	web := needing(deployment("again", "web", 1), "settings", "")
	f.create(config)
	f.create(web)
	f.propagateWithDependencies(web, "member1")
	f.awaitMode(config, "1", "member1")
	f.delete(f.plane, f.bindingOf(config))
	f.awaitHolders(config, "member1")
	f.awaitAttached(config, web)
	f.delete(f.plane, config)
	f.awaitHolders(config)
	f.create(configMap("again", "settings", map[string]string{"mode": "2"}))
	f.awaitMode(config, "2", "member1")
	f.awaitAttached(config, web)
}

// NamedDependenciesFollow names dependencies of a template that no interpreter would find, by name and by labels.
func NamedDependenciesFollow(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("named")()
	main, byName, byLabel, other := configMap("named", "main", nil), configMap("named", "by-name", nil), secret("named", "by-label"), secret("named", "other")
	byLabel.Labels = map[string]string{"part-of": "main"}
	main.Annotations = map[string]string{names.AnnotationDependencies: `[{"apiVersion":"v1","kind":"ConfigMap","name":"by-name"},` +
		`{"apiVersion":"v1","kind":"Secret","labelSelector":{"matchLabels":{"part-of":"main"}}}]`}
	for _, object := range []client.Object{main, byName, byLabel, other} {
		f.create(object)
	}
	f.propagateWithDependencies(main, "member1")
	f.awaitHolders(byName, "member1")
	f.awaitHolders(byLabel, "member1")
	update(f, f.plane, other, func(s *corev1.Secret) { s.Labels = map[string]string{"part-of": "main"} })
	f.awaitHolders(other, "member1")
	update(f, f.plane, byLabel, func(s *corev1.Secret) { s.Labels = nil })
	f.awaitHolders(byLabel)

	f.Log("naming what cannot be read")
	update(f, f.plane, main, func(c *corev1.ConfigMap) { c.Annotations[names.AnnotationDependencies] = "by-name" })
	f.awaitTrouble(main, names.ConditionDependenciesResolved, names.AnnotationDependencies)
	f.stays("what was there before", f.held(byName, "member1"))
	update(f, f.plane, main, func(c *corev1.ConfigMap) { delete(c.Annotations, names.AnnotationDependencies) })
	f.awaitHolders(byName)
	f.awaitHolders(other)
	f.awaitNoTrouble(main, names.ConditionDependenciesResolved)
}

// propagateWithDependencies is propagate for a template and what it needs.
func (f *fixture) propagateWithDependencies(object client.Object, clusters ...string) *policyv1alpha1.PropagationPolicy {
	f.Helper()
	made := &policyv1alpha1.PropagationPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: object.GetNamespace(), Name: object.GetName()}, Spec: f.placed(object, clusters...),
	}
	made.Spec.PropagateDeps = true
	f.create(made)
	return made
}

// awaitAttached waits until the binding of a dependency names those that need it, and no others.
func (f *fixture) awaitAttached(dependency client.Object, parents ...client.Object) {
	f.Helper()
	f.await(toSettle, "a binding of "+dependency.GetName()+" that names who needs it", func(ctx context.Context) (bool, error) {
		wanted := map[string]string{}
		for _, parent := range parents {
			bound := f.bindingOf(parent)
			if err := f.plane.Get(ctx, client.ObjectKeyFromObject(bound), bound); err != nil {
				return false, client.IgnoreNotFound(err)
			}
			view, _ := binding.Of(bound)
			wanted[f.dependedBy(parent)] = view.ID()
		}
		found := f.bindingOf(dependency)
		if err := f.plane.Get(ctx, client.ObjectKeyFromObject(found), found); err != nil {
			return false, client.IgnoreNotFound(err)
		}
		named := 0
		for key, value := range found.GetLabels() {
			if strings.HasPrefix(key, names.LabelDependedByPrefix) {
				named++
				if wanted[key] != value || value == "" {
					return false, nil
				}
			}
		}
		view, _ := binding.Of(found)
		return named == len(parents) && len(view.Spec.RequiredBy) == len(parents), nil
	})
}

func (f *fixture) dependedBy(parent client.Object) string {
	f.Helper()
	return names.DependedByLabel(parent.GetNamespace(), f.bindingOf(parent).GetName())
}

// needing makes the pods of a Deployment read a ConfigMap and, unless its name is empty, a Secret.
func needing(web *appsv1.Deployment, config, key string) *appsv1.Deployment {
	pods := &web.Spec.Template.Spec
	pods.Volumes = []corev1.Volume{{Name: "settings", VolumeSource: corev1.VolumeSource{
		ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: config}},
	}}}
	if key != "" {
		pods.Containers[0].EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{LocalObjectReference: corev1.LocalObjectReference{Name: key}}}}
	}
	return web
}

func secret(namespace, name string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, StringData: map[string]string{"key": "value"}}
}
