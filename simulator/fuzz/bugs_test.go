package fuzz

import (
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/simulator"
	"github.com/seatrial/seatrial/simulator/invariant"
	"github.com/seatrial/seatrial/workload"
)

// bug is a defect in one controller, made by bending its calls.
type bug struct {
	name       string
	controller string
	// plane and member bend the calls to the control plane and to members.
	plane, member interceptor.Funcs
	// only limits it to turns that it tells of; nil for all.
	only func(ctx context.Context, deps control.Deps, key control.Key) bool
	// lax: admission lets through what quotas forbid.
	lax bool
	// then is done after a turn.
	then func(ctx context.Context, deps control.Deps, key control.Key) error
	// found are the invariants that may tell of it first.
	found []string
	// until is how much of a large scenario it takes; 0 for 6 minutes.
	until time.Duration
	// small is the first small seed to try; 0 for 1. Large is why it takes a large one, empty when small ones find it as well.
	small uint64
	large string
}

// young: a small scenario is over before a move is judged.
const young = "what a user asked for in the last four minutes excuses a move, and a small scenario takes no longer"

var bugs = []bug{
	{
		name: "a binding is released with its Works", controller: "binding", found: []string{"release"}, only: bindingLeaves,
		plane: interceptor.Funcs{List: listNothing[*workv1alpha1.WorkList]},
	},
	{
		name: "a Work is not retracted", controller: "binding", found: []string{"stuck", "rendered"},
		plane: interceptor.Funcs{Delete: deleteNothing},
	},
	{
		name: "a Work is deleted too early", small: 33, controller: "binding", found: []string{"retract"},
		plane: interceptor.Funcs{Update: func(ctx context.Context, c client.WithWatch, object client.Object, _ ...client.UpdateOption) error {
			return c.Delete(ctx, object)
		}},
	},
	{
		name: "a Work loses its finalizer", controller: "binding", found: []string{"finalizers"},
		plane: interceptor.Funcs{Update: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.UpdateOption) error {
			object.SetFinalizers(nil)
			return c.Update(ctx, object, options...)
		}},
	},
	{
		name: "a Work carries the identity of another binding", controller: "binding", found: []string{"ownership"},
		plane: interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			object.SetLabels(map[string]string{names.LabelResourceBindingID: "another"})
			return c.Create(ctx, object, options...)
		}},
	},
	{
		name: "overrides are forgotten", controller: "binding", found: []string{"rendered"},
		plane: interceptor.Funcs{List: listNothing[*policyv1alpha1.ClusterOverridePolicyList]},
	},
	{
		name: "an assignment is doubled", controller: "scheduler", found: []string{"totals"},
		plane: interceptor.Funcs{Patch: bendTargets(func(targets []any) []any {
			if first := targets[0].(map[string]any); first["replicas"] != nil {
				first["replicas"] = 2 * first["replicas"].(float64)
			}
			return targets
		})},
	},
	{
		name: "an assignment is lost", controller: "scheduler", found: []string{"totals", "placed"},
		plane: interceptor.Funcs{Patch: bendTargets(func(targets []any) []any { return targets[1:] })},
	},
	{
		name: "a cluster is a target twice", controller: "scheduler", found: []string{"totals"},
		plane: interceptor.Funcs{Patch: bendTargets(func(targets []any) []any { return append(targets, targets[0]) })},
	},
	{
		name: "exclusions are ignored", controller: "scheduler", found: []string{"affinity"},
		plane: interceptor.Funcs{Patch: bendTargets(func(targets []any) []any {
			if !slices.ContainsFunc(targets, func(target any) bool { return target.(map[string]any)["name"] == "member1" }) {
				targets[0].(map[string]any)["name"] = "member1"
			}
			return targets
		})},
	},
	{
		name: "a copy is left behind", controller: "execution", found: []string{"release", "orphans"},
		member: interceptor.Funcs{Delete: deleteNothing},
	},
	{
		name: "a copy is made anew to change it", controller: "execution", found: []string{"copies"},
		member: interceptor.Funcs{Update: func(ctx context.Context, c client.WithWatch, object client.Object, _ ...client.UpdateOption) error {
			return c.Delete(ctx, object)
		}},
	},
	{
		name: "a copy goes to another namespace", controller: "execution", found: []string{"ownership"},
		member: interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			if object.GetNamespace() != "" {
				object.SetNamespace("default")
			}
			return c.Create(ctx, object, options...)
		}},
	},
	{
		name: "a copy is not marked as managed", controller: "execution", found: []string{"applied", "namespaces"},
		member: interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.CreateOption) error {
			labels := maps.Clone(object.GetLabels())
			delete(labels, names.LabelManaged)
			object.SetLabels(labels)
			return c.Create(ctx, object, options...)
		}},
	},
	{
		name: "a change does not reach the member", controller: "execution", found: []string{"applied"},
		member: interceptor.Funcs{Update: updateNothing},
	},
	{
		name: "what a stale view lacks counts as gone", controller: "execution", found: []string{"release", "orphans"}, only: workLeaves,
		member: interceptor.Funcs{Get: func(_ context.Context, _ client.WithWatch, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
			return apierrors.NewNotFound(schema.GroupResource{Resource: "objects"}, key.Name)
		}},
	},
	{
		name: "claims stay when a policy goes", controller: "detector", found: []string{"claims", "stuck"},
		plane: interceptor.Funcs{Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			if _, claimed := policy.ClaimOf(object); !claimed && object.GetObjectKind().GroupVersionKind().Group != policyv1alpha1.GroupName {
				if _, isPolicy := policy.Of(object); !isPolicy {
					return nil
				}
			}
			return c.Patch(ctx, object, patch, options...)
		}},
	},
	{
		name: "a template's changes are not seen", controller: "detector", found: []string{"claims"},
		plane: interceptor.Funcs{Update: updateNothing},
	},
	{
		name: "sums are not written", controller: "bindingStatus", found: []string{"aggregated"},
		plane: interceptor.Funcs{SubResourcePatch: patchNothing},
	},
	{
		name: "namespaces go to one cluster", controller: "namespace", found: []string{"namespaces", "applied"},
		plane: interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			if err := c.List(ctx, list, options...); err != nil {
				return err
			}
			spaces := list.(*corev1.NamespaceList)
			spaces.Items = slices.DeleteFunc(spaces.Items, func(n corev1.Namespace) bool { return n.Name == names.ExecutionSpace("member2") })
			return nil
		}},
	},
	{
		name: "an execution space stays", controller: "cluster", found: []string{"stuck", "clusters"},
		plane: interceptor.Funcs{Delete: deleteNothing},
	},
	{
		name: "a cluster leaves before its Works", controller: "cluster", found: []string{"release", "finalizers"}, only: clusterLeaves,
		plane: interceptor.Funcs{
			List: listNothing[*workv1alpha1.WorkList],
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
				if _, space := object.(*corev1.Namespace); space {
					return apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, key.Name)
				}
				return c.Get(ctx, key, object, options...)
			},
		},
	},
	{
		name: "replicas move without need", large: young, controller: "clusterStatus", found: []string{"floor"}, then: moveAll,
	},
	{
		name: "a fresh placement gives up what is ready", large: young, controller: "scheduler", found: []string{"floor"}, only: asked, until: 10 * time.Minute,
		plane: interceptor.Funcs{Patch: bendSpec("gracefulEvictionTasks", func([]any) []any { return nil })},
	},
	{
		name: "what moves does not get on", controller: "binding", found: []string{"rendered"}, only: moves,
		plane: interceptor.Funcs{
			Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return nil }, Update: updateNothing,
		},
	},
	{
		name: "evictions end before replacements are ready", large: young, controller: "gracefulEviction", found: []string{"floor"}, then: endEvictions, until: 20 * time.Minute,
	},
	{
		name: "evictions do not end", large: "no small seed up to 100 finds it", controller: "gracefulEviction", found: []string{"placed", "evicted"}, until: 20 * time.Minute,
		plane: interceptor.Funcs{Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return nil
		}},
	},
	{
		name: "copies shrink by themselves", controller: "execution", found: []string{"floor", "applied"},
		member: interceptor.Funcs{Update: func(ctx context.Context, c client.WithWatch, object client.Object, options ...client.UpdateOption) error {
			if tree, ok := object.(*unstructured.Unstructured); ok && tree.GetKind() == "Deployment" {
				if err := unstructured.SetNestedField(tree.Object, int64(0), "spec", "replicas"); err != nil {
					return err
				}
			}
			return c.Update(ctx, object, options...)
		}},
	},
	{
		name: "what pods read does not follow them", large: "no small seed up to 100 finds it", controller: "dependencies", found: []string{"followed"},
		plane: interceptor.Funcs{
			Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return nil },
			Update: updateNothing,
		},
	},
	{
		name: "taints do not follow readiness", controller: "cluster", found: []string{"clusters"},
		plane: interceptor.Funcs{Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			cluster := object.(*clusterv1alpha1.Cluster)
			ours := func(t corev1.Taint) bool { return t.Key == names.TaintNotReady || t.Key == names.TaintUnreachable }
			if len(cluster.Finalizers) > 0 && cluster.DeletionTimestamp.IsZero() && !slices.ContainsFunc(cluster.Spec.Taints, ours) {
				return nil
			}
			return c.Patch(ctx, object, patch, options...)
		}},
	},
	{
		name: "a quota counts bindings twice", controller: enforcement, found: []string{"quotas", "quota"},
		plane: interceptor.Funcs{List: bendList(func(list *workv1alpha2.ResourceBindingList) { list.Items = append(list.Items, list.Items...) })},
	},
	{
		name: "a quota does not free what goes", controller: enforcement, found: []string{"quotas"},
		plane: interceptor.Funcs{SubResourcePatch: patchNothing},
	},
	{
		name: "admission forgets quotas", small: 61, controller: enforcement, found: []string{"quota"}, lax: true,
	},
	{
		name: "a cluster keeps its part of a quota", controller: "federatedResourceQuotaSync", found: []string{"quotas"},
		plane: interceptor.Funcs{Delete: deleteNothing},
	},
	{
		name: "a part of a quota stays as it was", controller: "federatedResourceQuotaSync", found: []string{"quotas"},
		plane: interceptor.Funcs{Update: updateNothing},
	},
	{
		name: "a quota loses sight of a cluster", controller: "federatedResourceQuotaStatus", found: []string{"quotas"},
		plane: interceptor.Funcs{List: bendList(func(list *workv1alpha1.WorkList) {
			list.Items = slices.DeleteFunc(list.Items, func(work workv1alpha1.Work) bool { return work.Namespace == names.ExecutionSpace("member2") })
		})},
	},
	{
		name: "the impersonator may act for those whose role is gone", controller: "unifiedAuth", found: []string{"impersonated"},
		plane: interceptor.Funcs{Delete: deleteNothing, Update: updateNothing},
	},
	{
		name: "a role for one cluster counts in all", small: 12, controller: "unifiedAuth", found: []string{"impersonated"},
		plane: interceptor.Funcs{List: bendList(func(list *rbacv1.ClusterRoleList) {
			for i := range list.Items {
				list.Items[i] = *list.Items[i].DeepCopy()
				for j := range list.Items[i].Rules {
					list.Items[i].Rules[j].ResourceNames = nil
				}
			}
		})},
	},
	{
		name: "a request for fresh placements gets no results", controller: "workloadRebalancer", found: []string{"rebalanced"},
		plane: interceptor.Funcs{SubResourcePatch: patchNothing},
	},
	{
		name: "a request for fresh placements outlives its time", small: 8, controller: "workloadRebalancer", found: []string{"rebalanced"},
		plane: interceptor.Funcs{Delete: deleteNothing}, until: 10 * time.Minute,
	},
	{
		name: "taints do not follow their policies", controller: "clustertaintpolicy", found: []string{"tainted"},
		plane: interceptor.Funcs{Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return nil
		}},
	},
}

// moved marks bindings that were moved without need, so that it happens once.
const moved = "moved"

// moveAll moves all replicas of bindings that are in one cluster and have been for a while to another.
func moveAll(ctx context.Context, deps control.Deps, key control.Key) error {
	all, err := binding.List(ctx, deps.Client)
	if err != nil {
		return err
	}
	clusters := &clusterv1alpha1.ClusterList{}
	if err := deps.Client.List(ctx, clusters); err != nil {
		return err
	}
	for _, bound := range all {
		targets := bound.Spec.Clusters
		if bound.Spec.Replicas == 0 || len(targets) != 1 || targets[0].Name != key.Name || bound.GetAnnotations()[moved] != "" ||
			deps.Clock.Since(bound.GetCreationTimestamp().Time) < 5*time.Minute {
			continue
		}
		at := slices.IndexFunc(clusters.Items, func(cluster clusterv1alpha1.Cluster) bool {
			return cluster.Name != key.Name && workload.Ready(&cluster) && invariant.Admits(bound.Spec.Placement, &cluster)
		})
		if at < 0 {
			continue
		}
		changed := bound.Clone()
		annotations := maps.Clone(bound.GetAnnotations())
		annotations[moved] = "true"
		changed.SetAnnotations(annotations)
		changed.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: clusters.Items[at].Name, Replicas: targets[0].Replicas}}
		return client.IgnoreNotFound(deps.Client.Update(ctx, changed.Object))
	}
	return nil
}

// endEvictions ends the evictions of a binding soon.
func endEvictions(ctx context.Context, deps control.Deps, key control.Key) error {
	bound, err := binding.Get(ctx, deps.Client, key.NamespacedName())
	if err != nil {
		return client.IgnoreNotFound(err)
	}
	changed := bound.Clone()
	changed.Spec.GracefulEvictionTasks = slices.DeleteFunc(changed.Spec.GracefulEvictionTasks, func(task workv1alpha2.GracefulEvictionTask) bool {
		return task.CreationTimestamp != nil && deps.Clock.Since(task.CreationTimestamp.Time) > time.Second
	})
	if len(changed.Spec.GracefulEvictionTasks) == len(bound.Spec.GracefulEvictionTasks) {
		return nil
	}
	return client.IgnoreNotFound(deps.Client.Update(ctx, changed.Object))
}

// TestBugs makes sure that the fuzzer finds each bug within a few seeds, by an invariant that is meant to find it. Seeds
// that break without the bug, for they have little time to settle, do not count.
func TestBugs(t *testing.T) {
	for i, b := range bugs {
		t.Run(b.name, func(t *testing.T) {
			if testing.Short() && i%8 != 0 {
				t.Skip("takes long")
			}
			t.Parallel()
			for seed := uint64(1); seed <= 20; seed++ {
				found := b.play(t, seed, b.controllers)
				if found != nil && slices.Contains(b.found, found.Invariant) && b.play(t, seed, nil) == nil {
					t.Logf("seed %d: %v", seed, found)
					return
				}
			}
			t.Error("no seed finds it")
		})
	}
}

// TestBugsInSmallSeeds makes sure of the same for small seeds, which are played whole.
func TestBugsInSmallSeeds(t *testing.T) {
	kinds, err := simulator.NewKinds()
	if err != nil {
		t.Fatal(err)
	}
	for i, b := range bugs {
		t.Run(b.name, func(t *testing.T) {
			if b.large != "" {
				t.Skip("takes a large seed: " + b.large)
			}
			if testing.Short() && i%8 != 0 {
				t.Skip("takes long")
			}
			t.Parallel()
			for seed := max(b.small, 1); seed <= smallSeeds; seed++ {
				found := b.playSmall(t, seed, b.controllers, kinds)
				if found != nil && slices.Contains(b.found, found.Invariant) && b.playSmall(t, seed, nil, kinds) == nil {
					t.Logf("seed %d: %v", seed, found)
					return
				}
			}
			t.Error("no seed finds it")
		})
	}
}

// smallSeeds is the last of them that is tried for a bug.
const smallSeeds = 100

func (b bug) playSmall(t *testing.T, seed uint64, controllers func(Scenario, Estimators) []control.Controller, kinds *simulator.Kinds) *invariant.Violation {
	t.Helper()
	options := Options{Controllers: controllers, Kinds: kinds, Invariants: invariant.Defaults()}
	scenario := Generate(seed, sized(t, Small), ControllerNames())
	scenario.EnforceQuotas = !b.lax || controllers == nil
	options.Invariants.QuotasEnforced = true
	result, err := Run(t.Context(), scenario, options)
	if err != nil {
		t.Fatal(err)
	}
	return result.Violation
}

// play runs the beginning of a scenario with these controllers, nil for those without the bug, and tells what it breaks.
func (b bug) play(t *testing.T, seed uint64, controllers func(Scenario, Estimators) []control.Controller) *invariant.Violation {
	t.Helper()
	options := Options{Controllers: controllers, Settling: 3 * time.Minute, Invariants: invariant.Defaults()}
	if b.until > 0 {
		// Faults that last long leave long backoffs, which the usual time to settle covers.
		options.Settling = 0
	}
	scenario := brief(Generate(seed, sized(t, Large), ControllerNames()), cmp.Or(b.until, 6*time.Minute))
	scenario.EnforceQuotas = !b.lax || controllers == nil
	options.Invariants.QuotasEnforced = true
	result, err := Run(t.Context(), scenario, options)
	if err != nil {
		t.Fatal(err)
	}
	return result.Violation
}

// brief is the beginning of a scenario.
func brief(scenario Scenario, until time.Duration) Scenario {
	scenario.Duration = metav1.Duration{Duration: until}
	scenario.Steps = slices.DeleteFunc(scenario.Steps, func(step Step) bool { return step.At.Duration > until })
	return scenario
}

func (b bug) controllers(scenario Scenario, estimators Estimators) []control.Controller {
	scenario.EnforceQuotas = true
	all := Production(scenario, estimators)
	for i := range all {
		if all[i].Name == b.controller {
			all[i].Reconcile = b.bend(all[i].Reconcile)
		}
	}
	return all
}

func (b bug) bend(inner control.Reconcile) control.Reconcile {
	return func(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
		if b.only == nil || b.only(ctx, deps, key) {
			deps.Live = interceptor.NewClient(unwatched{readOnly{deps.Client, deps.Live}}, b.plane)
			deps.Client = interceptor.NewClient(unwatched{deps.Client}, b.plane)
			deps.Members = bentMembers{deps.Members, b.member}
		}
		result, err := inner(ctx, deps, key)
		if err == nil && b.then != nil {
			err = b.then(ctx, deps, key)
		}
		return result, err
	}
}

type bentMembers struct {
	control.Members
	funcs interceptor.Funcs
}

func (m bentMembers) Member(ctx context.Context, cluster string) (control.Member, error) {
	inner, err := m.Members.Member(ctx, cluster)
	if err != nil {
		return nil, err
	}
	return bentMember{Client: interceptor.NewClient(unwatched{inner}, m.funcs), connection: inner, funcs: m.funcs}, nil
}

type bentMember struct {
	client.Client
	connection connection
	funcs      interceptor.Funcs
}

func (m bentMember) Live() client.Reader {
	return interceptor.NewClient(unwatched{readOnly{m.Client, m.connection.Live()}}, m.funcs)
}
func (m bentMember) Inventory() client.Reader                 { return m.connection.Inventory() }
func (m bentMember) Health(ctx context.Context) (bool, error) { return m.connection.Health(ctx) }
func (m bentMember) Discover(ctx context.Context) (control.Discovery, error) {
	return m.connection.Discover(ctx)
}

// asked tells a binding whose fresh placement somebody asked for.
func asked(ctx context.Context, deps control.Deps, key control.Key) bool {
	bound, err := binding.Get(ctx, deps.Client, key.NamespacedName())
	return err == nil && bound.Spec.RescheduleTriggeredAt != nil
}

// moves tells a binding of which replicas are held elsewhere.
func moves(ctx context.Context, deps control.Deps, key control.Key) bool {
	bound, err := binding.Get(ctx, deps.Client, key.NamespacedName())
	return err == nil && eviction.Holding(bound.Spec)
}

func bindingLeaves(ctx context.Context, deps control.Deps, key control.Key) bool {
	bound, err := binding.Get(ctx, deps.Client, key.NamespacedName())
	return err == nil && !bound.GetDeletionTimestamp().IsZero()
}

func workLeaves(ctx context.Context, deps control.Deps, key control.Key) bool {
	return leaves(ctx, deps, key, &workv1alpha1.Work{})
}

func clusterLeaves(ctx context.Context, deps control.Deps, key control.Key) bool {
	return leaves(ctx, deps, key, &clusterv1alpha1.Cluster{})
}

func leaves(ctx context.Context, deps control.Deps, key control.Key, object client.Object) bool {
	err := deps.Client.Get(ctx, key.NamespacedName(), object)
	return err == nil && !object.GetDeletionTimestamp().IsZero()
}

func deleteNothing(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error {
	return nil
}

func updateNothing(context.Context, client.WithWatch, client.Object, ...client.UpdateOption) error {
	return nil
}

func patchNothing(context.Context, client.Client, string, client.Object, client.Patch, ...client.SubResourcePatchOption) error {
	return nil
}

// bendList changes what is found of a kind. The items belong to a cache.
func bendList[T client.ObjectList](bend func(T)) func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error {
	return func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
		err := c.List(ctx, list, options...)
		if of, is := list.(T); is {
			bend(of)
		}
		return err
	}
}

// listNothing finds none of a kind.
func listNothing[T client.ObjectList](ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
	if _, none := list.(T); none {
		return nil
	}
	return c.List(ctx, list, options...)
}

type patchFunc = func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error

// bendTargets changes the targets that a decision writes, where there are any.
func bendTargets(bend func([]any) []any) patchFunc { return bendSpec("clusters", bend) }

// bendSpec changes a list that a decision writes, where there are any.
func bendSpec(field string, bend func([]any) []any) patchFunc {
	return func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
		content := &unstructured.Unstructured{}
		data, err := patch.Data(object)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(data, &content.Object); err != nil {
			return err
		}
		written, _, _ := unstructured.NestedFieldNoCopy(content.Object, "spec", field)
		if list, some := written.([]any); some && len(list) > 0 {
			content.Object["spec"].(map[string]any)[field] = bend(list)
			if data, err = json.Marshal(content.Object); err != nil {
				return err
			}
		}
		return c.Patch(ctx, object, client.RawPatch(patch.Type(), data), options...)
	}
}
